# SPDX-License-Identifier: GPL-2.0-or-later
"""The one place that starts other programs: argv tuples, no shell, a rebuilt environment, no standard input."""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import IO, Protocol

from dlkm.core.errors import DlkmError, MissingToolError
from dlkm.core.tools import find_program, missing, search_path

PATIENCE = 3.0  # seconds a program has to end when we are interrupted
PASSED_ON = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "DLKM_CACHE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A program that has ended. `status` is its exit status, negative for a signal; `output` is empty when logged."""

    argv: tuple[str, ...]
    status: int
    output: bytes
    errors: bytes
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.status == 0

    @property
    def ending(self) -> str:
        """How it ended, in words that follow its name."""
        if self.timed_out:
            return "ran into its time limit"
        if self.status < 0:
            return f"was ended by {_signal_name(-self.status)}"
        return f"ended with status {self.status}"

    def text(self) -> str:
        """Its standard output as text."""
        return self.output.decode("utf-8", "replace")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a program gets: the few variables that must pass, the C locale in UTF-8, and `extra`."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return kept | {"PATH": search_path(), "LC_ALL": "C.UTF-8"} | dict(extra or {})


class Runner(Protocol):
    """Whoever can run a program; the real one is `Processes`."""

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        log: Path | None = None,
        stdin: bytes | None = None,
    ) -> Completed:
        """Run to the end; see `Processes.run`."""

    def find(self, program: str) -> Path | None:
        """Where the program lies, or None."""


class Foreman(Runner, Protocol):
    """Whoever can run several programs at once, in threads, which share something and are ended together."""

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        log: Path | None = None,
        stdin: bytes | None = None,
        inherit: Sequence[int] = (),
        unless: Event | None = None,
    ) -> Completed:
        """Run to the end; see `Processes.run`."""

    def end_all(self) -> None:
        """End what runs now; see `Processes.end_all`."""


class Spawner(Runner, Protocol):
    """Whoever can also leave a program running."""

    def spawn(
        self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, log: Path | None = None
    ) -> "Child":
        """Start a program and leave it running; see `Processes.spawn`."""


class Processes:
    """Runs real programs."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._starting = Lock()  # what has been started is also among what runs whenever nobody holds it

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        log: Path | None = None,
        stdin: bytes | None = None,
        inherit: Sequence[int] = (),
        unless: Event | None = None,
    ) -> Completed:
        """Run a program to its end. `env` adds to `environment()`; after `timeout` seconds it is killed with its group.

        With `log`, standard output and error are appended there together and not returned. `inherit` are descriptors
        that it gets beside the standard ones.
        When `unless` is set it is not started: KeyboardInterrupt. Who sets it before `end_all` can miss no program.
        A program that does not exist is a MissingToolError; a failing one is a value.
        """
        words = tuple(str(word) for word in argv)
        sink = log.open("ab") if log is not None else None
        try:
            with self._starting:
                if unless is not None and unless.is_set():
                    raise KeyboardInterrupt
                child = self._start(words, cwd, env, sink, stdin, inherit)
                self._running.add(child)
            with child:
                try:
                    return _wait(child, words, stdin, timeout)
                finally:
                    self._running.discard(child)
        finally:
            if sink is not None:
                sink.close()

    def end_all(self) -> None:
        """End every program that `run` waits for, in whatever thread, with its group: an interrupt reaches only one."""
        with self._starting:
            running = tuple(self._running)
        for child in running:
            _end_group(child)

    def find(self, program: str) -> Path | None:
        """Where the program lies in PATH, or None."""
        return find_program(program)

    def spawn(
        self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, log: Path | None = None
    ) -> "Child":
        """Start a program and leave it running; its output goes to `log` or nowhere."""
        words = tuple(str(word) for word in argv)
        with (log or Path(os.devnull)).open("ab") as sink:
            return Child(self._start(words, None, env, sink, None, ()))

    def begin(self, argv: Sequence[str | Path]) -> "Begun":
        """Start a program whose input is not known yet: it gets ready while we do."""
        words = tuple(str(word) for word in argv)
        return Begun(words, self._start(words, None, None, None, b"", ()))

    @staticmethod
    def _start(
        words: tuple[str, ...],
        cwd: Path | None,
        env: Mapping[str, str] | None,
        sink: IO[bytes] | None,
        stdin: bytes | None,
        inherit: Sequence[int],
    ) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(
                words,
                cwd=cwd,
                env=environment(env),
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE if sink is None else sink,
                stderr=subprocess.PIPE if sink is None else sink,
                start_new_session=True,
                pass_fds=tuple(inherit),
                umask=0o022,  # what a program writes must not depend on who runs it
            )
        except FileNotFoundError as error:
            if cwd is not None and not cwd.is_dir():
                raise
            raise missing(words[0]) from error
        except PermissionError as error:
            raise MissingToolError(f"program {words[0]!r} cannot be run: {error.strerror}") from error


def _kill_group(child: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return


def _wait(
    child: "subprocess.Popen[bytes]", words: tuple[str, ...], stdin: bytes | None, timeout: float | None
) -> Completed:
    try:
        output, errors = child.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        _kill_group(child, signal.SIGKILL)
        output, errors = child.communicate()
        return Completed(
            argv=words, status=child.returncode, output=output or b"", errors=errors or b"", timed_out=True
        )
    except BaseException:
        _end_group(child)
        raise
    return Completed(argv=words, status=child.returncode, output=output or b"", errors=errors or b"")


def _end_group(child: "subprocess.Popen[bytes]") -> None:
    """Ask a program and all it started to end, then make them: nothing may go on writing when the caller tidies up."""
    _kill_group(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(PATIENCE)
    _kill_group(child, signal.SIGKILL)


class Begun:
    """A program that waits for its input. Where it is never told, it ends when we do."""

    def __init__(self, argv: tuple[str, ...], popen: "subprocess.Popen[bytes]") -> None:
        self._argv, self._popen = argv, popen

    def end(self, stdin: bytes, timeout: float | None = None) -> Completed:
        """Give it its input and wait for its end, as `Processes.run` does."""
        with self._popen as child:
            return _wait(child, self._argv, stdin, timeout)


class Child:
    """A program left running, which its owner ends."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._popen.pid

    def ended(self) -> int | None:
        """Its exit status, or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float) -> int | None:
        """Its exit status, or None when it still runs after `timeout` seconds."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it and all it started, at once."""
        _kill_group(self._popen, signal.SIGKILL)
        self._popen.wait()


def bound_to_us(runner: Runner) -> tuple[str, ...]:
    """Words before a command that make it end when we do, even when we are killed; none where setpriv is missing.

    The kernel watches the thread that starts it: that thread must live as long as the program.
    """
    return ("setpriv", "--pdeathsig", "KILL", "--") if runner.find("setpriv") is not None else ()


def shell_line(argv: Sequence[str | Path]) -> str:
    """The command as a user can paste it."""
    return shlex.join(str(word) for word in argv)


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"


def failed(completed: Completed, doing: str, kind: type[DlkmError]) -> DlkmError:
    """The error for a program that had to succeed: what was being done, its last words, and the command."""
    words = (completed.errors or completed.output).decode("utf-8", "replace").strip().splitlines()[-5:]
    said = "".join(f"\n  {line}" for line in words)
    return kind(
        f"{doing}: {completed.argv[0]} {completed.ending}{said}", hint=f"the command was: {shell_line(completed.argv)}"
    )
