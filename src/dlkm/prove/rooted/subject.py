# SPDX-License-Identifier: GPL-2.0-or-later
"""What a root filesystem is asked about, what its files foretell, and what its boots show, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Fate(StrEnum):
    """What becomes of a module in a boot, or when somebody asks for it."""

    LOADS = "loads"
    FAILS = "fails"
    STAYS_OUT = "stays-out"  # nothing was tried, or a blacklist kept it out
    CANNOT_TELL = "cannot-tell"


class Wish(StrEnum):
    """Why a module is a subject: what its author meant."""

    AUTOLOAD = "autoload"  # named in modules-load.d
    NAMED = "named"  # by the user: it is to be there after the boot, whatever loads it
    BLACKLIST = "blacklist"  # named in modprobe.d: nothing is to load it but who asks for it by name
    ADDED = "added"  # no part of the kernel, and nothing names it: who asks for it is to get it


class Asking(StrEnum):
    """Who asks for the module."""

    BOOT = "boot"  # whoever does in a boot
    ALIAS = "alias"  # as udev does: `modprobe -b ALIAS`
    NAME = "name"  # as an administrator does: `modprobe NAME`


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One module, by the kernel's name for it, and why; `places` are the lines of configuration that name it.

    `aliases` are strings of hardware that it serves, one that fits each of its first wildcards.
    """

    module: str
    wish: Wish
    places: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """What the root's files say will become of a module.

    `file` is the one that is loaded, relative to the root; `parameters` what /sys will show of those that modprobe.d
    and the command line set. `log` is as a Verdict's. `builtin`: it is part of the kernel.
    """

    fate: Fate
    why: str = ""
    errno: str | None = None
    log: tuple[str, ...] = ()
    file: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    builtin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device that a module made: its name below /dev (or that of a network interface) and its class.

    `settings` are by name what udev gave it: "mode", "owner", "group" (numbers), "links" (names with blanks between);
    `foretold` what the rules at `places` say of that.
    """

    name: str
    subsystem: str
    settings: Mapping[str, str]
    foretold: Mapping[str, str] = field(default_factory=dict)
    places: tuple[str, ...] = ()

    @property
    def differing(self) -> tuple[str, ...]:
        """The settings that are not as foretold; of links, more than foretold are no difference."""
        return tuple(word for word, value in self.foretold.items() if not self._has(word, value))

    def _has(self, word: str, value: str) -> bool:
        seen = self.settings.get(word, "")
        return set(value.split()) <= set(seen.split()) if word == "links" else seen == value


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What became of a module. `files` are those in the root that are the loaded one: several when they are equal.

    `accepted`: the kernel took it and called its init(), whatever that answered; `unready` are modules that it needs
    and whose own init() failed. `said` is what the program that was to load it said, `log` the kernel's lines about a
    module it refused. `trouble` says why nothing could be seen; `console` is where that boot's console is kept.
    """

    fate: Fate
    errno: str | None = None
    log: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    taint: str = ""
    said: str = ""
    builtin: bool = False
    accepted: bool = False
    unready: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    trouble: str | None = None
    console: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One question: the subject, who asks, in which boot, what was foretold and what was seen."""

    subject: Subject
    asking: Asking
    boot: int
    foretold: Foretold
    seen: Seen
    asked: str = ""  # the alias
