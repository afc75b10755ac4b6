# SPDX-License-Identifier: GPL-2.0-or-later
"""The module files of a release in a root filesystem, as depmod comes upon them, and what lies there that is none."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from dlkm.core.errors import MalformedError
from dlkm.core.names import is_module_file
from dlkm.rootfs.root import Kind, Place, Root

MOST_FILES = 200_000  # a distribution's kernel has 5,000
MOST_LEVELS = 40
OWN = "kernel/"  # where the modules of the kernel itself lie (Makefile: modules_install)
NOT_SEARCHED = frozenset({"build", "source"})

_ODD = re.compile(r"[\s:\x00-\x1f\x7f]")  # would be taken for the syntax of modules.dep


class Trouble(StrEnum):
    """What is wrong with something that is called like a module; the value is the rule."""

    DANGLING = "module-dangling"
    NO_FILE = "module-no-file"
    ODD_NAME = "module-odd-name"
    CIRCLE = "module-circle"


@dataclass(frozen=True, slots=True)
class ModuleFile:
    """One file: `path` as depmod names it, `real` where it lies in the root, through no link."""

    path: str
    real: str

    @property
    def name(self) -> str:
        """The module's name by its file's, as kmod makes it: up to the first '.' (shared/util.c: path_to_modname)."""
        return module_of_path(self.path)

    @property
    def is_own(self) -> bool:
        """Whether it lies where the kernel's own modules do."""
        return self.path.startswith(OWN)


@dataclass(frozen=True, kw_only=True)
class ModuleTree:
    """What lies in `lib/modules/RELEASE` and in the directories that depmod.d adds.

    `parts` are as few paths as hold all files of the first, with where they lie: directories with only plain files and
    directories in them, and the files that lie in no such directory.
    """

    release: str
    files: tuple[ModuleFile, ...]
    troubles: tuple[tuple[Trouble, str], ...]
    parts: tuple[ModuleFile, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, list[ModuleFile]]:
        """The files of each module."""
        found: dict[str, list[ModuleFile]] = {}
        for file in self.files:
            found.setdefault(file.name, []).append(file)
        return found

    @cached_property
    def by_path(self) -> dict[str, ModuleFile]:
        """Each file by its path."""
        return {file.path: file for file in self.files}


def module_of_path(path: str) -> str:
    """The name that kmod gives to the module in a file."""
    return path.rpartition("/")[2].partition(".")[0].replace("-", "_")


def module_tree(
    root: Root, release: str, excludes: frozenset[str] = frozenset(), externals: tuple[str, ...] = ()
) -> ModuleTree:
    """Look through a release's directory, and `externals` (absolute); `excludes` are names of directories left out.

    MalformedError for more files than anyone has.
    """
    survey = _Survey(root, excludes | NOT_SEARCHED)
    _, parts = survey.below(root.place(f"lib/modules/{release}"), "", ())
    files = tuple(survey.files)
    for folder in externals:
        survey.below(root.place(folder), f"{folder.rstrip('/')}/", ())
    return ModuleTree(
        release=release,
        files=(*files, *survey.files[len(files) :]),
        troubles=tuple(survey.troubles),
        parts=tuple(parts),
    )


class _Survey:
    """One look through a root."""

    def __init__(self, root: Root, excludes: frozenset[str]) -> None:
        self._root, self._excludes = root, excludes
        self._count = 0
        self.files: list[ModuleFile] = []
        self.troubles: list[tuple[Trouble, str]] = []

    def below(self, place: Place, prefix: str, above: tuple[str, ...]) -> tuple[bool, list[ModuleFile]]:
        """Find the module files in a directory: `prefix` is what depmod calls it; `above` where the ones above it lie.

        Whether all of it is plain and as it lies, and its parts.
        """
        if place.kind is not Kind.DIRECTORY:
            return False, []
        if place.path in above or len(above) > MOST_LEVELS:
            self.troubles.append((Trouble.CIRCLE, f"{above[0]}/{prefix}".rstrip("/")))
            return False, []
        plain, parts = self._root.is_as_it_lies(place.path), []
        for entry in self._root.listing(place.path):
            self._count += 1
            if self._count > MOST_FILES:
                raise MalformedError(f"{self._root.path}/{place.path}: more than {MOST_FILES} files and directories")
            whole, inside = self._entry(entry, prefix, (*above, place.path))
            plain = plain and whole
            parts += inside
        return plain, parts

    def _entry(self, entry: Place, prefix: str, above: tuple[str, ...]) -> tuple[bool, list[ModuleFile]]:
        """The same for what lies in a directory; a plain directory is one part."""
        name = entry.path.rpartition("/")[2]
        path = f"{prefix}{name}"
        place = self._followed(entry) if entry.kind is Kind.LINK else entry
        if place is not None and place.kind is Kind.DIRECTORY:
            if name in self._excludes:
                return entry.kind is Kind.DIRECTORY, []
            plain, parts = self.below(place, f"{path}/", above)
            return plain and entry.kind is Kind.DIRECTORY, [ModuleFile(path, place.path)] if plain else parts
        if not is_module_file(name):
            return entry.kind is Kind.FILE, []
        trouble = self._trouble(path, place)
        if trouble is not None:
            self.troubles.append((trouble, entry.path))
        if trouble is not None or place is None:
            return False, []
        file = ModuleFile(path, place.path)
        self.files.append(file)
        return entry.kind is Kind.FILE, [file]

    @staticmethod
    def _trouble(path: str, place: Place | None) -> Trouble | None:
        if place is None or place.kind is Kind.MISSING:
            return Trouble.DANGLING
        if place.kind is not Kind.FILE:
            return Trouble.NO_FILE
        # An index holds ASCII (libkmod-index.h: INDEX_CHILDMAX); depmod 30 crashes on a module called otherwise.
        is_plain = path.rpartition("/")[2].isascii() and not _ODD.search(path)
        return None if is_plain else Trouble.ODD_NAME

    def _followed(self, entry: Place) -> Place | None:
        """Where a link leads; None for one that leads in a circle."""
        try:
            return self._root.place(entry.path)
        except MalformedError:
            return None
