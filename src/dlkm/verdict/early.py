# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked before memory is taken: is there a loader, blacklist, struct module, vermagic, livepatch, name."""

import re
from collections.abc import Iterator

from dlkm.core.names import Vermagic, normalise_module_name
from dlkm.verdict.case import Case, Check, Trip
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import Era
from dlkm.verdict.versions import Agreement, agreement, missing_entry_fails, without_versions

_SYSCTL = "sysctl.kernel.modules_disabled"
_ONE = re.compile(r"\s*[+]?(0x|0X)?0*1\s*")  # proc_dointvec_minmax takes no other value


def modules(case: Case) -> Iterator[Trip]:
    """Without loadable modules there is no such system call (kernel/sys_ni.c)."""
    if case.facts.option("MODULES") is False:
        yield case.trip("no-modules")


def loading_disabled(case: Case) -> Iterator[Trip]:
    """Turned off on the command line (kernel/module/main.c: may_init_module; fs/proc/proc_sysctl.c: do_sysctl_args)."""
    word = disabling_word(case.conditions, case.era)
    if word is not None:
        yield case.trip("loading-disabled", word=word)


def disabling_word(conditions: Conditions, era: Era) -> str | None:
    """The word of the command line that turns loading off; None where none does."""
    found = None
    for name, value in conditions.words():
        if name == "nomodule" and (truth := era.truth(value)) is not None:
            found = name if truth else None
        if name.replace("/", ".") == _SYSCTL and _ONE.fullmatch(value or ""):
            return name  # which no later word takes back
    return found


def blacklist(case: Case) -> Iterator[Trip]:
    """`module_blacklist=` of the command line; names letter by letter (kernel/module/main.c: blacklisted)."""
    if case.candidate.name in case.conditions.blacklisted:
        yield case.trip("blacklisted")


def module_layout(case: Case) -> Iterator[Trip]:
    """The CRC of `module_layout` stands for struct module (kernel/module/version.c: check_modstruct_version)."""
    if case.facts.modversions is False:
        return
    found = case.supply.find("module_layout")
    if found is None or case.facts.modversions is None:
        yield case.trip("exports-unknown", subject="module_layout")
        return
    match agreement(case, "module_layout", found.crc):
        case Agreement.NO_VERSIONS:
            yield from without_versions(case, "no-versions")
        case Agreement.DIFFERS:
            built = Vermagic.parse(case.candidate.field("vermagic") or "").release or "of an unknown release"
            yield case.trip("crc-mismatch/module-layout", subject="module_layout", built=built)
        case Agreement.NO_ENTRY if missing_entry_fails(case):
            yield case.trip("module-layout-entry", subject="module_layout")
        case Agreement.NO_ENTRY:
            yield case.trip("missing-entry-tolerated", subject="module_layout")
        case _:
            return


def vermagic(case: Case) -> Iterator[Trip]:
    """kernel/module/version.c: same_magic. With `__versions` the release, its first word, does not count."""
    theirs, ours = case.candidate.field("vermagic"), case.facts.vermagic
    if theirs is None:
        yield from without_versions(case, "no-vermagic")
    elif ours is None:
        yield case.trip("vermagic-unknown", theirs=theirs)
    elif not same_magic(theirs, ours, has_versions=bool(case.candidate.find("__versions"))):
        yield case.trip("vermagic", theirs=theirs, ours=ours, words=_difference(theirs, ours, case))


def same_magic(theirs: str, ours: str, *, has_versions: bool) -> bool:
    """Whether two vermagic strings are the same to the kernel; extended tables alone (6.14) do not count as versions.

    MODVERSIONS of the kernel itself is not asked: its absence shows in the words.
    """
    if has_versions:
        return theirs[_first_blank(theirs) :] == ours[_first_blank(ours) :]
    return theirs == ours


def _first_blank(text: str) -> int:
    place = text.find(" ")
    return len(text) if place < 0 else place


def _difference(theirs: str, ours: str, case: Case) -> str:
    """In words; the release is left out where it does not count."""
    start = 1 if case.candidate.find("__versions") else 0
    mine, other = theirs.split()[start:], ours.split()[start:]
    lacks = [f"lacks '{word}'" for word in other if word not in mine]
    has = [f"has '{word}'" for word in mine if word not in other]
    return ", ".join(has + lacks) or "the words are the same, their order or blanks are not"


def livepatch(case: Case) -> Iterator[Trip]:
    """Marked as a livepatch for a kernel without livepatching (check_modinfo_livepatch)."""
    if case.candidate.field("livepatch") is None:
        return
    enabled = case.facts.option("LIVEPATCH")
    if enabled is None:
        yield case.trip("livepatch-unknown")
    elif not enabled:
        yield case.trip("livepatch")


def already_loaded(case: Case) -> Iterator[Trip]:
    """A module of that name is there (module_patient_check_exists; add_unformed_module before 6.3)."""
    loaded = {normalise_module_name(name) for name in case.conditions.loaded}
    if case.candidate.struct_name in loaded:
        yield case.trip("already-loaded")


CHECKS: dict[str, Check] = {
    "modules": modules,
    "loading-disabled": loading_disabled,
    "blacklist": blacklist,
    "module-layout": module_layout,
    "vermagic": vermagic,
    "livepatch": livepatch,
    "already-loaded": already_loaded,
}
