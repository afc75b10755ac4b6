# SPDX-License-Identifier: GPL-2.0-or-later
"""Type information written by Documentation/bpf/btf.rst: what kernel/bpf/btf.c takes, and what it does not."""

import random
import struct
from typing import Any

import pytest

from dlkm.verdict.btf import BtfError, check_btf, check_names
from dlkm.verdict.btf_types import BtfTypes

BASE = b"\0task\0in valid\0"
OWN = b"\0counter\0.data..percpu\0fly weight\0"
NAME = len(BASE) + 1
SECTION = NAME + len("counter\0")
SPACED = SECTION + len(".data..percpu\0")
INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
FUNC, PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)


def one(kind: int, name: int, size: int, *rest: int, members: int = 0, flag: int = 0) -> bytes:
    return struct.pack(f"<{3 + len(rest)}I", name, flag << 31 | kind << 24 | members, size, *rest)


def check(*types: bytes, **habits: Any) -> None:
    BtfTypes(raw=b"".join(types), names=OWN, base_types=10, base=BASE, **habits).check()


GOOD = [
    one(INT, NAME, 4, 1 << 24 | 32),
    one(PTR, 0, 3),
    one(ARRAY, 0, 0, 3, 4, 5),
    one(STRUCT, 1, 8, NAME, 3, 0, 0, 3, 32, members=2),
    one(STRUCT, 0, 8, NAME, 3, 3 << 24 | 5, members=1, flag=1),
    one(UNION, NAME, 8, NAME, 3, 0, members=1),
    one(ENUM, NAME, 4, NAME, 7, members=1),
    one(ENUM64, 0, 8, NAME, 7, 0, members=1),
    one(FWD, NAME, 0, flag=1),
    one(TYPEDEF, NAME, 3),
    one(CONST, 0, 3),
    one(FUNC, NAME, 3, members=2),
    one(PROTO, 0, 3, 99999, 88, members=1),
    one(VAR, NAME, 3, 1),
    one(DATASEC, SECTION, 8, 3, 0, 4, 3, 4, 4, members=2),
    one(FLOAT, NAME, 8),
    one(DECL_TAG, NAME, 3, 0xFFFFFFFF),
    one(TYPE_TAG, NAME, 3),
    one(TYPE_TAG, NAME, 11) + one(CONST, 0, 3),
]
BAD = [
    one(INT, NAME, 2, 32),
    one(INT, NAME, 4, 1 << 28 | 32),
    one(INT, len(BASE + OWN), 4, 32),
    one(PTR, NAME, 3),
    one(PTR, 0, 1 << 20),
    one(ARRAY, 0, 0, 0, 4, 5),
    one(STRUCT, 7, 8, NAME, 3, 0, members=1),  # "n valid": a place within another kernel's names
    one(STRUCT, 0, 8, NAME, 0, 0, members=1),
    one(STRUCT, 0, 8, NAME, 3, 8, NAME, 3, 0, members=2),
    one(STRUCT, 0, 8, NAME, 3, 65, members=1),
    one(STRUCT, 0, 8, NAME, 3, 0, members=2),
    one(UNION, 0, 8, NAME, 3, 8, members=1),
    one(ENUM, 0, 3, NAME, 7, members=1),
    one(ENUM, 0, 4, 0, 7, members=1),
    one(FWD, 0, 0),
    one(FWD, NAME, 1),
    one(TYPEDEF, 0, 3),
    one(FUNC, 0, 3),
    one(FUNC, NAME, 3, members=3),
    one(PROTO, NAME, 3),
    one(VAR, NAME, 0, 1),
    one(VAR, NAME, 3, 2),
    one(DATASEC, SECTION, 0),
    one(DATASEC, SECTION, 8, 3, 0, 9, members=1),
    one(DATASEC, SECTION, 8, 3, 4, 4, 3, 0, 4, members=2),
    one(FLOAT, NAME, 3),
    one(DECL_TAG, 0, 3, 0),
    one(DECL_TAG, NAME, 3, 0xFFFFFFFE),
    one(20, 0, 0),
    one(0, 0, 0),
    one(INT, NAME, 4, 32)[:-1],
    struct.pack("<3I", 0, PTR << 24 | 1 << 16, 3),
    one(TYPEDEF, NAME, 11),  # a type that there is not
]


@pytest.mark.parametrize("types", GOOD)
def test_what_the_kernel_takes(types: bytes) -> None:
    check(types)


@pytest.mark.parametrize("types", BAD)
def test_what_it_does_not(types: bytes) -> None:
    with pytest.raises(BtfError) as caught:
        check(types)
    assert (caught.value.errno, caught.value.number) == ("EINVAL", -22)


def test_errors_of_their_own() -> None:
    with pytest.raises(BtfError) as caught:
        check(one(INT, NAME, 4, 3 << 24 | 32))
    assert caught.value.number == -524
    with pytest.raises(BtfError) as caught:
        check(one(CONST, 0, 10))
    assert caught.value.number == -40


def test_names_of_sections_were_identifiers_once() -> None:
    section = one(DATASEC, SPACED, 4, 3, 0, 4, members=1)
    check(section)
    with pytest.raises(BtfError):
        check(section, printable=False)


def header(types: bytes, names: bytes, **fields: int) -> bytes:
    values = {"magic": 0xEB9F, "version": 1, "flags": 0, "length": 24, "type_off": 0, "str_off": len(types)} | fields
    order = ("magic", "version", "flags", "length", "type_off")
    head = struct.pack("<HBBII", *(values[name] for name in order))
    return head + struct.pack("<III", len(types), values["str_off"], len(names)) + types + names


def test_headers() -> None:
    whole = header(GOOD[0], OWN)
    assert check_btf(whole, len(whole), layout=False) == (24, 40, 40, 40 + len(OWN))
    longer = whole[:4] + struct.pack("<I", 28) + whole[8:24] + bytes(4) + whole[24:]
    assert check_btf(longer, len(longer), layout=False) == (28, 44, 44, 44 + len(OWN))
    assert check_btf(longer, len(longer), layout=True) == (28, 44, 44, 44 + len(OWN))
    for bad, number in (
        (whole[:7], -22),
        (header(b"", OWN, magic=0xEB9E), -22),
        (header(b"", OWN, version=2), -524),
        (header(b"", OWN, flags=1), -524),
        (header(GOOD[0], OWN, str_off=17), -22),
        (header(GOOD[0], OWN) + b"more", -22),
        (header(GOOD[0], OWN, type_off=len(OWN), str_off=0), -22),
        (longer[:27] + b"\1" + longer[28:], -7),
    ):
        with pytest.raises(BtfError) as caught:
            check_btf(bad, len(bad), layout=False)
        assert caught.value.number == number


def with_layouts(place: int, size: int, length: int = 32, more: bytes = b"") -> bytes:
    head = struct.pack("<HBBIIIIIII", 0xEB9F, 1, 0, length, 0, 0, 0, len(OWN), place, size)
    return head[:length] + more + OWN + bytes(max(place - len(OWN), 0)) + bytes(size)


def test_layouts() -> None:
    for good in (
        with_layouts(0, 0),
        with_layouts(0, 0, 28),
        with_layouts(0, 0, 36, bytes(4)),
        with_layouts(len(OWN), 6),
    ):
        _, _, start, end = check_btf(good, len(good), layout=True)
        assert end - start == len(OWN)
    first = struct.pack("<HBBIIIIIII", 0xEB9F, 1, 0, 32, 8, 0, 8, len(OWN), 0, 8) + bytes(8) + OWN
    assert check_btf(first, len(first), layout=True) == (40, 40, 40, 40 + len(OWN))
    for bad, number in (
        (with_layouts(len(OWN) + 4, 4), -22),
        (with_layouts(0, 0, 36, b"\1\0\0\0"), -7),
        (with_layouts(0, 0) + b"more", -22),
    ):
        with pytest.raises(BtfError) as caught:
            check_btf(bad, len(bad), layout=True)
        assert caught.value.number == number, bad
    with pytest.raises(BtfError) as caught:
        check_btf(first, len(first), layout=False)
    assert caught.value.number == -7


def test_what_newer_kernels_take() -> None:
    for tag in (one(DECL_TAG, NAME, 3, 0, flag=1), one(TYPE_TAG, NAME, 3, flag=1)):
        check(tag)
        with pytest.raises(BtfError):
            check(tag, tag_flags=False)
    late = one(CONST, 0, 11) + one(TYPE_TAG, NAME, 3)
    check(late)
    with pytest.raises(BtfError):
        check(late, free_tags=False)
    for flagged in (one(INT, NAME, 4, 32, flag=1), one(PTR, 0, 3, flag=1)):
        with pytest.raises(BtfError):
            check(flagged)
    many = one(ENUM, NAME, 4, *[NAME, 7] * 65536, members=65536)
    check(many)
    with pytest.raises(BtfError):
        check(many, wide=False)


def test_names() -> None:
    check_names(b"", alone=False)
    check_names(OWN, alone=True)
    for names, alone in ((b"", True), (b"\0a", False), (b"a\0", True)):
        with pytest.raises(BtfError):
            check_names(names, alone=alone)


def test_changed_bytes_are_taken_or_refused() -> None:
    dice, whole = random.Random(3), b"".join(GOOD)
    for _ in range(2000):
        changed = bytearray(whole[: dice.randrange(len(whole) + 1)])
        for _ in range(dice.randrange(4) if changed else 0):
            changed[dice.randrange(len(changed))] = dice.choice((0, 1, 0x7F, 0xFF))
        try:
            check(bytes(changed))
        except BtfError:
            continue
