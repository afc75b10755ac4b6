# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on what the module class reads: make's variables, symbols of other recipes, loading and configuration."""

import itertools
import re
from collections.abc import Iterator

from dlkm.yocto.lint import Edit, Found
from dlkm.yocto.overrides import OPERATORS
from dlkm.yocto.recipetext import Recipe
from dlkm.yocto.releases import Release
from dlkm.yocto.statements import Kind, Statement

_KERNEL = re.compile(r"KERNEL_SRC|STAGING_KERNEL")
_PROVIDER = "kernel-module-"
_NEIGHBOURS = 500  # recipes nearby that are looked into


def _oemake(recipe: Recipe, _release: Release) -> Iterator[Found]:
    inherited = _place(recipe, "inherit", "module")
    replaced = {"do_compile", "do_install"} <= {one.name for one in recipe.every if one.kind is Kind.SHELL}
    for one in recipe.assignments("EXTRA_OEMAKE"):
        sets = one.operator in {"=", ":="} and not _KERNEL.search(one.value) and not replaced
        overrides = one.name.split(":")[1:]
        if sets and overrides and not OPERATORS & set(overrides):
            hint = f'write EXTRA_OEMAKE:append:{":".join(overrides)} = " …"'
            yield Found(rule="oemake-lost", line=one.line, words={"hint": hint})
        elif sets and not overrides and inherited is not None and one.line > inherited:
            hint = "write EXTRA_OEMAKE += \"…\", or set it before 'inherit module'"
            edits = _added(one) if "${EXTRA_OEMAKE}" not in one.value else ()
            yield Found(rule="oemake-lost", line=one.line, words={"hint": hint}, edits=edits)


def _added(one: Statement) -> tuple[Edit, ...]:
    head = re.match(r"EXTRA_OEMAKE\s*:?=", one.lines[0])
    return () if head is None else (Edit(line=one.line, old=head[0], new="EXTRA_OEMAKE +="),)


def _place(recipe: Recipe, directive: str, word: str) -> int | None:
    """The line of the directive that names the word."""
    lines = (one.line for one in recipe.own if one.kind is Kind.DIRECTIVE and one.name == directive)
    named = {one.line: one.value.split() for one in recipe.own if one.kind is Kind.DIRECTIVE}
    return next((line for line in lines if word in named[line]), None)


def _symbols(recipe: Recipe, _release: Release) -> Iterator[Found]:
    if "module" in recipe.classes:
        yield from (Found(rule="symbols-lost", line=one.line) for one in recipe.assignments("KBUILD_EXTRA_SYMBOLS"))
    wanted = [(one.line, word) for one in recipe.assignments("DEPENDS") for word in recipe.split(one.value)]
    neighbours = _module_recipes(recipe) if wanted else {}
    for line, word in wanted:
        yield from _provider(recipe, line, word, neighbours)


def _provider(recipe: Recipe, line: int, word: str, neighbours: dict[str, str]) -> Iterator[Found]:
    if not word.startswith(_PROVIDER):
        if word in neighbours and word != recipe.name:
            yield Found(rule="symbols-provider-name", line=line, words={"word": word})
        return
    bare = word.removeprefix(_PROVIDER)
    if word not in neighbours and bare in neighbours:
        words = {"word": word, "provider": neighbours[bare], "bpn": bare}
        yield Found(rule="symbols-provider-path", line=line, words=words)


def _module_recipes(recipe: Recipe) -> dict[str, str]:
    """PN → file name of the recipes nearby that inherit the module class."""
    here = recipe.path.parent.resolve()
    found: dict[str, str] = {}
    paths = itertools.chain(here.glob("*.bb"), here.parent.glob("*/*.bb"))
    for path in itertools.islice(paths, _NEIGHBOURS):
        try:
            text = path.read_bytes()[: 1 << 20]
        except OSError:
            continue
        if re.search(rb"^inherit\s+(?:.*\s)?module(?:\s|$)", text, re.MULTILINE):
            found[path.name.rsplit(".", 1)[0].split("_", 1)[0]] = path.name
    return found


def _loading(recipe: Recipe, _release: Release) -> Iterator[Found]:
    """KERNEL_MODULE_AUTOLOAD and KERNEL_MODULE_PROBECONF name files as they are called."""
    for variable, rule in (
        ("KERNEL_MODULE_AUTOLOAD", "autoload-no-module"),
        ("KERNEL_MODULE_PROBECONF", "probeconf-no-module"),
    ):
        for one in recipe.assignments(variable):
            for name in recipe.split(one.value) if not one.name.endswith(":remove") else ():
                yield from _names_file(recipe, one, name, rule)


def _names_file(recipe: Recipe, one: Statement, name: str, rule: str) -> Iterator[Found]:
    if "$" in name or "@" in name:
        return
    if recipe.modules is None:
        if "-" in name and rule == "autoload-no-module":
            yield Found(rule="autoload-dash", line=_at(one, name), words={"name": name, "new": name.replace("-", "_")})
    elif name not in recipe.modules:
        twin = next((known for known in sorted(recipe.modules) if _same(known, name)), None)
        built = ", ".join(f"{known}.ko" for known in sorted(recipe.modules))
        hint = f"write {twin}: the file is {twin}.ko" if twin else f"built: {built}"
        edits = _renamed(recipe, one, name, twin) if twin and name in one.lines[_at(one, name) - one.line] else ()
        yield Found(rule=rule, line=_at(one, name), words={"name": name, "hint": hint}, edits=edits)


def _renamed(recipe: Recipe, one: Statement, old: str, new: str) -> tuple[Edit, ...]:
    """A module's name in a list, and in the variables that are called after it."""
    kind = "module_autoload_" if one.name.startswith("KERNEL_MODULE_AUTOLOAD") else "module_conf_"
    per_module = [each.line for each in recipe.own if each.name.split(":")[0] == kind + old]
    return (
        Edit(line=_at(one, old), old=old, new=new),
        *(Edit(line=line, old=kind + old, new=kind + new) for line in per_module),
    )


def _same(one: str, other: str) -> bool:
    return one.replace("-", "_") == other.replace("-", "_")


def _configured(recipe: Recipe, _release: Release) -> Iterator[Found]:
    conf, loads = dict(_per_module(recipe, "module_conf_")), dict(_per_module(recipe, "module_autoload_"))
    probed = recipe.split(recipe.mentions("KERNEL_MODULE_PROBECONF"))
    loaded = recipe.split(recipe.mentions("KERNEL_MODULE_AUTOLOAD"))
    if any("$" in name for name in (*probed, *loaded)) or not recipe.complete:
        return
    for name, one in conf.items():
        if name not in probed:
            listed = f'KERNEL_MODULE_PROBECONF += "{name}"\n{one.lines[0]}'
            edit = Edit(line=one.line, old=one.lines[0], new=listed)
            yield Found(rule="conf-without-probeconf", line=one.line, words={"name": name}, edits=(edit,))
    for name, one in loads.items():
        if name not in loaded:
            yield Found(rule="autoload-not-listed", line=one.line, words={"name": name})
    if recipe.appends:
        return
    known = {one.name.split(":")[0] for one in recipe.every}
    for one in recipe.assignments("KERNEL_MODULE_PROBECONF"):
        for name in recipe.split(one.value):
            if f"module_conf_{name}" not in known:
                yield Found(rule="probeconf-without-conf", line=_at(one, name), words={"name": name})


def _per_module(recipe: Recipe, beginning: str) -> Iterator[tuple[str, Statement]]:
    for one in recipe.own:
        if one.kind is Kind.ASSIGNMENT and one.name.startswith(beginning) and not one.flag:
            yield one.name.split(":")[0].removeprefix(beginning), one


def _blacklisted(recipe: Recipe, _release: Release) -> Iterator[Found]:
    loaded = recipe.mentions("KERNEL_MODULE_AUTOLOAD").split()
    for name, one in _per_module(recipe, "module_conf_"):
        words = re.split(r"\\n|\n", one.value)
        denied = [line.split()[1:] for line in words if line.split()[:1] == ["blacklist"]]
        if not any(_same(name, other) for names in denied for other in names):
            continue
        rule = "blacklist-autoload" if name in loaded else "blacklist-self"
        yield Found(rule=rule, line=one.line, words={"name": name})


def _unsplit(recipe: Recipe, release: Release) -> Iterator[Found]:
    variables = [name for name in ("KERNEL_MODULE_AUTOLOAD", "KERNEL_MODULE_PROBECONF") if recipe.mentions(name)]
    for one in recipe.assignments("KERNEL_SPLIT_MODULES"):
        if one.value != "1" and variables and not release.since(Release.WHINLATTER):
            words = {"value": one.value, "release": release, "variables": " and ".join(variables)}
            yield Found(rule="split-loses-conf", line=one.line, words=words)


def _replaced(recipe: Recipe, _release: Release) -> Iterator[Found]:
    for one in recipe.own:
        if one.kind is not Kind.SHELL:
            continue
        text = "\n".join(one.body).replace("\\\n", " ")
        if one.name == "do_compile" and re.search(r"\b(?:oe_runmake|make)\b", text) and not _clears(text):
            yield Found(rule="compile-environment", line=one.line)
        if one.name == "do_install":
            yield from _own_install(recipe, one, text)


def _clears(text: str) -> bool:
    return bool(re.search(r"\bunset\b.*\bLDFLAGS\b|\bmodule_do_compile\b", text))


def _own_install(recipe: Recipe, one: Statement, text: str) -> Iterator[Found]:
    for number, line in enumerate(one.body, one.line + one.head):
        if "modules_install" in line and not line.lstrip().startswith("#"):
            given = text + recipe.mentions("EXTRA_OEMAKE")
            if not re.search(r"\b(?:MODLIB|INSTALL_MOD_PATH)\b|\bmodule_do_install\b", given):
                yield Found(rule="install-place", line=number)
            elif "DEPMOD" not in given:
                yield Found(rule="install-depmod", line=number)
            return


def _at(one: Statement, text: str) -> int:
    """The physical line of a statement on which the text stands."""
    return next((number for number, line in enumerate(one.lines, one.line) if text in line), one.line)


RULES = (_oemake, _symbols, _loading, _configured, _blacklisted, _unsplit, _replaced)
