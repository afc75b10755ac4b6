# SPDX-License-Identifier: GPL-2.0-or-later
"""The trials of 32-bit ARM, RISC-V and 32-bit x86: sections and relocations, by arch/*/kernel/module*.c."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.unit.ko.elf_builder import ARM, SHF_ALLOC, SHF_WRITE, SHT_NOBITS, SHT_RELA, Image, Part, Sym, tiny_module
from tests.unit.verdict.trials import CRCS, Trial, World, adding, module, part, rela

RISCV, I386, POWERPC, SHT_REL = 243, 3, 21, 9
ARM_MAGIC = "6.1.0 SMP mod_unload modversions ARMv7 p2v8 "
RISCV_MAGIC = "6.1.0 SMP mod_unload modversions riscv"
POWERPC_MAGIC = "6.1.0 SMP mod_unload modversions "
I386_MAGIC = "6.1.0 SMP mod_unload modversions 686 "
ON_ARM = World(release="6.1.0", origin="", arch="arm", vermagic=ARM_MAGIC, installed=())
ON_RISCV = World(release="6.12.30", origin="", arch="riscv", vermagic=RISCV_MAGIC, installed=())
ON_POWERPC = World(release="6.1.0", origin="", arch="powerpc", vermagic=POWERPC_MAGIC, installed=())
ON_I386 = World(release="6.1.0", origin="", arch="i386", vermagic=I386_MAGIC, installed=())


def trials() -> Iterator[Trial]:
    """All of them."""
    yield from sections()
    yield from arm_relocations()
    yield from riscv_relocations()
    yield from unmeasured()


def narrow(*parts: Part, machine: int = ARM, magic: str = ARM_MAGIC, without: Sequence[str] = ()) -> bytes:
    """A 32-bit module that loads, with the sections ARM's loader wants."""
    fields = [("license", "GPL"), ("depends", ""), ("name", "tiny"), ("vermagic", magic)]
    rows = {name: CRCS[name] for name in ("module_layout", "_printk")}
    image: Image = tiny_module(modinfo=fields, versions=rows, bits=32, machine=machine)
    this = part(image, ".gnu.linkonce.this_module")
    this.data = (bytes(12) + b"tiny").ljust(len(this.data), b"\0")
    wanted = [Part(name=name, data=b"\0") for name in (".plt", ".init.plt") if name not in without]
    adding(*wanted, *parts)(image)
    return image.build()


def rel(*entries: tuple[int, int], symbol: int = 1, size: int = 16) -> tuple[Part, Part]:
    """A section of `size` bytes, and relocations without addends on it as (place, type)."""
    raw = b"".join(struct.pack("<II", place, kind | symbol << 8) for place, kind in entries)
    return (
        Part(name=".data", data=bytes(size), flags=SHF_ALLOC | SHF_WRITE),
        Part(name=".rel.data", data=raw, type=SHT_REL, flags=0, info=".data", link=".symtab", entsize=8),
    )


def riscv(*parts: Part, without: Sequence[str] = ()) -> bytes:
    """A module for RISC-V, with the sections its loader wants."""
    names = [name for name in (".plt", ".got", ".got.plt") if name not in without]
    wanted = [Part(name=name, data=b"\0", type=SHT_NOBITS, size=1) for name in names]
    return module(machine=RISCV, vermagic=RISCV_MAGIC, change=adding(*wanted, *parts))


def unmeasured() -> Iterator[Trial]:
    """What is asked of x86_64 and arm64 alone, and what PowerPC's loader gives by itself."""
    beyond = Sym(name="far", section=".text", value=1 << 21)
    this = ".gnu.linkonce.this_module"
    table = Part(
        name=f".rela{this}", data=struct.pack("<QQq", 24, 2 | 1 << 32, 0), type=SHT_RELA, info=this, link=".symtab"
    )
    names = [Part(name=name, data=b"\0", type=SHT_NOBITS, size=1) for name in (".plt", ".got", ".got.plt")]
    on_riscv = module(machine=RISCV, vermagic=RISCV_MAGIC, change=adding(*names, table, symbols=[beyond]))
    on_x86 = module(change=adding(symbols=[beyond]))
    yield Trial(rule="symbol-astray", label="riscv", bad=on_x86, good=on_riscv, near=ON_RISCV, outcome="cannot-tell")
    yield Trial(
        rule="unknown-symbol",
        label="powerpc's own",
        bad=module(undefined=["_printk", ".TOC."]),
        good=module(undefined=["_printk", ".TOC."], machine=POWERPC, vermagic=POWERPC_MAGIC),
        near=ON_POWERPC,
        errno="ENOENT",
        log=("tiny: Unknown symbol .TOC. (err -2)",),
    )


def sections() -> Iterator[Trial]:
    """module_frob_arch_sections: PLT and GOT."""
    for name, words in ((".plt", "PLT"), (".got", "GOT"), (".got.plt", "GOT.PLT")):
        yield Trial(
            rule="arch-section-missing",
            label=f"riscv{name}",
            bad=riscv(without=[name]),
            good=riscv(),
            world=ON_RISCV,
            errno="ENOEXEC",
            log=(f"tiny: module {words} section(s) missing",),
        )
    for name in (".plt", ".init.plt"):
        bad = narrow(without=[name])
        yield Trial(
            rule="arch-section-missing",
            label=f"arm{name}",
            bad=bad,
            good=bad,
            world=ON_ARM,
            near=replace(ON_ARM, without="ARM_MODULE_PLTS"),
            errno="ENOEXEC",
            log=("tiny: module PLT section(s) missing",),
        )


def arm_relocations() -> Iterator[Trial]:
    """arch/arm/kernel/module.c: apply_relocate; arch/x86/kernel/module.c: apply_relocate."""

    def refused(rule: str, bad: bytes, good: bytes, line: str, **more: object) -> Trial:
        given = {"world": ON_ARM, "errno": "ENOEXEC"} | more
        return Trial(rule=rule, bad=bad, good=good, log=(line,), **given)  # type: ignore[arg-type]

    known = narrow(*rel((0, 2), (4, 28), (12, 40)))
    yield refused("relocation-type", narrow(*rel((0, 2), (4, 99))), known, "tiny: unknown relocation: 99", label="arm")
    thumb = narrow(*rel((0, 10)))
    yield refused(
        "relocation-type", thumb, thumb, "tiny: unknown relocation: 10", label="thumb",
        near=replace(ON_ARM, with_="THUMB2_KERNEL"),
    )  # fmt: skip
    number = struct.unpack_from("<H", known, 48)[0]
    shoff = struct.unpack_from("<I", known, 32)[0]
    kinds = [struct.unpack_from("<I", known, shoff + 40 * at + 4)[0] for at in range(number)]
    table = kinds.index(SHT_REL)
    outside = f"tiny: section {table} reloc 1 sym 'init_module': out of bounds relocation, offset 13 size 16"
    yield refused("relocation-outside/checked", narrow(*rel((0, 2), (13, 2))), known, outside)
    nobody = f"tiny: section {table} reloc 0: bad relocation sym offset"
    yield refused("relocation-symbol", narrow(*rel((0, 2), symbol=200)), known, nobody)
    target, addends = rela((0, 2))
    with_addends = replace(addends, data=bytes(12), type=SHT_RELA)
    yield refused(
        "rela-section",
        narrow(target, with_addends),
        narrow(replace(target, flags=SHF_WRITE), with_addends),
        "module tiny: RELA relocation unsupported",
    )
    old = {"machine": I386, "magic": I386_MAGIC}
    yield refused(
        "relocation-type",
        narrow(*rel((0, 10)), **old),  # type: ignore[arg-type]
        narrow(*rel((0, 1), (4, 2), (8, 4)), **old),  # type: ignore[arg-type]
        "module: tiny: Unknown relocation: 10",
        label="i386",
        world=ON_I386,
    )


def riscv_relocations() -> Iterator[Trial]:
    """arch/riscv/kernel/module.c: apply_relocate_add; before 6.7 it knew fewer types, and refused the rest alike."""

    def refused(rule: str, kind: int, good: int, line: str, world: World, label: str) -> Trial:
        bad, near = riscv(*rela((0, kind))), riscv(*rela((0, good)))
        return Trial(rule=rule, label=label, bad=bad, good=near, world=world, errno="EINVAL", log=(line,))

    before = replace(ON_RISCV, release="6.6.9")
    yield refused("relocation-type", 0, 2, "tiny: Unknown relocation type 0", ON_RISCV, "riscv")
    yield refused("relocation-type", 57, 35, "tiny: Unknown relocation type 57", before, "riscv-before")
    yield refused("relocation-type", 3, 1, "tiny: Unknown relocation type 3", before, "riscv-dynamic-before")
    line = "tiny: The unexpected relocation type 'R_RISCV_ALIGN' from PC = <addr>"
    for world in (before, ON_RISCV):
        yield refused("relocation-type/alignment", 43, 51, line, world, world.release)
    line = "tiny: Dynamic linking not supported in kernel modules PC = <addr>"
    yield refused("relocation-type/dynamic", 3, 57, line, ON_RISCV, "")
    line = "tiny: Thread local storage not supported in kernel modules PC = <addr>"
    yield refused("relocation-type/thread-local", 29, 57, line, ON_RISCV, "")
