# SPDX-License-Identifier: GPL-2.0-or-later
"""How much a module's array and string parameters take: struct kparam_array and kparam_string, found by relocations.

Source: include/linux/moduleparam.h: struct kernel_param; both structures begin with the number that is sought.
"""

from struct import Struct, unpack_from

from dlkm.core.errors import MalformedError
from dlkm.verdict.candidate import SHT_RELA, Candidate

_ENTRY, _NAME_AT, _ARG_AT = 40, 0, 32  # bytes of struct kernel_param on 64 bits, and places of two pointers in it
_MOST = 4096  # parameters of one module


def limits_of(candidate: Candidate) -> dict[str, int]:
    """Parameter to `max` of its array or `maxlen` of its string, as far as it is found; "-" in names as "_".

    For parameters of other types the number means nothing. Empty for 32-bit modules: their tables look otherwise.
    """
    try:
        return _limits(candidate) if candidate.layout.bits == 64 else {}
    except MalformedError:
        return {}


def _limits(candidate: Candidate) -> dict[str, int]:
    table = candidate.find("__param")
    pointers = _pointers(candidate, table) if table else {}
    order = ">" if candidate.layout.big_endian else "<"
    found = {}
    for start in range(0, min(candidate.sections[table].size, _MOST * _ENTRY) if table else 0, _ENTRY):
        name, argument = pointers.get(start + _NAME_AT), pointers.get(start + _ARG_AT)
        if name is None or argument is None:
            continue
        raw, words = _at(candidate, *name), _at(candidate, *argument)
        if len(words) >= 4:
            text = raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            found[text.replace("-", "_")] = int(unpack_from(f"{order}I", words)[0])
    return found


def _pointers(candidate: Candidate, table: int) -> dict[int, tuple[int, int]]:
    """Place in the table to the (section, offset) that it will point to."""
    order = ">" if candidate.layout.big_endian else "<"
    entry, symbol = Struct(f"{order}QQq"), Struct(f"{order}IBBHQQ")
    found = {}
    for section in candidate.sections:
        if section.type != SHT_RELA or section.info != table:
            continue
        raw = candidate.bytes_at(section.offset, section.size)
        for place, info, addend in entry.iter_unpack(raw[: len(raw) - len(raw) % entry.size]):
            at = (info >> 32) * symbol.size
            if at + symbol.size <= len(candidate.symbol_bytes):
                _, _, _, index, value, _ = symbol.unpack_from(candidate.symbol_bytes, at)
                found[place] = (index, value + addend)
    return found


def _at(candidate: Candidate, section: int, offset: int) -> bytes:
    """Some bytes of a section from an offset on; empty for a place that is in none."""
    if not 0 < section < len(candidate.sections) or offset < 0:
        return b""
    return candidate.contents(section)[offset : offset + 128]
