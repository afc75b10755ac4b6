# SPDX-License-Identifier: GPL-2.0-or-later
"""Proofs of root filesystems as text for people and as dlkm.prove/1."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlkm.prove.agreement import Agreement
from dlkm.prove.rooted.run import RootProof
from dlkm.prove.rooted.subject import Asking, Device, Fate, Foretold, Seen, Subject, Trial, Wish
from dlkm.prove.rooted.weigh import agreement, as_meant
from dlkm.report.document import document
from dlkm.report.prove import AGREEMENTS, show_boots
from dlkm.report.terminal import Style, Terminal, printable

CROWD = 5  # blacklisted modules that one file may name before they are told in one line
_WORDS = {
    Fate.LOADS: ("loads", Style.GOOD),
    Fate.FAILS: ("fails", Style.BAD),
    Fate.STAYS_OUT: ("stays out", Style.GOOD),
    Fate.CANNOT_TELL: ("cannot tell", Style.DOUBTFUL),
}


def rootfs_document(rootfs: Path, proofs: Sequence[tuple[str, RootProof]]) -> dict[str, Any]:
    """dlkm.prove/1, with `rootfs` and more words in each result; `proofs` by the kernel's id."""
    return document(
        "prove",
        rootfs=rootfs,
        boots=[boot for _, proof in proofs for boot in proof.boots],
        results=[_result(trial, kernel) for kernel, proof in proofs for trial in proof.trials],
        failed=[],
        notes=[note for _, proof in proofs for note in proof.notes],
    )


def _result(trial: Trial, kernel: str) -> dict[str, Any]:
    subject, foretold, seen = trial.subject, trial.foretold, trial.seen
    return {
        "module": subject.module,
        "path": foretold.file,
        "kernel": kernel,
        "wish": subject.wish,
        "places": subject.places,
        "asking": trial.asking,
        "asked": trial.asked or subject.module,
        "boot": trial.boot,
        "predicted": _predicted(foretold),
        "observed": _observed(seen),
        "agree": agreement(trial) is not Agreement.DIFFERS,
        "as_meant": as_meant(trial),
    }


def _predicted(foretold: Foretold) -> dict[str, Any]:
    return {
        "outcome": foretold.fate,
        "errno": foretold.errno,
        "log": foretold.log,
        "file": foretold.file,
        "parameters": dict(foretold.parameters),
        "builtin": foretold.builtin,
        "why": foretold.why,
    }


def _observed(seen: Seen) -> dict[str, Any]:
    return {
        "outcome": seen.fate,
        "errno": seen.errno,
        "log": seen.log,
        "output": seen.said.splitlines(),
        "taint": seen.taint,
        "accepted": seen.accepted,
        "trouble": seen.trouble,
        "console": seen.console,
        "notes": list(_notes(seen)),
        "files": seen.files,
        "parameters": dict(seen.parameters),
        "builtin": seen.builtin,
        "devices": [_device_document(device) for device in seen.devices],
    }


def _device_document(device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "subsystem": device.subsystem,
        "predicted": dict(device.foretold),
        "observed": dict(device.settings),
        "rules": device.places,
        "agree": not device.differing,
    }


def show(proofs: Sequence[tuple[str, RootProof]], terminal: Terminal) -> None:
    """The table, then what is worth more words; boots that went alike share a row."""
    groups = [(kernel, group) for kernel, proof in proofs for group in _groups(proof.trials)]
    told = [(kernel, group) for kernel, group in groups if not _is_crowd(group, [other for _, other in groups])]
    if told:
        heads = ["module", "kernel", "asked for", "predicted", "observed", ""]
        terminal.table(heads, [_row(group, kernel, terminal) for kernel, group in told])
        _show_details(told, terminal)
        terminal.print()
    crowd = [one[1][0] for one in groups if one not in told]
    for unseen, words in ((False, "stay out as predicted"), (True, "were not seen, either")):
        names = {trial.subject.module for trial in crowd if (trial.seen.trouble is not None) is unseen}
        names -= {group[0].subject.module for _, group in told}
        if names:
            more = "more " if told else ""
            terminal.print(f"{len(names)} {more}blacklisted modules of the distribution's {words}")
    for _, proof in proofs:
        for note in proof.notes:
            terminal.print(printable(note))
    show_boots([boot for _, proof in proofs for boot in proof.boots], terminal)


Group = list[Trial]  # of one subject and one way of asking, all alike


def _groups(trials: Sequence[Trial]) -> list[Group]:
    found: dict[tuple[object, ...], Group] = {}
    for trial in trials:
        seen = trial.seen
        key = (trial.subject.module, trial.asking, seen.fate, seen.errno, seen.files, seen.trouble, agreement(trial))
        found.setdefault(key, []).append(trial)
    order = {name: place for place, name in enumerate(dict.fromkeys(trial.subject.module for trial in trials))}
    return sorted(found.values(), key=lambda group: order[group[0].subject.module])


def _is_crowd(group: Group, groups: Sequence[Group]) -> bool:
    """One of a long list of blacklisted modules in one file, as distributions bring them, of which is nothing to tell.

    It is as predicted, or was not seen because the guest was lost.
    """
    subject, unseen = group[0].subject, group[0].seen.trouble is not None
    as_it_should = agreement(group[0]) is not Agreement.DIFFERS and as_meant(group[0])
    if subject.wish is not Wish.BLACKLIST or not (unseen or as_it_should):
        return False
    file = _file(subject)
    return len({other[0].subject.module for other in groups if _file(other[0].subject) == file}) > CROWD


def _file(subject: Subject) -> str:
    return subject.places[0].partition(":")[0] if subject.places else ""


def _row(group: Group, kernel: str, terminal: Terminal) -> list[str]:
    trial = group[0]
    word, style = AGREEMENTS[agreement(trial)]
    boots = " and ".join(str(trial.boot) for trial in group)
    asked = {
        Asking.BOOT: f"boot {boots} ({', '.join((trial.subject.wish, *trial.subject.places[:1]))})",
        Asking.ALIAS: "by an alias",
        Asking.NAME: "by its name",
    }[trial.asking]
    return [
        printable(trial.subject.module),
        kernel,
        printable(asked),
        _answer(trial.foretold, terminal),
        _answer(trial.seen, terminal),
        terminal.styled(word, style),
    ]


def _answer(answer: Foretold | Seen, terminal: Terminal) -> str:
    word, style = _WORDS[answer.fate]
    text = terminal.styled("is built in" if answer.builtin else word, style)
    return f"{text}, {answer.errno}" if answer.errno is not None else text


def _show_details(told: Sequence[tuple[str, Group]], terminal: Terminal) -> None:
    """What is worth more words than a row; modules of which the same is to be told share them."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for kernel, group in told:
        trial = group[-1] if group[-1].seen.trouble is None else group[0]  # it was lost in the first of them
        where = f"boot {trial.boot}" if trial.asking is Asking.BOOT else f"asked for by {trial.asking}"
        found.setdefault((f"on {kernel}, {where}", tuple(_words(trial))), []).append(trial.subject.module)
    for (where, lines), modules in found.items():
        if lines:
            terminal.print()
            terminal.print(f"{printable(', '.join(modules))} {where}:")
            for line in lines:
                terminal.print(f"  {printable(line)}")


def _words(trial: Trial) -> Iterator[str]:
    foretold, seen = trial.foretold, trial.seen
    if seen.trouble is not None:
        yield seen.trouble + (f" (its console: {seen.console})" if seen.console is not None else "")
        return
    if foretold.why and not (trial.subject.wish is Wish.BLACKLIST and seen.fate is Fate.STAYS_OUT):
        yield foretold.why
    if seen.fate is Fate.LOADS and not seen.builtin:
        yield from _what_loaded(trial)
    yield from _notes(seen)
    if seen.fate is Fate.FAILS:
        yield from (f"it said: {line}" for line in seen.said.splitlines())
        yield from (f"the kernel says: {line}" for line in seen.log)
    if agreement(trial) is Agreement.DIFFERS:
        yield from _differences(foretold, seen)


def _notes(seen: Seen) -> Iterator[str]:
    for name in seen.unready:
        yield f"{name}, which it needs, did not load: its own init() failed"


def _what_loaded(trial: Trial) -> Iterator[str]:
    seen = trial.seen
    yield f"{' or '.join(seen.files) or 'a file without a mark'}{f', taint {seen.taint}' if seen.taint else ''}"
    for name, value in trial.foretold.parameters.items():
        yield (
            f"{name}={seen.parameters[name]}" if name in seen.parameters else f"{name} is set to {value}; /sys hides it"
        )
    yield from map(_device, seen.devices)


def _device(device: Device) -> str:
    settings = " ".join(f"{key} {value}" for key, value in device.settings.items())
    rules = f", by {', '.join(device.places)}" if device.places else ""
    return f"made {device.name} ({device.subsystem}){f': {settings}' if settings else ''}{rules}"


def _differences(foretold: Foretold, seen: Seen) -> Iterator[str]:
    if foretold.file is not None and seen.files and foretold.file not in seen.files:
        yield f"predicted: {foretold.file}"
    for name, value in foretold.parameters.items():
        if seen.fate is Fate.LOADS and seen.parameters.get(name, value) != value:
            yield f"predicted: {name}={value}"
    for device in seen.devices:
        yield from (f"predicted: {device.name} {word} {device.foretold[word]}" for word in device.differing)
    yield from (f"predicted: {line}" for line in foretold.log if line not in seen.log)
