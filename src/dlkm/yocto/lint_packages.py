# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on packages: what is installed and who ships it, names that no package has, what nothing pulls in."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from dlkm.yocto.lint import Edit, Found
from dlkm.yocto.recipetext import Recipe
from dlkm.yocto.releases import Release
from dlkm.yocto.statements import Kind, Statement

_PER_PACKAGE = ("RPROVIDES", "RDEPENDS", "RRECOMMENDS", "RCONFLICTS", "RREPLACES", "FILES")
_SPLIT = re.compile(r"kernel-module-[a-z0-9.+-]+")  # as nothing is called that the split makes
_USUAL = ("", "-dev", "-dbg", "-src", "-doc", "-locale", "-staticdev")  # bitbake.conf PACKAGES
_INSTALLING = re.compile(r"(?:^|[;&|]\s*|\bdo\s+|\bthen\s+)\s*(install|cp|ln)\s+([^;&|\n]*)")
_DESTINATION = re.compile(r"\$\{?D\}?\"?(/?[^\s\"';]+)")
# What bitbake.conf's FILES of the usual packages and the module class take by themselves.
_TAKEN = (
    "/lib/modules/*",
    "/usr/include/*",
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/src/*",
    "/usr/share/aclocal/*",
)
_UDEV = re.compile(r"udev/rules\.d")
_UNIT = re.compile(r"systemd/system(?:/|$)")


def _names(recipe: Recipe, _release: Release) -> Iterator[Found]:
    """RPROVIDES and its like of a package that does not exist."""
    packages = _packages(recipe)
    if packages is None or not recipe.complete:
        return
    # A suffix of its own, or none: then the names are what the recipe says.
    suffixed = recipe.sets("KERNEL_MODULE_PACKAGE_SUFFIX") or "module" not in recipe.classes
    for one in recipe.own:
        variable, *overrides = one.name.split(":")
        if one.kind is not Kind.ASSIGNMENT or variable not in _PER_PACKAGE or not overrides:
            continue
        package = recipe.expand(overrides[0])
        if package in packages or package in {"append", "prepend", "remove"}:
            continue
        if _SPLIT.fullmatch(package) and not suffixed:
            new = f"{overrides[0]}-${{KERNEL_VERSION}}"
            words = {"variable": variable, "package": package, "new": new}
            edit = Edit(line=one.line, old=f"{variable}:{overrides[0]}", new=f"{variable}:{new}")
            yield Found(rule="split-package-name", line=one.line, words=words, edits=(edit,))
        elif not _is_split(package):
            yield Found(rule="rprovides-no-package", line=one.line, words={"variable": variable, "package": package})


def _is_split(package: str) -> bool:
    """Whether do_package makes it from a module, or the text does not tell what it is called."""
    return "kernel-module-" in package or "$" in package


def _packages(recipe: Recipe) -> frozenset[str] | None:
    """PACKAGES; None when the text does not tell."""
    stated = f"{recipe.mentions('PACKAGES')} {recipe.mentions('PACKAGE_BEFORE_PN')}".split()
    if any("$" in word for word in stated):
        return None
    return frozenset(stated) | {recipe.name + suffix for suffix in _USUAL}


def _needless(recipe: Recipe, _release: Release) -> Iterator[Found]:
    for one in recipe.assignments("RDEPENDS"):
        if "kernel-${KERNEL_VERSION}" in one.value:
            yield Found(rule="rdepends-kernel", line=one.line)
    modules = {"kernel-module-" + name.lower().replace("_", "-") for name in recipe.modules or ()}
    for one in recipe.assignments("RPROVIDES"):
        for name in recipe.split(one.value):
            if name in modules:
                yield Found(rule="rprovides-split", line=one.line, words={"name": name})
            elif name.startswith("kernel-module-") and "_" in name and "$" not in name:
                words = {"name": name, "new": name.replace("_", "-")}
                yield Found(rule="rprovides-underscore", line=one.line, words=words)


def _shipped(recipe: Recipe, _release: Release) -> Iterator[Found]:
    """Files that do_install installs and no FILES takes."""
    patterns = [_plain(pattern) for pattern in recipe.mentions("FILES").split()]
    if not recipe.complete or recipe.appends or any("$" in pattern for pattern in patterns):
        return
    for line, path in _installed(recipe):
        by_class = "systemd" in recipe.classes and _UNIT.search(path)
        if "$" not in path and not by_class and not any(_takes(one, path) for one in (*patterns, *_TAKEN)):
            yield Found(rule="not-shipped", line=line, words={"path": path})


def _installed(recipe: Recipe) -> Iterator[tuple[int, str]]:
    """Line and path of what the install tasks put below D, directories made by `install -d` left out."""
    for one in recipe.own:
        if one.kind is Kind.SHELL and one.name.split(":")[0] == "do_install":
            yield from _installed_by(recipe, one)


def _installed_by(recipe: Recipe, one: Statement) -> Iterator[tuple[int, str]]:
    text, start = "", 0
    for number, line in enumerate(one.body, one.line + one.head):
        start = start or number
        text += line.rstrip().removesuffix("\\") + " "
        if line.rstrip().endswith("\\"):
            continue
        for match in _INSTALLING.finditer(text.split(" #")[0]):
            # `install -D` makes the leading directories, `-d` nothing but directories.
            if match[1] == "install" and re.search(r"(?:^|\s)-[a-zA-Z]*d\b", match[2]):
                continue
            found = _DESTINATION.findall(recipe.expand(match[2]))
            if found:
                yield start, _plain(found[-1])
        text, start = "", 0


def _plain(path: str) -> str:
    """A path as all are compared: no doubled or closing slash, /usr/lib and /lib as one."""
    path = re.sub(r"/+", "/", "/" + path).rstrip("/") or "/"
    return path.removeprefix("/usr") if path.startswith("/usr/lib/") else path


def _takes(pattern: str, path: str) -> bool:
    """Whether a FILES entry takes the path, which may be a directory whose content is meant."""
    return f"{path}/".startswith(f"{pattern}/") or pattern.startswith(f"{path}/") or fnmatchcase(path, pattern)


def _rules_of_udev(recipe: Recipe, _release: Release) -> Iterator[Found]:
    pulled = recipe.mentions("RDEPENDS") + " " + recipe.mentions("RRECOMMENDS")
    for one in recipe.own:
        variable, *overrides = one.name.split(":")
        if one.kind is not Kind.ASSIGNMENT or variable != "FILES" or not overrides or not _UDEV.search(one.value):
            continue
        package = recipe.expand(overrides[0])
        if package == recipe.name:
            yield Found(rule="udev-in-meta", line=one.line, words={"package": package})
        elif package not in pulled.split():
            yield Found(rule="udev-not-pulled-in", line=one.line, words={"package": package})


def _modules_taken(recipe: Recipe, _release: Release) -> Iterator[Found]:
    """FILES of a package that comes before those of the split, and takes the modules away from them."""
    if "module" not in recipe.classes or recipe.sets("KERNEL_MODULES_META_PACKAGE"):
        return
    if any(one.value.strip() != "1" for one in recipe.assignments("KERNEL_SPLIT_MODULES")):
        return
    for one in recipe.own:
        variable, *overrides = one.name.split(":")
        if one.kind is not Kind.ASSIGNMENT or variable != "FILES" or not overrides:
            continue
        package = recipe.expand(overrides[0])
        places = [_plain(pattern) for pattern in recipe.expand(one.value).split()]
        if not package.startswith("kernel-module-") and any(_holds_modules(place) for place in places):
            yield Found(rule="files-take-modules", line=one.line, words={"package": package})


def _holds_modules(place: str) -> bool:
    return f"{place}/".startswith("/lib/modules/") and not place.endswith((".conf", ".d", ".bin"))


RULES = (_names, _needless, _shipped, _rules_of_udev, _modules_taken)
