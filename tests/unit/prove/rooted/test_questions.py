# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest's modprobe is asked, where the kernel says a line only ten times in five seconds."""

from types import SimpleNamespace
from typing import Any

from dlkm.prove.rooted.observer import Ran
from dlkm.prove.rooted.questions import Questions
from dlkm.prove.rooted.subject import Fate, Foretold, Subject, Wish
from tests.unit.prove.rooted.support import Told

LOCKED = "Lockdown: {}: unsigned module loading is restricted; see man kernel_lockdown.7"
LOG = "/dev/kmsg"


class Locked(Told):
    """Refuses every module; no time passes in it but what it sleeps."""

    said = 0

    def run(self, *words: str, seconds: int = 30) -> Ran:
        if words[0] == "sleep" and float(words[1]) > 5:
            self.said = 0
            return Ran(status=0, output="")
        if self.said < 10:
            self.files[LOG] = self.files.get(LOG, b"") + f"5,1,2,-;{LOCKED.format('modprobe')}\n".encode()
            self.said += 1
        return Ran(status=1, output=f"modprobe: ERROR: could not insert '{words[-1]}': Operation not permitted\n")


def test_a_kernel_that_may_have_fallen_silent_is_waited_for() -> None:
    foretold = Foretold(fate=Fate.FAILS, errno="EPERM", log=(LOCKED.format("<comm>"),))
    foresight: Any = SimpleNamespace(
        settings=SimpleNamespace(kmod=SimpleNamespace(loader=None)),
        subjects=[Subject(module=f"m{number}", wish=Wish.ADDED) for number in range(25)],
        release=SimpleNamespace(is_own=lambda _name: False),
        lookup=SimpleNamespace(module=lambda _name: SimpleNamespace(needs=())),
        told=lambda _subject, _asking: foretold,
    )
    facts: Any = SimpleNamespace(every=frozenset())
    questions = Questions(foresight=foresight, observer=Locked(), facts=facts, boot=2, trouble=str)
    seen = [(trial.seen.errno, trial.seen.log) for trial in questions.answers()]
    assert seen == [("EPERM", foretold.log)] * 25
