# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers go to standard output, all else to standard error; colours only where they are wanted."""

import io
import json

import pytest

from dlkm.core.errors import UsageError
from dlkm.report.terminal import Colour, Style, Terminal


def _is_a_terminal(_stream: io.StringIO) -> bool:
    return True


Screen = type("Screen", (io.StringIO,), {"isatty": _is_a_terminal})


def _terminal(
    colour: Colour = Colour.AUTO, *, quiet: bool = False, verbose: bool = False, screen: bool = False
) -> tuple[Terminal, io.StringIO, io.StringIO]:
    out, err = (Screen(), Screen()) if screen else (io.StringIO(), io.StringIO())
    return Terminal(colour=colour, quiet=quiet, verbose=verbose, out=out, err=err), out, err


@pytest.fixture(autouse=True)
def _able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")  # whatever runs the tests: nothing is drawn on a dumb one


@pytest.mark.parametrize(
    ("colour", "screen", "no_color", "coloured"),
    [
        (Colour.AUTO, False, "", False),
        (Colour.AUTO, True, "", True),
        (Colour.AUTO, True, "1", False),
        (Colour.ALWAYS, False, "1", True),
        (Colour.NEVER, True, "", False),
    ],
)
def test_when_there_are_colours(
    monkeypatch: pytest.MonkeyPatch,
    colour: Colour,
    screen: bool,  # noqa: FBT001 — a table row, as below
    no_color: str,
    coloured: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    terminal, _out, _err = _terminal(colour, screen=screen)
    # ECMA-48, SGR 32: green
    assert terminal.styled("yes", Style.GOOD) == ("\x1b[32myes\x1b[0m" if coloured else "yes")


def test_a_table_is_aligned_whatever_its_colours() -> None:
    terminal, out, _err = _terminal(Colour.ALWAYS)
    terminal.table(
        ["NAME", "STATE", "X"], [["long name", terminal.styled("ok", Style.GOOD), "1"], ["n", "missing", ""]]
    )
    plain = out.getvalue()
    for code in ("\x1b[32m", "\x1b[1m", "\x1b[0m"):
        plain = plain.replace(code, "")
    assert plain.splitlines() == ["NAME       STATE    X", "long name  ok       1", "n          missing"]


def test_a_table_without_rows() -> None:
    terminal, out, _err = _terminal()
    terminal.table(["A", "B"], [])
    assert out.getvalue() == "A  B\n"


def test_a_document_is_all_there_is() -> None:
    terminal, out, err = _terminal()
    terminal.document({"schema": "dlkm.x/1", "name": "größe", "list": [1, None]})
    assert json.loads(out.getvalue()) == {"schema": "dlkm.x/1", "name": "größe", "list": [1, None]}
    assert err.getvalue() == ""


def test_an_error_says_what_and_what_to_do() -> None:
    terminal, out, err = _terminal(quiet=True)
    terminal.error(UsageError("no such kernel", hint="dlkm kernel list"))
    terminal.error(UsageError("no hint"))
    assert err.getvalue() == "dlkm: error: no such kernel\n  (dlkm kernel list)\ndlkm: error: no hint\n"
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("quiet", "verbose", "said"),
    [
        (False, False, ["info", "dlkm: warning: warn", "work ..."]),
        (False, True, ["detail", "info", "dlkm: warning: warn", "work ..."]),
        (True, False, ["dlkm: warning: warn"]),
    ],
)
def test_what_is_said_off_a_terminal(quiet: bool, verbose: bool, said: list[str]) -> None:  # noqa: FBT001
    terminal, out, err = _terminal(quiet=quiet, verbose=verbose)
    terminal.events.detail("detail")
    terminal.events.info("info")
    terminal.events.warning("warn")
    with terminal.events.task("work", 10) as task:
        task.advance(5)
    assert err.getvalue().splitlines() == said
    assert out.getvalue() == ""


def test_off_a_terminal_a_whole_stands_for_its_parts() -> None:
    terminal, _out, err = _terminal()
    with terminal.events.task("building 2 cells", 2, whole=True) as whole:
        with terminal.events.task("building a"):
            whole.advance(1, text="1 of 2 cells", left=3.0)
        terminal.events.warning("warn")
    with terminal.events.task("judging"):
        pass
    assert err.getvalue().splitlines() == ["building 2 cells ...", "dlkm: warning: warn", "judging ..."]


def test_on_a_terminal_the_rest_is_counted_down() -> None:
    terminal, _out, err = _terminal(Colour.NEVER, screen=True)
    with terminal.events.task("building 2 cells", 2, whole=True) as whole:
        whole.advance(1, text="1 of [2] cells", left=400.0)
        terminal.events.info("let it draw")
        terminal.close()
    assert "1 of [2] cells" in err.getvalue()
    assert "about 7 min left" in err.getvalue()


def test_progress_on_a_terminal_goes_away() -> None:
    terminal, out, err = _terminal(Colour.NEVER, screen=True)
    with terminal.events.task("fetching kernels", 10) as task:
        task.advance(10)
        terminal.events.info("[a] message between")
    terminal.close()
    terminal.close()
    terminal.events.info("after")
    assert "fetching kernels" in err.getvalue()
    assert "[a] message between" in err.getvalue()
    assert err.getvalue().endswith("after\n")
    assert out.getvalue() == ""


def test_no_progress_when_quiet() -> None:
    terminal, _out, err = _terminal(quiet=True, screen=True)
    with terminal.events.task("work"):
        pass
    assert err.getvalue() == ""
