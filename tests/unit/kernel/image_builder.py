# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel images written by the boot protocols and vmlinux.lds.h, in each wrapping and byte order."""

import random
import struct

from dlkm.kernel.symvers import KernelSymbol
from tests.unit.ko.elf_builder import Image, Part

Row = tuple[str, int, bool, str | None]  # name, CRC, GPL-only, namespace (None: from assembly)
ROWS: list[Row] = [
    ("_printk", 0x92997ED8, False, ""),
    ("kfree", 0x037A0CBA, False, ""),
    ("memcpy", 0x69ACDF38, False, None),
    ("module_layout", 0x9060323F, False, ""),
    ("param_ops_int", 0x0, False, ""),
    ("alpha_gpl", 0xFFFFFFFE, True, "NS"),
    ("beta_gpl", 0x80000001, True, ""),
]
EXPECTED = {name: KernelSymbol(name, crc, "vmlinux", gpl, space or "") for name, crc, gpl, space in ROWS}
BANNER = b"Linux version 6.1.0-9-test (builder@host) (gcc 12) #1 SMP\0"
VERMAGIC = "6.1.0-9-test SMP preempt mod_unload modversions aarch64"


class Tables:
    """`__ksymtab`, `__ksymtab_gpl`, (flags,) CRCs, strings one behind the other, as the linker leaves them."""

    def __init__(
        self,
        *,
        order: str = "<",
        flags: bool = False,
        relative: bool = False,
        with_crcs: bool = True,
        merged: bool = False,
    ) -> None:
        """`merged`: the linker made most names the ends of longer strings."""
        self.order, self.rows = order, sorted(ROWS, key=lambda row: (row[2] and not flags, row[0]))
        count = len(self.rows)
        self.flags = bytes(int(row[2]) for row in self.rows) if flags else b""
        self.padding = bytes(-len(self.flags) % 4)
        first = 12 * count + len(self.flags + self.padding)  # where the CRCs begin
        strings = first + (4 * count if with_crcs else 0)
        self.strings = self.entries = self.crcs = self.pool = b""
        for name, crc, _, space in self.rows:
            self.strings += b"__SCK__" if merged and name != "param_ops_int" else b""
            place = strings + len(self.strings)
            self.entries += self._entry(place, None if space is None else place + len(name) + 1)
            self.crcs += struct.pack(f"{order}I", crc) if with_crcs else b""
            self.strings += name.encode() + b"\0" + (b"" if space is None else space.encode() + b"\0")
        if relative:  # each word is the distance to the CRC in a pool behind all
            self.pool = self.crcs
            self.crcs = struct.pack(f"{order}i", strings + len(self.strings) - first) * count

    def _entry(self, name: int, space: int | None) -> bytes:
        at = len(self.entries)
        return struct.pack(f"{self.order}3i", 7, name - at - 4, 0 if space is None else space - at - 8)

    def block(self) -> bytes:
        return self.entries + self.flags + self.padding + self.crcs + self.strings + self.pool


def raw_image(tables: Tables | None = None, *, tail: bytes = b"") -> bytes:
    """An arm64 Image (Documentation/arch/arm64/booting.rst)."""
    tables = tables or Tables()
    header = b"MZ" + bytes(22) + struct.pack("<Q", 0xA | (tables.order == ">")) + bytes(24) + b"ARM\x64" + bytes(4)
    body = BANNER + b"\1\2" + VERMAGIC.encode() + b"\0"
    before = header + body + bytes(-(len(header) + len(body)) % 4) + random.Random(1).randbytes(4000)
    return before + b"\xff" * 12 + tables.block() + tail


def vmlinux(tables: Tables | None = None) -> bytes:
    """An ELF file whose sections lie at addresses as far apart as in the file."""
    tables = tables or Tables()
    plain = sum(not row[2] for row in tables.rows) if not tables.flags else len(tables.rows)
    cut, crc = 12 * plain, 4 * plain
    parts = [("__ksymtab", tables.entries[:cut]), ("__ksymtab_gpl", tables.entries[cut:])]
    # The padding stands for itself: the distances count it.
    parts += [("__kflagstab", tables.flags), ("padding", tables.padding)] if tables.flags else []
    parts += [("__kcrctab", tables.crcs[:crc]), ("__kcrctab_gpl", tables.crcs[crc:])]
    parts += [("__ksymtab_strings", tables.strings)]
    parts += [(".rodata", b"\0" + BANNER + b"\0" + VERMAGIC.encode() + b"\0")]
    image = Image(type=2, parts=[Part(name=name, data=data) for name, data in parts])
    data = bytearray(image.build())
    # The builder leaves addresses at zero; they are the file's offsets from here on.
    shoff, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    for number in range(1, count):
        at = shoff + 64 * number
        data[at + 16 : at + 24] = data[at + 24 : at + 32]
    return bytes(data)


def bzimage(payload: bytes, size: int | None = None) -> bytes:
    """Documentation/arch/x86/boot.rst; `size` is the unpacked size, appended as the build does."""
    payload += b"" if size is None else struct.pack("<I", size)
    head = bytearray(2 * 512)
    head[0x1F1], head[0x202:0x206] = 1, b"HdrS"
    struct.pack_into("<II", head, 0x248, 100, len(payload))
    return bytes(head) + bytes(100) + payload + b"more"


def zboot(payload: bytes) -> bytes:
    """include/linux/efi.h: struct linux_efi_zboot_header."""
    return b"MZ\0\0zimg" + struct.pack("<II", 64, len(payload)) + bytes(48) + payload + b"signature"
