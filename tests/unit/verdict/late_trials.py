# SPDX-License-Identifier: GPL-2.0-or-later
"""The trials of what differs between releases once the file is taken for a module: versions, symbols, machines.

Written by hand from kernel/module/main.c and version.c, arch/*/kernel/module*.c and the stable branches' logs.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace

from tests.unit.kernel.image_builder import VERMAGIC as IMAGE_VERMAGIC
from tests.unit.kernel.image_builder import vmlinux
from tests.unit.ko.elf_builder import (
    LOCAL,
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    Exported,
    Image,
    Part,
    Sym,
    add_exports,
)
from tests.unit.verdict.era_trials import refused, release
from tests.unit.verdict.signing import RSA_SHA256, certificate, sign
from tests.unit.verdict.trials import (
    ARM,
    CRCS,
    ENFORCED,
    PLAIN,
    PROPRIETARY,
    SIGNED,
    VERMAGIC,
    Trial,
    World,
    adding,
    arm_module,
    btf,
    dropping,
    filled,
    index_of,
    module,
    rela,
    with_parameter,
)


def trials() -> Iterator[Trial]:
    """All of them."""
    yield from extended_versions()
    yield from symbols()
    yield from machines()
    yield from exports()
    yield from tables_of_givers()
    yield from post_quantum()
    yield from drivers()
    yield from loaded_already()
    yield from type_information()
    yield from layouts()
    yield from booleans()
    yield from android()


def extended_versions() -> Iterator[Trial]:
    """check_version of 6.14: the extended table goes before __versions, and counts for nothing in same_magic."""

    def extended(rows: dict[str, int], vermagic: str = VERMAGIC, *, alone: bool = True) -> bytes:
        numbers = b"".join(struct.pack("<I", crc) for crc in rows.values())
        names = b"".join(name.encode() + b"\0" for name in rows)
        tables = Part(name="__version_ext_crcs", data=numbers), Part(name="__version_ext_names", data=names)

        def change(image: Image) -> None:
            adding(*tables)(image)
            if alone:
                dropping("__versions")(image)

        return module(vermagic=vermagic, change=change)

    rows = {name: CRCS[name] for name in ("module_layout", "_printk")}
    wrong = extended({"module_layout": 1, "_printk": 2}, alone=False)
    line = "tiny: disagrees about version of symbol module_layout"
    before = release("6.13.1")
    yield refused("crc-mismatch/module-layout", wrong, (line,), "6.14.1", good=wrong, near=before)
    only = extended(rows)
    strict = World(without="MODULE_FORCE_LOAD")
    yield refused(
        "no-versions", only, (), "6.13.1", good=only, world=release("6.13.1", strict), near=release("6.14.1", strict)
    )
    other = "6.1.0-55-amd64 SMP preempt mod_unload modversions "
    line = f"tiny: version magic '{other}' should be '{VERMAGIC}'"
    yield refused("vermagic", extended(rows, other), (line,), "6.14.1", good=extended(rows, other, alone=False))
    lines = ("tiny: disagrees about version of symbol _printk", "tiny: Unknown symbol _printk (err -22)")
    bad = extended(rows | {"_printk": 1})
    yield refused("crc-mismatch", bad, lines, "6.18.1", good=only, errno="EINVAL")
    lacking = extended({"module_layout": CRCS["module_layout"]})
    debian = World(release="6.16.3+deb13-amd64")
    yield Trial(rule="missing-entry-tolerated", label="6.16", bad=lacking, good=only, world=debian, outcome="loads")


def symbols() -> Iterator[Trial]:
    """resolve_symbol, inherit_taint, setup_modinfo, simplify_symbols."""
    bare = module(undefined=["_printk", "_GLOBAL_OFFSET_TABLE_"])
    yield Trial(
        rule="unknown-symbol",
        label="offset-table",
        bad=bare,
        good=bare,
        errno="ENOENT",
        log=("tiny: Unknown symbol _GLOBAL_OFFSET_TABLE_ (err -2)",),
        world=release("5.10.19"),
        near=release("5.10.20"),
    )
    closed = module("helper", exports=[Exported(name="given_symbol", crc=0x33333333)], info=PROPRIETARY)
    mixed = module(undefined=["gpl_symbol", "given_symbol"])
    for at, which in (("5.10.250", ""), ("5.18.9", ""), ("5.19.1", " given_symbol"), ("6.18.1", " given_symbol")):
        line = f"tiny: module using GPL-only symbols uses symbols{which} from proprietary module helper."
        yield Trial(
            rule="proprietary-provider",
            label=at,
            bad=mixed,
            good=module(undefined=["given_symbol"]),
            errno="ENOENT",
            log=(line, "tiny: Unknown symbol given_symbol (err -2)"),
            world=release(at, World(along=(closed,))),
        )
    own = module(info=[("import_ns", "module:other")])
    yield Trial(
        rule="namespace-import",
        bad=own,
        good=own,
        errno="EPERM",
        log=("tiny: module tries to import module namespace: module:other",),
        world=release("6.16.1"),
        near=release("6.15.9"),
    )
    odd = module(change=adding(symbols=[Sym(name="odd", section=500, bind=LOCAL)]))
    for at, near in (
        ("5.15.200", "6.12.80"),
        ("6.1.167", "6.1.168"),
        ("6.12.79", "7.0.1"),
        ("6.18.1", "6.12.80"),
        ("6.19.10", "6.19.11"),
    ):
        yield Trial(
            rule="symbol-section-unseen",
            label=at,
            bad=odd,
            good=odd,
            world=release(at),
            near=release(near),
            outcome="cannot-tell",
        )


def machines() -> Iterator[Trial]:
    """arch/x86/kernel/module.c, arch/arm64/kernel/module*.c."""
    target = filled((4, 2), bytes(4) + b"\0\0\0\1" + bytes(8))
    rest = "existing value is nonzero for type 2, loc <addr>, val <addr>"
    texts = {"Skipping invalid": ("5.10.250", "5.15.10", "6.2.1"), "Invalid": ("6.3.1", "6.6.1", "6.18.15")}
    for text, releases in texts.items():
        for at in releases:
            line = f"module: x86/modules: {text} relocation target, {rest}"
            yield refused("relocation-target", target, (line,), at)
    for at in ("6.19.1", "7.3.4"):
        table = index_of(target, ".rela.data")
        line = f"module: x86/modules: Invalid relocation target, {rest.replace('for', f'for sec {table}, idx 0,')}"
        yield refused("relocation-target", target, (line,), at)
    yield from percpu()
    for at, start in (("5.10.250", ""), ("6.4.9", ""), ("6.5.1", "Modules: "), ("6.18.1", "Modules: ")):
        line = f"{start}module tiny: unsupported RELA relocation: 512"
        bad = arm_module(*rela((0, 512)))
        yield refused("relocation-type", bad, (line,), at, good=arm_module(*rela((0, 283))), world=release(at, ARM))
    init = ".init.text.ftrace_trampoline"
    for at, before in (("6.6.105", "6.6.104"), ("6.12.46", "6.12.45"), ("6.16.6", "6.16.5"), ("6.17.0", "6.15.9")):
        bad = arm_module(without=init)
        free = release(before, ARM)
        yield refused("finish-section-missing", bad, (), at, good=bad, world=release(at, ARM), near=free)
    without = replace(ARM, without="ARM64_MODULE_PLTS")
    bad = arm_module(without=".init.plt")
    line = "tiny: module PLT section(s) missing"
    always = release("6.5.1", without)
    yield refused("arch-section-missing", bad, (line,), "6.5", good=bad, world=always, near=release("6.4.9", without))


def percpu() -> Iterator[Trial]:
    """apply_relocations: those for per-CPU data count from 6.16 on."""
    odd = module(change=adding(*rela((0, 999), section=".data..percpu")))
    line = "module: tiny: Unknown rela relocation: 999"
    for at in ("6.16.12", "7.3.4"):
        yield refused("relocation-type", odd, (line,), at, good=odd, near=release("6.15.9"), label=f"percpu-{at}")


def exports() -> Iterator[Trial]:
    """check_export_symbol_sections and verify_exported_symbols of 7.1."""
    giver = module(exports=[Exported(name="own_symbol", crc=1)])
    flags = Part(name="__kflagstab", data=b"\0")
    flagged = module(exports=[Exported(name="own_symbol", crc=1)], change=adding(flags))
    line = "tiny: no flags for exported symbols"
    for at in ("7.1.3", "7.3.4"):
        yield refused("export-flags", giver, (line,), at, good=giver, near=release("7.0.13"))
        yield refused("export-flags", giver, (line,), at, good=flagged, label=f"with-{at}")
    strict = World(without="MODULE_FORCE_LOAD")
    bare = module(exports=[Exported(name="own_symbol", crc=1, gpl=True)], change=dropping("__kcrctab_gpl"))
    yield refused(
        "export-versions", bare, (), "7.0.13", world=release("7.0.13", strict), good=bare, near=release("7.1.3", strict)
    )
    twice = [Exported(name="gpl_symbol", crc=1, gpl=True), Exported(name="spaced_symbol", crc=1)]
    one_table = module(change=lambda image: add_exports(image, twice, flags_table=True))
    for at, first, bad in (
        ("7.0.13", "spaced_symbol", module(exports=twice)),
        ("7.1.3", "gpl_symbol", one_table),
    ):
        line = f"tiny: exports duplicate symbol {first} (owned by kernel)"
        yield refused("duplicate-export", bad, (line,), at)


def tables_of_givers() -> Iterator[Trial]:
    """find_exported_symbol_in_section: before 7.1 the table counts, from then on the flag."""
    given = [Exported(name="given_symbol", crc=CRCS["given_symbol"], gpl=True)]
    old = module("helper", exports=given)
    new = module("helper", change=lambda image: add_exports(image, given, flags_table=True))
    user, closed = module(undefined=["given_symbol"]), module(undefined=["given_symbol"], info=PROPRIETARY)
    line = "tiny: Unknown symbol given_symbol (err -2)"
    for rule, bad, at, near, giver in (
        ("gpl-only-symbol", closed, "7.1.3", "7.0.13", new),
        ("gpl-only-symbol", closed, "7.0.13", "7.0.13", old),
        ("unknown-symbol", user, "7.1.3", "7.0.13", old),
    ):
        more = {"world": release(at, World(along=(giver,))), "near": release(near, World(along=(giver,)))}
        good = user if at == near else bad
        yield refused(rule, bad, (line,), at, errno="ENOENT", good=good, label=f"table-{at}", **more)


def post_quantum() -> Iterator[Trial]:
    """pkcs7_sig_note_pkey_algo of 7.0: keys of ML-DSA."""
    rsa, ml_dsa = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("608648016503040312")
    bad = sign(PLAIN, 2).replace(rsa, ml_dsa)
    beside = sign(PLAIN, 2, beside=certificate(3).replace(RSA_SHA256, ml_dsa))
    for at, reason in (("6.19.14", "unsupported crypto"), ("7.0.1", "unavailable key"), ("7.3.4", "unavailable key")):
        line = f"Loading of module with {reason} is rejected"
        world = release(at, ENFORCED)
        more = {"errno": "EKEYREJECTED", "good": SIGNED, "world": world}
        yield refused("signature-enforced", bad, (line,), at, label=f"ml-dsa-{at}", **more)
        yield refused("signature-enforced", beside, (line,), at, label=f"beside-ml-dsa-{at}", **more)


def drivers() -> Iterator[Trial]:
    """module_add_driver: whether what is built in has a driver of its name, only the image tells."""
    image = vmlinux().replace(IMAGE_VERMAGIC.encode(), b"?" * len(IMAGE_VERMAGIC))
    free = World(builtin=("tiny",), sysfs=("other",), image=image)
    perhaps = replace(free, image=image + b"\0tiny\0")
    more = {"rule": "built-in-unknown", "bad": PLAIN, "good": PLAIN, "outcome": "cannot-tell"}
    for at, before in (("6.6.90", "6.6.89"), ("6.12.28", "6.12.27"), ("6.14.6", "6.14.5"), ("6.15.1", "6.3.1")):
        yield Trial(label=f"driver-{at}", world=release(at, perhaps), near=release(before, perhaps), **more)  # type: ignore[arg-type]
    yield Trial(label="driver-none", world=release("7.3.4", perhaps), near=release("7.3.4", free), **more)  # type: ignore[arg-type]
    unlisted = module(name="alarmtimer")
    taken = replace(perhaps, builtin=(), image=image + b"\0alarmtimer\0")
    more |= {"bad": unlisted, "good": unlisted}
    yield Trial(label="driver-unlisted", world=release("7.2.1", taken), near=release("7.1.13", taken), **more)  # type: ignore[arg-type]


def loaded_already() -> Iterator[Trial]:
    """add_unformed_module, and early_mod_check from 6.4 on."""
    # Before 6.4 the name is looked for after the sections' access rights.
    both = module(change=adding(Part(name=".both", data=b"x", flags=SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR)))
    line = f"tiny: section .both (index {index_of(both, '.both')}) has invalid WRITE|EXEC flags"
    there = World(conditions={"loaded": frozenset({"tiny"})})
    yield refused("write-execute", both, (line,), "6.3.1", world=release("6.3.1", there))
    for at in ("6.4.1", "6.18.1"):
        free = release(at)
        yield refused("already-loaded", both, (), at, errno="EEXIST", world=release(at, there), good=both, near=free)


def type_information() -> Iterator[Trial]:
    """btf_module_notify: where it does no harm, kernels before 6.3 say so each time, in the words of the refusal."""
    change = adding(btf(magic=0x1234))
    bad = with_parameter("int", parts=(btf(magic=0x1234),))
    refusal = "tiny: `many' invalid for parameter `count'"
    given = World(conditions={"params": ("count=many",)})
    for at, lines in (
        ("6.2.9", ("failed to validate module [tiny] BTF: -22", refusal)),
        ("6.3.1", (refusal,)),
    ):
        more = {"good": bad, "near": release(at), "world": release(at, given), "label": f"btf-{at}"}
        yield refused("parameter-invalid", bad, lines, at, errno="EINVAL", **more)
    strict = World(without="MODULE_ALLOW_BTF_MISMATCH")
    line = "failed to validate module [tiny] BTF: -22"
    for at in ("5.15.10", "6.18.1", "7.3.4"):
        yield refused("btf", module(change=change), (line,), at, errno="EINVAL", world=release(at, strict))


def layouts() -> Iterator[Trial]:
    """btf_parse_layout_sec: a header with a place for layouts is one too long for kernels before 7.1."""
    head = struct.pack("<HBBIIIIIII", 0xEB9F, 1, 0, 32, 0, 0, 0, 4, 4, 4)
    whole = module(change=adding(Part(name=".BTF", data=head + bytes(8), flags=0)))
    strict = World(without="MODULE_ALLOW_BTF_MISMATCH")
    line = "failed to validate module [tiny] BTF: -7"
    for at in ("6.12.117", "7.0.13"):
        near = release("7.1.3", strict)
        yield refused(
            "btf",
            whole,
            (line,),
            at,
            errno="E2BIG",
            world=release(at, strict),
            good=whole,
            near=near,
            label=f"layout-{at}",
        )
    other = module(
        change=adding(
            Part(name=".BTF", data=struct.pack("<HBBIIIII", 0xEB9F, 2, 0, 24, 0, 0, 0, 4) + bytes(4), flags=0)
        )
    )
    line = "failed to validate module [tiny] BTF: -524"
    yield refused("btf", other, (line,), "7.3.4", errno="ENOTSUPP", world=release("7.3.4", strict), label="version")


def booleans() -> Iterator[Trial]:
    """kstrtobool: the letters that a value may begin with have become more."""
    typed = with_parameter("bool")

    def given(at: str, word: str) -> World:
        return release(at, World(conditions={"params": (f"count={word}",)}))

    for word, last, first in (
        ("true", "5.18.19", "5.19.1"),
        ("False", "5.10.250", "6.1.1"),
        ("enabled", "6.15.9", "6.16.1"),
    ):
        line = f"tiny: `{word}' invalid for parameter `count'"
        more = {"good": typed, "near": given(first, word), "world": given(last, word), "label": f"bool-{word}"}
        yield refused("parameter-invalid", typed, (line,), last, errno="EINVAL", **more)


def android() -> Iterator[Trial]:
    """resolve_symbol and verify_exported_symbols of android14-6.1 and later, for modules the kernel did not sign."""
    generic = release("6.1.112-android14-11-g75d944e80501-ab1", World(with_="MODULE_SIG_PROTECT TRIM_UNUSED_KSYMS"))
    user, giver = module(undefined=["modular_symbol"]), module(exports=[Exported(name="modular_symbol", crc=1)])
    for rule, bad in (("gki-symbol", user), ("gki-export", giver)):
        yield Trial(rule=rule, bad=bad, good=sign(bad, 1), world=generic, outcome="cannot-tell")
        for label, near in (
            ("list", replace(generic, with_="MODULE_SIG_PROTECT")),
            ("mainline", replace(generic, release="6.1.112")),
            ("before", replace(generic, release="5.15.100-android13-8")),
        ):
            yield Trial(rule=rule, label=label, bad=bad, good=bad, world=generic, near=near, outcome="cannot-tell")
