# SPDX-License-Identifier: GPL-2.0-or-later
"""What a module exports, with CRC, licence class and namespace, in every layout its tables have had. Judges nothing."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from dlkm.ko.elf import SHN_ABS, Elf, Symbol, text

_ENTRY, _CRC, _NAMESPACE = "__ksymtab_", "__crc_", "__kstrtabns_"
_FLAG_GPL = 1  # include/linux/module_symbol.h: KSYM_FLAG_GPL_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One exported symbol; `crc` is None where the module was built without CONFIG_MODVERSIONS.

    `flagged`: its table is the one with flags beside it, which kernels before 7.1 do not look at.
    """

    name: str
    crc: int | None
    gpl: bool
    namespace: str
    flagged: bool = False


def exports_of(elf: Elf) -> tuple[Export, ...]:
    """The exports in the order of the symbol table; MalformedError when a table does not lie within the file.

    Source: include/linux/export-internal.h, scripts/mod/modpost.c: an entry `__ksymtab_NAME` in the section
    `__ksymtab` or `__ksymtab_gpl` (newer kernels: one table, and a byte of flags each in `__kflagstab`), its CRC at
    the same place of `__kcrctab` or `__kcrctab_gpl`, its namespace at the symbol `__kstrtabns_NAME`.
    """
    if b"__ksymtab" not in elf.section_names:  # of most modules that is all there is to see
        return ()
    if elf.section("__ksymtab") is None and elf.section("__ksymtab_gpl") is None:
        return ()
    return tuple(_Tables(elf).exports())


class _Tables:
    """The sections and symbols that exports are spread over."""

    def __init__(self, elf: Elf) -> None:
        self._elf = elf
        self._entries: list[Symbol] = []
        self._crcs: dict[str, Symbol] = {}
        self._namespaces: dict[str, Symbol] = {}
        self._content = cache(self._read)
        self._section = cache(elf.section_at)
        for symbol in elf.symbols(_ENTRY.encode(), _CRC.encode(), _NAMESPACE.encode()):
            if symbol.name.startswith(_ENTRY):
                self._entries.append(symbol)
            elif symbol.name.startswith(_CRC):
                self._crcs[symbol.name.removeprefix(_CRC)] = symbol
            else:
                self._namespaces[symbol.name.removeprefix(_NAMESPACE)] = symbol
        self._flags = elf.section("__kflagstab")
        self._counts = Counter(entry.section for entry in self._entries)

    def exports(self) -> Iterator[Export]:
        for entry in self._entries:
            section = self._section(entry.section)
            if section is None:
                continue
            name = entry.name.removeprefix(_ENTRY)
            # The tables hold nothing else, so that an entry's size, which has changed, is what falls to each.
            number = entry.value // max(section.size // self._counts[section.index], 1)
            yield Export(
                name=name,
                crc=self._crc(name, section.name, number),
                gpl=self._gpl(section.name, number),
                namespace=self._namespace(name),
                flagged=self._flags is not None and section.name == "__ksymtab",
            )

    def _crc(self, name: str, table: str, number: int) -> int | None:
        """The value of an absolute `__crc_NAME` (kernels before 4.4 or so), else 32 bits of the table of CRCs."""
        symbol = self._crcs.get(name)
        if symbol is None:
            crcs = self._elf.section(table.replace("__ksymtab", "__kcrctab", 1))
            place = (0, 0) if crcs is None else (crcs.index, 4 * number)
        elif symbol.section == SHN_ABS:
            return symbol.value & 0xFFFFFFFF
        else:
            place = (symbol.section, symbol.value)
        raw = self._content(place[0])[place[1] : place[1] + 4]
        return int.from_bytes(raw, "big" if self._elf.big_endian else "little") if len(raw) == 4 else None

    def _gpl(self, table: str, number: int) -> bool:
        if table != "__ksymtab":
            return table == "__ksymtab_gpl"
        flags = self._content(self._flags.index)[number : number + 1] if self._flags is not None else b""
        return any(flag & _FLAG_GPL for flag in flags)

    def _namespace(self, name: str) -> str:
        symbol = self._namespaces.get(name)
        strings = b"" if symbol is None else self._content(symbol.section)
        if symbol is None or symbol.value >= len(strings):
            return ""
        return text(self._elf.string(strings, symbol.value, "a namespace"))

    def _read(self, index: int) -> bytes:
        section = self._section(index)
        return b"" if section is None else self._elf.bytes_of(section)
