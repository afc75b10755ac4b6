# SPDX-License-Identifier: GPL-2.0-or-later
"""A running QEMU: its console, its channel to the guest, its monitor, its end. Knows no modules and no verdicts."""

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
_BLOCK = 65536
_LINE_LIMIT = 32 << 10  # bytes; a longer line is garbage and is passed on in parts


class Console:
    """The kernel's own log as it came over the first serial port: its beginning and its end, whatever its length."""

    def __init__(self) -> None:
        self._start = bytearray()
        self._end: deque[bytes] = deque()
        self._end_size = 0
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """What has come."""
        room = CONSOLE_START - len(self._start)
        self._start += data[:room]
        self._end.append(data[room:])
        self._end_size += len(self._end[-1])
        while self._end_size > CONSOLE_START + _BLOCK:
            dropped = len(self._end.popleft())
            self._end_size -= dropped
            self._dropped += dropped

    def content(self) -> bytes:
        """All that is kept."""
        gap = b"\n[... %d bytes ...]\n" % self._dropped if self._dropped else b""
        return bytes(self._start) + gap + b"".join(self._end)


class Qemu:
    """One QEMU process; made by `running`."""

    def __init__(self, child: Child, monitor: Monitor, console: socket.socket, channel: socket.socket) -> None:
        self.child = child
        self.monitor = monitor
        self.console = Console()
        self._channel = channel
        self._received = bytearray()
        self._lines: deque[bytes] = deque()
        self._open = {"console": console, "channel": channel}
        self._selector = selectors.DefaultSelector()
        self._last_sign = time.monotonic()
        for name, wire in self._open.items():
            wire.setblocking(False)
            self._selector.register(wire, selectors.EVENT_READ, name)

    @property
    def ended(self) -> bool:
        """Whether the machine is off: nothing more will come."""
        return "channel" not in self._open and not self._lines

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
            if remaining <= 0 or not self._open:
                return None
            self._receive(remaining)
            if "channel" not in self._open and not self._lines:
                self._drain()
                return None
        return self._lines.popleft()

    def _receive(self, timeout: float) -> None:
        for key, _events in self._selector.select(timeout):
            assert isinstance(key.fileobj, socket.socket)
            data = _read(key.fileobj)
            self._last_sign = time.monotonic()
            if not data:
                self._selector.unregister(key.fileobj)
                del self._open[key.data]
            elif key.data == "console":
                self.console.add(data)
            else:
                self._split(data)

    def _drain(self) -> None:
        """What the console still holds after the machine went off."""
        deadline = time.monotonic() + 1
        while "console" in self._open and time.monotonic() < deadline:
            self._receive(0.1)

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


def _read(wire: socket.socket) -> bytes:
    try:
        return wire.recv(_BLOCK)
    except BlockingIOError:
        return b""
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
        log = folder / "qemu.log"
        child = spawner.spawn([*bound_to_us(spawner), *make_argv(wires)], log=log)
        stack.callback(child.kill)
        deadline = time.monotonic() + START_TIME
        accepted = {
            name: stack.enter_context(_accept(listener, child, log, deadline)) for name, listener in listeners.items()
        }
        qemu = Qemu(child, Monitor(accepted["monitor"]), accepted["console"], accepted["channel"])
        stack.callback(qemu.close)
        yield qemu


_NAMES = ("console", "channel", "monitor")


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
            words = log.read_bytes().decode("utf-8", "replace").strip().splitlines()[-3:]
            raise QemuError("QEMU does not start: " + ("; ".join(words) or "it says nothing"))
