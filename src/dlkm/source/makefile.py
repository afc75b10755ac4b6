# SPDX-License-Identifier: GPL-2.0-or-later
"""What a driver's Makefile does, read off its text: how it finds its kernel, its goals, its traps. Never runs make."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from dlkm.source.makelines import Line, read_lines

_ASSIGNMENT = re.compile(r"\s*(?:(?:export|override|private)\s+)*([\w.-]+)\s*(?:::?:?=|\?=|\+=|!=|=)\s*(.*)")
_RULE = re.compile(r"([^\s:=#][^:=#]*?)\s*::?(?![:=])([^=]*)$")
_DIRECTIVE = re.compile(r"\s*(?:ifn?eq|ifn?def|else|endif|-?include|sinclude|export|unexport|define|endef|vpath)\b")
_OBJECTS = re.compile(r"\s*(?:obj|subdir)-(?:[my]|\$[({]\w+[)}])\s*[:+?]?=")
_USED = re.compile(r"\$[({]([\w.-]+)[):}]")
# `M=DIR` as a word of make's command line; the same at the start of a line is an assignment.
_EXTERNAL = re.compile(r"(?<=[\s\"'])(?:M|SUBDIRS)=\S|\bKBUILD_EXTMOD\b")
_EMPTY_TEST = re.compile(
    r"\s*(?:else\s+)?(?:ifn?def\s+KERNELRELEASE\b"
    r"|ifn?eq\s*\(\s*,\s*(?:\$\(strip\s+)?\$[({]KERNELRELEASE[)}]\)?\s*\)"
    r"|ifn?eq\s*\(\s*(?:\$\(strip\s+)?\$[({]KERNELRELEASE[)}]\)?\s*,\s*\)"
    r"|ifn?eq\s+(?:\"\"|'')\s+[\"']?\$[({]KERNELRELEASE[)}]"
    r"|ifn?eq\s+[\"']\$[({]KERNELRELEASE[)}][\"']\s+(?:\"\"|''))"
)
_ABSOLUTE = re.compile(r"(?:^|[\s=\"':])(/[\w.+~@/-]+)(?![\w.+~@/$({-])")
_KERNEL_PLACE = re.compile(r"/(?:usr/src/[^/\s]+|lib/modules/[^/\s$]+)")
_RELEASE = re.compile(r"[2-9]\.[0-9]+(?:\.[0-9]+)?[\w.+~-]*")  # no kernel of 1.x is built for: a driver's own version
_UNAME = re.compile(
    r"\buname\s+(?:-\w*[ar]|--kernel-release|--all)|/proc/(?:version|sys/kernel/osrelease)\b"
    # Python and Perl ask the kernel itself.
    r"|\b(?:platform\.(?:release|uname)|os\.uname|POSIX::uname)\b"
)


# `KVER := $(shell uname -r)` and nothing else, wherever it stands: in a conditional it may begin with a tab.
_RUNNING = re.compile(
    r"\s*(?:export\s+|override\s+)*(\w+)\s*(?:::?|\?)?=\s*(?:\$\(shell\s+uname\s+-r\)|`uname\s+-r`)\s*"
)


class SuspectKind(StrEnum):
    """Why a line may build for another kernel than the one asked for; the surest first."""

    PATH = "path"  # a kernel directory is written in
    RELEASE = "release"  # a release is written in
    RUNNING = "running"  # asks for the kernel that runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One line that ties the driver to one kernel. `value` is the path, the release, or "uname -r"."""

    kind: SuspectKind
    line: Line
    value: str
    variable: str | None


@dataclass(frozen=True, kw_only=True)
class Makefile:
    """One driver's Makefile with what it includes; everything here is read off the text."""

    path: Path
    lines: tuple[Line, ...]

    @cached_property
    def used(self) -> frozenset[str]:
        """The variables whose value it asks for."""
        return frozenset(name for line in self.lines for name in _USED.findall(line.text))

    @cached_property
    def assignments(self) -> tuple[tuple[str, str, Line], ...]:
        """Name, unexpanded value and line of each assignment, in order."""
        found = ((_ASSIGNMENT.fullmatch(line.text), line) for line in self.lines if not line.recipe)
        return tuple((match[1], match[2].strip(), line) for match, line in found if match is not None)

    @cached_property
    def _rules(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        found = []
        for line in self.lines:
            if line.recipe or _DIRECTIVE.match(line.text) or _ASSIGNMENT.fullmatch(line.text):
                continue
            match = _RULE.match(line.text.split(";", 1)[0])
            if match is not None:
                found.append((tuple(match[1].split()), tuple(match[2].split())))
        return tuple(found)

    def reached(self, goals: Iterable[str]) -> frozenset[str]:
        """The targets that making some goals makes, themselves among them, as far as rules name them."""
        waiting, found = list(goals), set[str]()
        while waiting:
            goal = waiting.pop()
            if goal not in found:
                found.add(goal)
                waiting += (need for targets, needs in self._rules if goal in targets for need in needs)
        return frozenset(found)

    @cached_property
    def recipes(self) -> tuple[tuple[tuple[str, ...], Line], ...]:
        """Each line of a recipe with the targets that it makes."""
        found, targets = list[tuple[tuple[str, ...], Line]](), tuple[str, ...]()
        for line in self.lines:
            if line.recipe:
                found.append((targets, line))
            elif not _DIRECTIVE.match(line.text) and (match := _RULE.match(line.text.split(";", 1)[0])):
                targets = tuple(match[1].split())
        return tuple(found)

    @cached_property
    def goals(self) -> tuple[str, ...]:
        """The targets a user could name, in order: no patterns, no variables, no file of a source or object."""
        names = (name for targets, _needs in self._rules for name in targets)
        return tuple(dict.fromkeys(name for name in names if re.fullmatch(r"[A-Za-z][\w-]*", name)))

    @property
    def default_goal(self) -> str | None:
        """What a plain `make` makes, as far as the text tells."""
        named = [value for name, value, _line in self.assignments if name == ".DEFAULT_GOAL"]
        return named[-1] if named else next(iter(self.goals), None)

    @cached_property
    def has_objects(self) -> bool:
        """Whether it (also) speaks Kbuild: `obj-m := …`."""
        return any(not line.recipe and _OBJECTS.match(line.text) for line in self.lines)

    @cached_property
    def drives_kbuild(self) -> bool:
        """Whether it calls the kernel's make on itself: `-C … M=…`, on one line or through variables."""
        return any(_EXTERNAL.search(line.text) for line in self.lines)

    @cached_property
    def two_faced(self) -> bool:
        """Whether it takes itself for Kbuild when KERNELRELEASE is set (`ifneq ($(KERNELRELEASE),)`)."""
        return any(not line.recipe and _EMPTY_TEST.match(line.text) for line in self.lines)

    @property
    def wants_kernelrelease(self) -> bool:
        """Whether KERNELRELEASE helps: it is used, and its mere presence does not turn the Makefile's face."""
        return "KERNELRELEASE" in self.used and not self.two_faced

    @cached_property
    def suspects(self) -> tuple[Suspect, ...]:
        """Lines that tie it to one kernel, the surest first."""
        return tuple(sorted(self._suspects(), key=lambda suspect: list(SuspectKind).index(suspect.kind)))

    def _suspects(self) -> Iterator[Suspect]:
        assigned = {line: (name, value) for name, value, line in self.assignments}
        for line in self.lines:
            name, value = assigned.get(line, (None, line.text))
            path = next((path for path in _ABSOLUTE.findall(value) if self._is_kernel_path(path, name, line)), None)
            if path is not None:
                yield Suspect(kind=SuspectKind.PATH, line=line, value=path, variable=name)
            elif name is not None and _RELEASE.fullmatch(value) and name in self._in_kernel_paths:
                yield Suspect(kind=SuspectKind.RELEASE, line=line, value=value, variable=name)
            elif _UNAME.search(line.text):
                yield Suspect(kind=SuspectKind.RUNNING, line=line, value="uname -r", variable=name)

    def _is_kernel_path(self, path: str, name: str | None, line: Line) -> bool:
        if _KERNEL_PLACE.match(path):
            return True
        return f"-C {path}" in line.text or (name is not None and name in self._entered)

    @cached_property
    def releases(self) -> tuple[str, ...]:
        """The variables that are the release of the kernel that runs, unless someone says another."""
        found = (_RUNNING.fullmatch(line.text) for line in self.lines)
        return tuple(dict.fromkeys(match[1] for match in found if match is not None))

    @cached_property
    def _entered(self) -> frozenset[str]:
        """Variables that `make -C` or `cd` is given."""
        pattern = re.compile(r"(?:-C|\bcd)\s*\"?\$[({]([\w.-]+)[)}]")
        return frozenset(name for line in self.lines for name in pattern.findall(line.text))

    @cached_property
    def _in_kernel_paths(self) -> frozenset[str]:
        """Variables used in a path below /lib/modules or /usr/src."""
        near = (line.text for line in self.lines if "/lib/modules" in line.text or "/usr/src" in line.text)
        return frozenset(name for text in near for name in _USED.findall(text))


def read_makefile(path: Path, root: Path) -> Makefile:
    """A Makefile with what it includes below `root`; any bytes at all are a Makefile."""
    return Makefile(path=path, lines=read_lines(path, root))
