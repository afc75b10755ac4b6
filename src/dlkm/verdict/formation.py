# SPDX-License-Identifier: GPL-2.0-or-later
"""The loader's last steps: the architecture's finish, duplicate exports, BTF, parameters, the name in sysfs."""

from collections.abc import Iterator

from dlkm.core.names import normalise_module_name
from dlkm.ko.elf import SHN_UNDEF
from dlkm.verdict.btf import BtfError, check_btf, check_names
from dlkm.verdict.btf_types import BtfTypes
from dlkm.verdict.case import Case, Check, Trip
from dlkm.verdict.era import Era
from dlkm.verdict.layout import filled_sections, moved_sections, wanted_sections
from dlkm.verdict.parameters import judge
from dlkm.verdict.signing import lockdown
from dlkm.verdict.supply import exports_in


def arch_finish(case: Case) -> Iterator[Trip]:
    """Sections without which the architecture's loader gives up (arch/arm64/kernel/module.c: module_finalize)."""
    for name in wanted_sections(case, "finish-sections"):
        if not case.candidate.find(name, allocated=False):
            yield case.trip("finish-section-missing", subject=name)
            return


def duplicate_exports(case: Case) -> Iterator[Trip]:
    """No export that the kernel or a loaded module has (verify_exported_symbols), in the order of the tables."""
    for export in exports_in(case.era, case.candidate.exports):
        found = case.supply.find(export.name)
        if found is None or found.owner == normalise_module_name(case.candidate.struct_name):
            continue
        owner = found.owner or "kernel"
        if not found.owner or found.owner in case.facts.builtin or owner in _there_before(case):
            yield case.trip("duplicate-export", subject=export.name, owner=owner)
            return
        yield case.trip("duplicate-export-possible", subject=export.name, owner=owner)


def _there_before(case: Case) -> frozenset[str]:
    """Modules that are surely loaded: those said to be, and those whose symbols this one uses."""
    loaded = {normalise_module_name(name) for name in case.conditions.loaded}
    needed = {name for name, _, section in case.candidate.special_symbols() if section == SHN_UNDEF}
    givers = {found.owner for name in needed if (found := case.supply.find(name)) is not None}
    return frozenset(loaded | givers)


def btf(case: Case) -> Iterator[Trip]:
    """Type information that the kernel cannot take (kernel/bpf/btf.c: btf_module_notify)."""
    index = case.candidate.find(".BTF", allocated=False)
    if not index or not case.facts.option("DEBUG_INFO_BTF_MODULES"):
        return
    try:
        _whole_btf(case, case.candidate.contents(index))
    except BtfError as error:
        allowed = case.facts.option("MODULE_ALLOW_BTF_MISMATCH")
        rule = "btf-tolerated" if allowed else "btf"
        yield case.trip(rule, errno=None if allowed else error.errno, why=str(error), code=error.number)


def _whole_btf(case: Case, raw: bytes) -> None:
    """BtfError when the header makes no sense, or the types do not upon those that they are built on."""
    features = case.era.features
    types, types_end, names, names_end = check_btf(raw, len(raw), layout="btf-layout" in features)
    check_names(raw[names:names_end], alone=False)
    index = case.candidate.find(".BTF.base", allocated=False) if "btf-base" in features else 0
    base = _own_base(case.era, case.candidate.contents(index)) if index else _kernel_base(case)
    if base is None:
        return
    order = ">" if case.candidate.layout.big_endian else "<"
    _types(case.era, raw[types:types_end], raw[names:names_end], base, order).check()


def _types(era: Era, raw: bytes, names: bytes, base: tuple[int, bytes], order: str = "<") -> BtfTypes:
    """Types upon so many others and their names, as the kernel reads them."""
    return BtfTypes(
        raw=raw,
        names=names,
        base_types=base[0],
        base=base[1],
        order=order,
        printable="btf-section-names" in era.features,
        tag_flags="btf-tag-flags" in era.features,
        free_tags="btf-free-tags" in era.features,
        wide="btf-wide-info" in era.features,
    )


def _kernel_base(case: Case) -> tuple[int, bytes] | None:
    image, names = case.facts.image, case.facts.btf_names
    return (image.btf[0] + 1, names) if image is not None and image.btf is not None and names is not None else None


def _own_base(era: Era, raw: bytes) -> tuple[int, bytes]:
    """The base that came along (.BTF.base); whether it can be found again in the kernel is not looked at."""
    types, types_end, start, end = check_btf(raw, len(raw), layout="btf-layout" in era.features)
    names = raw[start:end]
    check_names(names, alone=True)
    own = _types(era, raw[types:types_end], names, (1, b""))
    own.check()
    return len(own.types) + 1, names


def parameters(case: Case) -> Iterator[Trip]:
    """The words given to the module (kernel/params.c: parse_args)."""
    locked = lockdown(case.facts, case.conditions) != "none"
    given = case.conditions.params_of(case.candidate.struct_name)
    for verdict in judge(case.candidate, given, case.era, locked=locked):
        yield case.trip(
            verdict.rule,
            errno=verdict.errno,
            subject=verdict.name,
            own=verdict.name.replace("-", "_"),
            value=verdict.value,
            type=verdict.type,
            limit=verdict.limit,
        )


def built_in_name(case: Case) -> Iterator[Trip]:
    """A name that is taken in sysfs (kernel/module/sysfs.c: mod_sysfs_init).

    What is built in takes its name there by a parameter that is shown, a version, or (drivers/base/module.c) a driver,
    of which no file but the image tells, and that only by not having the name.
    """
    name = normalise_module_name(case.candidate.struct_name)
    keys = case.facts.builtin_modinfo.get(name, frozenset())
    core = (*case.era.words("sysfs-core"), *case.era.words("sysfs-drivers"))
    if name not in case.facts.builtin and (not (keys or name in core) or _is_own(case, name)):
        return
    shown = case.facts.sysfs_names
    if "version" in keys or (shown is not None and name in shown):
        yield case.trip("built-in")
    elif (shown is None and ("parmtype" in keys or name not in case.facts.builtin)) or (
        "driver-names" in case.era.features and case.facts.stands_in_image(name) is not False
    ):
        yield case.trip("built-in-unknown")
    elif name in case.facts.builtin:
        yield case.trip("built-in-beside")


def duplicate_sections(case: Case) -> Iterator[Trip]:
    """Two sections of one name, which sysfs cannot both show (kernel/module/sysfs.c: add_sect_attrs)."""
    if case.facts.option("KALLSYMS") is False:
        return
    filled = filled_sections(case)
    seen: set[str] = set()
    for index in sorted(moved_sections(case)):
        name = case.candidate.section_name(index)
        if not case.candidate.sections[index].size and name not in filled:
            continue
        if name in seen:
            yield case.trip("duplicate-section", subject=name)
            return
        seen.add(name)


def _is_own(case: Case, name: str) -> bool:
    """Whether the kernel has a module of that name, whose name then is free: what is built in is only called alike."""
    installed = case.facts.installed
    path = installed.find(name) if installed is not None else None
    return path is not None and installed is not None and path.is_relative_to(installed.modules_dir / "kernel")


CHECKS: dict[str, Check] = {
    "arch-finish": arch_finish,
    "duplicate-exports": duplicate_exports,
    "btf": btf,
    "parameters": parameters,
    "built-in-name": built_in_name,
    "duplicate-sections": duplicate_sections,
}
