# SPDX-License-Identifier: GPL-2.0-or-later
"""Every step of the loader by the name that data/eras.toml orders it by."""

from dlkm.verdict import early, formation, gki, layout, relocations, signing, soundness, symbols, validity
from dlkm.verdict.case import Check

CHECKS: dict[str, Check] = {
    **signing.CHECKS,
    **validity.CHECKS,
    **early.CHECKS,
    **layout.CHECKS,
    **symbols.CHECKS,
    **relocations.CHECKS,
    **soundness.CHECKS,
    **gki.CHECKS,
    **formation.CHECKS,
}
# After these the file is no module that further rules could speak of.
FINAL = frozenset(validity.CHECKS) - {"this-module-size"} | {"modules"}
