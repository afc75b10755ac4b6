# SPDX-License-Identifier: GPL-2.0-or-later
"""The CRCs a module expects of the symbols it uses: `__versions` and the extended tables. Compares nothing."""

from struct import Struct

from dlkm.ko.elf import Elf, text

ENTRY_SIZE = 64  # struct modversion_info: `unsigned long crc; char name[64 - sizeof(unsigned long)]`


def versions_of(elf: Elf) -> dict[str, int] | None:
    """Name to CRC from `__versions`; None without that section."""
    raw = elf.bytes_named("__versions")
    return None if raw is None else rows_of(raw, elf.bits, big_endian=elf.big_endian)


def rows_of(raw: bytes, bits: int, *, big_endian: bool) -> dict[str, int]:
    """Name to CRC from the bytes of `__versions`. Of two rows with one name the first counts, as it does for the
    kernel (kernel/module/version.c: check_version).
    """
    entry = Struct((">" if big_endian else "<") + ("Q56s" if bits == 64 else "I60s"))
    rows = list(entry.iter_unpack(raw[: len(raw) - len(raw) % ENTRY_SIZE]))
    return {text(name.partition(b"\0")[0]): crc for crc, name in reversed(rows)} if rows else {}


def extended_versions_of(elf: Elf) -> dict[str, int] | None:
    """Name to CRC from `__version_ext_crcs` and `__version_ext_names` (CONFIG_EXTENDED_MODVERSIONS); None without."""
    crcs, names = elf.bytes_named("__version_ext_crcs"), elf.bytes_named("__version_ext_names")
    if crcs is None or names is None:
        return None
    number = Struct(">I" if elf.big_endian else "<I")
    values = [value for (value,) in number.iter_unpack(crcs[: len(crcs) - len(crcs) % 4])]
    pairs = list(zip(names.split(b"\0"), values, strict=False))
    return {text(name): crc for name, crc in reversed(pairs) if name}
