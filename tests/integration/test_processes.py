# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that really run: their surroundings, their ends, their time limits, and what is left of them."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from dlkm.core.errors import FetchError, MissingToolError
from dlkm.core.processes import Completed, Processes, environment, failed, shell_line

pytestmark = pytest.mark.integration


def _sh(script: str, **options: object) -> Completed:
    return Processes().run(["sh", "-c", script], **options)  # type: ignore[arg-type]


def test_output_errors_and_status_are_told() -> None:
    done = _sh("echo out; echo err >&2; exit 7")
    assert (done.output, done.errors, done.status, done.ok) == (b"out\n", b"err\n", 7, False)
    assert _sh("true").ok
    assert _sh("kill -9 $$").status == -9


def test_bytes_that_are_no_text_survive() -> None:
    done = _sh(r"printf 'a\377b'")
    assert done.output == b"a\xffb"
    assert done.text() == "a\ufffdb"


def test_no_shell_stands_between() -> None:
    words = ["printf", "%s\\n", "a b", "$HOME", "*", ";", ""]
    assert Processes().run(words).output == b"a b\n$HOME\n*\n;\n\n"
    assert shell_line(["make", "-C", Path("/a b"), "X=$Y"]) == "make -C '/a b' 'X=$Y'"


def test_standard_input_is_empty_or_what_is_given() -> None:
    assert _sh("cat").output == b""
    assert _sh("cat", stdin=b"x" * 200_000).output == b"x" * 200_000
    assert _sh("true", stdin=b"x" * 200_000).ok


def test_the_environment_is_rebuilt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MAKEFLAGS", "-k")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("HOME", "/home/me")
    done = Processes().run(["env"], env={"ARCH": "arm64"}, cwd=tmp_path)
    names = dict(line.split("=", 1) for line in done.text().splitlines())
    assert (names["ARCH"], names["HOME"], names["LC_ALL"]) == ("arm64", "/home/me", "C.UTF-8")
    assert not {"MAKEFLAGS", "LANG"} & set(names)
    assert environment({"LC_ALL": "C"})["LC_ALL"] == "C"
    assert _sh("pwd", cwd=tmp_path).text().strip() == str(tmp_path)


def test_programs_of_sbin_are_found_without_sbin_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    found = Processes().find("depmod")
    assert found is not None
    assert Processes().run(["depmod", "--version"]).ok
    assert Processes().find("no-such-program") is None


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="'no-such-program' is not installed"):
        Processes().run(["no-such-program"])
    (tmp_path / "text").write_text("x")
    with pytest.raises(MissingToolError, match="cannot be run"):
        Processes().run([tmp_path / "text"])
    with pytest.raises(FileNotFoundError):
        Processes().run(["true"], cwd=tmp_path / "nowhere")


def test_a_time_limit_ends_it_with_all_it_started(tmp_path: Path) -> None:
    start = time.monotonic()
    done = _sh(f"echo said; sleep 60 & echo $! >{tmp_path}/pid; wait", timeout=0.5)
    assert (done.timed_out, done.ok, done.output) == (True, False, b"said\n")
    assert time.monotonic() - start < 30
    assert _is_gone(int((tmp_path / "pid").read_text()))


def test_a_log_takes_both_streams(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    done = _sh("echo out; echo err >&2", log=log)
    assert (done.output, done.errors) == (b"", b"")
    assert log.read_text() == "before\nout\nerr\n"


def test_what_has_just_been_started_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt may come before the thread that started a program has the processor again."""
    runner, started, start = Processes(), Event(), Processes._start

    def slowly(*words: Any) -> Any:
        child = start(*words)
        started.set()
        time.sleep(0.3)
        return child

    monkeypatch.setattr(runner, "_start", slowly)
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(runner.run, ["sleep", "30"])
        assert started.wait(10)
        runner.end_all()
        assert future.result(timeout=10).status == -signal.SIGTERM


def test_nothing_is_started_once_all_is_to_end() -> None:
    over = Event()
    assert Processes().run(["true"], unless=over).ok
    over.set()
    with pytest.raises(KeyboardInterrupt):
        Processes().run(["true"], unless=over)


def test_a_program_left_running(tmp_path: Path) -> None:
    child = Processes().spawn(
        ["sh", "-c", f"echo here; sleep 60 & echo $! >{tmp_path}/pid; wait"], log=tmp_path / "log"
    )
    assert child.ended() is None
    assert child.wait(0.3) is None
    child.kill()
    assert child.ended() == -9
    assert (tmp_path / "log").read_text() == "here\n"
    assert _is_gone(int((tmp_path / "pid").read_text()))
    assert Processes().spawn(["sh", "-c", "exit 3"]).wait(30) == 3


def test_the_error_of_a_program_that_failed() -> None:
    error = failed(_sh("for n in 1 2 3 4 5 6 7; do echo line $n >&2; done; exit 2"), "unpacking it", FetchError)
    assert isinstance(error, FetchError)
    assert error.what == "unpacking it: sh ended with status 2" + "".join(f"\n  line {n}" for n in range(3, 8))
    assert (error.hint or "").startswith("the command was: sh -c 'for n in")
    slow = failed(_sh("sleep 60", timeout=0.1), "waiting", FetchError)
    assert slow.what.startswith("waiting: sh ran into its time limit")


def _is_gone(pid: int) -> bool:
    """Whether a process has ended; who inherits it may take a moment to notice."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False
