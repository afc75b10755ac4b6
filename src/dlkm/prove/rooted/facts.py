# SPDX-License-Identifier: GPL-2.0-or-later
"""What a booted root filesystem shows of its modules, read through the observer. Judges nothing."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from dlkm.core.names import normalise_module_name
from dlkm.prove.protocol import decode_any
from dlkm.prove.rooted.observer import Observer
from dlkm.prove.rooted.settle import Settled
from dlkm.prove.rooted.words import Saying, sayings

SYS = "/sys/module"
NOTE = "notes/.note.gnu.build-id"
_ATTRIBUTES = ("initstate", "taint", "srcversion", NOTE)
TRACE = "/sys/kernel/tracing/trace"
_TRACED = re.compile(r": module_load: (\S+)")
LOADER = "systemd-modules-load["
_PLAIN = re.compile(r"[A-Za-z0-9_]{1,128}")  # names that are no pattern of a glob
_TOGETHER = 40  # names asked for at once: a line has its limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One loaded module. `note` are the bytes of its build-id note, `parameters` those that /sys shows.

    `holders` are the modules that use it.
    """

    taint: str = ""
    srcversion: str | None = None
    note: bytes | None = None
    parameters: Mapping[str, str]
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One boot, once it has settled. `loaded` has those asked about, `every` the names of all loaded modules.

    `builtin` are names asked about that are in /sys/module and were not loaded. `accepted` are those that the kernel
    took, whatever their init() answered; None where it does not trace that. `said` is systemd-modules-load's word on a
    name, `log` what the kernel itself logged. `unfinished` are those loaded whose init() has not returned.
    """

    settled: Settled
    loaded: Mapping[str, Loaded]
    every: frozenset[str]
    builtin: frozenset[str]
    accepted: frozenset[str] | None
    said: Mapping[str, Saying]
    log: tuple[str, ...]
    unfinished: frozenset[str] = frozenset()


def look(observer: Observer, settled: Settled, names: Sequence[str]) -> Facts:
    """All that is of interest about these modules (by the names that the kernel gives them)."""
    plain = [name for name in names if _PLAIN.fullmatch(name)]
    lines = _listed(observer)
    every = frozenset(words[0] for words in lines)
    present = set[str]()
    for part in _parts(plain):
        present |= {path.rpartition("/")[2] for path in observer.status(f"{SYS}/{_any(part)}")}
    records = log_records(observer)
    journal = observer.run("journalctl", "-b", "-u", "systemd-modules-load", "-o", "cat", "--no-pager").output
    said = [line for facility, line in records if facility and LOADER in line]  # its words before there is a journal
    return Facts(
        settled=settled,
        loaded=loaded_modules(observer, [name for name in plain if name in every]),
        every=every,
        builtin=frozenset(present - every),
        accepted=accepted(observer),
        said={
            normalise_module_name(name): saying for name, saying in sayings("\n".join(said) + "\n" + journal).items()
        },
        log=tuple(line for facility, line in records if not facility),
        unfinished=frozenset(words[0] for words in lines if "Loading" in words),  # kernel/module/procfs.c: m_show
    )


def _listed(observer: Observer) -> list[list[str]]:
    return [line.split() for line in observer.text("/proc/modules").splitlines()]


def loaded_names(observer: Observer) -> frozenset[str]:
    """The modules that are there now."""
    return frozenset(words[0] for words in _listed(observer))


def loaded_modules(observer: Observer, names: Sequence[str]) -> dict[str, Loaded]:
    """What /sys shows of loaded modules."""
    found: dict[str, Loaded] = {}
    for part in _parts(names):
        attributes = observer.read(f"{SYS}/{_any(part)}/{_any(_ATTRIBUTES)}")
        parameters = observer.read(f"{SYS}/{_any(part)}/parameters/*")
        holders = observer.status(f"{SYS}/{_any(part)}/holders/*")
        for name in part:
            base = f"{SYS}/{name}"
            found[name] = Loaded(
                taint=_text(attributes.get(f"{base}/taint")) or "",
                srcversion=_text(attributes.get(f"{base}/srcversion")),
                note=attributes.get(f"{base}/{NOTE}"),
                parameters={
                    path.rpartition("/")[2]: _text(value) or ""
                    for path, value in parameters.items()
                    if path.startswith(f"{base}/")
                },
                holders=tuple(path.rpartition("/")[2] for path in sorted(holders) if path.startswith(f"{base}/")),
            )
    return found


def accepted(observer: Observer) -> frozenset[str] | None:
    """The modules whose init() the kernel has called since the boot began (its trace event module_load)."""
    trace = observer.read(TRACE).get(TRACE)
    return None if trace is None else frozenset(_TRACED.findall(trace.decode("utf-8", "replace")))


def kernel_log(observer: Observer) -> tuple[str, ...]:
    """The lines that the kernel itself wrote to its log since the boot began."""
    return tuple(line for facility, line in log_records(observer) if not facility)


def log_records(observer: Observer) -> list[tuple[int, str]]:
    """Every line of the kernel's log, with the facility of who wrote it: 0 for the kernel."""
    found: list[tuple[int, str]] = []
    for record in observer.read("/dev/kmsg").get("/dev/kmsg", b"").decode("utf-8", "replace").split("\n"):
        if record and record[0] != " ":  # such lines tell the record's device
            with suppress(ValueError):
                facility, lines = decode_any(record)
                found += [(facility, line) for line in lines]
    return found


def _any(names: Iterable[str]) -> str:
    """A glob for these; one name alone in braces would be taken as it is written."""
    listed = tuple(names)
    return listed[0] if len(listed) == 1 else "{" + ",".join(listed) + "}"


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _TOGETHER] for start in range(0, len(names), _TOGETHER))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace").rstrip("\n")
