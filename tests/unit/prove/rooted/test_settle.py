# SPDX-License-Identifier: GPL-2.0-or-later
"""When a boot is over: systemd says it, any other init shows it by being quiet; neither is waited for without end."""

from dlkm.prove.rooted.observer import Ran
from dlkm.prove.rooted.settle import Settled, Settling
from tests.unit.prove.rooted.support import Told

ASK = "systemctl is-system-running --wait"
SYSTEMD = {"/proc/1/exe": "/usr/lib/systemd/systemd"}


class Clock:
    """Time that passes only when somebody sleeps, or looks at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read(self) -> float:
        self.now += 0.01
        return self.now


def _settled(told: Told, patience: float = 60.0) -> Settled:
    clock = Clock()
    return Settling(observer=told, patience=patience, sleep=clock.sleep, clock=clock.read).wait()


def test_systemd_is_asked_until_it_knows() -> None:
    early = [Ran(status=1, output="offline\n"), Ran(status=1, output="Failed to connect to bus\n")]
    told = Told(links=SYSTEMD, programs={ASK: [*early, Ran(status=0, output="running\n")]})
    assert _settled(told).state == "running"
    assert told.ran[-1].startswith("udevadm settle")


def test_a_boot_that_failed_is_over_too() -> None:
    assert _settled(Told(links=SYSTEMD, programs={ASK: Ran(status=1, output="degraded\n")})).state == "degraded"


def test_a_boot_that_never_ends_is_told_with_what_it_waits_for() -> None:
    told = Told(
        links=SYSTEMD,
        programs={
            ASK: Ran(status=None, output="starting\n"),
            "systemctl list-jobs --no-legend --no-pager": Ran(status=0, output="7 slow.service start running\n"),
        },
    )
    found = _settled(told)
    assert found.state is None
    assert "slow.service" in found.note


class Stirring(Told):
    """Another init: modules come for a while, then nothing stirs."""

    def __init__(self, busy: int, idle_step: int = 100) -> None:
        super().__init__(links={"/proc/1/exe": "/bin/busybox"})
        self._busy, self._step, self._looks = busy, idle_step, 0

    def text(self, path: str) -> str:
        if path == "/proc/modules":
            self._looks += 1
            return str(min(self._looks, self._busy))
        if path == "/proc/stat":
            return f"cpu  {10 * self._looks} 0 0 {self._step * self._looks} 0 0 0 0 0 0\ncpu0 1 1 1 1"
        return "7"


def test_any_other_init_is_over_when_nothing_stirs() -> None:
    found = _settled(Stirring(busy=5))
    assert (found.state, found.init) == ("quiet", "/bin/busybox")


def test_a_busy_processor_stirs() -> None:
    assert _settled(Stirring(busy=1, idle_step=5), patience=30).state is None


def test_our_own_program_is_no_init_yet() -> None:
    class Late(Told):
        looks = 0

        def links(self, pattern: str) -> dict[str, str]:
            Late.looks += 1
            return {"/proc/1/exe": "/init" if Late.looks < 3 else "/usr/lib/systemd/systemd"}

    assert _settled(Late(programs={ASK: Ran(status=0, output="running")})).state == "running"
