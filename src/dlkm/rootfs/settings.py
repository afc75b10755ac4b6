# SPDX-License-Identifier: GPL-2.0-or-later
"""What a root filesystem's configuration says of modules: read once, as the tools on that root would."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TypeVar

from dlkm.core.errors import MalformedError
from dlkm.core.names import normalise_module_name
from dlkm.rootfs.conffiles import ConfFile, Standing, survey
from dlkm.rootfs.kmod import Kmod
from dlkm.rootfs.root import Root
from dlkm.rootfs.statements import Directive, directives, load_lines

# systemd: CONF_PATHS("modules-load.d"); /lib is one of them where /usr is not merged.
LOAD_DIRS = ("etc/modules-load.d", "run/modules-load.d", "usr/local/lib/modules-load.d", "usr/lib/modules-load.d",
             "lib/modules-load.d")  # fmt: skip
MOST_LINES = 10_000  # in all files of a kind; a hardened distribution has five hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoload:
    """A name to load at boot, as written in `file`."""

    name: str
    file: str
    line: int = 0

    @property
    def place(self) -> str:
        """Where it stands, for a message."""
        return f"{self.file}:{self.line}" if self.line else self.file


_Line = TypeVar("_Line", Directive, Autoload)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every file of modprobe.d, modules-load.d and depmod.d, and what those say that are read."""

    kmod: Kmod
    modprobe: tuple[ConfFile, ...] = ()
    load: tuple[ConfFile, ...] = ()
    depmod: tuple[ConfFile, ...] = ()

    @classmethod
    def of(cls, root: Root, kmod: Kmod | None = None) -> "Settings":
        """Read a root's; MalformedError for more than anyone has."""
        tool = kmod or Kmod.of(root)
        return cls(
            kmod=tool,
            modprobe=survey(root, tool.folders("modprobe.d"), tool.suffixes),
            load=survey(root, LOAD_DIRS),
            depmod=survey(root, tool.folders("depmod.d")),
        )

    @cached_property
    def directives(self) -> tuple[Directive, ...]:
        """The lines of modprobe.d in the order in which modprobe reads them, bad ones left out."""
        return tuple(line for line in self._lines if line.kind and self.kmod.heeds(line.kind))

    @cached_property
    def bad_lines(self) -> tuple[Directive, ...]:
        """The lines of modprobe.d that modprobe skips: kmod with a message."""
        return tuple(line for line in self._lines if not line.kind or not self.kmod.heeds(line.kind))

    @cached_property
    def _lines(self) -> tuple[Directive, ...]:
        texts = ((file.path, self.kmod.without_comments(file.data)) for file in read(self.modprobe))
        return _bounded(line for path, text in texts for line in directives(text, path))

    @cached_property
    def autoload(self) -> tuple[Autoload, ...]:
        """What is to load at boot, in order."""
        return _bounded(
            Autoload(name=line.text, file=file.path, line=line.number)
            for file in read(self.load)
            for line in load_lines(file.data)
        )

    def of_kind(self, kind: str) -> tuple[Directive, ...]:
        """The lines that begin with this word."""
        return tuple(line for line in self.directives if line.kind == kind)

    @cached_property
    def _blacklist(self) -> dict[str, Directive]:
        found: dict[str, Directive] = {}
        for line in self.of_kind("blacklist"):
            found.setdefault(normalise_module_name(line.name), line)
        return found

    def blacklisted(self, module: str) -> Directive | None:
        """The line that blacklists a module."""
        return self._blacklist.get(normalise_module_name(module))


def _bounded(lines: Iterable[_Line]) -> tuple[_Line, ...]:
    """MalformedError for more than anyone has: each module is held against them all."""
    found = tuple(islice(lines, MOST_LINES + 1))
    if len(found) > MOST_LINES:
        what = f"{found[-1].file}: more than {MOST_LINES} lines with the files before it, more than anyone has"
        raise MalformedError(what, hint="leave out what names no module that is installed")
    return found


def read(files: tuple[ConfFile, ...]) -> tuple[ConfFile, ...]:
    """The files among them that are read."""
    return tuple(file for file in files if file.standing is Standing.READ)
