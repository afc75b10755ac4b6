# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel images written for the test, by the boot protocols and vmlinux.lds.h, in each wrapping and byte order."""

import bz2
import gzip
import lzma
import random
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from dlkm.core.errors import MalformedError, UsageError
from dlkm.kernel.image import Form, KernelImage, image_of, read_image
from dlkm.kernel.image_exports import exports_of_image
from tests.unit.kernel.image_builder import EXPECTED, VERMAGIC, Tables, bzimage, raw_image, vmlinux, zboot
from tests.unit.ko.elf_builder import Image, Part


def image(data: bytes) -> KernelImage:
    return image_of(data, Path("vmlinuz"))


PACKERS: list[Callable[[bytes], bytes]] = [lzma.compress, zstandard.compress, bz2.compress]
PACKERS.append(lambda data: lzma.compress(data, lzma.FORMAT_ALONE))


@pytest.mark.parametrize("pack", PACKERS)
def test_a_bzimage(pack: Callable[[bytes], bytes]) -> None:
    kernel = vmlinux()
    found = image(bzimage(pack(kernel), len(kernel)))
    assert (found.form, found.wrappings, found.data) == (Form.ELF, ("bzImage",), kernel)
    assert exports_of_image(found) == EXPECTED
    assert (found.release, found.vermagic) == ("6.1.0-9-test", VERMAGIC)


def test_a_bzimage_packed_with_gzip_has_no_size_appended() -> None:
    assert exports_of_image(image(bzimage(gzip.compress(vmlinux())))) == EXPECTED


@pytest.mark.parametrize("pack", [lzma.compress, zstandard.compress, gzip.compress])
def test_a_zboot(pack: Callable[[bytes], bytes]) -> None:
    found = image(zboot(pack(raw_image())))
    assert (found.form, found.wrappings) == (Form.RAW, ("zboot",))
    assert exports_of_image(found) == EXPECTED


def test_wrapped_twice() -> None:
    found = image(gzip.compress(zboot(gzip.compress(raw_image()))))
    assert found.wrappings == ("gz", "zboot")
    assert (found.release, found.vermagic) == ("6.1.0-9-test", VERMAGIC)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("flags", [False, True])
@pytest.mark.parametrize("relative", [False, True])
def test_a_raw_image(order: str, flags: bool, relative: bool) -> None:  # noqa: FBT001
    found = image(raw_image(Tables(order=order, flags=flags, relative=relative)))
    assert (found.form, found.big_endian) == (Form.RAW, order == ">")
    assert exports_of_image(found) == EXPECTED


def test_without_modversions_every_crc_is_zero() -> None:
    expected = {name: symbol._replace(crc=0) for name, symbol in EXPECTED.items()}
    assert exports_of_image(image(raw_image(Tables(with_crcs=False)))) == expected
    assert exports_of_image(image(vmlinux(Tables(with_crcs=False)))) == expected


def test_names_that_are_the_ends_of_longer_strings() -> None:
    tables = Tables(with_crcs=False, flags=True, merged=True)
    assert exports_of_image(image(raw_image(tables))).keys() == EXPECTED.keys()


def test_a_vmlinux_with_one_table_and_flags() -> None:
    assert exports_of_image(image(vmlinux(Tables(flags=True)))) == EXPECTED


def test_no_tables() -> None:
    blank = raw_image()
    place = blank.index(b"_printk\0")
    with pytest.raises(MalformedError, match="tables of exports were not found"):
        exports_of_image(image(blank[: place - 100]))
    with pytest.raises(MalformedError, match="exports no symbols"):
        exports_of_image(image(Image(parts=[Part(name=".text")]).build()))


def test_an_image_without_banner_has_no_vermagic() -> None:
    found = image(vmlinux().replace(b"Linux version", b"Minix version"))
    assert (found.banner, found.release, found.vermagic) == (None, None, None)
    assert image(vmlinux().replace(b"mod_unload", b"mod_reload").replace(b" SMP", b" UMP")).vermagic is not None
    assert image(vmlinux().replace(VERMAGIC.encode(), b"?" * len(VERMAGIC))).vermagic is None


def test_certificates_that_sign_the_file_are_not_the_kernels_own() -> None:
    """The certificate table of a PE32+ file stands behind the kernel; nothing of it is read."""
    plain = bytearray(raw_image())
    header = len(plain)
    struct.pack_into("<I", plain, 0x3C, 0)
    tail = b"PE\0\0" + bytes(20 + 112 + 4 * 8)
    data = plain + tail + struct.pack("<II", header + len(tail) + 8, 16) + b"SIGNED FOR BOOT!"
    struct.pack_into("<I", data, 0x3C, header)
    assert image(bytes(data)).data == bytes(data[: -len(b"SIGNED FOR BOOT!")])


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "no kernel image"),
        (b"MZ" + bytes(600), "no kernel image"),
        (bzimage(b"")[:-4], "does not lie within"),
        (bzimage(b"\x02\x21\x4c\x18\1\0\0\0\xff\xff\xff\xff"), "LZ4 data is damaged"),
        (bzimage(b"\x02\x21\x4c\x18\0\0\1\0lz4"), "LZ4 data is damaged"),
        (bzimage(b"\x89LZO\0\r\n\x1a\n" + bytes(20)), "LZO data is cut off"),
        (bzimage(b"unheard of"), "not known here"),
        (bzimage(b"\x5d\0\0garbage"), "damaged|no kernel image"),
        (zboot(b"\x1f\x8bgarbage"), "damaged"),
        (gzip.compress(b"not a kernel"), "no kernel image"),
        (gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(vmlinux()))))), "wrapped more than 4"),
    ],
)
def test_what_is_no_kernel(data: bytes, word: str) -> None:
    with pytest.raises(MalformedError, match=word):
        image(data)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(raw_image())
    assert read_image(tmp_path / "vmlinuz") == replace(image(raw_image()), path=tmp_path / "vmlinuz")
    with pytest.raises(UsageError, match="No such file"):
        read_image(tmp_path / "nosuch")


@pytest.mark.parametrize("data", [raw_image(), vmlinux(), raw_image(Tables(flags=True, relative=True))])
def test_changed_bytes_give_exports_or_malformed(data: bytes) -> None:
    dice = random.Random(2)
    started = time.monotonic()
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(dice.randrange(1, 12)):
            changed[dice.randrange(len(changed))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
        try:
            found = image(bytes(changed))
            _ = found.vermagic, found.certificates
            exports_of_image(found)
        except MalformedError:
            continue
    assert time.monotonic() - started < 30


def test_many_false_traces_are_given_up_soon() -> None:
    data = (
        raw_image()[:200] + b"\0kfree\0module_layout\0" * 200_000 + b"\x30\x82\1\0\x30\x82\1\0\xa0\3\2\1\2\2" * 100_000
    )
    started = time.monotonic()
    found = image(data)
    assert found.certificates == ()
    with pytest.raises(MalformedError, match="were not found"):
        exports_of_image(found)
    assert time.monotonic() - started < 30
