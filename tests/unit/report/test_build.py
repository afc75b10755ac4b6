# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds as dlkm.build/1, which other programs rely on, and as text: reasons first, the table of all cells last."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.build.cells import Attempt
from dlkm.build.diagnostics import Diagnostic, Severity, Teller
from dlkm.build.result import BuildOutcome, BuiltModule, Cell
from dlkm.core.errors import UsageError
from dlkm.matrix.outcome import Result
from dlkm.matrix.plan import Expected
from dlkm.report.build import build_document, show_builds
from dlkm.report.terminal import Colour, Terminal

OUT = Path("/out/x@6.1.0")
BUILT = Cell(
    id="x@6.1.0",
    source=Path("/src/x"),
    kernel="6.1.0",
    arch="x86_64",
    outcome=BuildOutcome.BUILT,
    seconds=1.53,
    modules=(BuiltModule(path=OUT / "x.ko", sha256="ab", vermagic="6.1.0 SMP ", destination="/extra"),),
    symvers=OUT / "Module.symvers",
    log=OUT / "build.log",
)
ERROR = Diagnostic(teller=Teller.COMPILER, severity=Severity.ERROR, text="no \x1b[31m", file="x.c", line=3)
FAILED = replace(
    BUILT, id="y@6.1.0", outcome=BuildOutcome.FAILED, reason="x.c:3: error: no", modules=(), symvers=None, error=ERROR
)
# The words of the command line's contract, and their types; a word may be added, none may change its meaning.
PROMISED = {
    "id": str, "source": str, "kernel": str, "arch": str, "outcome": str, "reason": str, "cached": bool,
    "seconds": float, "modules": list, "symvers": str | None, "log": str | None,
}  # fmt: skip
ADDED = {"packages", "error", "expected_failure"}
KNOWN = Expected(reason="timers", strict=True, where="dlkm.toml:3")


def _result(cell: Cell, expected: Expected | None = None, error: UsageError | None = None) -> Result:
    return Result(attempt=Attempt(cell=cell, error=error), expected=expected)


@pytest.mark.parametrize("result", [_result(BUILT), _result(FAILED), _result(FAILED, KNOWN)])
def test_the_document_has_the_words_that_are_promised(result: Result) -> None:
    document = json.loads(json.dumps(build_document([result])))
    assert list(document) == ["schema", "cells"]
    assert document["schema"] == "dlkm.build/1"
    (cell,) = document["cells"]
    assert set(cell) == {*PROMISED, *ADDED}
    for name, kind in PROMISED.items():
        assert isinstance(cell[name], kind), name
    assert cell["outcome"] in {"built", "failed", "skipped"}


def test_what_the_words_say() -> None:
    built, failed = json.loads(json.dumps(build_document([_result(BUILT), _result(FAILED, KNOWN)])))["cells"]
    assert {name: built[name] for name in ("id", "source", "kernel", "arch", "outcome", "cached", "seconds")} == {
        "id": "x@6.1.0", "source": "/src/x", "kernel": "6.1.0", "arch": "x86_64", "outcome": "built",
        "cached": False, "seconds": 1.53,
    }  # fmt: skip
    (module,) = built["modules"]
    assert {name: module[name] for name in ("path", "sha256", "vermagic")} == {
        "path": "/out/x@6.1.0/x.ko",
        "sha256": "ab",
        "vermagic": "6.1.0 SMP ",
    }
    assert (built["symvers"], built["log"]) == ("/out/x@6.1.0/Module.symvers", "/out/x@6.1.0/build.log")
    assert (built["error"], built["expected_failure"]) == (None, None)
    assert (failed["outcome"], failed["reason"], failed["expected_failure"]) == ("failed", "x.c:3: error: no", "timers")
    assert (failed["error"]["file"], failed["error"]["line"], failed["modules"]) == ("x.c", 3, [])


def _shown(*results: Result) -> str:
    out = io.StringIO()
    show_builds(results, Terminal(colour=Colour.NEVER, out=out, err=io.StringIO()))
    return out.getvalue()


def test_one_cell_shows_its_modules_or_why_there_are_none() -> None:
    assert _shown(_result(BUILT)) == "/out/x@6.1.0/x.ko\n"
    assert _shown(_result(FAILED)).splitlines() == [
        "y@6.1.0: failed: x.c:3: error: no",
        "  (the first error: x.c:3: error: no \\x1b[31m)",
        "  (the whole log: /out/x@6.1.0/build.log)",
    ]
    assert _shown(_result(FAILED, error=UsageError("no compiler"))) == ""


def test_of_several_the_table_comes_last() -> None:
    cached = replace(BUILT, id="c@6.1.0", cached=True)
    lost = replace(FAILED, id="l@6.1.0", error=None, seconds=0.0)
    results = [
        _result(BUILT),
        _result(cached),
        _result(FAILED),
        _result(replace(FAILED, id="k@6.1.0"), KNOWN),
        _result(replace(BUILT, id="s@6.1.0"), KNOWN),
        _result(lost, error=UsageError("no compiler")),
    ]
    lines = _shown(*results).splitlines()
    table = lines.index(next(line for line in lines if line.startswith("CELL")))
    assert [line.split() for line in lines[table + 1 : -1]] == [
        ["x@6.1.0", "built", "1", "1.5"],
        ["c@6.1.0", "built", "1", "cached"],
        ["y@6.1.0", "failed", "0", "1.5"],
        ["k@6.1.0", "failed,", "as", "expected", "0", "1.5"],
        ["s@6.1.0", "built,", "against", "expectation", "1", "1.5"],
        ["l@6.1.0", "failed", "0"],
    ]
    assert (
        lines[-1] == "6 cells: 2 built; 2 failed; 1 failed, as expected; 1 built, against expectation; 1 from the cache"
    )
    assert "  (expected by dlkm.toml:3: timers)" in lines[:table]
    assert not [line for line in lines[:table] if line.startswith(("x@", "c@", "l@"))]
