# SPDX-License-Identifier: GPL-2.0-or-later
"""What a module exports, with CRC, licence class and namespace, in every layout its tables have had. Judges nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dlkm.ko.elf import SHN_ABS, Elf, Section, Symbol, text

_ENTRY, _CRC, _NAMESPACE = "__ksymtab_", "__crc_", "__kstrtabns_"
_FLAG_GPL = 1  # include/linux/module_symbol.h: KSYM_FLAG_GPL_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One exported symbol; `crc` is None where the module was built without CONFIG_MODVERSIONS."""

    name: str
    crc: int | None
    gpl: bool
    namespace: str


def exports_of(elf: Elf) -> tuple[Export, ...]:
    """The exports in the order of the symbol table; MalformedError when a table does not lie within the file.

    Source: include/linux/export.h, scripts/mod/modpost.c: an entry `__ksymtab_NAME` in the section `__ksymtab` or
    `__ksymtab_gpl`, the CRC at the same place of `__kcrctab` or `__kcrctab_gpl`.
    """
    if not any(section.name.startswith("__ksymtab") for section in elf.sections):
        return ()
    return tuple(_Tables(elf).exports())


class _Tables:
    """The sections and symbols that exports are spread over."""

    def __init__(self, elf: Elf) -> None:
        self._elf = elf
        self._entries: list[Symbol] = []
        self._crcs: dict[str, Symbol] = {}
        self._namespaces: dict[str, Symbol] = {}
        for symbol in elf.symbols():
            if symbol.name.startswith(_ENTRY):
                self._entries.append(symbol)
            elif symbol.name.startswith(_CRC):
                self._crcs[symbol.name.removeprefix(_CRC)] = symbol
            elif symbol.name.startswith(_NAMESPACE):
                self._namespaces[symbol.name.removeprefix(_NAMESPACE)] = symbol
        self._bytes: dict[int, bytes] = {}

    def exports(self) -> Iterator[Export]:
        for entry in self._entries:
            section = self._elf.section_at(entry.section)
            if section is None:
                continue
            name = entry.name.removeprefix(_ENTRY)
            yield Export(
                name=name,
                crc=self._crc(name, entry, section),
                gpl=self._gpl(entry, section),
                namespace=self._namespace(name),
            )

    @cached_property
    def _entry_sizes(self) -> dict[int, int]:
        """Bytes of an entry, by table: its size shared by its entries."""
        counts: dict[int, int] = {}
        for entry in self._entries:
            counts[entry.section] = counts.get(entry.section, 0) + 1
        return {
            index: section.size // count
            for index, count in counts.items()
            if (section := self._elf.section_at(index)) is not None
        }

    def _number(self, entry: Symbol) -> int:
        size = self._entry_sizes[entry.section]
        return entry.value // size if size else 0

    def _crc(self, name: str, entry: Symbol, section: Section) -> int | None:
        """From an absolute `__crc_NAME`, else the 32-bit number in the CRC table (kernels since 4.4 or so)."""
        symbol = self._crcs.get(name)
        if symbol is not None and symbol.section == SHN_ABS:
            return symbol.value & 0xFFFFFFFF
        if symbol is not None:
            return self._u32(symbol.section, symbol.value)
        table = self._elf.section(section.name.replace("__ksymtab", "__kcrctab", 1).partition("+")[0])
        return None if table is None else self._u32(table.index, 4 * self._number(entry))

    def _gpl(self, entry: Symbol, section: Section) -> bool:
        """By the table's name, or by a table of flags beside a single `__ksymtab`."""
        if "_gpl" in section.name.partition("+")[0]:
            return True
        flags = self._elf.section("__kflagstab")
        number = self._number(entry)
        return flags is not None and bool(sum(self._content(flags.index)[number : number + 1]) & _FLAG_GPL)

    def _namespace(self, name: str) -> str:
        symbol = self._namespaces.get(name)
        if symbol is None or self._elf.section_at(symbol.section) is None:
            return ""
        return text(self._content(symbol.section)[symbol.value :].partition(b"\0")[0])

    def _u32(self, section: int, offset: int) -> int | None:
        raw = self._content(section)[offset : offset + 4] if self._elf.section_at(section) is not None else b""
        return int.from_bytes(raw, "big" if self._elf.big_endian else "little") if len(raw) == 4 else None

    def _content(self, index: int) -> bytes:
        if index not in self._bytes:
            section = self._elf.section_at(index)
            self._bytes[index] = b"" if section is None else self._elf.bytes_of(section)
        return self._bytes[index]
