# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages of the tools, as they wrote them, and which of them explains a failure."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkm.build.diagnostics import KEPT, Diagnostic, Severity, Teller, first_cause, parse_line, read_diagnostics

D = "/build/driver"


@pytest.mark.parametrize(
    ("line", "teller", "file", "number", "text"),
    [
        (f"{D}/a.c:12:5: error: 'x' undeclared", Teller.COMPILER, "a.c", 12, "'x' undeclared"),
        (f"{D}/a.c:1:10: fatal error: b.h: No such file or directory", Teller.COMPILER, "a.c", 1,
         "b.h: No such file or directory"),
        (f"{D}/a.S:7: Error: no such instruction: `foo'", Teller.COMPILER, "a.S", 7, "no such instruction: `foo'"),
        (f'ERROR: modpost: "foo" [{D}/a.ko] undefined!', Teller.MODPOST, None, None, '"foo" [a.ko] undefined!'),
        (f'ERROR: "foo" [{D}/a.ko] undefined!', Teller.MODPOST, None, None, '"foo" [a.ko] undefined!'),
        (f"{D}/Makefile:3: *** missing separator.  Stop.", Teller.MAKE, "Makefile", 3, "missing separator."),
        ("make: *** /nowhere: No such file or directory.  Stop.", Teller.MAKE, None, None,
         "/nowhere: No such file or directory."),
        (f"make[2]: *** No rule to make target '{D}/x.o', needed by '{D}/m.o'.  Stop.", Teller.MAKE, None, None,
         "No rule to make target 'x.o', needed by 'm.o'."),
        (f"make[3]: *** [scripts/Makefile.build:250: {D}/a.o] Error 1", Teller.MAKE_STATUS, "scripts/Makefile.build",
         250, "Error 1"),
        ("/bin/sh: 1: gcc-99: not found", Teller.SHELL, None, None, "gcc-99: not found"),
        ("ld: cannot find a.o: No such file or directory", Teller.LINKER, None, None,
         "cannot find a.o: No such file or directory"),
    ],
)  # fmt: skip
def test_one_line(line: str, teller: Teller, file: str | None, number: int | None, text: str) -> None:
    found = parse_line(line, D)
    assert found == Diagnostic(teller=teller, severity=Severity.ERROR, text=text, file=file, line=number)


def test_warnings_are_no_errors() -> None:
    for line in (f"{D}/a.c:1:2: warning: unused variable 'x'", "WARNING: modpost: missing MODULE_DESCRIPTION()"):
        found = parse_line(line, D)
        assert found is not None
        assert found.severity is Severity.WARNING


@pytest.mark.parametrize(
    "line", ["  CC [M]  /build/driver/a.o", "error", "", "make[1]: Entering directory '/usr/src'", "In file included"]
)
def test_no_message(line: str) -> None:
    assert parse_line(line, D) is None


def test_the_cause_is_the_first_of_who_knows_best(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "make[3]: *** [x:1: y] Error 1\na.c:1:2: warning: w\na.c:9:1: error: second in time\n"
        "b.c:1:1: error: third\nmake: *** [all] Error 2\n"
    )
    cause = first_cause(read_diagnostics(log))
    assert cause is not None
    assert cause.shown == "a.c:9: error: second in time"
    assert first_cause([]) is None


def test_waiting_for_others_is_no_cause(tmp_path: Path) -> None:
    """As GNU make 4.3 wrote it: what failed stands above, without a message that make could add to."""
    log = tmp_path / "log"
    said = "make: *** [Makefile:6: pack] Error 1\nmake: *** Waiting for unfinished jobs....\n"
    log.write_text(said)
    cause = first_cause(read_diagnostics(log))
    assert cause is not None
    assert cause.shown == "Makefile:6: Error 1"
    log.write_text(said + "make[1]: *** No rule to make target 'x'.  Stop.\n")
    cause = first_cause(read_diagnostics(log))
    assert cause is not None
    assert cause.shown == "make: No rule to make target 'x'."


def test_a_log_of_any_size_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a.c:1:1: error: x\n" * 5_000 + b"\xff\0" * 500_000 + b"ld" * 100_000)
    start = time.monotonic()
    assert len(read_diagnostics(log)) == KEPT
    assert time.monotonic() - start < 5
    assert read_diagnostics(tmp_path / "missing") == ()


@given(st.text(max_size=200))
def test_any_line(line: str) -> None:
    found = parse_line(line, D)
    assert found is None or found.shown
