# SPDX-License-Identifier: GPL-2.0-or-later
"""Explanations as text and JSON, and the verb's exit statuses."""

import io
import json
import sys
from pathlib import Path

import pytest

from dlkm.cli.main import main
from dlkm.report.explain import explain_document, show
from dlkm.report.terminal import Colour, Terminal
from dlkm.verdict.explain import explain
from dlkm.verdict.verdict import Outcome, Verdict

LINE = "hello: Unknown symbol foo (err -2)"


def _shown(text: str, verdict: Verdict | None = None) -> str:
    out = io.StringIO()
    show(explain(text, verdict=verdict), Terminal(colour=Colour.NEVER, out=out, err=io.StringIO()))
    return out.getvalue()


def test_cause_check_and_fix_in_that_order() -> None:
    text = _shown(f"{LINE}\nmodprobe: ERROR: could not insert 'hello': Unknown symbol in module\nwhat")
    places = [
        text.index(word) for word in (LINE, "modprobe: ERROR", "  cause: ", "  check: ", "  fix: ", "no such message")
    ]
    assert places == sorted(places)
    assert text.endswith("\n  what\n")


def test_notices_have_no_cause() -> None:
    assert "  means: " in _shown("hello: loading out-of-tree module taints kernel.")


def test_many_lines_are_shortened_and_made_printable() -> None:
    text = _shown("".join(f"strange {number}\x07\n" for number in range(9)))
    assert "strange 3\\x07" in text
    assert "and 5 more lines" in text


def test_the_verdict_is_said() -> None:
    loads = Verdict(path="hello.ko", module="hello", kernel="6.1", outcome=Outcome.LOADS)
    assert "the verdict differs: this file should load" in _shown(LINE, loads)


def test_the_document_is_that_of_the_manual() -> None:
    document = explain_document(explain(f"{LINE}\nwhat"))
    assert document["schema"] == "dlkm.explain/1"
    known, unknown = document["messages"]
    assert {"line", "rule", "module", "values", "cause", "check", "fix"} <= set(known)
    assert (known["line"], known["rule"], known["module"]) == (LINE, "unknown-symbol", "hello")
    assert known["values"] == {"module": "hello", "subject": "foo", "number": "-2", "errno": "ENOENT"}
    assert (unknown["line"], unknown["rule"], unknown["check"]) == ("what", None, [])


def test_the_verb_answers(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["explain", "--json", LINE]) == 0
    assert json.loads(capsys.readouterr().out)["messages"][0]["rule"] == "unknown-symbol"
    assert main(["explain", *["Module", "hello", "is", "blacklisted"]]) == 0
    capsys.readouterr()
    assert main(["explain", "good morning"]) == 1
    assert "knows no such message" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"\xff\n{LINE}".encode("latin-1"))))
    assert main(["explain", "-"]) == 0
    assert "\\xff" in capsys.readouterr().out


def test_what_is_no_question(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["explain", ""]) == 2
    assert main(["explain", LINE, "--module", str(tmp_path / "none.ko")]) == 2
    assert "there is no " in capsys.readouterr().err
