# SPDX-License-Identifier: GPL-2.0-or-later
"""A real arm64 Image in every wrapping and packing that kernels are built with, packed by the packers themselves."""

import bz2
import gzip
import lzma
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from dlkm.kernel.image import Form, image_of, read_image
from dlkm.kernel.image_exports import exports_of_image
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.symvers import Symvers

pytestmark = pytest.mark.contract


def _piped(*argv: str) -> Callable[[bytes], bytes]:
    return lambda data: subprocess.run(argv, input=data, capture_output=True, check=True).stdout


# scripts/Makefile.lib: cmd_gzip, cmd_lzma, cmd_xzkern, cmd_zstd, cmd_bzip2, cmd_lz4, cmd_lzo; lower levels, to be quick
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0),
    "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32, preset=0),
    "zstd": lambda data: zstandard.compress(data, 1),
    "bzip2": lambda data: bz2.compress(data, 1),
    "lz4": _piped("lz4", "-l", "-1", "-c"),
    "lzo": _piped("lzop", "-1", "-c"),
}


def zboot(payload: bytes, name: str, unpacked: int) -> bytes:
    """drivers/firmware/efi/libstub/zboot-header.S: magic, offset, size, the packing's name, then the PE header."""
    # The size is the packed one alone: gzip ends with the unpacked one anyway, for the others the build appends it.
    tail = b"" if name == "gzip" else struct.pack("<I", unpacked)
    head = b"MZ\0\0zimg" + struct.pack("<4I", 4096, len(payload), 0, 0) + name.encode().ljust(32, b"\0")
    head += b"\xcd\x23\x82\x81" + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", 0xAA64)
    return head.ljust(4096, b"\0") + payload + tail


@pytest.fixture(scope="module")
def plain(kernel_61_arm64: Kernel) -> bytes:
    assert kernel_61_arm64.image is not None
    return read_image(kernel_61_arm64.image).data


@pytest.mark.parametrize("name", PACKERS)
def test_an_efi_zboot_of_a_real_kernel(name: str, plain: bytes) -> None:
    packed = PACKERS[name](plain)
    found = image_of(zboot(packed, name, len(plain)), Path("vmlinuz.efi"))
    assert (found.form, found.wrappings, found.data) == (Form.RAW, ("zboot",), plain)


def test_a_zboot_tells_all_that_the_image_tells(plain: bytes, kernel_61_arm64: Kernel) -> None:
    found = image_of(zboot(PACKERS["gzip"](plain), "gzip", len(plain)), Path("vmlinuz.efi"))
    assert kernel_61_arm64.symvers is not None
    listed = Symvers.read(kernel_61_arm64.symvers).symbols
    assert exports_of_image(found) == {name: one for name, one in listed.items() if one.from_kernel}
    assert (found.vermagic, len(found.certificates)) == (kernel_61_arm64.vermagic, 1)
