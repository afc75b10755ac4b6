# SPDX-License-Identifier: GPL-2.0-or-later
"""Which cells a selector means."""

import pytest

from dlkm.core.errors import UsageError
from dlkm.matrix.selector import Selector

CELLS = ["hello@6.1.0-56-amd64", "hello@6.1.0-56-rt-amd64", "world@6.1.0-56-amd64", "hello-2@6.12@dir-abc123"]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("*", [0, 1, 2, 3]),
        ("hello", [0, 1]),
        ("hello*", [0, 1, 3]),
        ("hello@*", [0, 1]),
        ("6.1.0-56-amd64", [0, 2]),
        ("*-rt-*", [1]),
        ("*@*-rt-*", [1]),
        ("{hello,world}@6.1.0-56-amd64", [0, 2]),
        ("hello@6.1.0-{55..57}{,-rt}-amd64", [0, 1]),
        ("w?rld", [2]),
        ("[hw]*o@*", [0, 1]),
        ("[!h]*@*", [2]),
        ("6.12@dir-*", []),
        ("*@6.12@dir-*", [3]),
        ("hello@6.1.0-56", []),
        ("Hello", []),
        ("{hello", []),
    ],
)
def test_what_is_chosen(text: str, chosen: list[int]) -> None:
    assert list(filter(Selector(text), CELLS)) == [CELLS[number] for number in chosen]


def test_it_says_where_it_comes_from() -> None:
    assert str(Selector("a*")) == "'a*'"
    assert str(Selector("a*", "dlkm.toml:3")) == "dlkm.toml:3: 'a*'"


def test_braces_do_not_explode() -> None:
    with pytest.raises(UsageError, match=r"--only: .* stands for more than"):
        Selector("{1..100000000}", "--only")
    with pytest.raises(UsageError):
        Selector("{a,b}" * 64)
