# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the loader takes the file for a module at all: ELF header, sections, the parts every module has."""

from collections.abc import Iterator

from dlkm.ko.elf import SHF_ALLOC, SHT_NOBITS, SHT_NULL, SHT_STRTAB, SHT_SYMTAB
from dlkm.verdict.candidate import ET_REL, SectionHeader
from dlkm.verdict.case import Case, Check, Trip

_EMPTY = frozenset({SHT_NULL, SHT_NOBITS})  # sections without bytes in the file
# Source of all of these: kernel/module/main.c: elf_validity_check (6.1), elf_validity_cache_copy and the functions it
# calls (6.12); setup_load_info (6.1). Their order is data/eras.toml's.


def empty_file(case: Case) -> Iterator[Trip]:
    """fs/kernel_read_file.c refuses an empty file before the loader sees it."""
    if not case.candidate.data:
        yield case.trip("empty-file")


def header_length(case: Case) -> Iterator[Trip]:
    """Long enough for an ELF header."""
    if case.candidate.length < case.candidate.header_size:
        yield case.trip("elf-header-length", length=case.candidate.length)


def magic(case: Case) -> Iterator[Trip]:
    """The ELF magic."""
    if case.candidate.data[:4] != b"\x7fELF":
        yield case.trip("elf-magic")


def file_type(case: Case) -> Iterator[Trip]:
    """A relocatable object."""
    found = case.candidate.header.type
    if found != ET_REL:
        yield case.trip("elf-type", found=found)


def machine(case: Case) -> Iterator[Trip]:
    """The kernel's architecture."""
    found = case.candidate.header.machine
    if found != case.facts.kernel.arch.elf_machine:
        yield case.trip("elf-arch", found=found, wanted=case.facts.kernel.arch.name)


def section_header_size(case: Case) -> Iterator[Trip]:
    """Section headers of the size the kernel expects."""
    if case.candidate.header.shentsize != case.candidate.layout.section.size:
        yield case.trip("elf-section-size")


def section_overflow(case: Case) -> Iterator[Trip]:
    """The table of sections lies within the file."""
    header, length = case.candidate.header, case.candidate.length
    if header.shoff >= length or header.shnum * case.candidate.layout.section.size > length - header.shoff:
        yield case.trip("elf-section-overflow")


def names_index(case: Case) -> Iterator[Trip]:
    """The header names a section with the sections' names."""
    header = case.candidate.header
    if not 0 < header.shstrndx < header.shnum:
        yield case.trip("elf-names-index", index=header.shstrndx, count=header.shnum)


def names_bounds(case: Case) -> Iterator[Trip]:
    """The table of names lies within the file."""
    table = case.candidate.sections[case.candidate.header.shstrndx]
    if _outside(case, table):
        yield case.trip("elf-names-bounds", type=table.type)


def names_type(case: Case) -> Iterator[Trip]:
    """The table of names is a string table."""
    found = case.candidate.sections[case.candidate.header.shstrndx].type
    if found != SHT_STRTAB:
        yield case.trip("elf-names-type", type=found)


def names_empty(case: Case) -> Iterator[Trip]:
    """The table of names holds something."""
    if not case.candidate.sections[case.candidate.header.shstrndx].size:
        yield case.trip("elf-names-empty")


def names_terminated(case: Case) -> Iterator[Trip]:
    """The byte before the table's end is a NUL; where nobody asked whether it is empty, one before the table."""
    table = case.candidate.sections[case.candidate.header.shstrndx]
    if case.candidate.bytes_at(table.offset + table.size - 1, 1) != b"\0":
        yield case.trip("elf-names-terminated")


def names_offsets(case: Case) -> Iterator[Trip]:
    """Every section's name begins within the table."""
    size = len(_names(case))
    for index, section in enumerate(case.candidate.sections):
        if section.type != SHT_NULL and section.name >= size:
            yield case.trip("elf-section-name", index=index, type=section.type)
            return


def section_zero(case: Case) -> Iterator[Trip]:
    """The first section is empty."""
    if not case.candidate.sections:
        return
    zero = case.candidate.sections[0]
    if zero.type != SHT_NULL or zero.size or zero.addr:
        yield case.trip("elf-section-zero", type=_signed(zero.type))


def section_bounds(case: Case) -> Iterator[Trip]:
    """Every section's content lies within the file."""
    for index, section in enumerate(case.candidate.sections[1:], 1):
        if section.type not in _EMPTY and _outside(case, section):
            yield case.trip("elf-section-bounds", index=index, type=section.type)
            return


def sections_at_once(case: Case) -> Iterator[Trip]:
    """Link of the symbol table, content and name, section by section (kernels before 6.12)."""
    size, count = len(_names(case)), case.candidate.header.shnum
    for index, section in enumerate(case.candidate.sections[1:], 1):
        if section.type in _EMPTY:
            continue
        if section.type == SHT_SYMTAB and not 0 < section.link < count:
            yield case.trip("elf-symbols-link", link=_signed(section.link), count=count)
        elif _outside(case, section):
            yield case.trip("elf-section-bounds", index=index, type=section.type)
        elif section.flags & SHF_ALLOC and section.name >= size:
            yield case.trip("elf-section-name", index=index, type=section.type)
        else:
            continue
        return


def truncated(case: Case) -> Iterator[Trip]:
    """Every section's content lies within the file (rewrite_section_headers before 5.12)."""
    for section in case.candidate.sections[1:]:
        if section.type != SHT_NOBITS and case.candidate.length < section.offset + section.size:
            yield case.trip("elf-truncated", length=case.candidate.length)
            return


def modinfo_unique(case: Case) -> Iterator[Trip]:
    """One `.modinfo` at most."""
    if case.candidate.count(".modinfo") > 1:
        yield case.trip("elf-modinfo-unique")


def one_filled_modinfo(case: Case) -> Iterator[Trip]:
    """One `.modinfo` with bytes in the file at most (elf_validity_cache_copy of 6.4 to 6.12)."""
    if _filled(case, ".modinfo") > 1:
        yield case.trip("elf-modinfo-unique")


def _filled(case: Case, name: str) -> int:
    """How many sections of that name have bytes in the file."""
    sections = enumerate(case.candidate.sections[1:], 1)
    return sum(one.type not in _EMPTY and case.candidate.section_name(index) == name for index, one in sections)


def has_symbols(case: Case) -> Iterator[Trip]:
    """A symbol table."""
    if not case.candidate.symtab:
        yield case.trip("no-symbols")


def one_symbol_table(case: Case) -> Iterator[Trip]:
    """Exactly one symbol table."""
    if sum(section.type == SHT_SYMTAB for section in case.candidate.sections[1:]) != 1:
        yield case.trip("no-symbols")


def symbols_link(case: Case) -> Iterator[Trip]:
    """The symbol table names its string table."""
    link, count = case.candidate.sections[case.candidate.symtab].link, case.candidate.header.shnum
    if not 0 < link < count:
        yield case.trip("elf-symbols-link", link=_signed(link), count=count)


def _signed(number: int) -> int:
    """As the kernel's %d shows 32 bits."""
    return number - ((number & 0x80000000) << 1)


def symbols_link_type(case: Case) -> Iterator[Trip]:
    """The symbols' names are in a string table."""
    found = case.candidate.sections[case.candidate.sections[case.candidate.symtab].link].type
    if found != SHT_STRTAB:
        yield case.trip("elf-strings-type", type=found)


def extended_tables(case: Case) -> Iterator[Trip]:
    """Extended versions have names, one for each CRC at least (elf_validity_cache_index_versions)."""
    crcs, names = case.candidate.find("__version_ext_crcs"), case.candidate.find("__version_ext_names")
    if bool(crcs) != bool(names):
        yield case.trip("extended-versions-pair")
    elif crcs:
        wanted = case.candidate.sections[crcs].size // 4
        if case.candidate.contents(names).count(b"\0") < wanted:
            yield case.trip("extended-versions-names")


def symbol_names(case: Case) -> Iterator[Trip]:
    """The table of symbol names begins and ends with a NUL, and all names are in it (elf_validity_cache_strtab)."""
    names, raw, symbol = case.candidate.symbol_names, case.candidate.symbol_bytes, case.candidate.layout.symbol
    if not names:
        yield case.trip("symbol-names-empty")
    elif names[0]:
        yield case.trip("symbol-names-start")
    elif names[-1]:
        yield case.trip("symbol-names-end")
    elif any(fields[0] >= len(names) for fields in symbol.iter_unpack(raw)):
        yield case.trip("symbol-name-outside")


_THIS_MODULE = ".gnu.linkonce.this_module"


def this_module(case: Case) -> Iterator[Trip]:
    """A struct module (kernels before 6.4 ask for no more)."""
    if not case.candidate.find(_THIS_MODULE):
        yield case.trip("this-module-missing")


def this_module_unique(case: Case) -> Iterator[Trip]:
    """Exactly one struct module."""
    if case.candidate.count(_THIS_MODULE) != 1:
        yield case.trip("this-module-missing")


def one_filled_this_module(case: Case) -> Iterator[Trip]:
    """Exactly one struct module with bytes in the file (elf_validity_cache_copy of 6.4 to 6.12)."""
    if _filled(case, _THIS_MODULE) != 1:
        yield case.trip("this-module-missing")


def this_module_content(case: Case) -> Iterator[Trip]:
    """Struct module has bytes in the file."""
    if _this_module(case).type == SHT_NOBITS:
        yield case.trip("this-module-content")


def this_module_allocated(case: Case) -> Iterator[Trip]:
    """Struct module takes memory."""
    if not _this_module(case).flags & SHF_ALLOC:
        yield case.trip("this-module-allocated")


def this_module_size(case: Case) -> Iterator[Trip]:
    """Struct module is as large as the kernel's own."""
    found, wanted = _this_module(case).size, case.facts.struct_module_size
    if wanted is not None and found != wanted:
        yield case.trip("this-module-size", found=found, wanted=wanted)


def this_module_size_unseen(case: Case) -> Iterator[Trip]:
    """The same, where the kernel does not look (before 6.4): what it then does with its memory nobody can say."""
    found, wanted = _this_module(case).size, case.facts.struct_module_size
    if wanted is not None and found != wanted:
        yield case.trip("this-module-size-unseen", found=found, wanted=wanted)


def _this_module(case: Case) -> SectionHeader:
    return case.candidate.sections[case.candidate.find(_THIS_MODULE, allocated=False)]


def _names(case: Case) -> bytes:
    table = case.candidate.sections[case.candidate.header.shstrndx]
    return case.candidate.bytes_at(table.offset, table.size)


def _outside(case: Case, section: SectionHeader) -> bool:
    """Whether a section's range leaves the file; the sum wraps as the kernel's does (validate_section_offset)."""
    end = (section.offset + section.size) & ((1 << 64) - 1)
    return end < section.offset or end > case.candidate.length


CHECKS: dict[str, Check] = {
    "empty-file": empty_file,
    "header-length": header_length,
    "magic": magic,
    "type": file_type,
    "machine": machine,
    "section-header-size": section_header_size,
    "section-overflow": section_overflow,
    "names-index": names_index,
    "names-bounds": names_bounds,
    "names-type": names_type,
    "names-empty": names_empty,
    "names-terminated": names_terminated,
    "names-offsets": names_offsets,
    "section-zero": section_zero,
    "section-bounds": section_bounds,
    "sections-at-once": sections_at_once,
    "truncated": truncated,
    "modinfo-unique": modinfo_unique,
    "one-filled-modinfo": one_filled_modinfo,
    "has-symbols": has_symbols,
    "one-symbol-table": one_symbol_table,
    "symbols-link": symbols_link,
    "symbols-link-type": symbols_link_type,
    "extended-tables": extended_tables,
    "symbol-names": symbol_names,
    "this-module": this_module,
    "this-module-unique": this_module_unique,
    "one-filled-this-module": one_filled_this_module,
    "this-module-content": this_module_content,
    "this-module-allocated": this_module_allocated,
    "this-module-size": this_module_size,
    "this-module-size-unseen": this_module_size_unseen,
}
