# SPDX-License-Identifier: GPL-2.0-or-later
"""A module's ELF file taken apart, changed and written anew (64 bits, little-endian). Knows no rule of any loader."""

import struct
from dataclasses import dataclass
from typing import Self

SHT_NULL, SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOBITS, SHT_REL = 0, 1, 2, 3, 4, 8, 9
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_RELA_LIVEPATCH = 1, 2, 4, 0x00100000
SHN_UNDEF, SHN_ABS, SHN_COMMON = 0, 0xFFF1, 0xFFF2
LOCAL, GLOBAL, WEAK = 0, 1, 2
_PLACED = 16  # bytes: sections begin at multiples of no more, whatever they ask for in memory
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QQq")


@dataclass(kw_only=True)
class Section:
    """One section; `size` counts only where there are no bytes in the file (SHT_NOBITS)."""

    name: str
    type: int = SHT_PROGBITS
    flags: int = 0
    addr: int = 0
    data: bytes = b""
    size: int = 0
    link: int = 0
    info: int = 0
    align: int = 1
    entsize: int = 0


class LackingSectionError(LookupError):
    """The file has no section of that name, which is its argument."""


@dataclass
class File:
    """All of it. Sections keep their numbers: new ones go to the end, none is taken out."""

    header: list[int]
    ident: bytes
    sections: list[Section]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The bytes of a sound file."""
        ident, *header = _HEADER.unpack_from(data)
        place, count, names = header[5], header[11], header[12]
        rows = [_SECTION.unpack_from(data, place + number * _SECTION.size) for number in range(count)]
        strings = data[rows[names][4] : rows[names][4] + rows[names][5]]
        sections = []
        for name, kind, flags, addr, offset, size, link, info, align, entsize in rows:
            sections.append(
                Section(
                    name=strings[name : strings.index(b"\0", name)].decode(),
                    type=kind,
                    flags=flags,
                    addr=addr,
                    data=b"" if kind in {SHT_NULL, SHT_NOBITS} else data[offset : offset + size],
                    size=size,
                    link=link,
                    info=info,
                    align=align,
                    entsize=entsize,
                )
            )
        return cls(header, ident, sections)

    def build(self) -> bytes:
        """Header, contents, section headers; the table of names made anew."""
        names = self.sections[self.header[12]]
        names.data = b"\0" + b"".join(section.name.encode() + b"\0" for section in self.sections[1:])
        body, rows, name = bytearray(_HEADER.size), [], 1
        for section in self.sections:
            if section.type == SHT_NULL:
                rows.append(_SECTION.pack(*[0] * 10))
                continue
            body += bytes(-len(body) % min(max(section.align, 1), _PLACED))
            size = section.size if section.type == SHT_NOBITS else len(section.data)
            place = len(body)
            fields = (name, section.type, section.flags, section.addr, place, size)
            rows.append(_SECTION.pack(*fields, section.link, section.info, section.align, section.entsize))
            body += b"" if section.type == SHT_NOBITS else section.data
            name += len(section.name.encode()) + 1
        body += bytes(-len(body) % 8)
        header = list(self.header)
        header[5], header[11] = len(body), len(self.sections)
        return _HEADER.pack(self.ident, *header) + bytes(body[_HEADER.size :]) + b"".join(rows)

    def number(self, name: str) -> int:
        """A section's number; LackingSectionError when there is none of that name."""
        for number, section in enumerate(self.sections):
            if section.name == name and number:
                return number
        raise LackingSectionError(name)

    def __getitem__(self, name: str) -> Section:
        return self.sections[self.number(name)]

    def has(self, name: str) -> bool:
        """Whether there is a section of that name."""
        return any(section.name == name for section in self.sections)

    def add(self, section: Section) -> int:
        """One more section; its number."""
        self.sections.append(section)
        return len(self.sections) - 1

    @property
    def symbols(self) -> list[list[int]]:
        """Name's place, info, other, section, value and size of each symbol."""
        return [list(fields) for fields in _SYMBOL.iter_unpack(self[".symtab"].data)]

    def set_symbols(self, symbols: list[list[int]]) -> None:
        """Replace the symbol table; the symbols' order is the caller's."""
        self[".symtab"].data = b"".join(_SYMBOL.pack(*fields) for fields in symbols)

    def symbol_name(self, symbol: list[int]) -> str:
        """The name of a symbol."""
        strings = self[".strtab"].data
        return strings[symbol[0] : strings.index(b"\0", symbol[0])].decode()

    def symbol_number(self, name: str) -> int:
        """The number of the first symbol of that name."""
        return next(number for number, symbol in enumerate(self.symbols) if self.symbol_name(symbol) == name)

    def add_symbol(self, name: str, *, section: int, bind: int = GLOBAL, value: int = 0, size: int = 0) -> int:
        """One more symbol at the table's end; its number."""
        strings = self[".strtab"]
        place = len(strings.data)
        strings.data += name.encode() + b"\0"
        symbols = self.symbols
        self.set_symbols([*symbols, [place, bind << 4, 0, section, value, size]])
        return len(symbols)

    def relocations(self, section: str) -> list[tuple[int, int, int]]:
        """Place, info and addend of each entry for a section."""
        return list(_RELA.iter_unpack(self[f".rela{section}"].data))

    def set_relocations(self, section: str, entries: list[tuple[int, int, int]]) -> None:
        """Replace the entries for a section."""
        self[f".rela{section}"].data = b"".join(_RELA.pack(*entry) for entry in entries)


def fields(data: bytes, section: str) -> tuple[int, dict[str, int]]:
    """Where a section's header stands in a file, and its fields by name."""
    order = ("name", "type", "flags", "addr", "offset", "size", "link", "info", "align", "entsize")
    whole = File.parse(data)
    number = 0 if not section else whole.number(section)
    place = whole.header[5] + number * _SECTION.size
    return place, dict(zip(order, _SECTION.unpack_from(data, place), strict=True))


def with_fields(data: bytes, section: str, **values: int) -> bytes:
    """The bytes with fields of one section header written over, right or wrong."""
    place, found = fields(data, section)
    return data[:place] + _SECTION.pack(*(found | values).values()) + data[place + _SECTION.size :]
