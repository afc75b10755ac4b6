# SPDX-License-Identifier: GPL-2.0-or-later
"""What the loader asks while it lays the module out: sections, access rights, per-CPU data, export tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from dlkm.ko.elf import SHF_EXECINSTR, SHF_WRITE
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.case import Case, Check, Trip
from dlkm.verdict.namespaces import PREFIX
from dlkm.verdict.versions import without_versions

# include/linux/percpu.h: PERCPU_MODULE_RESERVE, bytes for the per-CPU data of all modules together
_PERCPU_RESERVE = 8 << 10
_PERCPU_UNIT = 32 << 10  # PCPU_MIN_UNIT_SIZE: more is asked of nobody (mm/percpu.c: pcpu_alloc)
_MUCH = 128 << 20  # bytes that a small machine may not have
_WRAP = 1 << 32
_EXPORT_SIZE = 12  # of the smallest struct kernel_symbol: what is left over counts for nothing
_PAGE = 4 << 10  # the kernel lays nothing in them out more generously
_PERCPU_ATOM = 4  # PCPU_MIN_ALLOC_SIZE, which the allocator rounds sizes and alignments up to


def arch_sections(case: Case) -> Iterator[Trip]:
    """Sections that an architecture's loader fills (arch/*/kernel/module*.c: module_frob_arch_sections)."""
    words = dict(case.era.words("arch-section-words"))
    for name in wanted_sections(case, "arch-sections"):
        if not case.candidate.find(name, allocated=False):
            yield case.trip("arch-section-missing", subject=name, part=words[name])
            return


def wanted_sections(case: Case, key: str) -> tuple[str, ...]:
    """The names under `key` of data/eras.toml, if the kernel has the option that makes its loader ask for them."""
    entry = case.era.entry(key)
    return tuple(entry.get("list", ())) if _has_option(case, entry) else ()


def filled_sections(case: Case) -> frozenset[str]:
    """Sections that the architecture's loader gives size and access rights of its own."""
    return frozenset((*wanted_sections(case, "arch-sections"), *wanted_sections(case, "finish-sections")))


def write_execute(case: Case) -> Iterator[Trip]:
    """No section both written and run (module_enforce_rwx_sections, CONFIG_STRICT_MODULE_RWX)."""
    both = SHF_WRITE | SHF_EXECINSTR
    strict = case.facts.option("STRICT_MODULE_RWX")
    given = filled_sections(case)
    for index, section in enumerate(case.candidate.sections):
        if section.flags & both != both or strict is False:
            continue
        name = case.candidate.section_name(index)
        if name not in given:
            yield case.trip("write-execute" if strict else "write-execute-unknown", subject=name, index=index)
            return


def moved_sections(case: Case) -> frozenset[int]:
    """The sections that this kernel's loader puts into the module's memory."""
    return moved_in(case.candidate, smp=case.facts.option("SMP") is not False)


def moved_in(candidate: Candidate, *, smp: bool) -> frozenset[int]:
    """The sections that the loader puts into the module's memory; the others stay where the file was read to.

    Source: rewrite_section_headers, layout_and_allocate, layout_symtab.
    """
    stripped = {candidate.find(".modinfo", allocated=False), candidate.find("__versions")}
    if smp:
        stripped.add(candidate.find(".data..percpu"))
    kept = {candidate.symtab, candidate.sections[candidate.symtab].link} - {0}
    return frozenset(candidate.allocated) - stripped | kept


def symbol_names(case: Case) -> Iterator[Trip]:
    """The names of symbols are read without a look at the table's end (layout_symtab; find_kallsyms_symbol)."""
    candidate = case.candidate
    if "symbol-names" in case.era.checks or not candidate.symtab:
        return
    names = candidate.sections[candidate.sections[candidate.symtab].link].offset
    for number, (name, _) in enumerate(candidate.named_symbols()):
        if names + name >= candidate.length:
            yield case.trip("symbol-name-unseen", number=number)
            return


def struct_content(case: Case) -> Iterator[Trip]:
    """Nothing but a name in struct module: the loader takes the file's bytes for its own (layout_and_allocate)."""
    if "bare-struct-module" not in case.era.features:
        return
    raw, (start, end) = case.candidate.struct_bytes, case.candidate.struct_name_place
    if any(raw[:start]) or any(raw[end:]):
        yield case.trip("this-module-filled")


def memory(case: Case) -> Iterator[Trip]:
    """Room for all sections (move_module); sizes are added up in 32 bits (module_get_offset)."""
    total, room = 0, _room(case)
    for index in sorted(moved_sections(case)):
        section, name = case.candidate.sections[index], case.candidate.section_name(index)
        total += section.size + ((section.align or 1) - 1) % _WRAP
        if total >= _WRAP or section.align > _WRAP:
            yield case.trip("memory-layout", subject=name, size=section.size, align=section.align)
            return
        if room is not None and section.size > room:
            yield case.trip("memory", subject=name, size=section.size, room=room)
            return
    if total > _MUCH:
        yield case.trip("memory-unknown", size=total)


def _room(case: Case) -> int | None:
    """Bytes for all modules together; None where it is not known."""
    known = (entry for entry in case.era.entries("module-room") if _has_option(case, entry))
    return next((entry["list"][0] for entry in known), None)


def _has_option(case: Case, entry: Mapping[str, Any]) -> bool:
    """Whether the kernel has the option of an entry of data/eras.toml, or nobody knows."""
    return "option" not in entry or case.facts.option(entry["option"]) is not False


def percpu(case: Case) -> Iterator[Trip]:
    """Per-CPU data comes from a reserve (percpu_modalloc); without SMP it is data like any other (find_pcpusec)."""
    index = case.candidate.find(".data..percpu")
    size = case.candidate.sections[index].size if index else 0
    if not size or case.facts.option("SMP") is False or case.facts.option("MEM_ALLOC_PROFILING"):
        return
    align = min(max(case.candidate.sections[index].align, _PERCPU_ATOM), _PAGE)
    rounded = (size + _PERCPU_ATOM - 1) // _PERCPU_ATOM * _PERCPU_ATOM
    odd = align & (align - 1) != 0
    if size > _PERCPU_RESERVE or odd:
        rule = "percpu-align" if odd else "percpu-size" if size <= _PERCPU_UNIT else "percpu-size/unit"
        if rule != "percpu-size" and case.facts.option("BUG") is False:  # WARN() says nothing then
            rule = "percpu-size/unsaid"
        yield case.trip(rule, size=size, reserve=_PERCPU_RESERVE, rounded=rounded, align=align)


def constructors(case: Case) -> Iterator[Trip]:
    """Not both kinds of constructors (find_module_sections, CONFIG_CONSTRUCTORS)."""
    both = case.candidate.find(".ctors") and case.candidate.find(".init_array")
    if both and case.facts.option("CONSTRUCTORS"):
        yield case.trip("constructors")


def export_flags(case: Case) -> Iterator[Trip]:
    """Exports come with a byte of flags each (check_export_symbol_sections)."""
    index = case.candidate.find("__ksymtab")
    if index and case.candidate.sections[index].size >= _EXPORT_SIZE and not case.candidate.find("__kflagstab"):
        yield case.trip("export-flags")


def export_versions(case: Case) -> Iterator[Trip]:
    """Exports come with CRCs (check_export_symbol_versions; check_module_license_and_versions before 6.4)."""
    if not case.facts.modversions:
        return
    for suffix in ("",) if "export-flags" in case.era.features else ("", "_gpl"):
        table, crcs = f"__ksymtab{suffix}", f"__kcrctab{suffix}"
        index = case.candidate.find(table)
        if index and case.candidate.sections[index].size >= _EXPORT_SIZE and not case.candidate.find(crcs):
            yield from without_versions(case, "export-versions")
            return


def namespace_imports(case: Case) -> Iterator[Trip]:
    """Nobody imports the namespace of another module's own symbols by name (setup_modinfo)."""
    for namespace in case.candidate.all("import_ns"):
        if namespace.startswith(PREFIX):
            yield case.trip("namespace-import", namespace=namespace)
            return


CHECKS: dict[str, Check] = {
    "arch-sections": arch_sections,
    "write-execute": write_execute,
    "struct-content": struct_content,
    "symbol-names-unseen": symbol_names,
    "memory": memory,
    "percpu": percpu,
    "constructors": constructors,
    "export-flags": export_flags,
    "export-versions": export_versions,
    "namespace-imports": namespace_imports,
}
