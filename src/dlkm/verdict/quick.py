# SPDX-License-Identifier: GPL-2.0-or-later
"""The plain good module, recognised by looks at whole columns of its tables. Says yes or "look closer", never no.

A yes stands only where every rule would pass without a finding; tests compare it with the rules on every module they
have. For 64-bit little-endian kernels with symbol versions.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from mmap import mmap
from operator import add
from pathlib import Path

from dlkm.core.names import module_name
from dlkm.kernel.facts import Facts
from dlkm.kernel.symvers import KERNEL, KernelSymbol
from dlkm.ko.elf import layout_of
from dlkm.ko.pkcs7 import Signer
from dlkm.ko.signature import MARKER, Signature
from dlkm.verdict.btf import BtfError, check_btf
from dlkm.verdict.candidate import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_RELA_LIVEPATCH,
    SHF_WRITE,
    SHT_NOBITS,
    SHT_NULL,
    SHT_REL,
    SHT_RELA,
    SHT_STRTAB,
    SHT_SYMTAB,
    SectionHeader,
)
from dlkm.verdict.columns import THIS, Row, View, names_at, undefined
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import Era
from dlkm.verdict.licence import GPL_COMPATIBLE
from dlkm.verdict.relocations import Table, Types, suspicious, types_in
from dlkm.verdict.signing import demands

_LAYOUT = layout_of(64, big_endian=False)
_ROW = 64  # struct modversion_info
_PERCPU_RESERVE = 8 << 10
_TAIL = 12 + len(MARKER)
# Names that ask for a closer look, whatever the kernel.
_ODD_NAMES = frozenset({"ndiswrapper", "driverloader", "lve", ""})
_ODD_SECTIONS = frozenset({b".ctors", b"__version_ext_crcs", b"__version_ext_names"})
_CRC_TABLES = ((b"__ksymtab", b"__kcrctab"), (b"__ksymtab_gpl", b"__kcrctab_gpl"))
_ODD_KEYS = re.compile(rb"\0(livepatch|test)=")
_EXPORT = re.compile(rb"\0__ksymtab_([^\0]+)")


class Quick:
    """The kernel's side of the comparison, packed once."""

    def __init__(self, facts: Facts, conditions: Conditions, era: Era, given: Iterable[Path] = ()) -> None:
        self._given = frozenset(map(str, given))
        self._facts = facts
        self._conditions = conditions
        self._era = era
        self.usable = self._is_usable()

    def _is_usable(self) -> bool:
        """Whether this kernel and these conditions let the plain case be told at all."""
        facts, arch = self._facts, self._facts.kernel.arch
        known = (facts.symvers, facts.vermagic, facts.struct_module_size)
        return (
            arch.elf_class == 64
            and not arch.big_endian
            and all(one is not None for one in known)
            and facts.modversions is True
            and facts.kernel.config.on("MODULE_SIG")
            and facts.option("SMP") is True
            and not self._conditions.trusted_certs
            and not demands(facts, self._conditions)
            and "module_layout" in facts.exports
        )

    def prepare(self) -> None:
        """Pack the kernel's side now."""
        _ = self._row_of, self._rows, self._spaced, self._own_signature, self._odd_names, self._types

    def answer(self, data: bytes | mmap) -> tuple[str, str] | None:
        """Name and taint letters of a file that loads without a finding; None when it needs a closer look."""
        end = self._body_end(data)
        file = self._sections(data, end) if end is not None else None
        if file is None or not self._special_sections(file):
            return None
        signed = end != len(data)
        found = self._modinfo(file)
        if found is None or not self._versions(file):
            return None
        # What carries the kernel's own signature is what the kernel's own build made, or it would be refused for its
        # signature: the build sees to it that the versions cover the symbols, and its linker to the relocations.
        if not signed and not (self._symbols(file) and self._relocations(file)):
            return None
        name, letters = found
        return name, letters if signed else f"{letters}E"

    def _body_end(self, data: bytes | mmap) -> int | None:
        """Where the module ends: at its end, or before a signature like those of the kernel's own modules."""
        tail = data[-_TAIL:]
        if not tail.endswith(MARKER):
            return len(data)
        own = self._own_signature
        if own is None or tail != own[1]:
            return None
        start = len(data) - _TAIL - own[2]
        return start if start > 0 and data[start : start + len(own[0])] == own[0] else None

    @cached_property
    def _own_signature(self) -> tuple[bytes, bytes, int] | None:
        """Of the kernel's own signature: the block up to the value, trailer with marker, and the block's size."""
        sample: Signature | None = self._facts.own_signature
        if sample is None or sample.trailer is None or self._facts.certificates is not None:
            return None
        signer = sample.signer
        if not isinstance(signer, Signer) or not sample.block.endswith(signer.value):
            return None
        tail = self._facts.own_tail(_TAIL)
        return sample.block[: len(sample.block) - len(signer.value)], tail, len(sample.block)

    def _sections(self, data: bytes | mmap, end: int) -> View | None:
        """Header and sections, all within the file, none written and run."""
        if end < 64 or data[:4] != b"\x7fELF":
            return None
        kind, machine, _, _, _, shoff, _, _, _, _, shentsize, shnum, where_names = _LAYOUT.header.unpack_from(data, 16)
        table = shnum * 64
        wanted = (1, self._facts.kernel.arch.elf_machine, 64)
        if (kind, machine, shentsize) != wanted or not 0 < where_names < shnum or shoff + table > end:
            return None
        raw = data[shoff : shoff + table]
        rows: list[Row] = list(_LAYOUT.section.iter_unpack(raw))
        numbers = memoryview(raw).cast("Q")
        both = SHF_WRITE | SHF_EXECINSTR
        where = rows[where_names]
        if where[1] != SHT_STRTAB or any(rows[0][:6]) or any(flags & both == both for flags in set(numbers[1::8])):
            return None
        if max(map(add, numbers[3::8], numbers[4::8])) > end and any(
            row[4] + row[5] > end for row in rows if row[1] != SHT_NOBITS
        ):
            return None
        starts = memoryview(raw).cast("I")[16::16].tobytes()
        names = names_at(data[where[4] : where[4] + where[5]], starts)
        return None if names is None else View(data, rows, dict(zip(names, rows[1:], strict=True)))

    def _special_sections(self, file: View) -> bool:
        """Struct module as the kernel's, versions, and nothing that only some kernels take."""
        named, this, percpu = file.named, file.section(THIS), file.section(b".data..percpu")
        if this is None or this.type == SHT_NOBITS or not this.flags & SHF_ALLOC:
            return False
        table = file.named[b".symtab"]
        return (
            this.size == self._facts.struct_module_size
            and _ODD_SECTIONS.isdisjoint(named)
            and self._wanted <= named.keys()
            and (percpu is None or percpu.size <= _PERCPU_RESERVE)
            and all(crcs in named for exports, crcs in _CRC_TABLES if exports in named)
            and [row[1] for row in file.rows].count(SHT_SYMTAB) == 1
            and table[1] == SHT_SYMTAB
            and 0 < table[6] < len(file.rows)
            and file.rows[table[6]][1] == SHT_STRTAB
            and not any(row[1] == SHT_NULL for row in file.rows[1:])
            and _btf_fits(file)
        )

    @cached_property
    def _wanted(self) -> frozenset[bytes]:
        """Sections that the architecture's loader insists on."""
        names = (*self._era.words("arch-sections"), *self._era.words("finish-sections"))
        return frozenset(name.encode() for name in names)

    def _modinfo(self, file: View) -> tuple[str, str] | None:
        """The name, and the taint letters that modinfo decides, when vermagic and licence are as they should be."""
        section = file.section(b".modinfo")
        if section is None or not section.flags & SHF_ALLOC:
            return None
        raw = b"\0" + file.bytes_of(section)
        name = raw[raw.find(b"\0name=") + 6 :].partition(b"\0")[0]
        licence = raw[raw.find(b"\0license=") + 9 :].partition(b"\0")[0]
        plain = (
            raw.count(b"\0vermagic=") == raw.count(b"\0name=") == 1
            and self._vermagic in raw
            and b"\0license=" in raw
            and licence.decode("utf-8", "replace") in GPL_COMPATIBLE
            and name == file.struct_name
            and _ODD_KEYS.search(raw) is None
            and raw.endswith(b"\0")
        )
        if not plain or not name.isascii() or name.decode() in self._odd_names:
            return None
        staging, outside = b"\0staging=" in raw, b"\0intree=" not in raw
        return name.decode(), "C" * staging + "O" * outside

    @cached_property
    def _vermagic(self) -> bytes:
        return b"\0vermagic=" + (self._facts.vermagic or "").encode() + b"\0"

    @cached_property
    def _odd_names(self) -> frozenset[str]:
        """Names that conditions or the kernel speak of."""
        listed = (self._conditions.cmdline_value("module_blacklist") or "").split(",")
        dotted = (name.partition(".")[0] for name, _ in self._conditions.words() if "." in name)
        options = (name for name, _ in self._conditions.options)
        loaded = (name.replace("-", "_") for name in self._conditions.loaded)
        return _ODD_NAMES | self._facts.builtin | {*listed, *dotted, *options, *loaded}

    def _versions(self, file: View) -> bool:
        """Every symbol version is the kernel's; the namespaces are imported; no export is another's."""
        versions = file.section(b"__versions")
        if self._conditions.params or versions is None or not versions.flags & SHF_ALLOC or versions.size % _ROW:
            return False
        rows = _rows_of(file.bytes_of(versions))
        fits = rows <= self._rows and self._row_of[b"module_layout"] in rows
        return fits and self._namespaces_fit(file, rows) and self._exports_fit(file)

    def _symbols(self, file: View) -> bool:
        """Every undefined symbol has its version, which is the kernel's."""
        rows = _rows_of(file.content(b"__versions"))
        wanted = undefined(file.content(b".symtab"), file.symbol_names, len(file.rows))
        row_of = self._row_of
        return wanted is not None and all(row_of.get(name) in rows for name in wanted)

    @cached_property
    def _rows(self) -> frozenset[bytes]:
        return frozenset(self._row_of.values())

    @cached_property
    def _row_of(self) -> dict[bytes, bytes]:
        """The row of `__versions` that agrees, by name; of symbols whose giver is at hand."""
        assert self._facts.symvers is not None
        givers = frozenset(filter(self._is_at_hand, self._facts.symvers.providers))
        return self._facts.symvers.rows(64, big_endian=False, providers=givers)

    def _is_at_hand(self, provider: str) -> bool:
        """As Supply.provider_installed; the given files are asked first, which saves a walk through the tree."""
        installed = self._facts.installed
        if provider == KERNEL or installed is None or f"{installed.modules_dir}/kernel/{provider}.ko" in self._given:
            return True
        name = self._module_of(provider)
        return name in self._facts.builtin or installed.find(name) is not None

    @cached_property
    def _spaced(self) -> dict[bytes, bytes]:
        """The namespace of each row whose symbol has one."""
        symbols = [one for one in self._facts.exports.values() if one.namespace]
        rows = ((self._row_of.get(one.name.encode()), one.namespace.encode()) for one in symbols)
        return {row: namespace for row, namespace in rows if row is not None}

    def _namespaces_fit(self, file: View, rows: set[bytes]) -> bool:
        if self._spaced.keys().isdisjoint(rows):
            return True
        spaced = {self._spaced[row] for row in rows if row in self._spaced}
        raw = b"\0" + file.content(b".modinfo")
        return all(not one.startswith(b"module:") and b"\0import_ns=" + one + b"\0" in raw for one in spaced)

    def _exports_fit(self, file: View) -> bool:
        """Whether all its exports are the kernel's own rows for this very module."""
        if b"__ksymtab" not in file.named and b"__ksymtab_gpl" not in file.named:
            return True
        strings = file.symbol_names
        names = _EXPORT.findall(strings)
        if strings.count(b"__ksymtab_") != len(names):
            return False
        said = file.struct_name.decode("utf-8", "replace")
        exports: Mapping[str, KernelSymbol] = self._facts.exports
        found = (exports.get(name.decode("utf-8", "replace")) for name in names)
        return all(one is None or self._module_of(one.provider) == said for one in found)

    @staticmethod
    @cache
    def _module_of(provider: str) -> str:
        return module_name(provider)

    @cached_property
    def _types(self) -> Types | None:
        return types_in(self._era)

    def _relocations(self, file: View) -> bool:
        types, sections = self._types, [SectionHeader._make(row) for row in file.rows]
        if types is None:
            return True
        tables = []
        for section in sections:
            if section.type not in _RELOCATING or section.info >= len(sections):
                continue
            target = sections[section.info]
            if not target.flags & SHF_ALLOC or section.flags & SHF_RELA_LIVEPATCH:
                continue
            if section.type == SHT_REL:
                return False
            content = b"" if target.type == SHT_NOBITS else file.bytes_of(target)
            tables.append(Table(file.bytes_of(section), content, target.size))
        return not suspicious(tables, types)


_RELOCATING = frozenset({SHT_RELA, SHT_REL})


def _rows_of(raw: bytes) -> set[bytes]:
    return {raw[at : at + _ROW] for at in range(0, len(raw), _ROW)}


def _btf_fits(file: View) -> bool:
    if b".BTF" not in file.named:
        return True
    try:
        check_btf(file.content(b".BTF"))
    except BtfError:
        return False
    return True
