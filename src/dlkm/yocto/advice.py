# SPDX-License-Identifier: GPL-2.0-or-later
"""What a failed recipe has to do with the recipes it DEPENDS on: the module class finds symbols by names only."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from dlkm.build.result import BuildOutcome, Cell
from dlkm.yocto.evaluation import Evaluation

_PREFIX = "kernel-module-"  # module.bbclass: of the words of DEPENDS it takes those that begin so
_UNDEFINED = re.compile(r'"(\w+)" \[\S+\] undefined!')
_LOST = re.compile(r"/include/([^/\s]+)/Module\.symvers: No such file")
_LIMIT = 16 << 20  # bytes of a Module.symvers
_SHOWN = 3


def advised(cell: Cell, one: Evaluation, done: Mapping[str, Cell]) -> Cell:
    """A failed recipe's cell, its reason with what names have to do with it; `done`: cells by what they provide."""
    if cell.outcome is not BuildOutcome.FAILED or cell.reason is None:
        return cell
    found = list(dict.fromkeys([*_hidden_symbols(cell.reason, one, done), *_lost_tables(cell.reason, done)]))
    return replace(cell, reason="\n    ".join([cell.reason, *found[:_SHOWN]])) if found else cell


def _hidden_symbols(reason: str, one: Evaluation, done: Mapping[str, Cell]) -> Iterator[str]:
    """Symbols that a recipe in DEPENDS exports, under a name that the class does not look for."""
    for symbol in dict.fromkeys(_UNDEFINED.findall(reason)):
        for word in one.depends:
            cell = done.get(word)
            if cell is not None and not word.startswith(_PREFIX) and _exports(cell.symvers, symbol):
                yield (
                    f"{symbol} is exported by {word}, but of DEPENDS the module class takes the symbols of recipes"
                    f" called {_PREFIX}* only: call that recipe {_PREFIX}{word}, and depend on it by that name"
                )


def _lost_tables(reason: str, done: Mapping[str, Cell]) -> Iterator[str]:
    """Names in DEPENDS that no recipe installed a Module.symvers under."""
    for word in dict.fromkeys(_LOST.findall(reason)):
        bare = word.removeprefix(_PREFIX)
        if word in done:
            yield f"{word} is provided by a recipe of another name, which installs Module.symvers as that: link it"
        else:
            yield f"no recipe here is called {word}: that with these symbols must be, {word}_VERSION.bb and not {bare}"


def _exports(symvers: Path | None, symbol: str) -> bool:
    if symvers is None or not symvers.is_file():
        return False
    with symvers.open("rb") as stream:
        return f"\t{symbol}\t".encode() in stream.read(_LIMIT)
