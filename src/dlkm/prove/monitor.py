# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's monitor (QMP): stop, save, resume. Knows no guest protocol and no cache."""

import array
import json
import socket
import time
from typing import Any

from dlkm.core.errors import ExitStatus, SurroundingsError

ANSWER_TIME = 20.0  # seconds
_POLL = 0.005  # seconds
_NO_LIMIT = 1 << 40  # bytes a second
_LINE_LIMIT = 1 << 20  # bytes


class QemuError(SurroundingsError):
    """QEMU does not start, or does not do what it is asked."""

    status = ExitStatus.MISSING_TOOL


class Monitor:
    """One QMP connection."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._wire.settimeout(ANSWER_TIME)
        self._lines = wire.makefile("rb")
        self._next()
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: Any) -> Any:
        """Run a command and return its answer; QemuError when it is refused or none comes."""
        return self._ask(name, arguments, None)

    def save(self, descriptor: int) -> None:
        """Write the machine's whole state to an open file; the guest stands still meanwhile and goes on afterwards."""
        self.command("stop")
        try:
            self.command("migrate-set-parameters", **{"max-bandwidth": _NO_LIMIT})
            self._ask("getfd", {"fdname": "state"}, descriptor)
            self.command("migrate", uri="fd:state")
            self._wait("query-migrate", {"completed"}, {"failed", "cancelled"})
        finally:
            self.command("cont")

    def resume(self, descriptor: int) -> None:
        """Take the state from an open file and run on from there; for a QEMU that was started to resume."""
        self._ask("getfd", {"fdname": "state"}, descriptor)
        self.command("migrate-incoming", uri="fd:state")
        # saved while it stood still, it stands still again
        self._wait("query-status", {"paused", "running"}, {"internal-error", "guest-panicked"})
        self.command("cont")

    def _wait(self, query: str, good: set[str], bad: set[str]) -> None:
        deadline = time.monotonic() + ANSWER_TIME
        while time.monotonic() < deadline:
            status = self.command(query).get("status")
            if status in good:
                return
            if status in bad:
                raise QemuError(f"QEMU's {query} says {status}")
            time.sleep(_POLL)
        raise QemuError(f"QEMU's {query} came to no end in {ANSWER_TIME:.0f} s")

    def _ask(self, name: str, arguments: dict[str, Any], descriptor: int | None) -> Any:
        request = json.dumps({"execute": name, "arguments": arguments}).encode()
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))] if descriptor else []
        try:
            self._wire.sendmsg([request], passed)
        except OSError as error:
            raise QemuError(f"QEMU's monitor is gone: {error}") from error
        while True:
            answer = self._next()
            if "error" in answer:
                raise QemuError(f"QEMU refuses {name}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]

    def _next(self) -> dict[str, Any]:
        try:
            line = self._lines.readline(_LINE_LIMIT)
            answer = json.loads(line)
        except (OSError, ValueError) as error:
            raise QemuError("QEMU's monitor says nothing") from error
        return answer if isinstance(answer, dict) else {}
