# SPDX-License-Identifier: GPL-2.0-or-later
"""Parameters: one spelling for what modprobe.d says and what /sys shows."""

from types import SimpleNamespace
from typing import cast

import pytest

from dlkm.ko.modinfo import Parameter
from dlkm.ko.module import Module
from dlkm.prove.rooted.parameters import normalised, shown


@pytest.mark.parametrize(
    ("value", "kind", "shows"),
    [
        ("0x10", "int", "16"),
        ("-3", "int", "-3"),
        ("010", "uint", "8"),
        ("0x00000010", "hexint", "16"),
        ("1", "bool", "Y"),
        ("on", "bool", "Y"),
        ("off", "bool", "N"),
        ("n", "invbool", "N"),
        ("1,0x2,3", "array of int", "1,2,3"),
        ("y,0", "array of bool", "Y,N"),
        ("010", "charp", "010"),
        ("much", "int", "much"),
        ("x", "", "x"),
    ],
)
def test_values(value: str, kind: str, shows: str) -> None:
    assert normalised(value, kind) == shows


def test_words_of_modprobe() -> None:
    types = {"count": "int", "quick_start": "bool", "label": "charp"}
    parameters = tuple(Parameter(name=name, description=None, type=kind) for name, kind in types.items())
    module = cast("Module", SimpleNamespace(parameters=parameters))
    words = ["count=1 count=2", "quick-start", 'label="a b"  unknown=3']
    assert shown(module, words) == {"count": "2", "quick_start": "Y", "label": "a b"}
