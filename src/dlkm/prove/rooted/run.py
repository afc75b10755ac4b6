# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots a root filesystem twice and asks it about every subject; the answers, each beside what was foretold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlkm.core.events import Events
from dlkm.core.processes import Spawner
from dlkm.prove.attempt import Boot, ProveOptions
from dlkm.prove.rooted.boot import Machine, Starter
from dlkm.prove.rooted.devices import made_by, snapshot
from dlkm.prove.rooted.expect import Foresight
from dlkm.prove.rooted.facts import Facts, look
from dlkm.prove.rooted.nodes import Nodes
from dlkm.prove.rooted.observer import GuestLostError, Observer
from dlkm.prove.rooted.questions import Questions
from dlkm.prove.rooted.settle import Settling
from dlkm.prove.rooted.subject import Asking, Device, Fate, Seen, Subject, Trial, Wish
from dlkm.prove.rooted.weigh import seen_in
from dlkm.prove.trouble import explain, keep_console

BOOTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RootProof:
    """What was proven, the boots it took, and what was noted on the way."""

    boots: tuple[Boot, ...]
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One boot that was seen to its end."""

    facts: Facts
    devices: dict[str, Device]


@dataclass(slots=True, kw_only=True)
class _Findings:
    """All that was seen, as far as it went; `made` are the places of the devices that a module made."""

    looks: list[_Look] = field(default_factory=list)
    asked: list[Trial] = field(default_factory=list)
    made: dict[str, frozenset[str]] = field(default_factory=dict)
    boots: list[Boot] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trouble: str | None = None
    console: Path | None = None


def prove_root(
    foresight: Foresight, disk: Path, options: ProveOptions, devices: Sequence[str], spawner: Spawner, events: Events
) -> RootProof:
    """Foretell, then boot what lies on `disk` with the foresight's kernel; `devices` are QEMU's, for drivers.

    A guest that falls silent fails all that is still to be seen. UsageError when the kernel has no image or no driver
    for the disk; MissingToolError when QEMU, mke2fs or a compiler is missing; QemuError when QEMU does not start.
    """
    starter = Starter(foresight, disk, options, devices, spawner, events)
    foresight = replace(foresight, lent=starter.lent)
    findings = _Findings(notes=[*foresight.notes])
    with events.task("reading what is to become of its modules"):
        foresight.foretell()
    try:
        with starter.machine() as machine:
            _Visit(foresight, options, events, machine, findings).go()
    except GuestLostError as error:
        findings.trouble = explain(error.what, error.console)
        findings.console = keep_console(options.cache / "consoles", foresight.kernel.id, error.console)
    return RootProof(
        boots=tuple(findings.boots), trials=tuple(_trials(foresight, findings)), notes=tuple(findings.notes)
    )


class _Visit:
    """One machine, from its first boot to the last question."""

    def __init__(
        self, foresight: Foresight, options: ProveOptions, events: Events, machine: Machine, findings: _Findings
    ) -> None:
        self._foresight, self._options, self._events = foresight, options, events
        self._machine, self._findings = machine, findings
        self._names = [subject.module for subject in foresight.subjects]

    def go(self) -> None:
        """All of it; GuestLostError, with the console, when the guest falls silent before."""
        try:
            observer = self._machine.enter()
            self._look(observer)
            for _ in range(BOOTS - 1):
                with self._events.task("booting it again"):
                    observer = self._machine.again(observer)
                self._look(observer)
            self._ask(observer)
        except GuestLostError as error:
            raise GuestLostError(error.what, self._console()) from error
        finally:
            self._machine.end_boot()
            self._findings.boots += self._machine.boots
            self._findings.notes += self._machine.notes

    def _console(self) -> bytes:
        return self._machine.qemu.console.content()

    def _look(self, observer: Observer) -> None:
        number = len(self._findings.looks) + 1
        with self._events.task(f"waiting for the end of boot {number}"):
            settled = Settling(observer=observer, patience=self._options.boot_timeout).wait()
        if settled.state is None:
            words = f"boot {number} was not over after {self._options.boot_timeout:.0f} s; {settled.note}"
            self._findings.notes.append(words.rstrip("; "))
        elif settled.state not in {"running", "quiet"}:
            failed = observer.run("systemctl", "--failed", "--plain", "--no-legend", "--no-pager").output
            units = ", ".join(line.split()[0] for line in failed.splitlines() if line.strip())
            self._findings.notes.append(f"boot {number} ended {settled.state}: {units or 'no unit says why'}")
        facts = look(observer, settled, self._names)
        self._findings.looks.append(_Look(facts=facts, devices=snapshot(observer)))

    def _ask(self, observer: Observer) -> None:
        """What changes the guest comes last: it is not looked at any more afterwards."""
        facts = self._findings.looks[-1].facts
        questions = Questions(
            foresight=self._foresight,
            observer=observer,
            facts=facts,
            boot=BOOTS,
            trouble=lambda what: explain(what, self._console()),
        )
        with self._events.task("asking its modprobe"):
            for trial in questions.answers():
                self._findings.asked.append(trial)
        for subject in self._foresight.subjects:
            if subject.module in facts.loaded and subject.wish is not Wish.BLACKLIST:
                made = made_by(observer, subject.module)
                if made is not None:
                    self._findings.made[subject.module] = made


def _trials(foresight: Foresight, findings: _Findings) -> Iterator[Trial]:
    """Every boot's answers, then those to what was asked; a boot that was not seen to its end has its trouble."""
    for number in range(1, BOOTS + 1):
        for subject in foresight.subjects:
            foretold = foresight.told(subject, Asking.BOOT)
            seen = _seen(foresight, findings, subject, number)
            yield Trial(subject=subject, asking=Asking.BOOT, boot=number, foretold=foretold, seen=seen)
    for trial in findings.asked:
        in_trouble = trial.seen.trouble is not None
        yield replace(trial, seen=replace(trial.seen, console=findings.console)) if in_trouble else trial
    if findings.trouble is not None and len(findings.looks) == BOOTS:
        findings.notes.append(f"after the last boot, while it was asked: {findings.trouble}")


def _seen(foresight: Foresight, findings: _Findings, subject: Subject, number: int) -> Seen:
    if number > len(findings.looks):
        return Seen(fate=Fate.FAILS, trouble=findings.trouble, console=findings.console)
    one = findings.looks[number - 1]
    seen = seen_in(one.facts, subject.module, foresight.told(subject, Asking.BOOT), foresight)
    nodes = Nodes(foresight.root)
    places = sorted(findings.made.get(subject.module, ()))
    devices = (nodes.foretold(one.devices[place]) for place in places if place in one.devices)
    return replace(seen, devices=tuple(devices))
