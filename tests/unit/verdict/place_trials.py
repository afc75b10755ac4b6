# SPDX-License-Identifier: GPL-2.0-or-later
"""The trials of where things come to lie: memory, names of symbols and sections, what a relocation's value fits into.

Written by hand from kernel/module/main.c and sysfs.c, arch/x86/kernel/module.c, arch/arm64/kernel/module.c.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

from dlkm.ko.elf import SHF_RELA_LIVEPATCH
from tests.unit.ko.elf_builder import LOCAL, SHF_ALLOC, SHF_WRITE, SHT_NOBITS, Part, Sym
from tests.unit.verdict.era_trials import refused, release
from tests.unit.verdict.trials import ARM, ARM612, V612, Trial, World, adding, arm_module, module, patched, rela

RANDOM = replace(World(), with_="RANDOMIZE_BASE")
FIXED, RANDOMISED = 0x5F000000, 0x3F000000  # bytes from MODULES_VADDR to MODULES_END


def trials() -> Iterator[Trial]:
    """All of them."""
    yield from memory()
    yield from struct_module()
    yield from names()
    yield from values()
    yield from overlaps()
    yield from livepatches()


def _large(size: int, align: int = 1) -> Part:
    return Part(name=".bss.large", type=SHT_NOBITS, size=size, flags=SHF_ALLOC | SHF_WRITE, align=align)


def _with(size: int, align: int = 1) -> bytes:
    data = module(change=adding(_large(size)))
    return patched(data, ".bss.large", align=align)


def memory() -> Iterator[Trial]:
    """module_alloc, execmem_alloc; module_get_offset adds up in 32 bits."""
    line = "execmem: unable to allocate memory"
    for at, lines in (("6.1.10", ()), ("6.9.12", ()), ("6.10.1", (line,)), ("6.18.1", (line,))):
        for world, room in ((RANDOM, RANDOMISED), (World(), FIXED)):
            found = release(at, world)
            label = f"{at}-{room:#x}"
            bad, good = _with(room + 1), _with(1 << 20)
            yield refused("memory", bad, lines, label, good=good, errno="ENOMEM", world=found)
    odd = Part(name=".data..percpu", data=bytes(8), flags=SHF_ALLOC | SHF_WRITE)
    words = "illegal size (8) or align (12) for percpu allocation", "tiny: Could not allocate 8 bytes percpu data"
    twelve, many = (patched(module(change=adding(odd)), ".data..percpu", align=align) for align in (12, 1 << 14))
    yield refused("percpu-align", twelve, words, "6.1.10", good=many, errno="ENOMEM")
    arm = arm_module(_large((2 << 30) + 1))
    late = release("6.10.1", ARM)
    yield refused("memory", arm, (line,), "arm64", good=arm, errno="ENOMEM", world=late, near=release("6.9.1", ARM))
    yield Trial(rule="memory-unknown", bad=_with(1 << 28), good=_with(1 << 26), outcome="cannot-tell")
    for size, align in (((1 << 32) - 4096, 1), (1 << 40, 1), (64, 1 << 33), (64, 1 << 40)):
        yield Trial(
            rule="memory-layout",
            label=f"{size:#x}-{align:#x}",
            bad=_with(size, align),
            good=_with(64, 3),
            outcome="cannot-tell",
        )


def struct_module() -> Iterator[Trial]:
    """layout_and_allocate moves the file's own struct module."""
    good = module()
    start = good.index(bytes(24) + b"tiny\0")
    for place in (0, 8, 24 + 56, 800):
        bad = good[: start + place] + b"\1" + good[start + place + 1 :]
        yield Trial(rule="this-module-filled", label=str(place), bad=bad, good=good, outcome="cannot-tell")


def names() -> Iterator[Trial]:
    """layout_symtab, add_sect_attrs."""
    good = module()
    start = good.index(b"\0init_module\0") + 1
    table = good.rindex(struct.pack("<IBBH", 1, 0x12, 0, 1))  # init_module in .text
    assert good[start - 1 + 1 :].startswith(b"init_module")
    bad = good[:table] + struct.pack("<I", 0x7FFFFFFF) + good[table + 4 :]
    for at in ("6.1.10", "6.12.116"):
        yield Trial(rule="symbol-name-unseen", label=at, bad=bad, good=good, world=release(at), outcome="cannot-tell")
    twice = module(change=adding(*[Part(name=".twice", data=b"x")] * 2))
    once = module(change=adding(Part(name=".twice", data=b"x"), Part(name=".twice", data=b"")))
    line = "sysfs: cannot create duplicate filename '/module/tiny/sections/.twice'"
    yield refused("duplicate-section", twice, (line,), "6.12.1", good=once, errno="EEXIST")
    hidden = World(without="KALLSYMS")
    for label, near in (("before", release("6.11.11")), ("without kallsyms", release("6.12.1", hidden))):
        yield refused(
            "duplicate-section",
            twice,
            (line,),
            label,
            good=twice,
            errno="EEXIST",
            world=release("6.12.1"),
            near=near,
        )


def _of(
    kind: int,
    addend: int = 0,
    *,
    flags: int = SHF_ALLOC | SHF_WRITE,
    value: int = 0,
    build: Callable[..., bytes] = lambda *parts, symbols: module(change=adding(*parts, symbols=symbols)),
) -> bytes:
    """A relocation for a symbol that lies in a section of ours."""
    target, table = rela((0, kind))
    table.data = struct.pack("<QQq", 0, kind | 1 << 32, addend)
    own = Part(name=".own", data=bytes(8), flags=flags)
    spot = Sym(name="spot", section=".own", bind=LOCAL, value=value)
    return build(target, table, own, symbols=[spot])


def values() -> Iterator[Trial]:
    """R_X86_64_32 and 32S: an address of the kernel is negative, what is not allocated lies in vmalloc's space."""
    loose = SHF_WRITE
    for at in ("6.1.10", "6.18.1"):
        for label, kind, bad in (
            ("32", 10, _of(10)),
            ("32 of a symbol of the kernel", 10, module(change=adding(*rela((0, 10)), symbols=[Sym(name="_printk")]))),
            ("32S of nothing in memory", 11, _of(11, flags=loose)),
            ("32S far off", 11, _of(11, 1 << 40)),
            ("32S far below", 11, _of(11, -(1 << 32))),
            ("32S of a symbol far off", 11, _of(11, value=1 << 40)),
        ):
            lines = (
                f"module: overflow in relocation type {kind} val <addr>",
                "module: `tiny' likely not compiled with -mcmodel=kernel",
            )
            yield refused("relocation-overflow", bad, lines, f"{at}-{label}", good=_of(11))
    # What another gives stands in place of the value in the file.
    given = module(change=adding(*rela((0, 11)), symbols=[Sym(name="_printk", value=1 << 40)]))
    lines = (
        "module: overflow in relocation type 11 val <addr>",
        "module: `tiny' likely not compiled with -mcmodel=kernel",
    )
    yield refused("relocation-overflow", _of(11, value=1 << 40), lines, "6.1.10-given", good=given)
    yield Trial(
        rule="relocation-reach",
        label="32S a little off",
        bad=_of(11, -(1 << 30)),
        good=_of(11, -(1 << 24)),
        outcome="cannot-tell",
    )
    for world, start in ((ARM, ""), (ARM612, "Modules: ")):
        bad, near = (_of(kind, build=arm_module) for kind in (258, 257))
        line = f"{start}module tiny: overflow in relocation type 258 val <addr>"
        yield Trial(
            rule="relocation-overflow",
            label=world.release,
            bad=bad,
            good=near,
            world=world,
            errno="ENOEXEC",
            log=(line,),
        )
        far = _of(261, 1 << 40, build=arm_module)
        line = line.replace("258", "261")
        yield Trial(
            rule="relocation-overflow",
            label=f"far-{world.release}",
            bad=far,
            good=_of(261, 1 << 20, build=arm_module),
            world=world,
            errno="ENOEXEC",
            log=(line,),
        )
        bad, near = (_of(kind, flags=loose, build=arm_module) for kind in (275, 276))
        yield Trial(
            rule="relocation-reach", label=world.release, bad=bad, good=near, world=world, outcome="cannot-tell"
        )
    yield from narrow_values()


def narrow_values() -> Iterator[Trial]:
    """arch/arm64/kernel/module.c: reloc_insn_movw, reloc_insn_imm: 16 to 21 bits."""
    for kind, near in ((263, 264), (265, 266), (267, 268), (270, 272), (271, 272)):
        line = f"module tiny: overflow in relocation type {kind} val <addr>"
        bad, good = (_of(one, build=arm_module) for one in (kind, near))
        yield refused("relocation-overflow", bad, (line,), f"arm64-{kind}", good=good, world=ARM)
    for kind, near in ((262, 261), (273, 275), (274, 275), (279, 275), (280, 275), (287, 288)):
        bad, good = (_of(one, build=arm_module) for one in (kind, near))
        yield Trial(
            rule="relocation-reach", label=f"arm64-{kind}", bad=bad, good=good, world=ARM, outcome="cannot-tell"
        )


def livepatches() -> Iterator[Trial]:
    """klp_apply_section_relocs."""
    target, table = rela((0, 1))
    marked = replace(table, flags=SHF_RELA_LIVEPATCH)
    odd, later, now = (
        module(change=adding(target, replace(marked, name=name)))
        for name in (".rela.data", ".klp.rela.other.x", ".klp.rela.vmlinux.x")
    )
    line = "livepatch: section .rela.data has an incorrectly formatted name"
    yield refused("livepatch-section", odd, (line,), "6.1.10", good=later, errno="EINVAL")
    without = World(without="LIVEPATCH")
    yield refused("livepatch-section", odd, (line,), "without", good=odd, errno="EINVAL", world=World(), near=without)
    yield Trial(rule="livepatch-relocations", bad=now, good=later, outcome="cannot-tell")


def overlaps() -> Iterator[Trial]:
    """What an earlier relocation wrote counts as what the file has."""
    start = "existing value is nonzero for type {}, loc <addr>, val <addr>"
    line = f"module: x86/modules: Invalid relocation target, {start}"
    apart = module(change=adding(*rela((0, 1), (8, 1))))
    for label, entries, kind in (
        ("twice", ((0, 1), (0, 1)), 1),
        ("upper half", ((0, 1), (4, 2)), 2),
        ("around", ((4, 2), (0, 1)), 1),
    ):
        bad = module(change=adding(*rela(*entries)))
        yield Trial(
            rule="relocation-target",
            label=label,
            bad=bad,
            good=apart,
            world=V612,
            errno="ENOEXEC",
            log=(line.format(kind),),
        )
    for label, entries in (("lower half", ((4, 1), (0, 1))), ("a byte", ((0, 2), (3, 2)))):
        bad = module(change=adding(*rela(*entries)))
        yield Trial(rule="relocation-overlap", label=label, bad=bad, good=apart, outcome="cannot-tell")
