# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts as text, JSON, SARIF and JUnit."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from dlkm.core.errors import MalformedError
from dlkm.matrix.plan import Expected
from dlkm.report.check import check_document, show, show_expected
from dlkm.report.junit import junit, write_junit
from dlkm.report.sarif import sarif, write_sarif
from dlkm.report.terminal import Colour, Terminal, printable
from dlkm.verdict.verdict import Finding, Outcome, Severity, Verdict

REFUSED = Verdict(
    path="out/hello.ko",
    module="hello",
    kernel="6.1.0-56-rt-amd64",
    outcome=Outcome.FAILS,
    errno="ENOEXEC",
    log=("hello: disagrees about version of symbol module_layout",),
    findings=(
        Finding(rule="crc-mismatch", severity=Severity.ERROR, message="another ABI", hint="build it"),
        Finding(rule="vermagic", severity=Severity.ERROR, message="another kind", masked=True),
    ),
)
LOADS = Verdict(path="out/hello.ko", module="hello", kernel="6.1.0-56-amd64", outcome=Outcome.LOADS, taint="OE")
SILENT = Verdict(path="a&b.ko", module="a", kernel="6.1", outcome=Outcome.FAILS, errno="EKEYREJECTED")
DOUBTFUL = Verdict(path="c.ko", module="c", kernel="6.1", outcome=Outcome.CANNOT_TELL)


def _shown(*verdicts: Verdict, **how: bool) -> str:
    out = io.StringIO()
    show(verdicts, Terminal(colour=Colour.NEVER, out=out, err=io.StringIO()), **how)
    return out.getvalue()


def test_the_document_says_of_which_file_there_is_no_verdict() -> None:
    assert check_document([], [MalformedError("a.ko.xz: truncated")])["errors"] == [{"message": "a.ko.xz: truncated"}]


def test_the_document_is_that_of_the_manual() -> None:
    assert check_document([REFUSED]) == {
        "schema": "dlkm.check/1",
        "results": [
            {
                "path": "out/hello.ko",
                "module": "hello",
                "kernel": "6.1.0-56-rt-amd64",
                "outcome": "fails",
                "errno": "ENOEXEC",
                "log": ["hello: disagrees about version of symbol module_layout"],
                "taint": "",
                "findings": [
                    {
                        "rule": "crc-mismatch",
                        "severity": "error",
                        "message": "another ABI",
                        "hint": "build it",
                        "masked": False,
                    },
                    {"rule": "vermagic", "severity": "error", "message": "another kind", "hint": "", "masked": True},
                ],
                "expected_failure": None,
            }
        ],
        "errors": [],
    }


def test_one_refusal_in_full() -> None:
    text = _shown(REFUSED)
    assert text.startswith("out/hello.ko on 6.1.0-56-rt-amd64: fails, ENOEXEC\n")
    assert "    hello: disagrees about version of symbol module_layout\n" in text
    assert "cause: another ABI\n" in text
    assert "what to do: build it\n" in text
    assert text.index("hidden behind that") < text.index("vermagic: another kind")


def test_silence_is_said() -> None:
    assert "the kernel says nothing" in _shown(SILENT)


def test_several_are_a_table_and_a_count() -> None:
    text = _shown(LOADS, REFUSED, DOUBTFUL)
    head, row = text.splitlines()[:2]
    assert head.split() == ["MODULE", "6.1.0-56-amd64", "6.1.0-56-rt-amd64", "6.1"]
    assert row.startswith("out/hello.ko  loads, taint OE  fails, ENOEXEC")
    assert "3 verdicts: 1 loads, 1 fails, 1 cannot tell" in text


def test_warnings_on_what_loads_are_counted() -> None:
    warned = replace(LOADS, path="b.ko", findings=(Finding(rule="a", severity=Severity.WARNING, message="odd"),))
    noted = replace(LOADS, path="c.ko", findings=(Finding(rule="a", severity=Severity.NOTE, message="well"),))
    line = "warnings on 1 of those that load (-v shows them)\n"
    assert _shown(LOADS, warned, noted).endswith(line)
    assert line not in _shown(LOADS, noted)
    whole = _shown(LOADS, warned, all_findings=True)
    assert line not in whole
    assert "warning: odd" in whole


def test_modules_each_for_a_kernel_of_its_own_are_a_list() -> None:
    head, *rows = _shown(replace(LOADS, path="a.ko"), replace(REFUSED, path="b.ko")).splitlines()[:3]
    assert head.split() == ["MODULE", "KERNEL"]
    assert [row.split()[:3] for row in rows] == [
        ["a.ko", "6.1.0-56-amd64", "loads,"],
        ["b.ko", "6.1.0-56-rt-amd64", "fails,"],
    ]


def test_what_is_expected_not_to_load() -> None:
    known = Expected(reason="lockdown <there>", strict=True, where="dlkm.toml:3")
    expected = {"out/hello.ko": known}
    text = junit([REFUSED, LOADS], (), expected)
    refused, loads = ET.fromstring(text).iter("testcase")
    assert [child.tag for child in refused] == ["skipped"]
    assert refused[0].get("message") == "as expected: lockdown <there>"
    assert [child.tag for child in loads] == ["failure"]
    counts = [(suite.get("failures"), suite.get("skipped")) for suite in ET.fromstring(text)]
    assert counts == [("0", "1"), ("1", "0")]
    results = check_document([REFUSED], (), expected)["results"]
    assert results[0]["expected_failure"] == "lockdown <there>"
    out = io.StringIO()
    show_expected([REFUSED, LOADS], expected, Terminal(colour=Colour.NEVER, out=out, err=io.StringIO()))
    assert out.getvalue().splitlines() == [
        "out/hello.ko: fails, as expected: lockdown <there> (dlkm.toml:3)",
        "out/hello.ko: loads, against expectation: lockdown <there> (dlkm.toml:3)",
    ]


def test_control_characters_are_escaped() -> None:
    assert printable("x\x7fELF\x1b[1m\udcff") == "x\\x7fELF\\x1b[1m\\xff"


def test_sarif_leaves_out_what_is_masked(tmp_path: Path) -> None:
    write_sarif(tmp_path / "s.sarif", [LOADS, REFUSED])
    (run,) = json.loads((tmp_path / "s.sarif").read_text())["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("crc-mismatch", "error")
    assert "disagrees about version" in result["message"]["text"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "crc-mismatch"
    assert sarif([LOADS])["runs"][0]["results"] == []


def test_sarif_places_are_uris() -> None:
    def place(path: str) -> str:
        (result,) = sarif([replace(REFUSED, path=path)])["runs"][0]["results"]
        uri: str = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        return uri

    assert place("out/a b#1.ko") == "out/a%20b%231.ko"
    assert place("/lib/a.ko") == "file:///lib/a.ko"
    assert place("hello@6.1:x/a.ko") == "hello%406.1%3Ax/a.ko"
    assert place(os.fsdecode(b"a \xff.ko")) == "a%20%FF.ko"  # RFC 3986, 2.5: the bytes


def test_a_name_that_is_no_utf8_is_text_in_the_document() -> None:
    (shown,) = check_document([replace(LOADS, path=os.fsdecode(b"a\xff.ko"))])["results"]
    assert shown["path"] == "a\\xff.ko"


def test_what_could_not_be_judged_is_in_both_reports() -> None:
    error = MalformedError("a\udcff.ko: truncated <here>")
    (run,) = sarif([LOADS], [error])["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "a\\xff.ko: truncated <here>"
    suites = ET.fromstring(junit([LOADS], [error]))
    assert [suite.attrib["errors"] for suite in suites] == ["0", "1"]
    assert suites[1][0][0].text == "a\\xff.ko: truncated <here>"


def test_junit_counts_and_escapes(tmp_path: Path) -> None:
    write_junit(tmp_path / "j.xml", [SILENT, DOUBTFUL])
    (suite,) = ET.fromstring((tmp_path / "j.xml").read_text())
    assert suite.attrib == {"name": "6.1", "tests": "2", "failures": "1", "errors": "0", "skipped": "1"}
    failure = suite[0].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "EKEYREJECTED"
    assert suite[0].attrib["classname"] == "a&b.ko"
    assert suite[1].find("skipped") is not None
    assert "<testcase" in junit([LOADS])
