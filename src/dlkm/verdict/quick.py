# SPDX-License-Identifier: GPL-2.0-or-later
"""The plain good module, recognised by looks at whole columns of its tables. Says yes or "look closer", never no.

A yes stands only where every rule would pass without a finding; tests compare it with the rules on every module they
have. For 64-bit little-endian kernels with symbol versions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from struct import Struct
from typing import NamedTuple

from dlkm.core.names import module_name
from dlkm.kernel.facts import Facts
from dlkm.kernel.symvers import KernelSymbol
from dlkm.ko.elf import STB_GLOBAL, layout_of
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
)
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import Era
from dlkm.verdict.licence import GPL_COMPATIBLE
from dlkm.verdict.relocations import Table, Types, suspicious, types_in
from dlkm.verdict.signing import demands

_LAYOUT = layout_of(64, big_endian=False)
_THIS = b".gnu.linkonce.this_module"
_ROW = 64  # struct modversion_info
_PERCPU_RESERVE = 8 << 10
_TAIL = 12 + len(MARKER)
# Names that ask for a closer look, whatever the kernel.
_ODD_NAMES = frozenset({"ndiswrapper", "driverloader", "lve", ""})
_ODD_SECTIONS = frozenset({b".ctors", b"__version_ext_crcs", b"__version_ext_names"})
_CRC_TABLES = ((b"__ksymtab", b"__kcrctab"), (b"__ksymtab_gpl", b"__kcrctab_gpl"))
_ODD_KEYS = re.compile(rb"\0(livepatch|test|staging)=")
_NAME_AND_INFO = Struct("<IB").unpack_from
_EXPORT = re.compile(rb"\0__ksymtab_([^\0]+)")


class _Section(NamedTuple):
    """A section header as numbers, in elf.h's order."""

    name: int
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entsize: int


@dataclass(frozen=True, slots=True)
class _File:
    """What was found in a file on the way."""

    data: bytes
    sections: list[_Section]
    named: Mapping[bytes, _Section]

    def bytes_of(self, section: _Section) -> bytes:
        return self.data[section.offset : section.offset + section.size]


class Quick:
    """The kernel's side of the comparison, packed once."""

    def __init__(self, facts: Facts, conditions: Conditions, era: Era) -> None:
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

    def answer(self, data: bytes) -> tuple[str, str] | None:
        """Name and taint letters of a file that loads without a finding; None when it needs a closer look."""
        end = self._body_end(data)
        file = self._sections(data, end) if end is not None else None
        if file is None or not self._special_sections(file):
            return None
        found = self._modinfo(file)
        if found is None or not self._symbols(file) or not self._relocations(file):
            return None
        name, letters = found
        return name, f"{letters}E" if end == len(data) else letters

    def _body_end(self, data: bytes) -> int | None:
        """Where the module ends: at its end, or before a signature like those of the kernel's own modules."""
        if not data.endswith(MARKER):
            return len(data)
        own = self._own_signature
        if own is None or data[-_TAIL:] != own[1]:
            return None
        start = len(data) - _TAIL - own[2]
        return start if start > 0 and data.startswith(own[0], start) else None

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

    def _sections(self, data: bytes, end: int) -> _File | None:
        """Header and sections, all within the file, none written and run."""
        if end < 64 or data[:4] != b"\x7fELF":
            return None
        kind, machine, _, _, _, shoff, _, _, _, _, shentsize, shnum, names_at = _LAYOUT.header.unpack_from(data, 16)
        table = shnum * 64
        wanted = (1, self._facts.kernel.arch.elf_machine, 64)
        if (kind, machine, shentsize) != wanted or not 0 < names_at < shnum or shoff + table > end:
            return None
        sections = [_Section._make(row) for row in _LAYOUT.section.iter_unpack(data[shoff : shoff + table])]
        names = sections[names_at]
        if names.type != SHT_STRTAB or names.offset + names.size > end or any(sections[0][:6]):
            return None
        named = _named(sections, data[names.offset : names.offset + names.size], end)
        return None if named is None else _File(data, sections, named)

    def _special_sections(self, file: _File) -> bool:
        """Struct module as the kernel's, versions, and nothing that only some kernels take."""
        named = file.named
        this = named.get(_THIS)
        if this is None or this.type == SHT_NOBITS or not this.flags & SHF_ALLOC:
            return False
        percpu = named.get(b".data..percpu")
        wanted = (*self._era.words("arch-sections"), *self._era.words("finish-sections"))
        return (
            this.size == self._facts.struct_module_size
            and _ODD_SECTIONS.isdisjoint(named)
            and all(name.encode() in named for name in wanted)
            and (percpu is None or percpu.size <= _PERCPU_RESERVE)
            and all(
                name not in named or name.replace(b"ksym", b"kcrc") in named
                for name in (b"__ksymtab", b"__ksymtab_gpl")
            )
            and self._unique(file)
            and _btf_fits(file)
        )

    @staticmethod
    def _unique(file: _File) -> bool:
        """One symbol table, and no second section of a name that the loader looks up."""
        tables = sum(section.type == SHT_SYMTAB for section in file.sections)
        return tables == 1 and len(file.named) == len(file.sections) - 1

    def _modinfo(self, file: _File) -> tuple[str, str] | None:
        """The name, and the taint letters that modinfo decides, when vermagic and licence are as they should be."""
        section, this = file.named.get(b".modinfo"), file.named[_THIS]
        if section is None or not section.flags & SHF_ALLOC:
            return None
        raw = b"\0" + file.bytes_of(section)
        name = raw[raw.find(b"\0name=") + 6 :].partition(b"\0")[0]
        said = file.bytes_of(this)[24:80].partition(b"\0")[0]
        licence = raw[raw.find(b"\0license=") + 9 :].partition(b"\0")[0]
        plain = (
            raw.count(b"\0vermagic=") == raw.count(b"\0name=") == 1
            and self._vermagic in raw
            and b"\0license=" in raw
            and licence.decode("utf-8", "replace") in GPL_COMPATIBLE
            and name == said
            and _ODD_KEYS.search(raw) is None
            and raw.endswith(b"\0")
        )
        if not plain or not name.isascii() or name.decode() in self._odd_names:
            return None
        return name.decode(), "" if b"\0intree=" in raw else "O"

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

    def _symbols(self, file: _File) -> bool:
        """Every undefined symbol is the kernel's, with the CRC that the module expects; no export is another's."""
        versions = file.named.get(b"__versions")
        if self._conditions.params or versions is None or not versions.flags & SHF_ALLOC or versions.size % _ROW:
            return False
        raw = file.bytes_of(versions)
        rows = {raw[at : at + _ROW] for at in range(0, len(raw), _ROW)}
        if not rows <= self._rows or self._row_of[b"module_layout"] not in rows:
            return False
        table = next(section for section in file.sections if section.type == SHT_SYMTAB)
        if not 0 < table.link < len(file.sections) or file.sections[table.link].type != SHT_STRTAB:
            return False
        strings = file.bytes_of(file.sections[table.link])
        wanted = _undefined(file.bytes_of(table), strings, len(file.sections))
        if wanted is None or not self._namespaces_fit(file, wanted):
            return False
        row_of = self._row_of
        return all(row_of.get(name) in rows for name in wanted) and self._exports_fit(file, strings)

    @cached_property
    def _rows(self) -> frozenset[bytes]:
        return frozenset(self._row_of.values())

    @cached_property
    def _row_of(self) -> dict[bytes, bytes]:
        """The row of `__versions` that agrees, by name; of symbols whose giver is at hand."""
        assert self._facts.symvers is not None
        installed, own = self._facts.installed, {"vmlinux"}
        for provider in self._facts.symvers.providers if installed is not None else ():
            name = module_name(provider)
            if name in self._facts.builtin or (installed is not None and installed.find(name) is not None):
                own.add(provider)
        given = installed is None
        return self._facts.symvers.rows(64, big_endian=False, providers=None if given else frozenset(own))

    @cached_property
    def _spaced(self) -> dict[bytes, bytes]:
        """The namespace of each symbol that has one."""
        symbols = self._facts.exports.values()
        return {one.name.encode(): one.namespace.encode() for one in symbols if one.namespace}

    def _namespaces_fit(self, file: _File, wanted: list[bytes]) -> bool:
        spaced = [self._spaced[name] for name in wanted if name in self._spaced]
        if not spaced:
            return True
        raw = b"\0" + file.bytes_of(file.named[b".modinfo"])
        return all(not one.startswith(b"module:") and b"\0import_ns=" + one + b"\0" in raw for one in spaced)

    def _exports_fit(self, file: _File, strings: bytes) -> bool:
        """Whether all its exports are the kernel's own rows for this very module."""
        if b"__ksymtab" not in file.named and b"__ksymtab_gpl" not in file.named:
            return True
        names = _EXPORT.findall(strings)
        if strings.count(b"__ksymtab_") != len(names):
            return False
        said = file.bytes_of(file.named[_THIS])[24:80].partition(b"\0")[0].decode("utf-8", "replace")
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

    def _relocations(self, file: _File) -> bool:
        types, sections = self._types, file.sections
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


def _named(sections: list[_Section], names: bytes, end: int) -> dict[bytes, _Section] | None:
    """The sections by name; None when one leaves the file, is written and run, or has no name."""
    named: dict[bytes, _Section] = {}
    if not names.endswith(b"\0"):
        return None
    both, size, find = SHF_WRITE | SHF_EXECINSTR, len(names), names.index
    for section in sections[1:]:
        name, kind, flags, _, offset, length, *_ = section
        outside = offset + length > end and kind != SHT_NOBITS
        if outside or flags & both == both or kind == SHT_NULL or name >= size:
            return None
        named[names[name : find(b"\0", name)]] = section
    return named


def _btf_fits(file: _File) -> bool:
    section = file.named.get(b".BTF")
    if section is None:
        return True
    try:
        check_btf(file.bytes_of(section))
    except BtfError:
        return False
    return True


def _undefined(raw: bytes, strings: bytes, sections: int) -> list[bytes] | None:
    """Names of the undefined symbols; None when a symbol has a place that needs a closer look."""
    if len(raw) % 24 or not strings:
        return None
    places = memoryview(raw).cast("H")[3::12].tolist()
    if not places or places[0] or max(place for place in set(places) if place != 0xFFF1) >= sections:
        return None
    found = []
    at = 0
    for _ in range(places.count(0) - 1):
        at = places.index(0, at + 1)
        start, info = _NAME_AND_INFO(raw, 24 * at)
        end = strings.find(b"\0", start)
        if end < 0 or info >> 4 != STB_GLOBAL:
            return None
        found.append(strings[start:end])
    return found
