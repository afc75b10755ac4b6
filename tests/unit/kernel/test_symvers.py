# SPDX-License-Identifier: GPL-2.0-or-later
"""Module.symvers in every form it has had, and in none."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError, UsageError
from dlkm.kernel.symvers import KernelSymbol, Symvers

PLAIN = KernelSymbol("alloc", 0x1234ABCD, "vmlinux", gpl=False, namespace="")


@pytest.mark.parametrize(
    ("line", "symbol"),
    [
        ("0x1234abcd\talloc\tvmlinux\tEXPORT_SYMBOL\t", PLAIN),
        ("0x1234abcd\talloc\tvmlinux\tEXPORT_SYMBOL", PLAIN),
        ("0x1234abcd\talloc\tvmlinux\tEXPORT_SYMBOL_GPL\tNS", PLAIN._replace(gpl=True, namespace="NS")),
        ("0x1234abcd\talloc\tNS\tvmlinux\tEXPORT_SYMBOL_GPL", PLAIN._replace(gpl=True, namespace="NS")),
        ("0x1234abcd\talloc\tvmlinux", PLAIN),
        ("1234abcd\talloc\tfs/ext4/ext4\tEXPORT_SYMBOL\t\r", PLAIN._replace(provider="fs/ext4/ext4")),
    ],
)
def test_a_row(line: str, symbol: KernelSymbol) -> None:
    assert dict(Symvers.parse(line + "\n").symbols) == {"alloc": symbol}


def test_empty_lines_are_passed_over() -> None:
    assert len(Symvers.parse("\n0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\n\n0x2\tb\tvmlinux\tEXPORT_SYMBOL\t")) == 2


def test_nothing_is_a_symvers_without_symbols() -> None:
    assert len(Symvers.parse("")) == 0


@pytest.mark.parametrize("extra", ["", "\n0x9\tc\tvmlinux"])
def test_the_first_of_two_rows_counts(extra: str) -> None:
    text = "0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\n0x2\ta\tother\tEXPORT_SYMBOL\t" + extra
    assert Symvers.parse(text).symbols["a"].crc == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\nnonsense\n", 2),
        ("0xzz\ta\tvmlinux\tEXPORT_SYMBOL\t\n", 1),
        ("0x100000000\ta\tvmlinux\tEXPORT_SYMBOL\t\n", 1),
        ("-0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\n", 1),
        ("0x1\t\tvmlinux\n", 1),
    ],
)
def test_another_line_is_named(text: str, line: int) -> None:
    with pytest.raises(MalformedError, match=rf"line {line} "):
        Symvers.parse(text)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        Symvers.read(tmp_path / "none")


def test_a_row_of_versions_is_the_crc_as_a_long_and_the_name() -> None:
    symvers = Symvers.parse("0x1234abcd\talloc\tvmlinux\tEXPORT_SYMBOL\t\n")
    row = b"\xcd\xab\x34\x12\0\0\0\0alloc".ljust(64, b"\0")
    assert symvers.rows(64, big_endian=False) == {b"alloc": row}
    assert symvers.rows(32, big_endian=True) == {b"alloc": b"\x12\x34\xab\xcdalloc".ljust(64, b"\0")}
    assert symvers.rows(64, big_endian=False, providers=frozenset({"other"})) == {}


def test_a_name_too_long_for_a_row_has_none() -> None:
    text = "".join(f"0x1\t{'n' * length}\tvmlinux\tEXPORT_SYMBOL\t\n" for length in (55, 56))
    assert list(Symvers.parse(text).rows(64, big_endian=False)) == [b"n" * 55]


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    try:
        Symvers.parse(data.decode("utf-8", "surrogateescape"))
    except MalformedError:
        return
