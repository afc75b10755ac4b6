# SPDX-License-Identifier: GPL-2.0-or-later
"""Any bytes given as an image, a certificate or a PKCS#7 message: an answer or MalformedError, soon and in bounds."""

import random
import struct
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError
from dlkm.kernel.image import image_of
from dlkm.kernel.image_exports import exports_of_image
from dlkm.ko.lz import LZ4_MAGIC, LZO_MAGIC, unlz4, unlzo
from dlkm.ko.pkcs7 import read_message
from dlkm.ko.x509 import read_certificate
from tests.unit.kernel.image_builder import bzimage, raw_image, vmlinux, zboot
from tests.unit.verdict.signing import block, certificate

STARTS = [b"", b"\x7fELF\2\1\1", b"MZ\0\0zimg", raw_image()[:64], bzimage(b"x" * 100)[:1200], LZ4_MAGIC, LZO_MAGIC]


def _look(data: bytes) -> None:
    found = image_of(data, Path("vmlinuz"))
    _ = found.vermagic, found.certificates, found.struct_module_size, found.btf_extent
    exports_of_image(found)


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=400))
def test_any_image(start: bytes, rest: bytes) -> None:
    with pytest.raises(MalformedError):
        _look(start + rest)


READERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (read_certificate, certificate(1)),
    (read_message, block(b"body", 1, enclose=True)),
    (_look, zboot(b"\x89LZO\0\r\n\x1a\n" + bytes(40))),
    (_look, bzimage(LZ4_MAGIC + bytes(40))),
    (_look, vmlinux()),
]


@pytest.mark.parametrize(("reader", "whole"), READERS)
def test_changed_and_cut(reader: Callable[[bytes], object], whole: bytes) -> None:
    dice = random.Random(4)
    for _ in range(300):
        changed = bytearray(whole[: dice.choice((len(whole), dice.randrange(len(whole))))])
        for _ in range(dice.randrange(1, 6) if changed else 0):
            changed[dice.randrange(len(changed))] = dice.choice((0, 1, 0x30, 0x7F, 0x80, 0x82, 0xFF))
        with suppress(MalformedError):
            reader(bytes(changed))


@given(data=st.binary(max_size=200))
def test_any_der(data: bytes) -> None:
    read_message(data)
    with suppress(MalformedError):
        read_certificate(data)


def test_nested_without_end() -> None:
    for data in (b"\x30\x80" * 30000, b"\xa0\x80" * 500 + bytes(1000)):
        assert read_message(data).fault is not None


def test_bombs_are_noticed_before_they_have_grown() -> None:
    block_format: Any = import_module("lz4.block")  # it has no types
    zeroes = block_format.compress(bytes(8 << 20), store_size=False)
    lz4 = LZ4_MAGIC + (struct.pack("<I", len(zeroes)) + zeroes) * 40
    lzo = LZO_MAGIC + struct.pack(">HHHBBIIIIB", 0x1030, 0x20A0, 0x940, 1, 5, 1, 0, 0, 0, 0) + bytes(4)
    lzo += (struct.pack(">II", 1000, 1000) + bytes(4) + bytes(1000)) * 2000
    tracemalloc.start()
    with pytest.raises(MalformedError, match="more than"):
        unlz4(lz4, "image", 64 << 20)
    with pytest.raises(MalformedError, match="more than"):
        unlzo(lzo, "image", 1 << 20)
    assert tracemalloc.get_traced_memory()[1] < 160 << 20
    tracemalloc.stop()


def test_stored_blocks_of_lzo() -> None:
    head = LZO_MAGIC + struct.pack(">HHHBBIIIIB", 0x1030, 0x20A0, 0x940, 1, 5, 1, 0, 0, 0, 0) + bytes(4)
    data = head + struct.pack(">II", 5, 5) + bytes(4) + b"plain" + bytes(4)
    assert unlzo(data, "image", 100) == b"plain"
    for size in range(len(head), len(data)):
        with pytest.raises(MalformedError):
            unlzo(data[:size], "image", 100)
