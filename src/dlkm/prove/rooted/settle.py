# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits until a root filesystem has booted: as its systemd says, else until nothing stirs any more."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dlkm.prove.rooted.observer import Observer
from dlkm.prove.rooted.words import words

SYSTEMD = "/run/systemd/system"
PACE = 0.5  # seconds between two looks
QUIET_LOOKS = 4  # so many times nothing stirs: then it is over
BUSY = 0.2  # of the processors' time, above which something stirs
MOST_WAIT = 120  # seconds for one question


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How the boot ended: systemd's word for it, "quiet" where another init boots, None when it went on too long."""

    state: str | None
    init: str
    note: str = ""


@dataclass(slots=True, kw_only=True)
class Settling:
    """One wait of at most `patience` seconds; `sleep` and `clock` are time's."""

    observer: Observer
    patience: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _deadline: float = field(init=False, default=0.0)

    def wait(self) -> Settled:
        """Until it is over, or the patience is."""
        self._deadline = self.clock() + self.patience
        init = self.observer.links("/proc/1/exe").get("/proc/1/exe", "")
        while init.startswith("/init") and self._left() > 0:  # our own program is about to hand over
            self.sleep(PACE)
            init = self.observer.links("/proc/1/exe").get("/proc/1/exe", "")
        if "systemd" not in init:
            return self._quiet(init)
        return self._systemd(init)

    def _left(self) -> float:
        return self._deadline - self.clock()

    def _systemd(self, init: str) -> Settled:
        """Its manager cannot be asked from the first moment on."""
        while (left := self._left()) > 0:
            patience = max(1, int(min(left, MOST_WAIT)))
            state = self.observer.run("systemctl", "is-system-running", "--wait", seconds=patience).output.strip()
            if state in words().over:
                self.observer.run("udevadm", "settle", f"--timeout={MOST_WAIT}", seconds=MOST_WAIT + 5)
                return Settled(state=state, init=init)
            self.sleep(PACE)
        listed = self.observer.run("systemctl", "list-jobs", "--no-legend", "--no-pager").output
        jobs = ", ".join(job[1] for job in map(str.split, listed.splitlines()) if job[3:] == ["running"])
        return Settled(state=None, init=init, note=f"still to be done: {jobs}" if jobs else "")

    def _quiet(self, init: str) -> Settled:
        """Same modules, no new events and idle processors, several looks long."""
        quiet, before, ticks = 0, "", (0, 0)
        while quiet < QUIET_LOOKS:
            if self._left() <= 0:
                return Settled(state=None, init=init)
            self.sleep(PACE * 2)
            now = self.observer.text("/proc/modules") + self.observer.text("/sys/kernel/uevent_seqnum")
            later = _ticks(self.observer.text("/proc/stat"))
            busy, every = later[0] - ticks[0], later[1] - ticks[1]
            quiet = quiet + 1 if now == before and busy <= BUSY * every else 0
            before, ticks = now, later
        return Settled(state="quiet", init=init)


def _ticks(stat: str) -> tuple[int, int]:
    """Busy and all clock ticks of all processors since the start (Documentation/filesystems/proc.rst: /proc/stat)."""
    numbers = [int(word) for word in stat.partition("\n")[0].split()[1:9] if word.isdecimal()]
    idle = sum(numbers[3:5])
    return sum(numbers) - idle, sum(numbers)
