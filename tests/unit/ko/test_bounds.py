# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules with tables out of proportion: told from their headers, by the room that would otherwise read them."""

from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError
from dlkm.ko.bounds import hold_within
from dlkm.ko.elf import Elf
from dlkm.ko.module import module_of
from tests.unit.ko.elf_builder import SHF_ALLOC, SHT_NOBITS, SHT_RELA, SHT_SYMTAB, Image, Part, Sym

MIB = 1 << 20


def over(*parts: Part, size: int) -> bytes:
    """Sections of no bytes of their own, over the same `size` bytes at the end of the file."""
    return Image(parts=[*parts, Part(name=".end", flags=0, data=bytes(size))]).build()


def told(data: bytes) -> str:
    """What is said of it; "" of one that is read."""
    try:
        hold_within(Elf.parse(data, "x.ko"))
    except MalformedError as error:
        return error.what
    return ""


def test_one_table_larger_than_any_is_told_with_its_place() -> None:
    data = over(Part(name=".modinfo", size=5 * MIB), size=5 * MIB)
    with pytest.raises(MalformedError, match=r"section \.modinfo: 5242880 bytes .* up to 4194304 ") as caught:
        hold_within(Elf.parse(data, "x.ko"))
    assert caught.value.offset == 64
    assert told(over(Part(name=".modinfo", size=4 * MIB), size=4 * MIB)) == ""


def test_whoever_reads_a_module_is_told() -> None:
    with pytest.raises(MalformedError, match="comment"):
        module_of(over(Part(name=".comment", flags=0, size=5 * MIB), size=5 * MIB), Path("x.ko"))


def test_relocations_count_together_for_what_is_loaded() -> None:
    text = Part(name=".text", data=b"\x90")
    tables = [Part(name=f".rela{n}", type=SHT_RELA, flags=0, size=17 * MIB, info=".text") for n in range(2)]
    assert "its relocations" in told(over(text, *tables, size=17 * MIB))
    assert told(over(text, tables[0], size=17 * MIB)) == ""
    debug = Part(name=".debug_info", flags=0)
    tables = [Part(name=f".rela{n}", type=SHT_RELA, flags=0, size=17 * MIB, info=".debug_info") for n in range(2)]
    assert told(over(text, debug, *tables, size=17 * MIB)) == ""


def test_sections_over_the_same_bytes_count_each() -> None:
    parts = [Part(name=f".data{n}", size=40 * MIB) for n in range(5)]
    assert "what is to be loaded" in told(over(*parts, size=40 * MIB))
    assert told(over(*parts[:4], size=40 * MIB)) == ""


def test_symbols_are_told() -> None:
    symbols = Part(name=".symtab2", type=SHT_SYMTAB, flags=0, size=17 * MIB)
    assert "the symbols" in told(over(symbols, size=17 * MIB))


def test_nothing_is_said_of_what_is_not_read() -> None:
    for part in (
        Part(name=".debug_info", flags=0, size=60 * MIB),
        Part(name=".bss", type=SHT_NOBITS, flags=SHF_ALLOC, size=900 * MIB),
    ):
        assert told(over(part, size=61 * MIB)) == ""


def test_what_leaves_the_file_is_for_others_to_tell() -> None:
    data = Image(parts=[Part(name=".modinfo", size=900 * MIB)], symbols=[Sym(name="a")]).build()
    assert told(data) == ""
    cut = bytearray(data)
    cut[40:48] = (1 << 40).to_bytes(8, "little")  # e_shoff
    assert told(bytes(cut)) == ""
