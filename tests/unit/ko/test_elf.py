# SPDX-License-Identifier: GPL-2.0-or-later
"""The ELF reader against files written by the specification: what is in, comes out; what lies outside, is refused."""

import struct
import time

import pytest

from dlkm.core.errors import MalformedError
from dlkm.ko.elf import SHN_ABS, Elf
from tests.unit.ko.elf_builder import GLOBAL, LOCAL, SHT_NOBITS, WEAK, X86_64, Image, Part, Sym, tiny_module

FORMS = [(64, False), (64, True), (32, False), (32, True)]


@pytest.mark.parametrize(("bits", "big_endian"), FORMS)
def test_reads_what_was_written(bits: int, big_endian: bool) -> None:  # noqa: FBT001
    image = Image(bits=bits, big_endian=big_endian, machine=243)
    image.parts = [Part(name=".text", data=b"code", align=16), Part(name=".bss", type=SHT_NOBITS, size=4096)]
    image.symbols = [
        Sym(name="local", section=".text", value=2, size=1, bind=LOCAL),
        Sym(name="given", section=".text", value=1, size=3, type=2),
        Sym(name="needed"),
        Sym(name="perhaps", bind=WEAK),
        Sym(name="fixed", section=SHN_ABS, value=7),
    ]
    elf = Elf.parse(image.build(), "x.ko")
    assert (elf.bits, elf.big_endian, elf.header.machine, elf.header.type) == (bits, big_endian, 243, 1)
    assert [section.name for section in elf.sections] == ["", ".text", ".bss", ".symtab", ".strtab", ".shstrtab"]
    text, bss = elf.section(".text"), elf.section(".bss")
    assert text is not None
    assert bss is not None
    assert (elf.bytes_of(text), text.align, text.index) == (b"code", 16, 1)
    assert (elf.bytes_of(bss), bss.size) == (b"", 4096)
    found = {symbol.name: symbol for symbol in elf.symbols()}
    assert list(found) == ["", "local", "given", "needed", "perhaps", "fixed"]
    given = found["given"]
    assert (given.section, given.value, given.size, given.bind, given.type) == (1, 1, 3, GLOBAL, 2)
    assert (found["fixed"].section, found["fixed"].value) == (SHN_ABS, 7)
    assert list(elf.undefined()) == [(b"needed", GLOBAL), (b"perhaps", WEAK)]
    assert [symbol.name for symbol in elf.symbols(b"ne", b"loc")] == ["local", "needed"]


def test_the_first_section_of_a_name_counts() -> None:
    image = Image(parts=[Part(name="twice", data=b"one"), Part(name="twice", data=b"two")])
    assert Elf.parse(image.build(), "x").bytes_named("twice") == b"one"


def test_an_undefined_symbol_among_the_local_ones_is_seen() -> None:
    """The kernel walks the whole table and does not ask sh_info (kernel/module/main.c: simplify_symbols)."""
    image = Image(symbols=[Sym(name="hidden", bind=LOCAL)])
    assert list(Elf.parse(image.build(), "x").undefined()) == [(b"hidden", LOCAL)]


def test_memoryviews_are_read_too() -> None:
    assert Elf.parse(memoryview(tiny_module().build()), "x").section(".modinfo") is not None


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "not an ELF file"),
        (b"\x7fEL", "not an ELF file"),
        (b"#!/bin/sh\n", "not an ELF file"),
        (b"\x7fELF" + bytes(100), "class or byte order"),
        (b"\x7fELF\x02\x01", "class or byte order"),
        (tiny_module().build()[:63], "within the ELF header"),
    ],
)
def test_what_is_no_elf_file_is_refused_at_once(data: bytes, word: str) -> None:
    with pytest.raises(MalformedError, match=word):
        Elf.parse(data, "x")


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ({"shoff": 1 << 40}, "section headers"),
        ({"shnum": 60000}, "section headers"),
        ({"shentsize": 63}, "63 bytes long"),
        ({"shstrndx": 200}, "names are in section 200"),
        ({"shstrndx": 1}, "not within its string table"),
    ],
)
def test_a_header_that_points_elsewhere(header: dict[str, int], word: str) -> None:
    image = tiny_module()
    image.header = header
    with pytest.raises(MalformedError, match=word):
        _ = Elf.parse(image.build(), "x").sections


def test_a_section_that_ends_behind_the_file() -> None:
    image = Image(parts=[Part(name=".modinfo", data=b"abc", size=1 << 50)])
    with pytest.raises(MalformedError, match=r"\.modinfo: .* do not lie within") as caught:
        Elf.parse(image.build(), "x").bytes_named(".modinfo")
    assert caught.value.offset == 64


def test_names_of_symbols_in_no_section() -> None:
    image = tiny_module()
    data = bytearray(image.build())
    symtab = Elf.parse(bytes(data), "x").symtab
    assert symtab is not None
    link = struct.unpack_from("<Q", data, 40)[0] + 64 * symtab.index + 40
    data[link : link + 4] = (0xFFFF).to_bytes(4, "little")
    with pytest.raises(MalformedError, match="names of the symbols are in section 65535"):
        list(Elf.parse(bytes(data), "x").undefined())


def test_a_hundred_thousand_names_of_one_endless_string_cost_neither_time_nor_memory() -> None:
    image = Image(machine=X86_64, symbols=[Sym(name="x" * 500_000), *(Sym(name="") for _ in range(100_000))])
    data = bytearray(image.build())
    elf = Elf.parse(bytes(data), "x")
    assert elf.symtab is not None
    for index in range(1, 100_002):
        struct.pack_into("<I", data, elf.symtab.offset + 24 * index, 1)
    started = time.process_time()
    with pytest.raises(MalformedError, match="longer than 1024 bytes"):
        list(Elf.parse(bytes(data), "x").symbols())
    assert time.process_time() - started < 1
