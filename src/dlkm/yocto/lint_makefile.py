# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on the Makefile that lies beside a recipe: does it go where Yocto leads it?"""

import re
from collections.abc import Iterator

from dlkm.source.makefile import Makefile, SuspectKind
from dlkm.yocto.lint import Found
from dlkm.yocto.recipetext import Recipe
from dlkm.yocto.releases import Release
from dlkm.yocto.statements import Kind

_SHOWN = 80  # characters of a line that a message repeats
# What module.bbclass passes on make's command line; O and KERNEL_PATH lead to the kernel as well.
_PASSED = frozenset({"KERNEL_SRC", "KERNEL_PATH", "O"})
_ENVIRONMENT = frozenset({"KBUILD_OUTPUT"})


def _makefiles(recipe: Recipe, _release: Release) -> Iterator[Found]:
    patched = any(re.search(r"\.(?:patch|diff)$", source.path) for source in recipe.sources)
    if patched or "module" not in recipe.classes:
        return
    # The kernel's make is called by the recipe: to it this is a Kbuild file, whatever else stands there.
    called = "-C ${STAGING_KERNEL_DIR}" in f"{recipe.mentions('EXTRA_OEMAKE')} {recipe.mentions('MAKE_TARGETS')}"
    for makefile in recipe.makefiles:
        if makefile.drives_kbuild and not called:
            yield from _kernel(recipe, makefile)
            yield from _install(recipe, makefile)
        yield from _depmod(recipe, makefile)


def _kernel(recipe: Recipe, makefile: Makefile) -> Iterator[Found]:
    given = _PASSED | _ENVIRONMENT | set(re.findall(r"\b(\w+)=", recipe.mentions("EXTRA_OEMAKE")))
    if "do_compile" in {one.name for one in recipe.every if one.kind is Kind.SHELL}:
        return
    if not makefile.used & given:
        entered = sorted(makefile.used & _called(makefile))
        hint = (
            f'pass what it asks for: EXTRA_OEMAKE += "{entered[0]}=${{STAGING_KERNEL_DIR}}"'
            if entered
            else "use $(KERNEL_SRC)"
        )
        line = next((line.number for line in makefile.lines if re.search(r"-C\s", line.text)), 1)
        yield Found(rule="makefile-kernel-src", line=line, file=makefile.path, words={"hint": hint})
    for suspect in makefile.suspects:
        named = re.match(r"\s*(\w+)\s*[:?]*=", suspect.line.text)
        if suspect.variable in given or (named and named[1] in given):
            continue  # the command line wins over the assignment
        rule = "makefile-uname" if suspect.kind is SuspectKind.RUNNING else "makefile-kernel"
        words = {"text": suspect.line.text.strip()[:_SHOWN]}
        yield Found(rule=rule, line=suspect.line.number, file=makefile.path, words=words)


def _called(makefile: Makefile) -> set[str]:
    """The variables that `make -C` is given."""
    return {name for line in makefile.lines for name in re.findall(r"-C\s*\"?\$[({](\w+)[)}]", line.text)}


def _install(recipe: Recipe, makefile: Makefile) -> Iterator[Found]:
    goal = recipe.value("MODULES_INSTALL_TARGET") or "modules_install"
    replaced = any(one.name == "do_install" for one in recipe.every if one.kind is Kind.SHELL)
    patterns = any("%" in line.text.split(":")[0] for line in makefile.lines if not line.recipe and ":" in line.text)
    included = any(re.match(r"\s*-?s?include\b", line.text) for line in makefile.lines)
    if "$" not in goal and not replaced and not patterns and not included:
        for name in goal.split():
            if name not in makefile.goals:
                yield Found(rule="makefile-no-install", line=1, file=makefile.path, words={"goal": name})


def _depmod(recipe: Recipe, makefile: Makefile) -> Iterator[Found]:
    stated = recipe.words("MODULES_INSTALL_TARGET")
    reached = makefile.reached(stated or ["modules_install"])
    for targets, line in makefile.recipes:
        if not re.search(r"(?:^|[\s@/;&|-])depmod(?![\w.])", line.text) or re.match(r"\s*\w+\s*[:?+]*=", line.text):
            continue
        elsewhere = not reached & set(targets) and ("modules_install" in makefile.goals or bool(stated))
        if not (elsewhere and stated):
            rule = "makefile-depmod-elsewhere" if elsewhere else "makefile-depmod"
            words = {"text": line.text.strip()[:_SHOWN]}
            yield Found(rule=rule, line=line.number, file=makefile.path, words=words)


RULES = (_makefiles,)
