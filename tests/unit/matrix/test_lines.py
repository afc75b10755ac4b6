# SPDX-License-Identifier: GPL-2.0-or-later
"""The line of every key of a TOML file, however it is written."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.matrix.lines import Place, lines_of

TEXT = '''\
# a comment with [brackets] and "quotes
top = 1
kernels = [
  "one", # two ]
  'three', {spec = "four", variables = {X = "1"}},

  "five",
]
text = """x = 1
[[sources]]
\\""" and "still" inside"""
raw = \'\'\'
y = 2 \'\'\'
variables."A B" = "1"
variables.C = 'it = 3'

[[sources]]
path = "a"
  name = "b"
[sources.variables]
X.Y = 1
[[sources]]
path = "c" # path = "d"
[ "quoted.table" . inner ]
key = 2026-01-01T00:00:00Z
'''
LINES: dict[Place, int] = {
    ("top",): 2,
    ("kernels",): 3,
    ("kernels", 0): 4,
    ("kernels", 1): 5,
    ("kernels", 2, "spec"): 5,
    ("kernels", 2, "variables", "X"): 5,
    ("kernels", 3): 7,
    ("text",): 9,
    ("raw",): 12,
    ("variables", "A B"): 14,
    ("variables", "C"): 15,
    ("sources", 0, "path"): 18,
    ("sources", 0, "name"): 19,
    ("sources", 0, "variables", "X", "Y"): 21,
    ("sources", 1): 22,
    ("sources", 1, "path"): 23,
    ("quoted.table", "inner", "key"): 25,
}


@pytest.mark.parametrize(("place", "line"), LINES.items())
def test_each_key_has_its_line(place: Place, line: int) -> None:
    assert lines_of(TEXT)[place] == line


def _places(value: Any, place: Place = ()) -> set[Place]:
    if isinstance(value, dict):
        return {place}.union(*(_places(inner, (*place, name)) for name, inner in value.items()))
    if isinstance(value, list):
        return {place}.union(*(_places(inner, (*place, number)) for number, inner in enumerate(value)))
    return {place}


def test_no_key_is_without_one() -> None:
    assert _places(tomllib.loads(TEXT)) - {()} <= set(lines_of(TEXT))


VALUES = st.sampled_from(['"a#]"', "'}'", '"""\n]\n"""', "[1, [2,\n 3],]", "{a = [1], b = {}}", "1.5", "[]", "true"])
ENTRIES = st.tuples(st.sampled_from(["", "# ] } = \n", "\n"]), VALUES, st.sampled_from(["\n", " # [x]\n", "\t\n"]))


@given(st.lists(ENTRIES, max_size=6), st.lists(ENTRIES, max_size=4))
@settings(max_examples=150, deadline=None)
def test_it_finds_what_tomllib_finds(first: list[tuple[str, str, str]], second: list[tuple[str, str, str]]) -> None:
    text = "".join(f"{before}key{n} = {value}{after}" for n, (before, value, after) in enumerate(first))
    text += "".join(f"{before}[[many]]\nx = {value}{after}" for before, value, after in second)
    lines = lines_of(text)
    assert _places(tomllib.loads(text)) - {()} <= set(lines)
    rows = text.split("\n")
    for n in range(len(first)):
        assert rows[lines[f"key{n}",] - 1].startswith(f"key{n} =")
