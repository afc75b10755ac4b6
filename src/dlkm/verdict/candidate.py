# SPDX-License-Identifier: GPL-2.0-or-later
"""A file as the kernel's loader sees it: the loader's own header layout, its ways of finding things. Judges nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from mmap import mmap
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from dlkm.core.arch import Arch
from dlkm.core.errors import MalformedError
from dlkm.core.names import module_name, normalise_module_name
from dlkm.ko.elf import IDENT_SIZE, SHF_ALLOC, SHT_NOBITS, SHT_SYMTAB, Elf, Header, Layout, layout_of, text
from dlkm.ko.exports import Export, exports_of
from dlkm.ko.signature import MARKER, PKCS7, Signature, signature_of
from dlkm.ko.versions import extended_versions_of, rows_of

ET_REL = 1
NO_NAME = "(missing .modinfo section or name field)"
# struct module: enum module_state, struct list_head, then `char name[MODULE_NAME_LEN]` (include/linux/module.h).
_NAME_OFFSET = {64: 24, 32: 12}
_NAME_LENGTH = {64: 56, 32: 60}


class FileHeader(NamedTuple):
    """The ELF header after e_ident, as elf.h has it."""

    type: int
    machine: int
    version: int
    entry: int
    phoff: int
    shoff: int
    flags: int
    ehsize: int
    phentsize: int
    phnum: int
    shentsize: int
    shnum: int
    shstrndx: int


class SectionHeader(NamedTuple):
    """One section header, as elf.h has it; `name` is the place in the table of names."""

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


@dataclass(frozen=True)
class Candidate:
    """The plain bytes of a file that a kernel of `arch` is asked to load.

    `any_modinfo`: this kernel reads a `.modinfo` that is not allocated, too (data/eras.toml). `signed`: it looks for
    signatures (CONFIG_MODULE_SIG).
    What needs a part that the kernel would have refused first raises MalformedError.
    """

    path: Path
    data: bytes | mmap
    arch: Arch
    any_modinfo: bool = True
    signed: bool = True

    @cached_property
    def layout(self) -> Layout:
        """The kernel's own structures: it reads every file with these, whatever e_ident says."""
        return layout_of(self.arch.elf_class, big_endian=self.arch.big_endian)

    @cached_property
    def signature(self) -> Signature | None:
        """What is appended as its signature."""
        return signature_of(self.data)

    @cached_property
    def length(self) -> int:
        """Bytes that are left for the loader once the signature is cut off (kernel/module/signing.c)."""
        signature = self.signature
        if signature is None or not self.signed:
            return len(self.data)
        trailer = signature.trailer
        if trailer is None or trailer.id_type != PKCS7 or not trailer.unused_are_zero or signature.defect is not None:
            return len(self.data) - len(MARKER)
        return signature.body_size

    @property
    def header_size(self) -> int:
        """Bytes of an ELF header of this kernel's class."""
        return IDENT_SIZE + self.layout.header.size

    @cached_property
    def header(self) -> FileHeader:
        """The ELF header."""
        if self.length < self.header_size:
            raise MalformedError(f"{self.path}: ends within the ELF header", offset=self.length)
        return FileHeader._make(self.layout.header.unpack_from(self.data, IDENT_SIZE))

    @cached_property
    def sections(self) -> tuple[SectionHeader, ...]:
        """The section headers."""
        raw = self.bytes_at(self.header.shoff, self.header.shnum * self.layout.section.size)
        return tuple(map(SectionHeader._make, self.layout.section.iter_unpack(raw)))

    @cached_property
    def allocated(self) -> tuple[int, ...]:
        """The sections that are to have memory (SHF_ALLOC)."""
        return tuple(index for index, section in enumerate(self.sections) if index and section.flags & SHF_ALLOC)

    @cached_property
    def section_names(self) -> bytes:
        """The table of the sections' names."""
        index = self.header.shstrndx
        if not index < len(self.sections):
            raise MalformedError(f"{self.path}: no table of section names")
        return self.contents(index)

    def section_name(self, index: int) -> str:
        """The name of a section; "" where it lies outside the table."""
        return text(self._raw_name(self.sections[index].name))

    def _raw_name(self, start: int) -> bytes:
        end = self.section_names.find(b"\0", start)
        return self.section_names[start:end] if end >= 0 else b""

    @cached_property
    def _names(self) -> list[str]:
        return [self.section_name(index) for index in range(len(self.sections))]

    def find(self, name: str, *, allocated: bool = True) -> int:
        """The first section of that name, among those with SHF_ALLOC if so asked; 0 when there is none."""
        for index, found in enumerate(self._names):
            if found == name and index and (not allocated or self.sections[index].flags & SHF_ALLOC):
                return index
        return 0

    def count(self, name: str) -> int:
        """How many sections have that name, allocated or not."""
        return self._names[1:].count(name)

    def contents(self, index: int) -> bytes:
        """A section's bytes; empty for one that has none in the file."""
        section = self.sections[index]
        return b"" if section.type == SHT_NOBITS else self.bytes_at(section.offset, section.size)

    def stored(self, index: int) -> bytes:
        """The bytes at a section's place in the file, whatever its type: so the loader reads what it does not move."""
        section = self.sections[index]
        return self.bytes_at(section.offset, section.size)

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Bytes of the file; MalformedError when the range leaves it."""
        if offset + size > self.length:
            raise MalformedError(f"{self.path}: {size} bytes leave the file", offset=offset)
        return self.data[offset : offset + size]

    @cached_property
    def elf(self) -> Elf:
        """The same bytes for the readers of ELF files, with the kernel's structures: it does not look at e_ident."""
        found = self.header
        header = Header(
            type=found.type,
            machine=found.machine,
            flags=found.flags,
            shoff=found.shoff,
            ehsize=found.ehsize,
            shentsize=found.shentsize,
            shnum=found.shnum,
            shstrndx=found.shstrndx,
        )
        return Elf(self.data, str(self.path), self.layout, header)

    @cached_property
    def modinfo(self) -> tuple[tuple[str, str], ...]:
        """Keys and values of `.modinfo`; empty without one, or where the kernel does not see it.

        A last one without its NUL goes on in whatever lies behind it (get_next_modinfo).
        """
        index = self.find(".modinfo", allocated=not self.any_modinfo)
        if not index:
            return ()
        raw, behind = self.stored(index), self.sections[index].offset + self.sections[index].size
        if raw and raw[-1]:
            raw += self.bytes_at(behind, max(self.data.find(b"\0", behind) - behind, 0))
        pairs = (item.partition(b"=") for item in raw.split(b"\0"))
        return tuple((text(key), text(value)) for key, equals, value in pairs if equals)

    def field(self, name: str) -> str | None:
        """The first value of a key."""
        return next((value for key, value in self.modinfo if key == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a key."""
        return tuple(value for key, value in self.modinfo if key == name)

    @property
    def depends(self) -> tuple[str, ...]:
        """The modules that it says it needs, with '_' for '-'."""
        return tuple(normalise_module_name(name) for name in (self.field("depends") or "").split(",") if name)

    @property
    def has_struct(self) -> bool:
        """Whether there is a struct module."""
        return self.find(".gnu.linkonce.this_module", allocated=False) > 0

    @cached_property
    def struct_name(self) -> str:
        """The name within struct module, which most lines of the log carry."""
        start, end = self.struct_name_place
        return text(self.struct_bytes[start:end].partition(b"\0")[0])

    @property
    def struct_name_place(self) -> tuple[int, int]:
        """Where the name begins and ends in struct module."""
        start = _NAME_OFFSET[self.layout.bits]
        return start, start + _NAME_LENGTH[self.layout.bits]

    @cached_property
    def struct_bytes(self) -> bytes:
        """Struct module; empty without one."""
        index = self.find(".gnu.linkonce.this_module", allocated=False)
        return self.stored(index) if index else b""

    @cached_property
    def name(self) -> str:
        """The name by which the loader speaks of it: the field `name`, else what struct module says."""
        return self.field("name") or self.struct_name

    @property
    def display_name(self) -> str:
        """A name for people, whatever the file is."""
        try:
            return self.name or module_name(self.path.name)
        except MalformedError:
            return module_name(self.path.name)

    @cached_property
    def license(self) -> str:
        """The licence as the kernel takes it."""
        return self.field("license") or "unspecified"

    @cached_property
    def versions(self) -> dict[str, int] | None:
        """The CRCs it expects; None without a `__versions` section that the kernel sees."""
        index = self.find("__versions")
        return rows_of(self.stored(index), self.layout.bits, big_endian=self.layout.big_endian) if index else None

    @cached_property
    def extended_versions(self) -> dict[str, int] | None:
        """The same from the extended tables."""
        return extended_versions_of(self.elf)

    @cached_property
    def exports(self) -> tuple[Export, ...]:
        """The symbols it gives to others."""
        return exports_of(self.elf)

    @cached_property
    def symtab(self) -> int:
        """The symbol table's section; 0 without one."""
        return next((i for i, section in enumerate(self.sections) if section.type == SHT_SYMTAB), 0)

    @cached_property
    def symbol_bytes(self) -> bytes:
        """The raw symbol table, whole entries only."""
        raw = self.contents(self.symtab) if self.symtab else b""
        return raw[: len(raw) - len(raw) % self.layout.symbol.size]

    @cached_property
    def symbol_names(self) -> bytes:
        """The string table of the symbols."""
        link = self.sections[self.symtab].link
        if not link < len(self.sections):
            raise MalformedError(f"{self.path}: the symbols have no table of names")
        return self.stored(link)

    def named_symbols(self) -> Iterator[tuple[int, int]]:
        """Of each symbol the place of its name in the string table, and its st_shndx."""
        wide = self.layout.bits == 64
        return ((one[0], one[3] if wide else one[5]) for one in self.layout.symbol.iter_unpack(self.symbol_bytes))

    def special_symbols(self) -> Iterator[tuple[str, int, int]]:
        """Name, bind and st_shndx of every symbol that lies in no section of its own, in the table's order.

        Quick: the others, which are most, never become objects.
        """
        size, where = self.layout.symbol.size, self.layout.symbol_shndx
        half = Struct((">" if self.layout.big_endian else "<") + "H").unpack_from
        raw, last = self.symbol_bytes, len(self.sections)
        indices = [half(raw, place)[0] for place in range(2 * where, len(raw), size)]
        for number, index in enumerate(indices):
            if number and (index == 0 or index >= last):
                yield self._symbol(number, index)

    def _symbol(self, number: int, index: int) -> tuple[str, int, int]:
        fields = self.layout.symbol.unpack_from(self.symbol_bytes, number * self.layout.symbol.size)
        info = fields[1] if self.layout.bits == 64 else fields[3]
        end = self.symbol_names.find(b"\0", fields[0])
        if end < 0:
            raise MalformedError(f"{self.path}: the name of symbol {number} lies outside its table")
        return text(self.symbol_names[fields[0] : end]), info >> 4, index
