# SPDX-License-Identifier: GPL-2.0-or-later
"""What a boot's facts say of one module, and how that stands to what was foretold. Pure."""

import re
from collections.abc import Collection, Iterator, Sequence

from dlkm.core.errors import DlkmError
from dlkm.core.names import module_name
from dlkm.ko.module import Module
from dlkm.prove.agreement import Agreement, is_notice, placed
from dlkm.prove.rooted.expect import Foresight
from dlkm.prove.rooted.facts import Facts, Loaded
from dlkm.prove.rooted.parameters import normalised
from dlkm.prove.rooted.subject import Asking, Fate, Foretold, Seen, Trial, Wish

NOTE_SECTION = ".note.gnu.build-id"


def seen_in(facts: Facts, name: str, foretold: Foretold, foresight: Foresight) -> Seen:
    """What became of a module in a boot."""
    loaded = facts.loaded.get(name)
    said = facts.said.get(name)
    words = said.line if said is not None else ""
    if name in foresight.lent:
        return Seen(fate=Fate.LOADS, builtin=True, said=words)
    if name in facts.unfinished:
        return Seen(fate=Fate.FAILS, said=words or "its init() has not returned", accepted=True)
    if loaded is not None:
        return loaded_one(loaded, name, foresight, words)
    # One that is part of the kernel need not be in /sys, and where nothing else is heard of it, it is.
    is_there = said.kind == "present" if said is not None else foretold.builtin
    if name in facts.builtin or is_there:
        return Seen(fate=Fate.LOADS, builtin=True, said=words)
    taken = facts.accepted or frozenset()
    accepted, unready = name in taken, unready_for(name, foresight, taken, facts.every)
    if said is None or said.kind not in {"failed", "missing"}:
        # Whoever else tried says nothing that we hear; the kernel tells that it took it, or why not.
        log = refusing_lines(facts.log, name, foretold.log)
        fate = Fate.FAILS if accepted or log else Fate.STAYS_OUT
        return Seen(fate=fate, said=words, accepted=accepted, unready=unready, log=log)
    log = () if accepted else refusing_lines(facts.log, name, foretold.log)
    return Seen(fate=Fate.FAILS, errno=said.errno, log=log, said=words, accepted=accepted, unready=unready)


def unready_for(name: str, foresight: Foresight, taken: Collection[str], there: Collection[str]) -> tuple[str, ...]:
    """The modules that one needs, which the kernel took (`taken`) and which are not there, as their init() failed."""
    needed = map(module_name, foresight.lookup.module(name).needs)
    return tuple(one for one in needed if one in taken and one not in there)


def loaded_one(loaded: Loaded, name: str, foresight: Foresight, said: str) -> Seen:
    """A module that is there: which file it is, and how it is set."""
    module = foresight.module(name)
    types = {one.name: one.type or "" for one in module.parameters} if module is not None else {}
    return Seen(
        fate=Fate.LOADS,
        files=tuple(place for place, twin in foresight.files(name) if _is(twin, loaded)),
        parameters={key: normalised(value, types.get(key, "")) for key, value in loaded.parameters.items()},
        taint=loaded.taint,
        said=said,
        accepted=True,
    )


def _is(module: Module, loaded: Loaded) -> bool:
    """Whether the loaded module is this file's, by the build's own mark, else by that of its source."""
    try:
        note, srcversion = module.elf.bytes_named(NOTE_SECTION), module.field("srcversion")
    except DlkmError:
        return False
    if note is not None and loaded.note is not None:
        return note == loaded.note
    return srcversion is not None and srcversion == loaded.srcversion


def refusing_lines(log: Sequence[str], name: str, foretold: Sequence[str]) -> tuple[str, ...]:
    """The kernel's lines about a module that it refused: those that name it, and those that were foretold."""
    naming = re.compile(rf"{re.escape(name)}: |.*[Mm]odule {re.escape(name)}\b")
    return tuple(dict.fromkeys(_refusing(log, naming, foretold)))


def _refusing(log: Sequence[str], naming: re.Pattern[str], foretold: Sequence[str]) -> Iterator[str]:
    for line in map(placed, log):
        if line in foretold or (naming.match(line) and not is_notice(line)):
            yield line


def agreement(trial: Trial) -> Agreement:
    """How the two stand to each other; where a file was foretold and another is there, they differ in any case."""
    foretold, seen = trial.foretold, trial.seen
    if seen.trouble is not None:
        return Agreement.DIFFERS
    if seen.fate is Fate.LOADS and not _as_foretold(foretold, seen):
        return Agreement.DIFFERS
    failed = seen.fate is Fate.FAILS and seen.accepted
    init_failed = foretold.fate is Fate.LOADS and (failed or bool(seen.unready))  # which no file tells
    # Who fails without a word, and with an init that says nothing, looks like one that nobody tried.
    unheard = foretold.fate is Fate.FAILS and not foretold.log and seen.fate is Fate.STAYS_OUT and not seen.said
    if foretold.fate is Fate.CANNOT_TELL or init_failed or unheard:
        return Agreement.OPEN
    return Agreement.AGREES if foretold.fate is seen.fate and _same_refusal(foretold, seen) else Agreement.DIFFERS


def _same_refusal(foretold: Foretold, seen: Seen) -> bool:
    """Nobody may have told the errno: then the log decides."""
    same_errno = foretold.errno is None or seen.errno in {None, foretold.errno}
    return same_errno and set(foretold.log) <= set(seen.log)


def _as_foretold(foretold: Foretold, seen: Seen) -> bool:
    """File, parameters and devices. A module without any mark may be any file; what /sys hides is not compared."""
    same_file = foretold.file is None or not seen.files or foretold.file in seen.files
    same_parameters = all(seen.parameters.get(name, value) == value for name, value in foretold.parameters.items())
    return same_file and same_parameters and not any(device.differing for device in seen.devices)


_MEANT = {Wish.AUTOLOAD: Fate.LOADS, Wish.NAMED: Fate.LOADS, Wish.BLACKLIST: Fate.STAYS_OUT}


def as_meant(trial: Trial) -> bool:
    """Whether it is as the root's author meant: what is to load loads, what is blacklisted stays out."""
    if trial.seen.trouble is not None:
        return False
    if trial.asking is Asking.NAME:  # the hardware that its init() may want need not be here
        return trial.seen.fate is Fate.LOADS or trial.seen.accepted or bool(trial.seen.unready)
    if trial.seen.builtin:
        return True
    return trial.seen.fate is _MEANT.get(trial.subject.wish, trial.seen.fate)
