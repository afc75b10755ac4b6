# SPDX-License-Identifier: GPL-2.0-or-later
"""The trials of what differs between releases: each text and each step in every era that has its own.

Written by hand from kernel/module.c (5.10, 5.15), kernel/module/main.c (6.1 to 6.18) and the stable branches' logs.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace

from tests.unit.ko.elf_builder import (
    SHF_WRITE,
    SHT_NOBITS,
    SHT_SYMTAB,
    Part,
)
from tests.unit.verdict.signing import sign
from tests.unit.verdict.trials import (
    ENFORCED,
    PLAIN,
    SIGNED,
    Trial,
    World,
    adding,
    dropping,
    index_of,
    module,
    patched,
    setting,
    with_header,
)

THIS = ".gnu.linkonce.this_module"


def release(text: str, world: World | None = None) -> World:
    """A mainline kernel of that release."""
    return replace(world or World(), release=text, origin="")


FIRST = ("5.10.13", "5.10.25", "5.11.3")
SILENT = ("5.10.26", "5.10.250", "5.12.0", "5.15.53")
LATER = ("5.19.2", "6.0.1", "6.2.9", "6.3.1")
TALKING = ("5.15.54", "5.16.1", *LATER)
COPYING = ("6.4.1", "6.6.1", "6.11.2", "6.12.116")
SPLIT = ("6.12.117", "6.13.1", "6.14.1", "6.18.1", "7.1.13", "7.2.1", "7.3.4")


def trials() -> Iterator[Trial]:
    """All of them."""
    yield from headers()
    yield from tables()
    yield from contents()
    yield from parts()
    yield from symbol_tables()
    yield from before_5_12()


def refused(rule: str, bad: bytes, log: tuple[str, ...], at: str, **more: object) -> Trial:
    given = {"good": PLAIN, "errno": "ENOEXEC", "world": release(at), "label": at} | more
    return Trial(rule=rule, bad=bad, log=log, **given)  # type: ignore[arg-type]


def headers() -> Iterator[Trial]:
    """elf_header_check, elf_validity_check, elf_validity_ehdr."""
    broken = {
        "elf-header-length": (PLAIN[:63], "Invalid ELF header len 63"),
        "elf-magic": (b"x" * 100, "Invalid ELF header magic: != \x7fELF"),
        "elf-type": (module(change=lambda image: setattr(image, "type", 3)), "Invalid ELF header type: 3 != 1"),
        "elf-arch": (module(machine=183), "Invalid architecture in ELF header: 183"),
        "elf-section-size": (module(change=with_header(shentsize=63)), "Invalid ELF section header size"),
        "elf-section-overflow": (PLAIN[:-1], "Invalid ELF section header overflow"),
    }
    for rule, (bad, line) in broken.items():
        for at in FIRST:
            yield refused(rule, bad, ("Module has invalid ELF header",), at)
        for at in SILENT:
            yield refused(rule, bad, ("Module has invalid ELF structures",), at)
        for at in (*TALKING, *COPYING, *SPLIT):
            yield refused(rule, bad, (line,), at)


def tables() -> Iterator[Trial]:
    """elf_validity_check and what became of it: the sections and the table of their names."""
    count = struct.unpack_from("<H", PLAIN, 60)[0]
    broken = {
        "elf-names-index": (
            module(change=with_header(shstrndx=count)),
            f"Invalid ELF section name index: {count} || e_shstrndx ({count}) >= e_shnum ({count})",
        ),
        "elf-names-terminated": (
            patched(PLAIN, ".shstrtab", size=5),
            "ELF Spec violation: section name table isn't null terminated",
        ),
        "elf-section-zero": (
            patched(PLAIN, "", size=1),
            "ELF Spec violation: section 0 type(0)!=SH_NULL or non-zero len or addr",
        ),
        "elf-symbols-link": (
            patched(PLAIN, ".symtab", link=count),
            f"Invalid ELF sh_link!=SHN_UNDEF({count}) or (sh_link({count}) >= hdr->e_shnum({count})",
        ),
    }
    for rule, (bad, line) in broken.items():
        for at in SILENT:
            yield refused(rule, bad, ("Module has invalid ELF structures",), at)
        for at in (*TALKING, *COPYING, *SPLIT):
            yield refused(rule, bad, (line,), at)
    # Where nobody asks whether the table is empty, the first name lies outside it.
    empty, first = patched(PLAIN, ".shstrtab", size=0), index_of(PLAIN, ".text")
    line = f"Invalid ELF section name in module (section {first} type 1)"
    for at in SILENT:
        yield refused("elf-section-name", empty, (line, "Module has invalid ELF structures"), at, label=f"none-{at}")
    yield refused("elf-section-name", empty, (line,), "5.16.1", label="none-5.16.1")
    for at in ("5.15.54", "5.18.11", *LATER, *COPYING, *SPLIT):
        yield refused("elf-names-empty", empty, ("empty section name table",), at)


def contents() -> Iterator[Trial]:
    """The same: what each section's header says of it."""
    text = index_of(PLAIN, ".text")
    two = {
        "elf-section-name": (
            patched(PLAIN, ".text", name=9999),
            f"Invalid ELF section name in module (section {text} type 1)",
        ),
        "elf-section-bounds": (
            patched(PLAIN, ".text", size=1 << 40),
            f"Invalid ELF section in module (section {text} type 1)",
        ),
    }
    for rule, (bad, line) in two.items():
        for at in SILENT:
            yield refused(rule, bad, (line, "Module has invalid ELF structures"), at)
        for at in (*TALKING, *COPYING, *SPLIT):
            yield refused(rule, bad, (line,), at)
    outside = patched(PLAIN, ".shstrtab", offset=len(PLAIN))
    for at in SILENT:
        yield refused("elf-names-bounds", outside, ("Module has invalid ELF structures",), at)
    for at in (*TALKING, *COPYING):
        yield refused("elf-names-bounds", outside, ("Invalid ELF section hdr(type 3)",), at)
    last = index_of(PLAIN, ".shstrtab")
    for at in SPLIT:
        line = f"Invalid ELF section in module (section {last} type 3)"
        yield refused("elf-section-bounds", outside, (line,), at, label=f"names-{at}")
    # Only the kernels with that backport look at the types; nothing else is wrong with these files.
    for table, rule in ((".shstrtab", "elf-names-type"), (".strtab", "elf-strings-type")):
        line = f"Invalid ELF {'section name table' if table == '.shstrtab' else 'symbol string table'} type: 1"
        other = patched(PLAIN, table, type=1)
        for at, before in (("6.12.117", "6.13.1"), ("7.2.1", "7.1.13"), ("7.3.4", "6.18.1")):
            yield refused(rule, other, (line,), at, good=other, near=release(before))


def parts() -> Iterator[Trial]:
    """setup_load_info and what became of it: what every module has one of."""
    missing = module(change=lambda image: (image.symbols.pop(1), dropping(THIS)(image))[1])
    unfilled = module(change=setting(THIS, type=SHT_NOBITS, size=896))
    only = ("module tiny: Only one .gnu.linkonce.this_module section must exist.",)
    exactly = ("module tiny: Exactly one .gnu.linkonce.this_module section must exist.",)
    for at in (*FIRST, *SILENT, *TALKING):
        yield refused("this-module-missing", missing, ("tiny: No module found in object",), at)
    for at in COPYING:
        yield refused("this-module-missing", missing, only, at)
        yield refused("this-module-missing", unfilled, only, at, label=f"unfilled-{at}")
    for at in SPLIT:
        yield refused("this-module-missing", missing, exactly, at)
        line = "module tiny: .gnu.linkonce.this_module section must have a size set"
        yield refused("this-module-content", unfilled, (line,), at)
    larger = module(change=setting(THIS, data=bytes(24) + b"tiny".ljust(936, b"\0")))
    unallocated = module(change=setting(THIS, flags=SHF_WRITE))
    for at in (*COPYING, *SPLIT):
        start = "module tiny: .gnu.linkonce.this_module"
        size = f"{start} section size must match the kernel's built struct module size at run time"
        yield refused("this-module-size", larger, (size,), at)
        memory = f"{start} must occupy memory during process execution"
        yield refused("this-module-allocated", unallocated, (memory,), at)
    for at in (FIRST[0], SILENT[0], TALKING[-1]):
        yield Trial(
            rule="this-module-size-unseen", label=at, bad=larger, good=PLAIN, world=release(at), outcome="loads"
        )
    twice = module(change=adding(Part(name=".modinfo", data=b"name=tiny\0")))
    half = module(change=adding(Part(name=".modinfo", type=SHT_NOBITS, size=8)))
    for at in (*COPYING, *SPLIT):
        good = half if at in COPYING else PLAIN
        yield refused("elf-modinfo-unique", twice, ("Only one .modinfo section must exist.",), at, good=good)
    stripped = module(change=lambda image: image.symbols.clear())
    double = module(change=adding(Part(name=".other", type=SHT_SYMTAB, link=1)))
    for at in (*FIRST, *SILENT, *TALKING, *COPYING, *SPLIT):
        good = double if at in (*FIRST, *SILENT, *TALKING) else PLAIN
        yield refused("no-symbols", stripped, ("tiny: module has no symbols (stripped?)",), at, good=good)
    for at in (*COPYING, *SPLIT):
        yield refused("no-symbols", double, ("tiny: module has no symbols (stripped?)",), at, label=f"two-{at}")


def symbol_tables() -> Iterator[Trial]:
    """elf_validity_cache_strtab (6.13) and elf_validity_cache_index_versions (6.14)."""
    start = struct.unpack_from("<Q", PLAIN, 40)[0] + 64 * index_of(PLAIN, ".strtab")
    offset, size = struct.unpack_from("<QQ", PLAIN, start + 24)
    unlike = PLAIN[:offset] + b"x" + PLAIN[offset + 1 :]
    unended = PLAIN[: offset + size - 1] + b"x" + PLAIN[offset + size :]
    short = patched(PLAIN, ".strtab", size=PLAIN[offset : offset + size - 1].rindex(b"\0") + 1)
    broken = {
        "symbol-names-empty": (patched(PLAIN, ".strtab", size=0), "empty symbol string table"),
        "symbol-names-start": (unlike, "symbol string table missing leading NUL"),
        "symbol-names-end": (unended, "symbol string table isn't NUL terminated"),
        "symbol-name-outside": (short, "symbol name out of bounds in string table"),
    }
    for rule, (bad, line) in broken.items():
        for at in SPLIT[1:]:
            yield refused(rule, bad, (line,), at)
    yield Trial(
        rule="symbol-names-start", label="before", bad=unlike, good=unlike, log=(broken["symbol-names-start"][1],),
        errno="ENOEXEC", world=release("6.13.1"), near=release("6.12.117"),
    )  # fmt: skip
    crcs, names = Part(name="__version_ext_crcs", data=bytes(8)), Part(name="__version_ext_names", data=b"a\0b\0")
    extended = {
        "extended-versions-pair": (adding(crcs), "extended version crc+name presence does not match"),
        "extended-versions-names": (
            adding(replace(crcs, data=bytes(12)), names),
            "more extended version crcs than names",
        ),
    }
    for rule, (change, line) in extended.items():
        bad = module(change=change)
        for at in ("6.14.1", "6.18.1", "7.3.4"):
            yield refused(rule, bad, (line,), at, good=module(change=adding(crcs, names)))
        yield refused(rule, bad, (line,), "6.14.0", good=bad, near=release("6.13.1"), label="before")


def before_5_12() -> Iterator[Trial]:
    """load_module of 5.10: header, names, blacklist, signature, the sections' ends."""
    enforced = replace(ENFORCED, origin="")
    for at in FIRST:
        yield Trial(
            rule="signature-enforced",
            label=at,
            bad=PLAIN,
            good=SIGNED,
            errno="EKEYREJECTED",
            log=("tiny: Loading of unsigned module is rejected",),
            world=release(at, enforced),
        )
        yield Trial(
            rule="blacklisted",
            label=f"before-signature-{at}",
            bad=PLAIN,
            good=SIGNED,
            errno="EPERM",
            log=("Module tiny is blacklisted",),
            world=release(at, World(conditions={"sig_enforce": True, "cmdline": "module_blacklist=tiny"})),
            near=release(at, enforced),
        )
        cut = patched(PLAIN, ".comment", size=1 << 40)
        yield refused("elf-truncated", cut, (f"Module len {len(cut)} truncated",), at)
    for at in (*SILENT, "5.15.54", "6.6.1", "6.18.1"):
        yield Trial(
            rule="signature-enforced",
            label=at,
            bad=sign(PLAIN, 2),
            good=SIGNED,
            errno="EKEYREJECTED",
            log=("Loading of module with unavailable key is rejected",),
            world=release(at, enforced),
        )
