# SPDX-License-Identifier: GPL-2.0-or-later
"""What the loader asks while it lays the module out: sections, access rights, per-CPU data, export tables."""

from collections.abc import Iterator

from dlkm.verdict.candidate import SHF_EXECINSTR, SHF_WRITE
from dlkm.verdict.case import Case, Check, Trip
from dlkm.verdict.versions import without_versions

# include/linux/percpu.h: PERCPU_MODULE_RESERVE, bytes for the per-CPU data of all modules together
_PERCPU_RESERVE = 8 << 10
_PERCPU_UNIT = 32 << 10  # PCPU_MIN_UNIT_SIZE: more is asked of nobody (mm/percpu.c: pcpu_alloc)
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
    if "option" in entry and case.facts.option(entry["option"]) is False:
        return ()
    return tuple(entry.get("list", ()))


def write_execute(case: Case) -> Iterator[Trip]:
    """No section both written and run (module_enforce_rwx_sections, CONFIG_STRICT_MODULE_RWX)."""
    both = SHF_WRITE | SHF_EXECINSTR
    strict = case.facts.option("STRICT_MODULE_RWX")
    for index, section in enumerate(case.candidate.sections):
        if section.flags & both == both and strict is not False:
            name = case.candidate.section_name(index)
            yield case.trip("write-execute" if strict else "write-execute-unknown", subject=name, index=index)
            return


def percpu(case: Case) -> Iterator[Trip]:
    """Per-CPU data comes from a reserve (percpu_modalloc); without SMP it is data like any other (find_pcpusec)."""
    index = case.candidate.find(".data..percpu")
    size = case.candidate.sections[index].size if index else 0
    if size <= _PERCPU_RESERVE or case.facts.option("SMP") is False or case.facts.option("MEM_ALLOC_PROFILING"):
        return
    align = max(case.candidate.sections[index].align, _PERCPU_ATOM)
    rule = "percpu-size" if size <= _PERCPU_UNIT else "percpu-size/unit"
    rounded = (size + _PERCPU_ATOM - 1) // _PERCPU_ATOM * _PERCPU_ATOM
    yield case.trip(rule, size=size, reserve=_PERCPU_RESERVE, rounded=rounded, align=align)


def constructors(case: Case) -> Iterator[Trip]:
    """Not both kinds of constructors (find_module_sections, CONFIG_CONSTRUCTORS)."""
    both = case.candidate.find(".ctors") and case.candidate.find(".init_array")
    if both and case.facts.option("CONSTRUCTORS"):
        yield case.trip("constructors")


def export_versions(case: Case) -> Iterator[Trip]:
    """Exports come with CRCs (check_export_symbol_versions; check_module_license_and_versions before 6.4)."""
    if not case.facts.modversions:
        return
    for table, crcs in (("__ksymtab", "__kcrctab"), ("__ksymtab_gpl", "__kcrctab_gpl")):
        index = case.candidate.find(table)
        if index and case.candidate.sections[index].size and not case.candidate.find(crcs):
            yield from without_versions(case, "export-versions")
            return


def namespace_imports(case: Case) -> Iterator[Trip]:
    """Nobody imports the namespace of another module's own symbols by name (setup_modinfo)."""
    for namespace in case.candidate.all("import_ns"):
        if namespace.startswith("module:"):
            yield case.trip("namespace-import", namespace=namespace)
            return


CHECKS: dict[str, Check] = {
    "arch-sections": arch_sections,
    "write-execute": write_execute,
    "percpu": percpu,
    "constructors": constructors,
    "export-versions": export_versions,
    "namespace-imports": namespace_imports,
}
