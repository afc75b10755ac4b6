# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases of the last steps: exports twice, type information, parameters, names in sysfs, and what init() answers."""

import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from dlkm.kernel.image import read_image
from tests.judge.elf import File, Section
from tests.judge.pair import Case, Load, Tells, Where, also, load, pair
from tests.judge.shop import Change, Maker, Shop, built, exporting, info, named, own, renaming, vermagic

X86, ARM64, ARM64_612 = Where(arch="x86_64"), Where(arch="arm64"), Where(arch="arm64", since=(6, 12))
# kernel/bpf/btf.c: btf_module_notify
TOLERANT = Where(since=(5, 11), option="MODULE_ALLOW_BTF_MISMATCH")
STRICT = Where(since=(5, 11), lacks="MODULE_ALLOW_BTF_MISMATCH", option="DEBUG_INFO_BTF_MODULES")
DRIVERS = Where(feature="driver-names")
GIVER = ("judge_giver", built("judge_giver"))
# Values in one load: the kernel tries all, and says of each that it does not take.
BOOLEANS = (
    *("y", "N", "1", "0", "t", "F", "on", "oFF", "o", "ox", "2", "yes", "", "maybe", '" 1"'),
    *("True", "enabled", "Disabled", "E"),
)
HUGE = "99999999999999999999x"  # out of range before anybody looks at the end
VALUES = {
    "judge_bool": BOOLEANS,
    "judge_invbool": BOOLEANS,
    "judge_bint": BOOLEANS,
    "judge_byte": (
        "255",
        "256",
        "-1",
        "0x1f",
        "010",
        "08",
        "",
        '"1 "',
        "+5",
        "0b1",
        "0x",
        '"1\n"',
        "0x1g",
        '" 1"',
        HUGE,
    ),
    "judge_short": ("32767", "32768", "-32768", "-32769"),
    "judge_ushort": ("65535", "65536", "-1"),
    "judge_int": (
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "0x7fffffff",
        "0X10",
        "1.5",
        "--1",
        "-0",
        f"-{HUGE}",
    ),
    "judge_uint": ("4294967295", "4294967296", "-1", "+0x10", "-0"),
    "judge_hexint": ("0xffffffff", "0x100000000", "ff", "0xff"),
    "judge_long": ("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"),
    "judge_ulong": ("18446744073709551615", "18446744073709551616", "99999999999999999999999"),
    "judge_ullong": ("18446744073709551615", "18446744073709551616"),
    "judge_array": ("1,2,3", "1", "1,x,3", "1,2,3,4", "", "1,,3", "2147483648", '"1, 2"', "x,1", HUGE),
    "judge_string": ("short", "seven77", "eight888"),
}


def exports() -> Iterator[Case]:
    """Exports that somebody has already."""
    name = "judge_giver"
    giver = load(built(name), name=name)
    yield from pair("duplicate-export", load(_the_kernels, name=name), giver)
    again = built(name, named("judge_again"))
    yield from pair(
        "duplicate-export",
        load(again, GIVER, name="judge_again", loaded=frozenset({"judge_giver"})),
        load(again, name="judge_again"),
        label="of a module",
    )
    yield from pair("duplicate-export-possible", load(_modular, name=name), giver)


def _the_kernels(shop: Shop) -> bytes:
    """A giver of a symbol that the kernel gives too."""
    return exporting("judge_x", shop.kernel_symbol(len("judge_x")))(shop.built["judge_giver"])


def _modular(shop: Shop) -> bytes:
    """A giver of a symbol that one of the kernel's modules gives too."""
    return exporting("judge_x", shop.modular_symbol(len("judge_x")))(shop.built["judge_giver"])


def finish() -> Iterator[Case]:
    """The architecture's last word, and BTF."""
    name = ".text.ftrace_trampoline"
    yield from pair("finish-section-missing", built("judge", renaming(name, ".text.other")), where=ARM64)
    yield from pair(
        "finish-section-missing",
        built("judge", renaming(f".init{name}", ".init.other")),
        where=ARM64_612,
        label="init",
    )
    for label, data in BTF.items():
        yield from pair("btf-tolerated", built("judge", _btf(data)), label=label, where=TOLERANT)
        yield from pair("btf", built("judge", _btf(data)), label=label, where=STRICT)
    for label, data in LAYOUTS.items():
        yield also(f"BTF with layouts: {label}", built("judge", _btf(data)), where=STRICT)


def _btf_header(magic: int = 0xEB9F, version: int = 1, flags: int = 0, names: int = 4) -> bytes:
    return struct.pack("<HBBIIIII", magic, version, flags, 24, 0, 0, 0, names) + bytes(4)


BTF = {
    "magic": _btf_header(magic=0x1234),
    "version": _btf_header(version=2),
    "flags": _btf_header(flags=1),
    "size": _btf_header(names=5),
    "short": b"\x9f\xeb\1\0",
}


def _with_layouts(place: int, size: int, names: int = 4, length: int = 32) -> bytes:
    head = struct.pack("<HBBIIIIIII", 0xEB9F, 1, 0, length, 0, 0, 0, names, place, size)
    return head + bytes(names + size)


LAYOUTS = {
    "good": _with_layouts(4, 8),
    "none": _with_layouts(0, 0),
    "odd": _with_layouts(4, 6),
    "a gap": _with_layouts(8, 4) + bytes(4),
    "unaligned": _with_layouts(5, 4, names=5),
    "header cut off": _with_layouts(0, 0, length=28)[:28] + bytes(4),
    "a longer header": _with_layouts(4, 4, length=36)[:32] + bytes(4) + bytes(8),
    "a longer header with content": _with_layouts(4, 4, length=36)[:32] + b"\1\0\0\0" + bytes(8),
}


def _btf(data: bytes) -> Change:
    def change(file: File) -> None:
        if file.has(".BTF"):
            file[".BTF"].data = data
        else:
            file.add(Section(name=".BTF", data=data))

    return change


def given(*words: str) -> Load:
    """`judge` with parameters."""
    return load(built(), params=words)


def parameters() -> Iterator[Case]:
    """Values that parse, and those that do not."""
    yield from pair("parameter-invalid", given("judge_int=many"), given("judge_int=-0x10"))
    yield from pair("parameter-invalid", given("judge_int=2147483648"), given("judge_int=2147483647"), label="range")
    yield from pair("parameter-too-large", given("judge_charp=" + "x" * 1025), given("judge_charp=" + "x" * 1024))
    yield from pair("parameter-unknown", given("judge_nothing=1"), given("dyndbg=+p"))
    yield from pair("parameter-dangerous", given("judge_unsafe=1"), given("judge_int=1"))
    parport = ("parport", own("parport"))
    told, untold = (load(own("parport_pc"), parport, name="parport_pc", params=words) for words in (("io=9,8",), ()))
    yield from pair("parameter-invalid/locked", told, untold, where=X86, condition="locked")
    yield also("told of hardware", told, where=X86)
    yield from pair("parameter-own", given("judge_own=no"), given("judge_int=1"), tells=Tells.NOT)
    silent = load(built("judge", info("parmtype")), params=("judge_int=many",))
    yield from pair("parameter-invalid", silent, given("judge_int=1"), label="not in modinfo")
    lying = load(built("judge", info("parmtype", "judge_nothing:int", "judge_int:charp")), params=("judge_int=5",))
    yield also("other types in modinfo", lying)
    for name, values in VALUES.items():
        yield also(f"values of {name}", given(*(f"{name}={value}" for value in values)))
    names = ("judge_bool", "judge_invbool", "judge_bint", "judge_int", "judge_charp", "judge_array", "judge_none")
    yield also("names alone", given(*names))
    yield from pair("parameter-invalid/many", given("judge_array=1,2,3,4"), given("judge_array=1,2,3"))
    yield from pair("parameter-too-large/string", given("judge_string=eight888"), given("judge_string=seven77"))

    yield also("a line longer than a record of the log", given("judge_int=" + "x" * 1500, "judge_byte=y"))
    yield also("dashes", given("judge-int=3"))
    yield also("dashes and a bad value", given("judge-int=x"))
    yield also("a quoted value", given('judge_charp="two words"', "judge_int=x"))
    yield also("a quoted word", given('"judge_charp=two words"', "judge_int=x"))
    yield also("the first bad value counts", given("judge_int=1", "judge_byte=300", "judge_bool=maybe"))
    yield also("after the end of options", given("judge_int=1", "--", "judge_int=x"))
    yield also("a blank within a letter", given("judge_charp=voilà", "àjudge_int=x"))
    yield also("async_probe", given("async_probe=1", "async_probe"))


def taken() -> Iterator[Case]:
    """Names of what is built in."""
    yield from pair("built-in", _called("tcp_cubic"), _called("tcp_cubics"))
    yield from pair("built-in", _called("kernel"), _called("kernels"), where=X86, label="core")
    yield from pair("built-in", _called("printk"), _called("printks"), where=X86, label="parameters")
    yield from pair("built-in-beside", load(_beside), load(built()))
    yield from pair("built-in-unknown", _called("printk"), _called("printks"), where=ARM64, tells=Tells.NOT)
    driver, none = (load(_shown(stands), name="judge") for stands in (True, False))
    yield from pair("built-in-unknown", driver, none, where=DRIVERS, tells=Tells.NOT, label="perhaps a driver")


def _beside(shop: Shop) -> bytes:
    """`judge` under the name of something built in that has neither parameters nor a version, and is no driver."""
    return _shown(stands=False)(shop)


def _shown(stands: bool) -> Maker:  # noqa: FBT001 — the one thing it asks
    """The same; or of one that may be a driver, as its name stands in the image."""

    def make(shop: Shop) -> bytes:
        assert shop.kernel.image is not None
        known, image = shop.facts.builtin_modinfo, _content(shop.kernel.image)
        bare = (name for name in sorted(shop.facts.builtin) if not known.get(name, set()) & {"parmtype", "version"})
        return built("judge", named(next(name for name in bare if (f"{name}\0".encode() in image) is stands)))(shop)

    return make


@lru_cache(1)
def _content(image: Path) -> bytes:
    return read_image(image).data


def _called(name: str) -> Load:
    return load(built("judge", named(name)), name=name)


def answers() -> Iterator[Case]:
    """What init() answers no file can foretell."""
    for number in (-19, -17, -16, -2, -22, -8):
        maker: Maker = built("judge_answer")
        one = load(maker, name="judge_answer", params=(f"judge_answer={number}",))
        yield also(f"init() answers {number}", one, tells=Tells.NOT)
    absent = ("judge_absent", built("judge_absent"))
    yield also("a giver's init() fails", load(built("judge_orphan"), absent, name="judge_orphan"), tells=Tells.NOT)
    refused = built("judge_orphan", vermagic(lambda text: text.replace(" mod_unload ", " Mod_unload ")))
    yield also("a giver's init() fails, and its user is refused", load(refused, absent, name="judge_orphan"))


def cases() -> Iterator[Case]:
    """All of them."""
    yield from exports()
    yield from finish()
    yield from parameters()
    yield from taken()
    yield from answers()
