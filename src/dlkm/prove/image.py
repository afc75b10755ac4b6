# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel image in the form that every QEMU boots. Reads the image, changes nothing in the kernel it holds."""

import struct
from pathlib import Path

from dlkm.core.errors import MalformedError, UsageError
from dlkm.ko.decompress import Compression, compression_of, decompress

_ZBOOT = b"MZ\0\0zimg"  # include/linux/zboot: an EFI program that unpacks its payload; drivers/firmware/efi/libstub
_LIMIT = 512 << 20  # bytes of an unpacked image


def bootable(image: Path, folder: Path) -> Path:
    """The image itself, or for EFI zboot (which QEMU before 8.0 does not know) its payload, unpacked into `folder`.

    UsageError when it cannot be read; MalformedError when it is damaged.
    """
    try:
        with image.open("rb") as stream:
            head = stream.read(64)
            if not head.startswith(_ZBOOT):
                return image
            data = head + stream.read()
    except OSError as error:
        raise UsageError(f"cannot read {image}: {error.strerror or error}") from error
    offset, size = struct.unpack_from("<II", data.ljust(16, b"\0"), 8)
    payload = data[offset : offset + size]
    if len(payload) < size or compression_of(payload[:6]) is Compression.NONE:
        raise MalformedError(f"{image}: its zboot header names no payload that can be unpacked", offset=8)
    unpacked = folder / "Image"
    unpacked.write_bytes(decompress(payload, str(image), _LIMIT))
    return unpacked
