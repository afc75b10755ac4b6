# SPDX-License-Identifier: GPL-2.0-or-later
"""What trials are made of: a module that trips one rule, a twin that just does not, and the kernel they meet.

Errno and lines are written here by hand from kernel/module/*.c and what it calls, never copied from our tables.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.unit.ko.elf_builder import (
    AARCH64,
    LOCAL,
    SHF_ALLOC,
    SHF_WRITE,
    SHT_NOBITS,
    SHT_RELA,
    WEAK,
    Exported,
    Image,
    Part,
    Sym,
    tiny_module,
)
from tests.unit.verdict.signing import sign

VERMAGIC = "6.1.0-56-amd64 SMP preempt mod_unload modversions "
ARM_VERMAGIC = "6.1.0-56-arm64 SMP mod_unload modversions aarch64 "
CRCS = {
    "module_layout": 0x9060323F,
    "_printk": 0x92997ED8,
    "gpl_symbol": 0x11111111,
    "spaced_symbol": 0x22222222,
    "given_symbol": 0x33333333,
    "modular_symbol": 0x44444444,
}
SYMVERS = """\
0x9060323f\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t
0x92997ed8\t_printk\tvmlinux\tEXPORT_SYMBOL\t
0x11111111\tgpl_symbol\tvmlinux\tEXPORT_SYMBOL_GPL\t
0x22222222\tspaced_symbol\tvmlinux\tEXPORT_SYMBOL\tSPACE
0x44444444\tmodular_symbol\tdrivers/giver/giver\tEXPORT_SYMBOL\t
"""
OPTIONS = (
    "ARM64_MODULE_PLTS ARM_MODULE_PLTS MODULE_SECTIONS "
    "MODULES KALLSYMS BUG "
    "MODVERSIONS MODULE_SIG MODULE_FORCE_LOAD STRICT_MODULE_RWX SMP LIVEPATCH SECURITY_LOCKDOWN_LSM DYNAMIC_FTRACE "
    "DEBUG_INFO_BTF_MODULES MODULE_ALLOW_BTF_MISMATCH CRYPTO_RSA CRYPTO_SHA256 CRYPTO_SHA512=m"
)
NO_TRUST = "a certificate of nobody"


@dataclass(frozen=True, kw_only=True)
class World:
    """The kernel and the conditions of one load. `without` and `with_` change the configuration, None: no .config."""

    release: str = "6.1.0-56-amd64"
    arch: str = "x86_64"
    vermagic: str | None = VERMAGIC
    origin: str = "debian:"
    without: str = ""
    with_: str = ""
    config: bool = True
    symvers: str | None = SYMVERS
    image: bytes | None = None
    installed: tuple[str, ...] = ("giver",)
    builtin: tuple[str, ...] = ()
    builtin_info: tuple[str, ...] = ()
    sysfs: tuple[str, ...] | None = None
    certificates: tuple[int, ...] | None = (1,)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    along: tuple[bytes, ...] = ()
    refused: frozenset[str] = frozenset()
    unsure: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One rule: `bad` in `world` trips it first, `good` in `near` does not trip it at all."""

    rule: str
    bad: bytes
    good: bytes
    errno: str | None = None
    log: tuple[str, ...] = ()
    world: World = field(default_factory=World)
    near: World | None = None
    label: str = ""
    outcome: str = "fails"

    @property
    def id(self) -> str:
        """The rule, and what tells this trial of it from others."""
        return f"{self.rule}{'-' * bool(self.label)}{self.label}"


def module(
    name: str = "tiny",
    *,
    info: Sequence[tuple[str, str]] = (),
    without: Sequence[str] = (),
    versions: Mapping[str, int] | None = None,
    undefined: Sequence[str] = ("_printk",),
    change: Callable[[Image], None] | None = None,
    vermagic: str = VERMAGIC,
    exports: Sequence[Exported] = (),
    machine: int = 62,
) -> bytes:
    """A module that loads, with changes."""
    fields = {"license": "GPL", "depends": "", "name": name, "vermagic": vermagic} | dict(info)
    kept = [(key, value) for key, value in fields.items() if key not in without]
    rows = {key: CRCS.get(key, 0) for key in ("module_layout", *undefined)} if versions is None else versions
    image = tiny_module(modinfo=kept, versions=rows, undefined=undefined, exports=exports, machine=machine)
    this = part(image, ".gnu.linkonce.this_module")
    this.data = (bytes(24) + name.encode()).ljust(len(this.data), b"\0")
    if change is not None:
        change(image)
    return image.build()


def part(image: Image, name: str) -> Part:
    """A section of an image by its name."""
    return next(one for one in image.parts if one.name == name)


def adding(*parts: Part, symbols: Sequence[Sym] = ()) -> Callable[[Image], None]:
    """A change that adds sections and symbols."""

    def change(image: Image) -> None:
        image.parts += parts
        image.symbols += symbols

    return change


def dropping(name: str) -> Callable[[Image], None]:
    """A change that takes a section away."""
    return lambda image: image.parts.remove(part(image, name))


def setting(name: str, **values: Any) -> Callable[[Image], None]:
    """A change of a section's fields."""

    def change(image: Image) -> None:
        for key, value in values.items():
            setattr(part(image, name), key, value)

    return change


def with_header(**fields: int) -> Callable[[Image], None]:
    """A change of the ELF header."""
    return lambda image: image.header.update(fields)


def patched(data: bytes, section: str, **fields: int) -> bytes:
    """The bytes with a section header's fields changed, by name."""
    order = ("name", "type", "flags", "addr", "offset", "size", "link", "info", "align", "entsize")
    start, row = row_of(data, section)
    row |= fields
    return data[:start] + struct.pack("<IIQQQQIIQQ", *(row[key] for key in order)) + data[start + 64 :]


def row_of(data: bytes, section: str) -> tuple[int, dict[str, int]]:
    """Where a section's header stands, and its fields."""
    order = ("name", "type", "flags", "addr", "offset", "size", "link", "info", "align", "entsize")
    table, count, names = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HH", data, 60)
    rows = [
        dict(zip(order, struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * at), strict=True)) for at in range(count)
    ]
    where = rows[names]["offset"]
    for at, row in enumerate(rows):
        start = where + row["name"]
        if data[start : data.index(b"\0", start)].decode() == section and (at or not section):
            return table + 64 * at, row
    raise AssertionError(section)


def index_of(data: bytes, section: str) -> int:
    """A section's number."""
    shoff: int = struct.unpack_from("<Q", data, 40)[0]
    return (row_of(data, section)[0] - shoff) // 64


def rela(*entries: tuple[int, int], section: str = ".data") -> tuple[Part, Part]:
    """A section of sixteen bytes, and relocations on it as (place, type)."""
    raw = b"".join(struct.pack("<QQq", place, kind | 1 << 32, 0) for place, kind in entries)
    return (
        Part(name=section, data=bytes(16), flags=SHF_ALLOC | SHF_WRITE),
        Part(name=f".rela{section}", data=raw, type=SHT_RELA, flags=0, info=section, link=".symtab", entsize=24),
    )


def filled(entry: tuple[int, int], content: bytes) -> bytes:
    """A module with one relocation on given bytes; the table's link is left at 0, which the kernel does not look at."""
    target, table = rela(entry)
    return module(change=adding(replace(target, data=content), replace(table, link=0)))


def with_parameter(kind: str | None, limit: int = 0, parts: Sequence[Part] = (), flags: int = 0) -> bytes:
    """A module with the parameter `count` (include/linux/moduleparam.h); kind None: its setter is the module's own.

    What an array or a string takes is the first number of its structure.
    """
    element = kind.removeprefix("array of ") if kind is not None else ""
    array = kind is not None and element != kind
    symbols = [Sym(name=f"spot{at}", section=at, bind=LOCAL) for at in (".names", ".limits", ".limits")]
    symbols += [Sym(name="param_array_ops", bind=WEAK), Sym(name=f"param_ops_{element}", bind=WEAK)]
    numbers = {"names": 1, "limits": 2, "own": 3}
    array_ops, element_ops = 7, 8  # locals come first; then init_module, __this_module, _printk, and the setters
    setter = numbers["own"] if kind is None else array_ops if array else element_ops
    pointers = [(0, numbers["names"]), (16, setter), (32, numbers["limits"])]

    def table(section: str, rows: Sequence[tuple[int, int]]) -> Part:
        raw = b"".join(struct.pack("<QQq", place, 1 | symbol << 32, 0) for place, symbol in rows)
        return Part(name=f".rela{section}", data=raw, type=SHT_RELA, flags=0, info=section, link=".symtab")

    sections = (
        Part(name=".names", data=b"count\0"),
        Part(name=".limits", data=struct.pack("<IIQQQ", limit, 4, 0, 0, 0)),
        Part(name="__param", data=struct.pack("<27xB12x", flags)),
        table("__param", pointers),
        table(".limits", [(16, element_ops)]),
    )
    return module(change=adding(*sections, *parts, symbols=symbols))


def btf(magic: int = 0xEB9F, size: int = 4) -> Part:
    """A .BTF section with a header and `size` bytes of names."""
    data = struct.pack("<HBBIIIII", magic, 1, 0, 24, 0, 0, 0, size) + bytes(4)
    return Part(name=".BTF", data=data, flags=0)


PLAIN = module()
SIGNED = sign(PLAIN, 1)
NO_CONFIG = World(config=False)
NO_FORCE = World(without="MODULE_FORCE_LOAD")
V612 = World(release="6.12.117+deb12-amd64")
MAINLINE = World(release="6.6.1", origin="")
ARM = World(release="6.1.0-56-arm64", arch="arm64", vermagic=ARM_VERMAGIC)
ARM612 = replace(ARM, release="6.12.117+deb12-arm64")
ENFORCED = World(conditions={"sig_enforce": True})
NO_EXPORTS = World(symvers=None, installed=())
PROPRIETARY = [("license", "Proprietary")]


def arm_module(*parts: Part, without: str = "", symbols: Sequence[Sym] = ()) -> bytes:
    """A module for arm64, with the sections its loader wants."""
    names = (".plt", ".init.plt", ".text.ftrace_trampoline", ".init.text.ftrace_trampoline")
    wanted = [Part(name=name, data=b"\0", type=SHT_NOBITS, size=1) for name in names if name != without]
    return module(machine=AARCH64, vermagic=ARM_VERMAGIC, change=adding(*wanted, *parts, symbols=symbols))
