# SPDX-License-Identifier: GPL-2.0-or-later
"""Images as QEMU takes them: zboot (drivers/firmware/efi/libstub/zboot-header.S) is unpacked, all else left alone."""

import gzip
import struct
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError, UsageError
from dlkm.prove.image import bootable


def _zboot(payload: bytes, *, offset: int = 64, size: int | None = None) -> bytes:
    head = b"MZ\0\0zimg" + struct.pack("<II", offset, len(payload) if size is None else size)
    return head.ljust(24, b"\0") + b"gzip".ljust(40, b"\0") + payload


def test_zboot_is_unpacked(tmp_path: Path) -> None:
    image = tmp_path / "vmlinuz"
    image.write_bytes(_zboot(gzip.compress(b"the image")))
    assert bootable(image, tmp_path).read_bytes() == b"the image"


@pytest.mark.parametrize("content", [b"", b"MZ\xea\x07", b"\x1f\x8b\x08 gzip", b"MZ\0\0zim"])
def test_others_are_left_alone(tmp_path: Path, content: bytes) -> None:
    image = tmp_path / "vmlinuz"
    image.write_bytes(content)
    assert bootable(image, tmp_path) == image


@pytest.mark.parametrize(
    "content",
    [
        b"MZ\0\0zimg",
        b"MZ\0\0zimg\0\0",
        _zboot(b"not packed"),
        _zboot(gzip.compress(b"x"), size=1 << 31),
        _zboot(gzip.compress(b"x"), offset=1 << 31),
        _zboot(gzip.compress(b"some image")[:-9]),
    ],
)
def test_a_damaged_zboot_is_refused(tmp_path: Path, content: bytes) -> None:
    image = tmp_path / "vmlinuz"
    image.write_bytes(content)
    with pytest.raises(MalformedError, match="vmlinuz"):
        bootable(image, tmp_path)


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent"):
        bootable(tmp_path / "absent", tmp_path)
