# SPDX-License-Identifier: GPL-2.0-or-later
"""A recipe with what is safe to mend mended; every other byte stays. Writes no file."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dlkm.yocto.lint import Edit, findings_of
from dlkm.yocto.overrides import translate
from dlkm.yocto.recipetext import read_recipe
from dlkm.yocto.releases import Release

_ROUNDS = 20  # a change may bring a further one to light; rules that undo each other would be a defect


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A recipe's text before and after."""

    path: Path
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Whether anything was to be done."""
        return self.before != self.after


def mend(path: Path, release: Release) -> Mended:
    """The recipe in a file with all safe changes made; raises what `read_recipe` raises."""
    recipe = read_recipe(path)
    text = translate(recipe.text, path.name)[0]
    for _round in range(_ROUNDS):
        found = findings_of(read_recipe(path, text), release)
        changed = _applied(text, [edit for one in found if one.file is None for edit in one.edits])
        if changed == text:
            break
        text = changed
    return Mended(path=path, before=recipe.text, after=text)


def _applied(text: str, edits: Iterable[Edit]) -> str:
    lines: list[str | None] = list(text.split("\n"))
    for edit in dict.fromkeys(edits):
        line = lines[edit.line - 1]
        if line is None:
            continue
        lines[edit.line - 1] = None if edit.new is None else _replaced(line, edit.old, edit.new)
    return "\n".join(line for line in lines if line is not None)


def _replaced(line: str, old: str, new: str) -> str:
    """The first place of `old` that is no part of a longer word replaced."""
    before = r"(?<![\w-])" if re.match(r"\w", old) else ""
    after = r"(?![\w-])" if re.search(r"\w\Z", old) else ""
    return re.sub(before + re.escape(old) + after, lambda _match: new, line, count=1)
