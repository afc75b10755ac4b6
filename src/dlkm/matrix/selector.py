# SPDX-License-Identifier: GPL-2.0-or-later
"""Selectors: which cells a word means, as pure callables over cell ids. Knows no cell."""

import re
from dataclasses import dataclass, field
from fnmatch import translate

from bracex import ExpansionLimitException, expand

from dlkm.core.errors import UsageError

_MOST = 10_000  # words that braces may stand for


@dataclass(frozen=True, slots=True)
class Selector:
    """A glob with braces over `NAME@KERNEL`, or over one of the two alone: `hello`, `6.1.0-*-rt-amd64`.

    `where` says for people what it comes from. UsageError for braces that stand for too much.
    """

    text: str
    where: str = ""
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile it."""
        try:
            words = expand(self.text, limit=_MOST)
        except ExpansionLimitException as error:
            raise UsageError(f"{self}: stands for more than {_MOST} words") from error
        object.__setattr__(self, "_pattern", re.compile("|".join(map(translate, words))))

    def __call__(self, cell: str) -> bool:
        """Whether it chooses the cell with that id."""
        match = self._pattern.match
        if "@" in self.text:
            return match(cell) is not None
        name, _, kernel = cell.partition("@")
        return match(name) is not None or match(kernel) is not None

    def __str__(self) -> str:
        """As it is told."""
        return f"{self.where}: {self.text!r}" if self.where else repr(self.text)
