# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a module's expectation of a symbol agrees with the kernel (kernel/module/version.c: check_version)."""

from collections.abc import Iterator
from enum import Enum, auto

from dlkm.verdict.case import Case, Trip


class Agreement(Enum):
    """What comes of comparing one symbol's CRC."""

    AGREES = auto()
    DIFFERS = auto()
    NO_ENTRY = auto()
    NO_VERSIONS = auto()


def agreement(case: Case, symbol: str, crc: int | None) -> Agreement:
    """Compare what the module expects of a symbol with the giver's CRC; a giver without one agrees with anything."""
    if crc is None or case.facts.modversions is False:
        return Agreement.AGREES
    wanted = expected(case)
    if wanted is None:
        return Agreement.NO_VERSIONS
    if symbol not in wanted:
        return Agreement.NO_ENTRY
    return Agreement.AGREES if wanted[symbol] == crc else Agreement.DIFFERS


def expected(case: Case) -> dict[str, int] | None:
    """The versions by which the kernel judges the module; None when it has none."""
    if "extended-modversions" in case.era.features and case.candidate.extended_versions is not None:
        return case.candidate.extended_versions
    return case.candidate.versions


def missing_entry_fails(case: Case) -> bool:
    """Whether a symbol without a version entry is refused; in mainline it is a warning (data/eras.toml)."""
    extended = "extended-modversions" in case.era.features and case.candidate.extended_versions is not None
    return "missing-entry-fails" in case.era.features and not extended


def without_versions(case: Case, rule: str) -> Iterator[Trip]:
    """kernel/module/main.c: try_to_force_load: refused in silence, or forced where the configuration allows it."""
    force = case.facts.option("MODULE_FORCE_LOAD")
    if force is None:
        yield case.trip(f"{rule}-unknown")
    else:
        yield case.trip(f"{rule}-forced" if force else rule)
