# SPDX-License-Identifier: GPL-2.0-or-later
"""A running QEMU: its console, its channel to the guest, its monitor, its end. Knows no modules and no verdicts."""

import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from dlkm.core.processes import Child, Spawner, bound_to_us
from dlkm.prove.machine import Wires
from dlkm.prove.monitor import Monitor, QemuError

START_TIME = 20.0  # seconds until QEMU has opened its sockets
CONSOLE_START = 256 << 10  # bytes kept of a console's beginning, and as many of its end
CONSOLE_FILE = 16 << 20  # bytes that its file may grow to
_BLOCK = 65536
_CONSOLE_PACE = 0.1  # seconds between two looks at the console
_CHANNEL_PACE = 0.001  # seconds for more of a line to come
_LINE_LIMIT = 32 << 10  # bytes; a longer line is garbage and is passed on in parts


class Console:
    """The kernel's own log as it came over the first serial port: its beginning and its end, whatever its length.

    QEMU appends it to a file. To listen on a socket would cost the guest a good part of its time: a serial port passes
    on single bytes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = 0
        self._start = bytearray()
        self._end: deque[bytes] = deque()
        self._end_size = 0
        self._dropped = 0

    def look(self) -> bool:
        """Take what has come; whether anything has. A file that grows without end is emptied."""
        with self._path.open("rb") as stream:
            stream.seek(self._place)
            data = stream.read(CONSOLE_FILE)
        self._place += len(data)
        self._add(data)
        if self._place >= CONSOLE_FILE:
            os.truncate(self._path, 0)
            self._place = 0
        return bool(data)

    def _add(self, data: bytes) -> None:
        room = CONSOLE_START - len(self._start)
        self._start += data[:room]
        self._end.extend(data[place : place + _BLOCK] for place in range(room, len(data), _BLOCK))
        self._end_size += max(0, len(data) - room)
        while self._end_size > CONSOLE_START + _BLOCK:
            dropped = len(self._end.popleft())
            self._end_size -= dropped
            self._dropped += dropped

    def content(self) -> bytes:
        """All that is kept."""
        self.look()
        gap = b"\n[... %d bytes ...]\n" % self._dropped if self._dropped else b""
        return bytes(self._start) + gap + b"".join(self._end)


class Qemu:
    """One QEMU process; made by `running`."""

    def __init__(self, child: Child, monitor: Monitor, console: Console, channel: socket.socket) -> None:
        self.child = child
        self.monitor = monitor
        self.console = console
        self._channel = channel
        self._received = bytearray()
        self._lines: deque[bytes] = deque()
        self._listens = True
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ)
        self._last_sign = self._last_look = time.monotonic()
        channel.setblocking(False)

    @property
    def ended(self) -> bool:
        """Whether the machine is off: nothing more will come."""
        return not self._listens and not self._lines

    def send(self, data: bytes) -> None:
        """Some bytes to the guest; a QEMU that is gone is noticed by who listens."""
        with suppress(OSError):
            self._channel.setblocking(True)
            self._channel.sendall(data)
            self._channel.setblocking(False)

    def line(self, timeout: float, silence: float | None = None) -> bytes | None:
        """The guest's next line; None when `timeout` seconds pass without one, or the machine goes off.

        With `silence`, also None when console and channel together say nothing for so many seconds.
        """
        deadline = time.monotonic() + timeout
        self._last_sign = time.monotonic()
        while not self._lines:
            until = deadline if silence is None else min(deadline, self._last_sign + silence)
            remaining = until - time.monotonic()
            if remaining <= 0:
                return None
            self._receive(min(remaining, _CONSOLE_PACE))
            if self.ended:
                return None
        return self._lines.popleft()

    def _receive(self, timeout: float) -> None:
        now = time.monotonic()
        if self._selector.select(timeout):
            time.sleep(_CHANNEL_PACE)
            data = _read(self._channel)
            self._last_sign = now
            if data:
                self._split(data)
            elif data is not None:
                self._selector.unregister(self._channel)
                self._listens = False
        if self._last_look + _CONSOLE_PACE <= now:
            self._last_look = now
            if self.console.look():
                self._last_sign = now

    def _split(self, data: bytes) -> None:
        self._received += data
        *lines, rest = self._received.split(b"\n")
        self._lines.extend(bytes(line) for line in lines)
        if len(rest) > _LINE_LIMIT:
            self._lines.append(bytes(rest))
            rest = bytearray()
        self._received = bytearray(rest)

    def close(self) -> None:
        """End it."""
        self.child.kill()
        self._selector.close()


def _read(wire: socket.socket) -> bytes | None:
    """What is there; nothing at all (b"") when the other side is gone, None when it only says nothing now."""
    try:
        return wire.recv(_BLOCK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


@contextmanager
def running(make_argv: Callable[[Wires], Sequence[str]], folder: Path, spawner: Spawner) -> Iterator[Qemu]:
    """QEMU, started with the command line for these sockets and ended afterwards. `folder` is private and short-named.

    QemuError when it does not start, with its own words; MissingToolError when it is not installed.
    """
    wires = Wires(console=folder / "console", channel=folder / "channel", monitor=folder / "monitor")
    with ExitStack() as stack:
        listeners = {name: stack.enter_context(_listen(getattr(wires, name))) for name in _NAMES}
        wires.console.write_bytes(b"")
        log = folder / "qemu.log"
        # what a guest writes to a disk that must stay as it is lies in QEMU's temporary directory
        temporary = {"TMPDIR": str(folder)}
        child = spawner.spawn([*bound_to_us(spawner), *make_argv(wires)], env=temporary, log=log)
        stack.callback(child.kill)
        deadline = time.monotonic() + START_TIME
        accepted = {
            name: stack.enter_context(_accept(listener, child, log, deadline)) for name, listener in listeners.items()
        }
        qemu = Qemu(child, _monitor(accepted["monitor"], child, log), Console(wires.console), accepted["channel"])
        stack.callback(qemu.close)
        yield qemu


_NAMES = ("channel", "monitor")


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1)
    listener.settimeout(0.05)
    return listener


def _accept(listener: socket.socket, child: Child, log: Path, deadline: float) -> socket.socket:
    while True:
        with suppress(TimeoutError):
            return listener.accept()[0]
        if child.ended() is not None or time.monotonic() > deadline:
            raise _not_started(log)


def _monitor(wire: socket.socket, child: Child, log: Path) -> Monitor:
    """Its monitor; a QEMU that does not like its arguments ends only after it has opened its sockets."""
    try:
        return Monitor(wire)
    except QemuError as error:
        if child.wait(1) is None:
            raise
        raise _not_started(log) from error


def _not_started(log: Path) -> QemuError:
    words = log.read_bytes().decode("utf-8", "replace").strip().splitlines()[-3:]
    return QemuError("QEMU does not start: " + ("; ".join(words) or "it says nothing"))
