# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that are none: one that speaks lines, and one that answers from tables."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import product

from dlkm.prove.rooted.observer import Observer, Ran

NONCE = "0123456789abcdef"


class Spoken:
    """A guest that says these lines, whatever it hears, and then goes off or falls silent."""

    def __init__(self, *lines: str, ends: bool = False) -> None:
        self._lines = [line.encode() for line in lines]
        self._ends = ends
        self.heard: list[str] = []

    @property
    def ended(self) -> bool:
        return self._ends and not self._lines

    def send(self, data: bytes) -> None:
        self.heard.append(data.decode())

    def line(self, timeout: float) -> bytes | None:
        return self._lines.pop(0) if self._lines else None


class Told(Observer):
    """Answers from what a test says is there; programs by their whole command line, several answers in turn."""

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        links: Mapping[str, str] | None = None,
        states: Mapping[str, str] | None = None,
        programs: Mapping[str, Sequence[Ran] | Ran] | None = None,
    ) -> None:
        super().__init__(Spoken(), NONCE)
        self.files, self.targets, self.states = dict(files or {}), dict(links or {}), dict(states or {})
        self.programs = {words: [ran] if isinstance(ran, Ran) else list(ran) for words, ran in (programs or {}).items()}
        self.ran: list[str] = []

    def read(self, pattern: str) -> dict[str, bytes]:
        return {path: data for path, data in self.files.items() if globbed(pattern, path)}

    def links(self, pattern: str) -> dict[str, str]:
        return {path: target for path, target in self.targets.items() if globbed(pattern, path)}

    def status(self, pattern: str) -> dict[str, str]:
        return {path: state for path, state in self.states.items() if globbed(pattern, path)}

    def run(self, *words: str, seconds: int = 30) -> Ran:
        line = " ".join(words)
        self.ran.append(line)
        answers = self.programs.get(line, [Ran(status=127, output="")])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def globbed(pattern: str, path: str) -> bool:
    """As glob(3) with braces."""
    parts = [part[1:-1].split(",") if part.startswith("{") else [part] for part in re.split(r"(\{[^}]*\})", pattern)]
    patterns = ("".join(choice) for choice in product(*parts))
    return any(one.count("/") == path.count("/") and fnmatchcase(path, one) for one in patterns)
