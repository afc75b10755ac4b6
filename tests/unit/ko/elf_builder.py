# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes small ELF files and kernel modules as bytes, by the ELF specification and the kernel's headers.

Independent of the reader it is a test for: it shares no structure with dlkm.ko.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOBITS = 1, 2, 3, 4, 8
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SHN_ABS, SHN_COMMON = 0xFFF1, 0xFFF2
LOCAL, GLOBAL, WEAK = 0, 1, 2
X86_64, AARCH64, ARM, PPC = 62, 183, 40, 20
MARKER = b"~Module signature appended~\n"


@dataclass(kw_only=True)
class Part:
    """A section to write; `size` only where it is not that of `data`. `link` and `info` may name a section."""

    name: str
    data: bytes = b""
    type: int = SHT_PROGBITS
    flags: int = SHF_ALLOC
    size: int | None = None
    link: int | str = 0
    info: int | str = 0
    align: int = 1
    entsize: int = 0


@dataclass(kw_only=True)
class Sym:
    """A symbol to write; `section` names a section, or is a number (0: undefined)."""

    name: str
    section: int | str = 0
    value: int = 0
    size: int = 0
    bind: int = GLOBAL
    type: int = 0


@dataclass(kw_only=True)
class Exported:
    """A symbol to export; crc None leaves the CRC table out for all."""

    name: str
    crc: int | None = None
    gpl: bool = False
    namespace: str = ""


@dataclass(kw_only=True)
class Image:
    """A relocatable file to write; `build` gives its bytes."""

    parts: list[Part] = field(default_factory=list)
    symbols: list[Sym] = field(default_factory=list)
    bits: int = 64
    big_endian: bool = False
    machine: int = X86_64
    type: int = 1
    header: dict[str, int] = field(default_factory=dict)  # fields of the ELF header to write as told, right or wrong

    def build(self) -> bytes:
        """Header, contents, section headers."""
        parts = [Part(name="", type=0, flags=0), *self.parts, *self._symbol_parts(), self._names()]
        parts[-1].data = b"\0" + b"".join(part.name.encode() + b"\0" for part in parts[1:])
        numbers = {part.name: number for number, part in reversed(list(enumerate(parts)))}
        body = bytearray(64 if self.bits == 64 else 52)
        rows, name_at = [], 0
        for part in parts:
            body += bytes(-len(body) % max(part.align, 1))
            size = len(part.data) if part.size is None else part.size
            link, info = (numbers[at] if isinstance(at, str) else at for at in (part.link, part.info))
            offset = len(body) if part.name else 0
            rows.append((name_at, part.type, part.flags, 0, offset, size, link, info, part.align, part.entsize))
            name_at += len(part.name) + 1 if part.name else 1
            body += b"" if part.type == SHT_NOBITS else part.data
        body += bytes(-len(body) % 8)
        table = b"".join(self._pack("IIQQQQIIQQ" if self.bits == 64 else "10I", *row) for row in rows)
        header = self._header(shoff=len(body), shnum=len(parts), shstrndx=len(parts) - 1)
        return header + bytes(body[len(header) :]) + table

    def _header(self, **found: int) -> bytes:
        wide = self.bits == 64
        values = {
            "type": self.type,
            "machine": self.machine,
            "version": 1,
            "entry": 0,
            "phoff": 0,
            "shoff": 0,
            "flags": 0,
            "ehsize": 64 if wide else 52,
            "phentsize": 0,
            "phnum": 0,
            "shentsize": 64 if wide else 40,
            "shnum": 0,
            "shstrndx": 0,
        }
        values |= found | self.header
        ident = b"\x7fELF" + bytes([2 if wide else 1, 2 if self.big_endian else 1, 1]) + bytes(9)
        return ident + self._pack("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH", *values.values())

    def _pack(self, layout: str, *values: int) -> bytes:
        return struct.pack((">" if self.big_endian else "<") + layout, *values)

    def _names(self) -> Part:
        return Part(name=".shstrtab", type=SHT_STRTAB, flags=0)

    def _symbol_parts(self) -> list[Part]:
        if not self.symbols:
            return []
        order = sorted(self.symbols, key=lambda symbol: symbol.bind != LOCAL)
        numbers = {part.name: number for number, part in reversed(list(enumerate(self.parts, 1)))}
        strings, table = bytearray(1), bytearray(24 if self.bits == 64 else 16)
        for symbol in order:
            section = numbers[symbol.section] if isinstance(symbol.section, str) else symbol.section
            info = symbol.bind << 4 | symbol.type
            if self.bits == 64:
                table += self._pack("IBBHQQ", len(strings), info, 0, section, symbol.value, symbol.size)
            else:
                table += self._pack("IIIBBH", len(strings), symbol.value, symbol.size, info, 0, section)
            strings += symbol.name.encode() + b"\0"
        local = 1 + sum(symbol.bind == LOCAL for symbol in order)
        entry = 24 if self.bits == 64 else 16
        return [
            Part(
                name=".symtab", data=bytes(table), type=SHT_SYMTAB, link=".strtab", info=local, align=8, entsize=entry
            ),
            Part(name=".strtab", data=bytes(strings), type=SHT_STRTAB, flags=0),
        ]


def modinfo_bytes(entries: Sequence[tuple[str, str]]) -> bytes:
    """As MODULE_INFO leaves them (include/linux/moduleparam.h: __MODULE_INFO)."""
    return b"".join(f"{key}={value}".encode("utf-8", "surrogateescape") + b"\0" for key, value in entries)


def versions_bytes(versions: Mapping[str, int], bits: int = 64, *, big_endian: bool = False) -> bytes:
    """`__versions`: struct modversion_info (include/linux/module.h)."""
    layout = (">" if big_endian else "<") + ("Q56s" if bits == 64 else "I60s")
    return b"".join(struct.pack(layout, crc, name.encode()) for name, crc in versions.items())


def add_exports(image: Image, exports: Sequence[Exported], *, flags_table: bool = False, entry: int = 12) -> None:
    """Tables as modpost and the linker leave them, `entry` bytes a row; `flags_table`: one table and __kflagstab."""
    order = "big" if image.big_endian else "little"
    strings = b""
    for table in ("__ksymtab",) if flags_table else ("__ksymtab", "__ksymtab_gpl"):
        rows = [one for one in exports if flags_table or one.gpl is (table == "__ksymtab_gpl")]
        if not rows:
            continue
        crcs = table.replace("__ksymtab", "__kcrctab")
        image.parts.append(Part(name=table, data=bytes(entry * len(rows)), align=4))
        if all(one.crc is not None for one in rows):
            data = b"".join((one.crc or 0).to_bytes(4, order) for one in rows)  # type: ignore[arg-type]
            image.parts.append(Part(name=crcs, data=data, align=4))
        if flags_table:
            image.parts.append(Part(name="__kflagstab", data=bytes(int(one.gpl) for one in rows)))
        first = 1 + sum(symbol.bind == LOCAL for symbol in image.symbols)
        for number, one in enumerate(rows):
            spaces = len(strings) + len(one.name.encode()) + 1
            image.symbols += [
                Sym(name=f"__ksymtab_{one.name}", section=table, value=entry * number, bind=LOCAL),
                Sym(name=f"__kstrtab_{one.name}", section="__ksymtab_strings", value=len(strings), bind=LOCAL),
                Sym(name=f"__kstrtabns_{one.name}", section="__ksymtab_strings", value=spaces, bind=LOCAL),
            ]
            strings += one.name.encode() + b"\0" + one.namespace.encode() + b"\0"
        _lead(image, table, entry, first, len(rows))
    image.parts.append(Part(name="__ksymtab_strings", data=strings))


def _lead(image: Image, table: str, entry: int, first: int, count: int) -> None:
    """A table's distances to things, names and namespaces, as far as the architecture is known here.

    `first` is the number of the first of three symbols for each row; the thing is the row itself.
    """
    kind = {X86_64: 2, AARCH64: 261}.get(image.machine)
    if kind is None or image.bits != 64 or image.big_endian:
        return
    places = ((entry * row + 4 * field, first + 3 * row + field) for row in range(count) for field in range(3))
    data = b"".join(struct.pack("<QQq", place, kind | symbol << 32, 0) for place, symbol in places)
    image.parts.append(Part(name=f".rela{table}", data=data, type=SHT_RELA, flags=0, info=table, link=".symtab"))


def tiny_module(
    *,
    modinfo: Sequence[tuple[str, str]] = (
        ("license", "GPL"),
        ("depends", ""),
        ("name", "tiny"),
        ("vermagic", "6.1.0-56-amd64 SMP preempt mod_unload modversions "),
    ),
    versions: Mapping[str, int] | None = None,
    undefined: Sequence[str] = ("_printk",),
    exports: Sequence[Exported] = (),
    bits: int = 64,
    big_endian: bool = False,
    machine: int = X86_64,
    struct_module_size: int = 896,
) -> Image:
    """A module that could be real: code, modinfo, versions, struct module, compiler."""
    image = Image(bits=bits, big_endian=big_endian, machine=machine)
    rows = {"module_layout": 0x9060323F, "_printk": 0x92997ED8} if versions is None else versions
    image.parts = [
        Part(name=".text", data=b"\xc3", flags=SHF_ALLOC | SHF_EXECINSTR, align=16),
        Part(name=".modinfo", data=modinfo_bytes(modinfo)),
        Part(name="__versions", data=versions_bytes(rows, bits, big_endian=big_endian), align=32),
        Part(name=".gnu.linkonce.this_module", data=bytes(struct_module_size), flags=SHF_ALLOC | SHF_WRITE, align=64),
        Part(name=".bss", type=SHT_NOBITS, size=1 << 20, flags=SHF_ALLOC | SHF_WRITE),
        Part(name=".comment", data=b"\0GCC: (Debian 12.2.0-14) 12.2.0\0", flags=0),
    ]
    image.symbols = [
        Sym(name="init_module", section=".text", type=2),
        Sym(name="__this_module", section=".gnu.linkonce.this_module", type=1),
        *(Sym(name=name) for name in undefined),
    ]
    if exports:
        add_exports(image, exports)
    return image


def trailer(
    sig_len: int, *, algo: int = 0, digest: int = 0, id_type: int = 2, lengths: tuple[int, int] = (0, 0)
) -> bytes:
    """`struct module_signature` and the marker (include/linux/module_signature.h)."""
    return struct.pack(">5B3xI", algo, digest, id_type, *lengths, sig_len) + MARKER
