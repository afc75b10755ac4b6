# SPDX-License-Identifier: GPL-2.0-or-later
"""The plain good module, recognised by looks at whole columns of its tables. Says yes or "look closer", never no.

A yes stands only where every rule would pass without a finding; tests compare it with the rules on every module they
have. For 64-bit little-endian kernels.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from blake3 import blake3

from dlkm.core.errors import DlkmError
from dlkm.core.names import module_name
from dlkm.kernel.facts import Facts
from dlkm.kernel.symvers import KERNEL
from dlkm.ko.decompress import HELD, Compression, compression_of, decompress
from dlkm.ko.elf import SHF_ALLOC, SHT_REL, SHT_RELA
from dlkm.ko.signature import MARKER
from dlkm.verdict.btf import HEADER_SIZE, BtfError, check_btf
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.columns import NAMES, ROW, THIS, View, rows_in, undefined, view_of
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.early import disabling_word
from dlkm.verdict.era import Era
from dlkm.verdict.known import Plain, contents
from dlkm.verdict.licence import GPL_COMPATIBLE
from dlkm.verdict.namespaces import PREFIX, is_open_to
from dlkm.verdict.own import trusted_body
from dlkm.verdict.signing import demands

_PERCPU_RESERVE = 8 << 10
# Names that ask for a closer look, whatever the kernel.
_ODD_NAMES = frozenset({"ndiswrapper", "driverloader", "lve", ""})
_ODD_SECTIONS = frozenset({b".ctors", b"__version_ext_crcs", b"__version_ext_names"})
_FLAGS = b"__kflagstab"
_VERSIONS = b"__versions"
_CRC_TABLES = ((b"__ksymtab", b"__kcrctab"), (b"__ksymtab_gpl", b"__kcrctab_gpl"))
_EXPORTS = frozenset({b"__ksymtab", b"__ksymtab_gpl"})
_ODD_KEYS = (b"\0livepatch=", b"\0test=", b"\0import_ns=module:")
_EXPORT = re.compile(rb"\0__ksymtab_([^\0]+)")
_LICENCES = frozenset(licence.encode() for licence in GPL_COMPATIBLE)
_RELOCATING = frozenset({SHT_RELA, SHT_REL})


class Quick:
    """The kernel's side of the comparison, packed once."""

    def __init__(self, facts: Facts, conditions: Conditions, era: Era, touched: frozenset[str] = frozenset()) -> None:
        """`touched` are symbols whose users need a closer look."""
        self._facts = facts
        self._touched = touched
        self._conditions = conditions
        self._era = era
        self._machine = facts.kernel.arch.elf_machine
        self.usable = self._is_usable()

    @property
    def facts(self) -> Facts:
        """Of the kernel that it looks for."""
        return self._facts

    def _is_usable(self) -> bool:
        """Whether this kernel and these conditions let the plain case be told at all."""
        facts, arch = self._facts, self._facts.kernel.arch
        known = (facts.table, facts.vermagic, facts.struct_module_size)
        return (
            arch.elf_class == 64
            and not arch.big_endian
            and (facts.image is None or (facts.image.stale is None and facts.image.fault is None))
            and all(one is not None for one in known)
            and facts.modversions is not None
            and all(map(facts.kernel.config.on, ("MODULES", "MODULE_SIG")))
            and facts.option("SMP") is True
            and not self._conditions.trusted_certs
            and not self._conditions.params
            and not any("*" in name or "?" in name or "[" in name for name, _ in self._conditions.commands)
            and not demands(facts, self._conditions)
            and disabling_word(self._conditions, self._era) is None
            and (not facts.modversions or b"module_layout" in self._row_of)
            and "gki-symbols" not in self._era.checks
        )

    def prepare(self) -> None:
        """Pack the kernel's side now, and load what verifies signatures, before the work is shared among processes."""
        _ = self._rows, self._spaced, self._odd_names, self._asked, self._vermagic
        own = self._facts.own_module
        if own is not None:
            trusted_body(own.data[:], self._facts, self._era)

    def look(self, path: str) -> Plain | None:
        """`answer` for a file as it lies there; None when it cannot be read, too, or its name is no UTF-8."""
        data = contents(path)
        return None if data is None else self._answer_packed(data)

    def digest(self, path: str) -> tuple[str, Plain] | None:
        """The same with the BLAKE3 of the file's bytes; None for what needs a closer look."""
        data = contents(path)
        plain = None if data is None else self._answer_packed(data)
        return None if data is None or plain is None else (blake3(data).hexdigest(), plain)

    def _answer_packed(self, data: bytes) -> Plain | None:
        try:
            return self.answer(data if compression_of(data) is Compression.NONE else decompress(data, "", HELD))
        except DlkmError:
            return None

    def answer(self, data: bytes) -> Plain | None:
        """Name and taint letters of a file that loads without a finding; None when it needs a closer look."""
        signed = data.endswith(MARKER)
        end = trusted_body(data, self._facts, self._era) if signed else len(data)
        file = view_of(data, end, self._machine, self._asked) if end is not None else None
        if file is None or not self._special_sections(file):
            return None
        info = b"\0" + file.bytes_of(file.at[b".modinfo"])
        rows = self._versions(file)
        fits = rows is not None and self._modinfo(file, info) and self._namespaces_fit(info, rows, file.struct_name)
        if not fits or rows is None or not self._exports_fit(file):
            return None
        outside = b"\0intree=" not in info
        if outside and not self._stands_alone(file, rows):
            return None
        # What has a signature that the kernel's certificates prove and says that it is of the kernel is what its own
        # build made, which sees to symbols, relocations and types.
        proven = signed and not outside and self._facts.certificates is not None
        if not proven and not (_is_bare(file) and self._symbols(file, rows) and self._relocations(file)):
            return None
        if not proven and not self._sound(data):
            return None
        letters = "C" * (b"\0staging=" in info) + "O" * outside + "E" * (not signed)
        return file.struct_name.decode(), letters

    def _special_sections(self, file: View) -> bool:
        """Struct module as the kernel's, versions, and nothing that only some kernels take."""
        at = file.at
        percpu = at.get(b".data..percpu")
        return (
            self._wanted <= at.keys()
            and _ODD_SECTIONS.isdisjoint(at)
            and all(file.flags(at[name]) & SHF_ALLOC for name in self._allocated)
            and file.size(at[THIS]) == self._facts.struct_module_size
            and (percpu is None or (file.size(percpu) <= _PERCPU_RESERVE and file.align(percpu).bit_count() <= 1))
            and (not self._facts.modversions or all(crcs in at for exports, crcs in _CRC_TABLES if exports in at))
            and ("export-flags" not in self._era.features or _EXPORTS.isdisjoint(at) or _FLAGS in at)
            and (b".BTF" not in at or _btf_fits(file, layout="btf-layout" in self._era.features))
        )

    @cached_property
    def _wanted(self) -> frozenset[bytes]:
        """Sections that every module has, and those that the architecture's loader insists on."""
        names = (*self._era.words("arch-sections"), *self._era.words("finish-sections"))
        return frozenset((*self._allocated, *(name.encode() for name in names)))

    @cached_property
    def _allocated(self) -> tuple[bytes, ...]:
        return (THIS, b".modinfo", _VERSIONS) if self._facts.modversions else (THIS, b".modinfo")

    @cached_property
    def _asked(self) -> frozenset[bytes]:
        return NAMES | self._wanted

    def _modinfo(self, file: View, info: bytes) -> bool:
        """Whether vermagic and licence are as they should be, and nobody speaks of the name."""
        name = _value(info, b"\0name=")
        return (
            info.endswith(b"\0")
            and info.count(b"\0vermagic=") == info.count(b"\0name=") == 1
            and self._vermagic in info
            and b"\0license=" in info
            and _value(info, b"\0license=") in _LICENCES
            and name == file.struct_name
            and name.isascii()
            and name not in self._odd_names
            and not any(key in info for key in _ODD_KEYS)
            and (not self._conditions.commands or self._spoken_of.isdisjoint(_depends(info)))
        )

    @cached_property
    def _vermagic(self) -> bytes:
        return b"\0vermagic=" + (self._facts.vermagic or "").encode("utf-8", "surrogateescape") + b"\0"

    @cached_property
    def _odd_names(self) -> frozenset[bytes]:
        """Names that conditions or the kernel speak of."""
        dotted = (name for name, _ in self._conditions.cmdline_options())
        kernels = self._facts.builtin | {*self._taken_in_sysfs()}
        others = _ODD_NAMES | kernels | self._blacklist | {*dotted}
        return self._spoken_of.union(name.encode("utf-8", "surrogateescape") for name in others)

    @cached_property
    def _spoken_of(self) -> frozenset[bytes]:
        """Those that modprobe.d speaks of, or that are said to be loaded."""
        return frozenset(name.encode("utf-8", "surrogateescape") for name in self._conditions.named)

    def _taken_in_sysfs(self) -> Iterator[str]:
        """Names that the kernel itself surely or perhaps has a directory of (formation.py: built_in_name)."""
        shown = self._facts.sysfs_names
        core: dict[str, frozenset[str]] = dict.fromkeys(self._era.words("sysfs-core"), frozenset())
        for name, keys in {**core, **self._facts.builtin_modinfo}.items():
            if "version" in keys or shown is None or name in shown:
                yield name

    def _versions(self, file: View) -> tuple[bytes, ...] | None:
        """The rows of symbol versions when every one is the kernel's."""
        if not self._facts.modversions:
            return self._named(file)
        raw = file.bytes_of(file.at[_VERSIONS])
        if len(raw) % ROW:
            return None
        rows: tuple[bytes, ...] = rows_in(len(raw)).unpack(raw)
        return rows if self._rows.issuperset(rows) and self._row_of[b"module_layout"] in rows else None

    def _named(self, file: View) -> tuple[bytes, ...] | None:
        """The same by its undefined symbols, where the kernel has no versions."""
        wanted = undefined(file.bytes_of(file.symtab), file.symbol_names, len(file.kinds))
        if wanted is None or _VERSIONS in file.at:
            return None
        rows = tuple(self._row_of[name] for name in wanted if name in self._row_of)
        return rows if len(rows) == len(wanted) and self._rows.issuperset(rows) else None

    def _symbols(self, file: View, rows: tuple[bytes, ...]) -> bool:
        """Every undefined symbol has its version, which is the kernel's; without versions the rows are just these."""
        if not self._facts.modversions:
            return True
        wanted = undefined(file.bytes_of(file.symtab), file.symbol_names, len(file.kinds))
        return wanted is not None and set(rows).issuperset(map(self._row_of.get, wanted))

    @cached_property
    def _rows(self) -> frozenset[bytes]:
        touched = {name.encode("utf-8", "surrogateescape") for name in self._touched}
        return frozenset(row for name, row in self._row_of.items() if name not in touched)

    @cached_property
    def _row_of(self) -> dict[bytes, bytes]:
        """The row of `__versions` that agrees, by name; of symbols whose giver is at hand."""
        symvers = self._facts.table
        if symvers is None:
            return {}
        givers = frozenset(filter(self._is_at_hand, symvers.providers))
        return symvers.rows(64, big_endian=False, providers=givers)

    @cached_property
    def _blacklist(self) -> frozenset[str]:
        return self._conditions.blacklisted

    def _is_at_hand(self, provider: str) -> bool:
        """As Supply.provider_installed, and not named in module_blacklist= (Supply.refusal_of)."""
        installed = self._facts.installed
        if provider == KERNEL or installed is None:
            return True
        name = module_name(provider)
        if name in self._blacklist:
            return False
        return name in self._facts.builtin or installed.holds(provider)

    @cached_property
    def _modular(self) -> frozenset[bytes]:
        """The rows of symbols that modules give."""
        assert self._facts.table is not None
        modules = self._facts.table.providers - {KERNEL}
        return frozenset(self._facts.table.rows(64, big_endian=False, providers=modules).values())

    def _stands_alone(self, file: View, rows: tuple[bytes, ...]) -> bool:
        """Whether a module from outside the kernel neither needs one, which would be judged, nor serves others.

        One with the name of a module that serves others takes its place. All its sections have names of their own.
        """
        names = file.section_names
        alone = _EXPORTS.isdisjoint(file.at) and self._modular.isdisjoint(rows) and len(set(names)) == len(names)
        return alone and file.struct_name not in self._givers

    @cached_property
    def _givers(self) -> frozenset[bytes]:
        assert self._facts.table is not None
        return frozenset(module_name(one).encode("utf-8", "surrogateescape") for one in self._facts.table.providers)

    @cached_property
    def _spaced(self) -> dict[bytes, str]:
        """The namespace of each row whose symbol has one."""
        assert self._facts.table is not None
        pairs = ((name.encode("utf-8", "surrogateescape"), space) for name, space in self._facts.table.namespaces)
        return {self._row_of[name]: space for name, space in pairs if name in self._row_of}

    def _namespaces_fit(self, info: bytes, rows: tuple[bytes, ...], name: bytes) -> bool:
        if self._spaced.keys().isdisjoint(rows):
            return True
        wanted = {self._spaced[row] for row in rows if row in self._spaced}
        return all(self._is_open(space, info, name) for space in wanted)

    def _is_open(self, space: str, info: bytes, name: bytes) -> bool:
        """Whether a module imports a namespace, or need not."""
        if space.startswith(PREFIX):
            return "module-namespaces" in self._era.features and is_open_to(space, name.decode("ascii"))
        return b"\0import_ns=" + space.encode("utf-8", "surrogateescape") + b"\0" in info

    def _exports_fit(self, file: View) -> bool:
        """Whether all its exports are the kernel's own rows for this very module."""
        if _EXPORTS.isdisjoint(file.at):
            return True
        assert self._facts.table is not None
        strings = file.symbol_names
        names = _EXPORT.findall(strings)
        if strings.count(b"__ksymtab_") != len(names):
            return False
        owners = self._facts.table.owners
        exported = {name.decode("utf-8", "surrogateescape") for name in names}
        found = {owners.get(name, "") for name in exported} - {""}
        said = file.struct_name.decode("utf-8", "surrogateescape")
        return self._touched.isdisjoint(exported) and all(module_name(provider) == said for provider in found)

    def _relocations(self, file: View) -> bool:
        """Whether every relocation is of a known kind and its target as it should be."""
        from dlkm.verdict.relocation_columns import Symbols, Table, suspicious, types_in

        types = types_in(self._era)
        if types is None:
            return True
        tables: dict[int, Table] = {}
        for index, kind in enumerate(file.kinds):
            target = file.info(index) if kind in _RELOCATING else len(file.kinds)
            if target >= len(file.kinds) or not file.flags(target) & SHF_ALLOC:
                continue
            if kind == SHT_REL or target in tables:
                return False
            tables[target] = Table(file.bytes_of(index), file.bytes_of(target), file.size(target))
        return not suspicious(list(tables.values()), types, Symbols(file.bytes_of(file.symtab), _unmoved(file)))

    def _sound(self, data: bytes) -> bool:
        """Whether it looks as a linker wrote it."""
        from dlkm.verdict.soundness import is_sound

        return is_sound(Candidate(Path(), data, self._facts.kernel.arch), self._facts, self._era)


def _is_bare(file: View) -> bool:
    """Whether it has no types, and nothing but a name in struct module."""
    return b".BTF" not in file.at and len(file.bytes_of(file.at[THIS]).strip(b"\0")) == len(file.struct_name)


def _unmoved(file: View) -> frozenset[int]:
    """The sections that get no memory (relocations.py: moved_sections), per-CPU data left out."""
    idle = {index for index in range(1, len(file.kinds)) if not file.flags(index) & SHF_ALLOC}
    placed = {file.symtab, file.link(file.symtab), file.at.get(b".data..percpu")}
    return frozenset(idle - placed | {file.at[name] for name in (b".modinfo", _VERSIONS) if name in file.at})


def _value(info: bytes, key: bytes) -> bytes:
    """The value of the first such key, which is there."""
    start = info.find(key) + len(key)
    return info[start : info.find(b"\0", start)]


def _depends(info: bytes) -> list[bytes]:
    """The modules that it says it needs."""
    key = b"\0depends="
    return _value(info, key).replace(b"-", b"_").split(b",") if key in info else []


def _btf_fits(file: View, *, layout: bool) -> bool:
    index = file.at[b".BTF"]
    try:
        check_btf(file.start_of(index, HEADER_SIZE), file.size(index), layout=layout)
    except BtfError:
        return False
    return True
