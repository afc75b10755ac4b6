# SPDX-License-Identifier: GPL-2.0-or-later
"""Which algorithms of signatures a kernel can compute, from data/signatures.toml. Verifies nothing."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from dlkm.core.data import data_table
from dlkm.kernel.facts import Facts
from dlkm.verdict.era import Era


class Support(Enum):
    """Whether a kernel can compute an algorithm."""

    YES = auto()
    IF_LOADED = auto()  # it is in a module, which the kernel asks user space for at that moment
    NOT_BUILT = auto()
    UNKNOWN = auto()  # this kernel's reader of signatures knows no such number


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """One algorithm: its kernel name and whether it can be computed there."""

    name: str
    support: Support


def digest(name: str, era: Era, facts: Facts) -> Algorithm:
    """Of a digest's name as ko/pkcs7.py gives it."""
    return _algorithm(name, _table()["digest"], era.words("signature-digests"), facts)


def key(number: str, era: Era, facts: Facts) -> Algorithm:
    """Of a signature algorithm's number."""
    entries: dict[str, Any] = _table()["key"]
    name = next((name for name, entry in entries.items() if number in entry["numbers"]), "")
    return _algorithm(name, entries, era.words("signature-keys"), facts)


def digest_of_certificate(number: str) -> str | None:
    """The digest within the algorithm that a certificate is signed with."""
    found: str | None = _table()["certificate"].get(number)
    return found


def digest_info(name: str) -> bytes:
    """What stands before a digest within an RSA signature (RFC 8017, 9.2); empty for a digest that has no such form."""
    return bytes.fromhex(_table()["digest"].get(name, {}).get("info", ""))


def is_key(numbers: tuple[str, ...]) -> bool:
    """Whether certificates may be of such a key: its algorithm, and the curve where it has one."""
    return numbers in {tuple(row) for row in _table()["certificate-keys"]["numbers"]}


def is_registered(number: str) -> bool:
    """Whether an object identifier is one of those that some kernel has a name for."""
    return number in _table()["registry"]["numbers"]


def _algorithm(name: str, entries: dict[str, Any], known: tuple[str, ...], facts: Facts) -> Algorithm:
    if name not in known:
        return Algorithm(name=name, support=Support.UNKNOWN)
    config = facts.kernel.config
    value = config.get(entries[name]["option"]) if config else "y"
    return Algorithm(name=name, support={"y": Support.YES, "m": Support.IF_LOADED}.get(value or "", Support.NOT_BUILT))


def _table() -> dict[str, Any]:
    return data_table("signatures.toml")
