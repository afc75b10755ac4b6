# SPDX-License-Identifier: GPL-2.0-or-later
"""The words that name a kernel (`-k`, `kernel add`) taken apart. Looks no further than whether a directory is there."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dlkm.core.errors import UsageError

PACKAGES = (".deb", ".rpm")  # a word whose parts all end so names package files


class SpecKind(StrEnum):
    """What a word asks for."""

    NAME = "name"  # an id, or a glob among the kernels present
    DEBIAN = "debian"
    RUNNING = "running"
    ROOTFS = "rootfs"
    SOURCE = "source"
    SNAPSHOT = "snapshot"
    PACKAGES = "packages"
    DIRECTORY = "directory"


_PREFIXES = {SpecKind.DEBIAN, SpecKind.ROOTFS, SpecKind.SOURCE, SpecKind.SNAPSHOT}


@dataclass(frozen=True, slots=True)
class Spec:
    """One word: its kind and what follows the prefix."""

    kind: SpecKind
    argument: str = ""

    @classmethod
    def parse(cls, text: str) -> "Spec":
        """From a user's word; UsageError for an empty one."""
        prefix, colon, argument = text.partition(":")
        if not text or (colon and not argument):
            raise UsageError(f"{text!r} names no kernel", hint="see 'dlkm kernel add --help' for the forms of SPEC")
        if colon and prefix in _PREFIXES:
            return cls(SpecKind(prefix), argument)
        if text == SpecKind.RUNNING:
            return cls(SpecKind.RUNNING)
        if all(part.endswith(PACKAGES) for part in text.split(",")):
            return cls(SpecKind.PACKAGES, text)
        if _names_directory(text):
            return cls(SpecKind.DIRECTORY, text)
        return cls(SpecKind.NAME, text)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files or directories that it names, be they there or not; none for one of a network or an id."""
        if self.kind in {SpecKind.NAME, SpecKind.DEBIAN, SpecKind.RUNNING}:
            return ()
        if self.kind is SpecKind.SOURCE and "/" not in self.argument and not Path(self.argument).exists():
            return ()
        if self.kind is SpecKind.PACKAGES:
            return tuple(Path(part).expanduser() for part in self.argument.split(","))
        if self.kind is SpecKind.DIRECTORY:
            return tuple(path.expanduser() for path in dict.fromkeys(split_directory(self.argument)))
        return (Path(self.argument).expanduser(),)


def is_glob(text: str) -> bool:
    """Whether the text is a pattern of fnmatch, not a name."""
    return any(letter in text for letter in "*?[")


def split_directory(text: str) -> tuple[Path, Path]:
    """The source and the build directory of `DIR` or `SRC:BUILD`; the same twice for the former."""
    source, colon, build = text.partition(":")
    if colon and not Path(text).is_dir():
        return Path(source), Path(build)
    return Path(text), Path(text)


def _names_directory(text: str) -> bool:
    return "/" in text or text.startswith((".", "~")) or split_directory(text)[0].is_dir()
