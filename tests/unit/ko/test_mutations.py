# SPDX-License-Identifier: GPL-2.0-or-later
"""Any bytes at all: a module or a MalformedError, quickly, and nothing else."""

import gzip
import lzma
import random
import time
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError
from dlkm.ko.modinfo import parse_modinfo
from dlkm.ko.module import module_of
from dlkm.ko.pkcs7 import first_signer
from dlkm.report.inspect import added_lines, modinfo_entries, module_entry
from tests.unit.ko.elf_builder import Exported, tiny_module, trailer
from tests.unit.ko.test_signature import message

SIGNATURE = message()
EXPORTS = [Exported(name="given", crc=7), Exported(name="gpl", crc=8, gpl=True, namespace="NS")]


STARTS = [b"", b"\x7fELF\2\1\1", b"\x7fELF\1\2\1", b"\xfd7zXZ\0", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]


def _sample(bits: int, *, big_endian: bool) -> bytes:
    image = tiny_module(bits=bits, big_endian=big_endian, exports=EXPORTS, struct_module_size=64)
    return image.build() + SIGNATURE + trailer(len(SIGNATURE))


SAMPLES = [_sample(bits, big_endian=big) for bits in (32, 64) for big in (False, True)]


def read_all(data: bytes) -> bool:
    """Everything `dlkm inspect` reads; whether it was a module to the end."""
    try:
        module = module_of(data, Path("x.ko"))
        for part in (modinfo_entries(module), added_lines(module)):
            "\n".join(part).encode("utf-8", "surrogateescape")
        str(module_entry(module)).encode()
        _ = module.elf.sections, tuple(module.elf.symbols()), module.undefined
    except MalformedError:
        return False
    return True


def test_the_samples_are_good() -> None:
    assert all(map(read_all, SAMPLES))


@pytest.mark.parametrize("data", SAMPLES)
def test_every_truncation(data: bytes) -> None:
    started = time.process_time()
    good = [size for size in range(len(data)) if read_all(data[:size])]
    # What is cut off behind the section headers is the signature only.
    assert good == list(range(len(data) - len(good), len(data)))
    assert len(good) == len(SIGNATURE) + len(trailer(0))
    assert time.process_time() - started < 10


@pytest.mark.parametrize("data", SAMPLES)
def test_every_byte_of_header_and_tables_changed(data: bytes) -> None:
    started = time.process_time()
    for place in range(len(data)):
        for value in (0, 0x7F, 0xFF):
            read_all(data[:place] + bytes([value]) + data[place + 1 :])
    assert time.process_time() - started < 60


def test_several_bytes_changed_at_once() -> None:
    dice = random.Random(1)
    for _ in range(3000):
        data = bytearray(dice.choice(SAMPLES))
        for _ in range(dice.randrange(2, 20)):
            data[dice.randrange(len(data))] = dice.choice((0, 1, 0x80, 0xFF, dice.randrange(256)))
        read_all(bytes(data))


@settings(max_examples=300, deadline=1000)
@given(
    st.binary(max_size=400), st.sampled_from([b"", b"\x7fELF\2\1\1", b"\x7fELF\1\2\1", b"\xfd7zXZ\0", b"\x1f\x8b\x08"])
)
def test_any_bytes(data: bytes, start: bytes) -> None:
    assert not read_all(start + data)


@settings(max_examples=200, deadline=1000)
@given(st.sampled_from([lzma.compress, gzip.compress, zstandard.compress]), st.data())
def test_any_change_to_packed_bytes(pack: object, data: st.DataObject) -> None:
    assert callable(pack)
    packed = bytearray(pack(SAMPLES[0]))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    read_all(bytes(packed))


@settings(max_examples=300, deadline=1000)
@given(st.data())
def test_any_change_to_a_signature(data: st.DataObject) -> None:
    block = bytearray(SIGNATURE)
    for _ in range(data.draw(st.integers(1, 6))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    first_signer(bytes(block))


@settings(max_examples=200, deadline=1000)
@given(st.binary())
def test_any_modinfo(raw: bytes) -> None:
    for key, value in parse_modinfo(raw):
        assert (key + value).encode("utf-8", "surrogateescape").replace(b"=", b"") in raw.replace(b"=", b"")
