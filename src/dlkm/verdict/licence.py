# SPDX-License-Identifier: GPL-2.0-or-later
"""Which licence the kernel takes for GPL-compatible, and the taint letters that loading adds."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlkm.verdict.case import Case

# include/linux/license.h: license_is_gpl_compatible, compared letter by letter
GPL_COMPATIBLE = frozenset(
    {"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}
)
# kernel/module/main.c: modules that the kernel calls proprietary whatever they say
_BY_NAME = frozenset({"driverloader", "lve"})
# kernel/panic.c: taint_flags, those that a module can set, in that order
_LETTERS = "PFUCOEKN"


def is_proprietary(name: str, licence: str) -> bool:
    """Whether the kernel counts a module as proprietary."""
    return licence not in GPL_COMPATIBLE or name in _BY_NAME


def taint_of(case: "Case", *, unsigned: bool, forced: bool, inherited: bool, dangerous: bool) -> str:
    """The letters that loading adds, in the kernel's order (Documentation/admin-guide/tainted-kernels.rst)."""
    candidate = case.candidate
    found = {
        "P": is_proprietary(candidate.struct_name, candidate.license)
        or candidate.struct_name == "ndiswrapper"
        or inherited,
        "F": forced,
        "U": dangerous,
        "C": candidate.field("staging") is not None,
        "O": candidate.field("intree") is None,
        "E": unsigned,
        "K": candidate.field("livepatch") is not None,
        "N": candidate.field("test") is not None and "taint-test" in case.era.features,
    }
    return "".join(letter for letter in _LETTERS if found[letter])
