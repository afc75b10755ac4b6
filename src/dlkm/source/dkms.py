# SPDX-License-Identifier: GPL-2.0-or-later
"""A dkms.conf as a value, from what bash made of it for one kernel; DKMS's own defaults and refusals. Runs nothing."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

from dlkm.core.data import data_table
from dlkm.core.errors import MalformedError

CONF = "dkms.conf"
NEIGHBOURS = ".usr-src"  # where a copy holds the sources of other drivers that its conf speaks of
_LIMIT = 1 << 20  # bytes of a dkms.conf whose text is looked at
_ASSIGNED = re.compile(
    r"^\s*(PACKAGE_NAME|PACKAGE_VERSION)(?:\[0\])?=(?:\"([^\"$`]*)\"|'([^']*)'|([^\s\"'$`#;]+))", re.MULTILINE
)


_DEPENDS = re.compile(r"^\s*BUILD_DEPENDS(?:\[\d+\])?\+?=(?:\"([^\"]*)\"|'([^']*)'|(\S+))", re.MULTILINE)


def table() -> Mapping[str, Any]:
    """data/dkms.toml."""
    found: Mapping[str, Any] = data_table("dkms.toml")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DkmsModule:
    """One record. `built` is the file below the build directory; `name` the installed one's, without ".ko"."""

    built: PurePosixPath
    name: str
    location: str  # below /lib/modules/RELEASE, as the record says
    strip: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DkmsConf:
    """What a dkms.conf asks for on one kernel; `excluded` says why it must not be built there, None when it may."""

    package: str
    version: str
    make: str
    clean: str
    modules: tuple[DkmsModule, ...]
    patches: tuple[str, ...]
    pre_build: str
    post_build: str
    excluded: str | None
    exclusive: Mapping[str, str]  # the BUILD_EXCLUSIVE_ words that are set
    depends: tuple[str, ...]
    obsolete_by: str
    obsolete: bool  # whether the kernel is that new, so that DKMS builds and does not install


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The kernel as a dkms.conf sees it: `options` are the CONFIG_ words that are y or m; `clang` built it."""

    release: str
    machine: str
    kernel_dir: str
    build_dir: str
    options: frozenset[str]
    clang: bool


def names_in(path: Path) -> tuple[str, str]:
    """Package and version as the text has them, before bash runs it; "" where only bash can tell.

    MalformedError when the file cannot be read.
    """
    text = _text(path)
    found = {match[1]: match[2] or match[3] or match[4] or "" for match in _ASSIGNED.finditer(text)}
    return found.get("PACKAGE_NAME", ""), found.get("PACKAGE_VERSION", "")


def depends_in(path: Path) -> frozenset[str]:
    """The packages of BUILD_DEPENDS as the text has them, before bash runs it. MalformedError as above."""
    return frozenset(
        word
        for match in _DEPENDS.finditer(_text(path))
        for word in "".join(map(str, filter(None, match.groups()))).split()
    )


def looks_around(path: Path) -> bool:
    """Whether a conf speaks of the directory where DKMS keeps all drivers' sources. MalformedError as above."""
    return re.search(r"/usr/src\b|\bsource_tree\b", _text(path)) is not None


def neighbours(folder: Path) -> tuple[Path, ...]:
    """The drivers beside one (NAME-VERSION) whose sources its conf speaks of. MalformedError as above."""
    if not looks_around(folder / CONF):
        return ()
    text = _text(folder / CONF)
    beside = (conf.parent for conf in sorted(folder.parent.glob(f"*-*/{CONF}")) if conf.parent != folder)
    return tuple(path for path in beside if f"{path.name.rpartition('-')[0]}-" in text)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_LIMIT).decode("utf-8", "replace")
    except OSError as error:
        raise MalformedError(f"{path}: cannot be read: {error.strerror}") from error


def read_conf(path: Path, told: bytes, target: Target) -> DkmsConf:
    """The conf from what dkms.sh told (name, index, value, each ended by NUL).

    MalformedError, naming the file and record, for what DKMS refuses too. Rules: dkms(8), DKMS.CONF.
    """
    values = _Values(path, told)
    package, version = values.one("PACKAGE_NAME"), values.one("PACKAGE_VERSION")
    for word, value in (("PACKAGE_NAME", package), ("PACKAGE_VERSION", version)):
        if not value or "/" in value or value in {".", ".."}:
            raise MalformedError(f"{path}: {word} is {'missing' if not value else f'no name: {value!r}'}")
    generic = f"make -C {target.kernel_dir} M={target.build_dir}"
    make = values.chosen("MAKE", default=generic) + (" LLVM=1" if target.clang else "")
    return DkmsConf(
        package=package,
        version=version,
        make=make,
        clean=values.one("CLEAN") or f"{generic} clean",
        modules=tuple(_modules(values, package)),
        patches=tuple(values.matching("PATCH")),
        pre_build=values.one("PRE_BUILD"),
        post_build=values.one("POST_BUILD"),
        excluded=_excluded(values, target),
        exclusive={word: values.one(word) for word in _exclusive() if values.one(word)},
        depends=tuple(values.one("BUILD_DEPENDS").split()),
        obsolete_by=values.one("OBSOLETE_BY"),
        obsolete=_obsolete(values.one("OBSOLETE_BY"), target.release),
    )


class _Values:
    """The variables by name and index."""

    def __init__(self, path: Path, told: bytes) -> None:
        self.path = path
        words = told.decode("utf-8", "replace").split("\0")[:-1]
        triples = zip(words[::3], words[1::3], words[2::3], strict=False)
        self._all = {(name, int(index)): value for name, index, value in triples if re.fullmatch("[0-9]{1,4}", index)}

    def one(self, name: str) -> str:
        return self._all.get((name, 0), "")

    def at(self, name: str, index: int) -> str:
        return self._all.get((name, index), "")

    def indices(self, name: str) -> list[int]:
        return sorted(index for known, index in self._all if known == name)

    def fits(self, name: str, index: int = 0) -> bool:
        """Whether the pattern of that name, which is there, matched."""
        return self._all.get((f"{name}?", index)) == "yes"

    def chosen(self, name: str, *, default: str) -> str:
        """Of several commands the last whose pattern matches; the first needs none."""
        value = "" if self.at(f"{name}_MATCH", 0) else self.at(name, 0)
        for index in self.indices(name):
            if self.at(name, index) and self.at(f"{name}_MATCH", index) and self.fits(f"{name}_MATCH", index):
                value = self.at(name, index)
        return value or default

    def matching(self, name: str) -> Iterator[str]:
        """Those whose pattern matches, or that have none."""
        for index in self.indices(name):
            pattern = self.at(f"{name}_MATCH", index)
            if self.at(name, index) and (not pattern or self.fits(f"{name}_MATCH", index)):
                yield self.at(name, index)


_RECORD = ("BUILT_MODULE_NAME", "BUILT_MODULE_LOCATION", "DEST_MODULE_NAME", "DEST_MODULE_LOCATION")


def _modules(values: _Values, package: str) -> Iterator[DkmsModule]:
    count = max((len(values.indices(word)) for word in _RECORD), default=0)
    if count == 0:
        raise MalformedError(f"{values.path}: names no module", hint="BUILT_MODULE_NAME[0] and DEST_MODULE_LOCATION[0]")
    strip_first = not values.at("STRIP", 0).lower().startswith("n")
    for index in range(count):
        built = values.at("BUILT_MODULE_NAME", index) or (package if count == 1 else "")
        name = values.at("DEST_MODULE_NAME", index) or built
        _refuse_record(values.path, index, built, name)
        said = values.at("STRIP", index).lower()
        yield DkmsModule(
            built=_inside(values.path, values.at("BUILT_MODULE_LOCATION", index), built),
            name=name,
            location=_location(values.path, index, values.at("DEST_MODULE_LOCATION", index)),
            strip=strip_first if not said else not said.startswith("n"),
        )


def _refuse_record(path: Path, index: int, built: str, name: str) -> None:
    if not built:
        raise MalformedError(f"{path}: record {index} has no BUILT_MODULE_NAME")
    for word, value in (("BUILT_MODULE_NAME", built), ("DEST_MODULE_NAME", name)):
        if value.endswith((".o", ".ko")):
            raise MalformedError(f"{path}: {word}[{index}] ends in '.o' or '.ko'", hint="write it without")
        if "/" in value:
            raise MalformedError(f"{path}: {word}[{index}] is no file name: {value!r}")


def _location(path: Path, index: int, location: str) -> str:
    """Where a module goes below the modules directory, without steps up ("/kernel/../misc/" is "/misc")."""
    allowed = table()["rules"]["locations"]
    word = f"{path}: DEST_MODULE_LOCATION[{index}]"
    if not location.startswith(tuple(allowed)):
        said = f"is {location!r}" if location else "is missing"
        raise MalformedError(f"{word} {said}; it begins with {', '.join(allowed)}")
    plain = normpath(location.lstrip("/"))
    if plain in {".", ".."} or plain.startswith("../"):
        raise MalformedError(f"{word} leads out of the modules directory: {location!r}")
    return f"/{plain}"


def _inside(path: Path, folder: str, name: str) -> PurePosixPath:
    place = PurePosixPath(folder) / f"{name}.ko"
    if place.is_absolute() or ".." in place.parts:
        raise MalformedError(f"{path}: BUILT_MODULE_LOCATION leads out of the build directory: {folder!r}")
    return place


def _exclusive() -> Iterator[str]:
    yield from (word for word in table()["words"]["single"] if word.startswith("BUILD_EXCLUSIVE_"))


def _excluded(values: _Values, target: Target) -> str | None:
    """Why it must not be built: the first BUILD_EXCLUSIVE_ word that does not fit."""
    least, most = values.one("BUILD_EXCLUSIVE_KERNEL_MIN"), values.one("BUILD_EXCLUSIVE_KERNEL_MAX")
    for word, subject in (("BUILD_EXCLUSIVE_KERNEL", target.release), ("BUILD_EXCLUSIVE_ARCH", target.machine)):
        if values.one(word) and not values.fits(word):
            return f"{word}={values.one(word)} does not match {subject}"
    if least and _numbers(target.release) < _numbers(least):
        return f"BUILD_EXCLUSIVE_KERNEL_MIN={least}: {target.release} is older"
    if most and _numbers(target.release) > _numbers(most):
        return f"BUILD_EXCLUSIVE_KERNEL_MAX={most}: {target.release} is newer"
    for option in values.one("BUILD_EXCLUSIVE_CONFIG").split():
        name = option.removeprefix("!")
        if (name in target.options) is option.startswith("!"):
            return f"BUILD_EXCLUSIVE_CONFIG: {name} is {'on' if option.startswith('!') else 'off'} in {target.release}"
    return None


def _obsolete(since: str, release: str) -> bool:
    """By the version, and within one version by what follows it ("6.1.0-9"), as DKMS's check_version_sanity has it."""
    theirs, ours = ([_numbers(part) for part in text.split("-")] for text in (since, release))
    if not theirs[0] or ours[0] != theirs[0]:
        return bool(theirs[0]) and ours[0] > theirs[0]
    return len(theirs) == 1 or (len(ours) > 1 and ours[1] >= theirs[1])


def _numbers(version: str) -> tuple[tuple[int, str], ...]:
    """A version as what orders it: numbers as numbers, what is between as text before any number."""
    return tuple((int(word), "") if word.isdigit() else (-1, word) for word in re.findall(r"\d+|[A-Za-z]+", version))
