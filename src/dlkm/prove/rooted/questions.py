# SPDX-License-Identifier: GPL-2.0-or-later
"""What a root filesystem's own modprobe is asked once its last boot was looked at: by alias, and by name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from dlkm.core.names import module_name
from dlkm.prove.agreement import limited, used_up
from dlkm.prove.rooted.devices import made_by, snapshot
from dlkm.prove.rooted.expect import Foresight
from dlkm.prove.rooted.facts import Facts, accepted, kernel_log, loaded_modules, loaded_names
from dlkm.prove.rooted.nodes import Nodes
from dlkm.prove.rooted.observer import GuestLostError, Observer, Ran
from dlkm.prove.rooted.subject import Asking, Fate, Seen, Subject, Trial, Wish
from dlkm.prove.rooted.weigh import loaded_one, refusing_lines, unready_for
from dlkm.prove.rooted.words import inserted_files, refusal
from dlkm.rootfs.kmod import Loader

TIME = 120  # seconds for one answer
SILENCE = "6"  # seconds; then the kernel says again what it says ten times in five


@dataclass(kw_only=True)
class Questions:
    """All that is asked of one guest in its boot `boot`; `trouble` tells why it fell silent, once it did."""

    foresight: Foresight
    observer: Observer
    facts: Facts
    boot: int
    trouble: Callable[[str], str]
    _passed: int = field(default=0, init=False)  # lines of the kernel's log, up to the last wait

    def answers(self) -> Iterator[Trial]:
        """One after the other; a guest that a question silences has failed that one, and GuestLostError follows."""
        aliases = self._by_alias() if self.foresight.settings.kmod.loader is Loader.KMOD else iter(())
        return chain(aliases, self._by_name())

    def _by_alias(self) -> Iterator[Trial]:
        """As udev asks, but only for the words: what else serves that hardware need not be loaded."""
        for subject in self.foresight.subjects:
            if subject.wish is Wish.BLACKLIST and subject.aliases:
                yield from self._asked(subject, Asking.ALIAS, ("-n", "-v", "-b", "-a", *subject.aliases))

    def _by_name(self) -> Iterator[Trial]:
        """Those added to the kernel's that are not there yet: also a blacklisted one loads for who names it."""
        for subject in self.foresight.subjects:
            is_added = subject.wish is Wish.ADDED or not self.foresight.release.is_own(subject.module)
            if is_added and subject.wish in {Wish.ADDED, Wish.BLACKLIST} and subject.module not in self.facts.every:
                yield from self._asked(subject, Asking.NAME, ("-v", subject.module))

    def _asked(self, subject: Subject, asking: Asking, words: Sequence[str]) -> Iterator[Trial]:
        try:
            before = self._let_speak() if asking is Asking.NAME else 0
            ran = self.observer.run("modprobe", *words, seconds=TIME)
            if asking is Asking.ALIAS:
                yield self._trial(subject, asking, _would_load(ran, subject))
            elif ran.status == 0:
                yield self._trial(subject, asking, self._loaded(subject, ran))
            else:
                yield self._trial(subject, asking, self._refused(subject, ran, before))
        except GuestLostError as error:
            yield self._trial(subject, asking, Seen(fate=Fate.FAILS, trouble=self.trouble(error.what)))
            raise

    def _let_speak(self) -> int:
        """How many lines the kernel's log has; waits first where the kernel may keep the next one to itself."""
        log = kernel_log(self.observer)
        if used_up(limited(log[self._passed :])):
            self.observer.run("sleep", SILENCE, seconds=TIME)
            self._passed = len(log)
        return len(log)

    def _loaded(self, subject: Subject, ran: Ran) -> Seen:
        """Which file it is, how it is set, and the devices that it makes."""
        loaded = loaded_modules(self.observer, [subject.module]).get(subject.module)
        if loaded is None:
            return Seen(fate=Fate.STAYS_OUT, said=ran.output.strip())
        seen = loaded_one(loaded, subject.module, self.foresight, ran.output.strip())
        made = made_by(self.observer, subject.module) or ()
        devices = snapshot(self.observer) if made else {}
        nodes = Nodes(self.foresight.root)
        return replace(
            seen, devices=tuple(nodes.foretold(devices[place]) for place in sorted(made) if place in devices)
        )

    def _refused(self, subject: Subject, ran: Ran, before: int) -> Seen:
        foretold = self.foresight.told(subject, Asking.NAME)
        taken = accepted(self.observer) or frozenset()
        return Seen(
            fate=Fate.FAILS,
            errno=refusal(ran.output),
            log=refusing_lines(kernel_log(self.observer)[before:], subject.module, foretold.log),
            said=ran.output.strip(),
            accepted=subject.module in taken,
            unready=unready_for(subject.module, self.foresight, taken, loaded_names(self.observer)),
        )

    def _trial(self, subject: Subject, asking: Asking, seen: Seen) -> Trial:
        return Trial(
            subject=subject,
            asking=asking,
            boot=self.boot,
            foretold=self.foresight.told(subject, asking),
            seen=seen,
            asked=subject.aliases[0] if asking is Asking.ALIAS else "",
        )


def _would_load(ran: Ran, subject: Subject) -> Seen:
    """A module that is built in, or there already, is none of modprobe's words."""
    loads = subject.module in map(module_name, inserted_files(ran.output))
    return Seen(fate=Fate.LOADS if loads else Fate.STAYS_OUT, said=ran.output.strip())
