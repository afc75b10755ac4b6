# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots a kernel as often as needed until every attempt has its answer. Compares nothing with a prediction."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dlkm.core.events import Events, Task
from dlkm.core.processes import Spawner
from dlkm.kernel.kernel import Kernel
from dlkm.prove.attempt import Attempt, Boot, Observed, Proof, ProveOptions
from dlkm.prove.conversation import Conversation, converse
from dlkm.prove.launch import Launcher, Ready, Stillborn
from dlkm.prove.payload import batches, build, validate
from dlkm.prove.trouble import explain, keep_console
from dlkm.verdict.verdict import Outcome


def prove(kernel: Kernel, attempts: Sequence[Attempt], options: ProveOptions, runner: Spawner, events: Events) -> Proof:
    """Load each module in the booted kernel, whatever may happen to the guest meanwhile.

    An attempt that panics, hangs or otherwise ends the guest is answered with its `trouble`; the others go on in a new
    boot. UsageError when the kernel has no image or a module cannot be read; MissingToolError when QEMU, KVM when it
    was asked for, or a compiler for the guest's program is missing; QemuError when QEMU does not start.
    """
    for attempt in attempts:
        validate(attempt)
    launcher = Launcher(kernel, options, runner, events)
    series = _Series(kernel, options, launcher)
    numbered = dict(enumerate(attempts))
    with events.task(f"loading modules in {kernel.id}", total=len(attempts)) as task:
        for batch in batches(numbered):
            series.run(batch, task)
    launcher.settle()
    return Proof(boots=tuple(series.boots), observed=tuple(series.answers[number] for number in numbered))


class _Series:
    """The boots of one proof."""

    def __init__(self, kernel: Kernel, options: ProveOptions, launcher: Launcher) -> None:
        self._kernel = kernel
        self._options = options
        self._launcher = launcher
        self.boots: list[Boot] = []
        self.answers: dict[int, Observed] = {}

    def run(self, batch: Mapping[int, Attempt], task: Task) -> None:
        """Until all of the batch is answered; each round answers one at least."""
        pending = dict(batch)
        while pending:
            answers = self._round(pending, task)
            self.answers |= answers
            pending = {number: attempt for number, attempt in pending.items() if number not in answers}

    def _round(self, pending: Mapping[int, Attempt], task: Task) -> Mapping[int, Observed]:
        """The answers of one boot."""
        while True:
            with self._launcher.guest(build(pending)) as guest:
                if isinstance(guest, Stillborn):
                    return self._stillborn(guest, pending)
                done = len(self.answers)
                talk = converse(
                    guest.qemu,
                    pending,
                    secrets.token_hex(8),
                    self._options.timeout,
                    lambda answered: task.advance(done + answered),  # noqa: B023 — used within this turn only
                )
                self._note_boot(guest)
                if talk.payload_error == 0:
                    return self._read(guest, talk, pending)
            if self._blames_delivery(guest, talk):
                continue
            return self._without_payload(guest, talk, pending)

    def _note_boot(self, guest: Ready | Stillborn) -> None:
        self.boots.append(
            Boot(
                kernel=self._kernel.id,
                accelerator=guest.accelerator,
                seconds=round(time.monotonic() - guest.started, 3),
                resumed=isinstance(guest, Ready) and guest.resumed,
            )
        )

    def _blames_delivery(self, guest: Ready, talk: Conversation) -> bool:
        """Whether another way to hand over the payload is worth a boot."""
        if talk.payload_error is not None:
            return self._launcher.driver_fails()
        if guest.key is not None:
            self._launcher.drop(guest.key)
        return guest.key is not None

    def _read(self, guest: Ready, talk: Conversation, pending: Mapping[int, Attempt]) -> Mapping[int, Observed]:
        answers = dict(talk.answers)
        if talk.trouble is not None and not answers:
            answers[next(iter(pending))] = Observed(outcome=Outcome.FAILS, trouble=talk.trouble)
        if talk.trouble is None:
            return answers
        return self._explained(answers, guest.qemu.console.content())

    def _without_payload(
        self, guest: Ready, talk: Conversation, pending: Mapping[int, Attempt]
    ) -> Mapping[int, Observed]:
        trouble = talk.trouble or f"the guest could not read what to try (errno {talk.payload_error})"
        observed = Observed(outcome=Outcome.FAILS, trouble=trouble)
        return self._explained(dict.fromkeys(pending, observed), guest.qemu.console.content())

    def _stillborn(self, guest: Stillborn, pending: Mapping[int, Attempt]) -> Mapping[int, Observed]:
        self._note_boot(guest)
        observed = Observed(outcome=Outcome.FAILS, trouble=guest.trouble)
        return self._explained(dict.fromkeys(pending, observed), guest.console)

    def _explained(self, answers: Mapping[int, Observed], console: bytes) -> Mapping[int, Observed]:
        """Troubled answers with the console's words and the file that keeps it."""
        path = keep_console(self._options.cache / "consoles", self._kernel.id, console)
        return {
            number: observed
            if observed.trouble is None
            else replace(observed, trouble=_told(observed, console), console=path)
            for number, observed in answers.items()
        }


def _told(observed: Observed, console: bytes) -> str:
    words = explain(observed.trouble or "", console)
    return f"afterwards, {words}" if observed.afterwards else words
