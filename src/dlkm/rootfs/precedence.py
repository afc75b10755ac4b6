# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of several files with one module depmod takes: `search`, `override`, `external`, `exclude` of depmod.d.

Source: tools/depmod.c: depmod_module_is_higher_priority, the same from kmod 30 to 34; depmod.d(5).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dlkm.rootfs.conffiles import ConfFile
from dlkm.rootfs.statements import kmod_lines

BUILT_IN, EXTERNAL = "built-in", "external"
_WORDS = {"search": 1, "override": 3, "external": 2, "exclude": 1, "include": 0, "make_map_files": 0}
# A pattern of which re, unlike regexec(3), surely makes an end: few repetitions, none of them within another.
_LONGEST, _REPETITIONS = 200, 4
_UNLIKE = re.compile(r"\)[*+?{]|\[[^]]*\[[.:=]|\(\?|\\[^\W_]")  # a repeated group; what the two read differently


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A line of depmod.d."""

    words: tuple[str, ...]
    file: str
    line: int

    @property
    def place(self) -> str:
        """Where it stands, for a message."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Precedence:
    """What depmod.d says of one release, the order of lists as in the files: the first of `searches` wins.

    `bad` are lines that depmod skips with a message, `unclear` those whose pattern of releases is not understood here.
    """

    searches: tuple[str, ...] = ()
    overrides: tuple[Rule, ...] = ()
    externals: tuple[Rule, ...] = ()
    excludes: frozenset[str] = field(default_factory=frozenset)
    bad: tuple[Rule, ...] = ()
    unclear: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, files: Iterable[ConfFile], release: str) -> "Precedence":
        """From the files of depmod.d that are read, in their order."""
        found: dict[str, list[Rule]] = {}
        for file in files:
            for line in kmod_lines(file.data):
                rule = Rule(words=tuple(line.text.split()), file=file.path, line=line.number)
                found.setdefault(_kind(rule, release), []).append(rule)
        searches = tuple(word for rule in found.get("search", ()) for word in rule.words[1:])
        return cls(
            searches=searches or ("updates",),
            overrides=tuple(found.get("override", ())),
            externals=tuple(found.get(EXTERNAL, ())),
            excludes=frozenset(word for rule in found.get("exclude", ()) for word in rule.words[1:]),
            bad=tuple(found.get("", ())),
            unclear=tuple(found.get("?", ())),
        )

    @property
    def external_dirs(self) -> tuple[str, ...]:
        """Directories outside the modules directory that are searched too, absolute."""
        return tuple(rule.words[2] for rule in self.externals)

    def winner(self, paths: Sequence[str]) -> str | None:
        """The one of these files (of one module) that depmod takes; None where that is left to the directory's order.

        Paths are relative to the modules directory, or absolute below an external one.
        """
        for path in paths:
            others = [other for other in paths if other != path]
            if all(self._replaces(path, other) and not self._replaces(other, path) for other in others):
                return path
        return None

    def why(self, path: str) -> str:
        """What puts a file where it stands among others, in words."""
        override = self.override_of(path)
        if override is not None:
            return f"'{' '.join(override.words)}' in {override.place}"
        place = self._place(path)
        if place is not None:
            return f"depmod searches {place} first" if place == self.searches[0] else f"depmod's order: {self._order}"
        return f"depmod's order: {self._order}"

    def override_of(self, path: str) -> Rule | None:
        """The override that names a file."""
        return next((rule for rule in self.overrides if _override(rule) == _stem(path)), None)

    @property
    def _order(self) -> str:
        return " ".join(self.searches)

    def _replaces(self, new: str, old: str) -> bool:
        """Whether depmod, having `old`, takes `new` instead when it comes upon it."""
        for rule in reversed(self.overrides):
            if _override(rule) == _stem(new):
                return True
            if _override(rule) == _stem(old):
                return False
        prio_new = prio_old = unnamed = -1
        place = -1
        for word in reversed(self.searches):
            place += 1
            if word == BUILT_IN:
                unnamed = place
            elif word == EXTERNAL:
                for rule in reversed(self.externals):
                    prio_new = place if _is_below(new, rule.words[2]) else prio_new
                    prio_old = place if _is_below(old, rule.words[2]) else prio_old
                    place += 1
            elif _is_below(new, word):
                prio_new = place
            elif _is_below(old, word):
                prio_old = place
        return (prio_new if prio_new >= 0 else unnamed) > (prio_old if prio_old >= 0 else unnamed)

    def _place(self, path: str) -> str | None:
        return next((word for word in self.searches if _is_below(path, word)), None)


def _kind(rule: Rule, release: str) -> str:
    """What a line is: its word; "" for a bad one, "?" where nobody knows, "-" for one of other releases."""
    word = rule.words[0]
    if word not in _WORDS or (len(rule.words) <= _WORDS[word] and _WORDS[word] > 1):
        return ""
    if word not in {"override", "external"}:
        return word
    fits = release_matches(rule.words[2 if word == "override" else 1], release)
    return "?" if fits is None else word if fits else "-"


def release_matches(pattern: str, release: str) -> bool | None:
    """Whether a release is meant: "*", or an extended regular expression that occurs in it; None: not understood."""
    if pattern == "*":
        return True
    repetitions = len(re.findall(r"(?<!\\)[*+?{]", pattern))
    if (
        len(pattern) > _LONGEST
        or repetitions > _REPETITIONS
        or re.search(r"\)[*+?{]|\[[^]]*\[[.:=]|\(\?|\\[^\W_]", pattern)
    ):
        return None
    try:
        return re.search(pattern, release) is not None
    except (re.error, OverflowError):
        return None


def _override(rule: Rule) -> str:
    return f"{rule.words[3]}/{rule.words[1]}"


def _stem(path: str) -> str:
    """A path as overrides are compared with: without what follows the first '.' of the file's name."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")
