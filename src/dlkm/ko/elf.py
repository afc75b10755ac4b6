# SPDX-License-Identifier: GPL-2.0-or-later
"""A bounded reader of ELF files: header, sections, symbols, read when asked for. Knows no kernel and judges nothing."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from mmap import mmap
from typing import Self

from dlkm.core.errors import MalformedError

MAGIC = b"\x7fELF"
SHT_NULL, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOBITS, SHT_REL = 0, 2, 3, 4, 8, 9
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_RELA_LIVEPATCH = 1, 2, 4, 0x00100000
STT_FUNC, STT_SECTION, STT_FILE = 2, 3, 4
SHN_UNDEF, SHN_LORESERVE, SHN_LIVEPATCH, SHN_ABS, SHN_COMMON = 0, 0xFF00, 0xFF20, 0xFFF1, 0xFFF2
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
IDENT_SIZE = 16
NAME_LIMIT = 1024  # bytes of a name; the kernel's KSYM_NAME_LEN is 512
_IDENT_CLASS, _IDENT_DATA = 4, 5


@dataclass(frozen=True, slots=True)
class Layout:
    """The structures of one ELF class in one byte order."""

    bits: int
    big_endian: bool
    header: struct.Struct  # what follows e_ident
    section: struct.Struct
    symbol: struct.Struct
    symbol_shndx: int  # st_shndx within a symbol, counted in 16-bit words
    word: struct.Struct  # `unsigned long`


def _layout(bits: int, *, big_endian: bool) -> Layout:
    order = ">" if big_endian else "<"
    wide = bits == 64
    return Layout(
        bits=bits,
        big_endian=big_endian,
        header=struct.Struct(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH")),
        section=struct.Struct(order + ("IIQQQQIIQQ" if wide else "10I")),
        symbol=struct.Struct(order + ("IBBHQQ" if wide else "IIIBBH")),
        symbol_shndx=3 if wide else 7,
        word=struct.Struct(order + ("Q" if wide else "I")),
    )


_LAYOUTS = {
    (1, 1): _layout(32, big_endian=False),
    (1, 2): _layout(32, big_endian=True),
    (2, 1): _layout(64, big_endian=False),
    (2, 2): _layout(64, big_endian=True),
}


def layout_of(bits: int, *, big_endian: bool) -> Layout:
    """The structures of a class (32 or 64 bits) in a byte order."""
    return _LAYOUTS[(bits // 32, 2 if big_endian else 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The file's header; offsets and sizes in bytes, names as in elf.h without `e_`."""

    type: int
    machine: int
    flags: int
    shoff: int
    ehsize: int
    shentsize: int
    shnum: int
    shstrndx: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section header; offset and size in bytes of the file, fields as in elf.h without `sh_`."""

    index: int
    name: str
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entsize: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """One symbol; `section` is st_shndx (an index, or SHN_UNDEF, SHN_ABS, SHN_COMMON)."""

    index: int
    name: str
    bind: int
    type: int
    section: int
    value: int
    size: int


def text(raw: bytes) -> str:
    """Bytes as text; what is not UTF-8 survives as surrogates and comes out again as the same bytes."""
    return raw.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Elf:
    """An ELF file over its bytes. Only the header is read at once; a range outside the file is a MalformedError."""

    data: bytes | mmap
    where: str
    layout: Layout
    header: Header

    @classmethod
    def parse(cls, data: bytes | memoryview | mmap, where: str) -> Self:
        """Read the header; `where` names the file in errors. MalformedError when this is no ELF file."""
        source = bytes(data) if isinstance(data, memoryview) else data
        ident = source[:IDENT_SIZE]
        if ident[:4] != MAGIC:
            raise MalformedError(f"{where}: not an ELF file", offset=0)
        layout = _LAYOUTS.get((ident[_IDENT_CLASS], ident[_IDENT_DATA])) if len(ident) == IDENT_SIZE else None
        if layout is None:
            raise MalformedError(f"{where}: ELF class or byte order is not known", offset=_IDENT_CLASS)
        if len(source) < IDENT_SIZE + layout.header.size:
            raise MalformedError(f"{where}: ends within the ELF header", offset=len(source))
        kind, machine, _, _, _, shoff, flags, ehsize, _, _, *rest = layout.header.unpack_from(source, IDENT_SIZE)
        shentsize, shnum, shstrndx = rest
        header = Header(
            type=kind,
            machine=machine,
            flags=flags,
            shoff=shoff,
            ehsize=ehsize,
            shentsize=shentsize,
            shnum=shnum,
            shstrndx=shstrndx,
        )
        return cls(source, where, layout, header)

    @property
    def bits(self) -> int:
        """32 or 64."""
        return self.layout.bits

    @property
    def big_endian(self) -> bool:
        """The byte order of every number in the file."""
        return self.layout.big_endian

    @cached_property
    def raw_sections(self) -> tuple[tuple[int, ...], ...]:
        """The section headers as numbers in the order of elf.h, the first of them st_name's place in the names."""
        header, entry = self.header, self.layout.section
        if header.shnum and header.shentsize != entry.size:
            raise self.malformed(f"section headers are {header.shentsize} bytes long, not {entry.size}", 0)
        table = self.range(header.shoff, header.shnum * entry.size, "the section headers")
        return tuple(entry.iter_unpack(table))

    @cached_property
    def section_names(self) -> bytes:
        """The string table with the sections' names."""
        index, raw = self.header.shstrndx, self.raw_sections
        if not raw:
            return b""
        if index >= len(raw):
            raise self.malformed(f"names are in section {index} of {len(raw)}", 0)
        return self.range(raw[index][4], raw[index][5], "the section names")

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """All sections, the empty section 0 included."""
        return tuple(self._section(index) for index in range(len(self.raw_sections)))

    def _section(self, index: int) -> Section:
        raw = self.raw_sections[index]
        return Section(
            index=index,
            name=text(self.string(self.section_names, raw[0], "a section's name")),
            type=raw[1],
            flags=raw[2],
            addr=raw[3],
            offset=raw[4],
            size=raw[5],
            link=raw[6],
            info=raw[7],
            align=raw[8],
            entsize=raw[9],
        )

    @cached_property
    def _by_name(self) -> dict[bytes, int]:
        """Name to number, the first section of a name; built without the objects, which a batch never needs."""
        names, raws, string = self.section_names, self.raw_sections, self.string
        what = "a section's name"
        return {string(names, raws[index][0], what): index for index in range(len(raws) - 1, 0, -1)}

    def section(self, name: str) -> Section | None:
        """The first section of that name."""
        index = self._by_name.get(name.encode("utf-8", "surrogateescape"))
        return None if index is None else self._section(index)

    def section_at(self, index: int) -> Section | None:
        """The section that a symbol's st_shndx names; None for the reserved numbers and beyond the end."""
        return self._section(index) if 0 < index < min(len(self.raw_sections), SHN_LORESERVE) else None

    def bytes_of(self, section: Section) -> bytes:
        """A section's bytes; empty for one that has none in the file (.bss)."""
        if section.type == SHT_NOBITS:
            return b""
        return self.range(section.offset, section.size, section.name)

    def bytes_named(self, name: str) -> bytes | None:
        """The bytes of the first section of that name, None when there is none."""
        section = self.section(name)
        return None if section is None else self.bytes_of(section)

    @cached_property
    def symtab(self) -> Section | None:
        """The symbol table: the last one, as the kernel takes it (kernel/module/main.c: setup_load_info)."""
        kinds = [raw[1] for raw in self.raw_sections]
        return self._section(len(kinds) - 1 - kinds[::-1].index(SHT_SYMTAB)) if SHT_SYMTAB in kinds else None

    @cached_property
    def symbol_bytes(self) -> bytes:
        """The raw symbol table; empty in a file without one. A part of an entry at its end is left out."""
        if self.symtab is None:
            return b""
        raw = self.bytes_of(self.symtab)
        return raw[: len(raw) - len(raw) % self.layout.symbol.size]

    @cached_property
    def symbol_names(self) -> bytes:
        """The string table of the symbols."""
        if self.symtab is None:
            return b""
        section = self.section_at(self.symtab.link)
        if section is None:
            raise self.malformed(f"names of the symbols are in section {self.symtab.link}", self.symtab.offset)
        return self.bytes_of(section)

    def symbols(self, *prefixes: bytes) -> Iterator[Symbol]:
        """Symbols in file order; those whose name begins with one of `prefixes`, or all (the empty symbol 0 too)."""
        names = self.symbol_names
        for index, raw in enumerate(self.layout.symbol.iter_unpack(self.symbol_bytes)):
            if not prefixes or names.startswith(prefixes, raw[0]):
                yield self._symbol(index, raw)

    def undefined(self) -> Iterator[tuple[bytes, int]]:
        """Name and binding of each symbol that another file must give, wherever in the table it stands."""
        layout, raw, names = self.layout, self.symbol_bytes, self.symbol_names
        size, wide = layout.symbol.size, layout.bits == 64
        # Zero is zero in either byte order, so that the machine's own 16-bit words will do for the search.
        owners = memoryview(raw).cast("H")[layout.symbol_shndx :: size // 2].tolist()
        for index, owner in enumerate(owners):
            if owner == SHN_UNDEF and index:
                entry = layout.symbol.unpack_from(raw, index * size)
                yield self.string(names, entry[0], "a symbol's name"), entry[1 if wide else 3] >> 4

    def _symbol(self, index: int, raw: tuple[int, ...]) -> Symbol:
        if self.layout.bits == 64:
            name, info, _, section, value, size = raw
        else:
            name, value, size, info, _, section = raw
        return Symbol(
            index=index,
            name=text(self.string(self.symbol_names, name, "a symbol's name")),
            bind=info >> 4,
            type=info & 15,
            section=section,
            value=value,
            size=size,
        )

    def string(self, table: bytes, start: int, what: str) -> bytes:
        """The NUL-terminated string at `start` of a string table.

        MalformedError when the table ends first, or when it is longer than NAME_LIMIT: a small file could otherwise
        give the same megabytes thousands of times.
        """
        end = table.find(b"\0", start, start + NAME_LIMIT)
        if end >= 0:
            return table[start:end]
        if start < len(table) - NAME_LIMIT:
            raise self.malformed(f"{what} is longer than {NAME_LIMIT} bytes", None)
        raise self.malformed(f"{what} is not within its string table ({start} of {len(table)})", None)

    def range(self, offset: int, size: int, what: str) -> bytes:
        """Bytes of the file; MalformedError when it is shorter than that."""
        if offset + size > len(self.data):
            raise self.malformed(f"{what}: {size} bytes do not lie within the file's {len(self.data)}", offset)
        return self.data[offset : offset + size]

    def malformed(self, why: str, offset: int | None) -> MalformedError:
        """The error for this file."""
        return MalformedError(f"{self.where}: {why}", offset=offset)
