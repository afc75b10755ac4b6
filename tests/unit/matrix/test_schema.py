# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON schema says of any file what the reader says: held by jsonschema, which knows nothing of us."""

import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dlkm.core.errors import UsageError
from dlkm.matrix.reader import read_project
from dlkm.matrix.schema import schema
from tests.unit.matrix.test_reader import WHOLE

FILES = [
    WHOLE,
    "",
    "kernels = ['a']\nsources = ['b', {path = 'c', name = 'd'}]",
    "kernels = [{}]",
    "kernels = [1]",
    "kernels = ['']",
    "kernels = 'a'",
    "inclde = []",
    "include = ['a', 2]",
    "variables = { A = 'x', 'B C' = 'y' }",
    "variables = { A = 1 }",
    "variables = { 'A=B' = '1' }",
    "variables = []",
    "targets = ['modules', 'modules_install']",
    "targets = ['A=1']",
    "targets = ['']",
    "[[sources]]\nname = 'x'",
    "[[sources]]\npath = 'x'\nname = 'a@b'",
    "[[sources]]\npath = 'x'\nname = 'a/b'",
    "[[overrides]]\ntargets = []",
    "[[overrides]]\nselect = 'x'\ntargets = []",
    "[[expected-failures]]\nselect = 'x'",
    "[[expected-failures]]\nselect = 'x'\nreason = ''",
    "[[expected-failures]]\nselect = 'x'\nreason = 'y'\nstep = 'load'",
    "[[expected-failures]]\nselect = 'x'\nreason = 'y'\nstep = 'prove'",
    "[[tests]]\nname = 'x'\ntimeout = -1",
    "[[tests]]\nname = 'x'\ntimeout = 1.5",
    "[[tests]]\nname = 'x'\nerrno = 'EINVAL'\nmodule = 'a_b'",
    "[[tests]]\nname = 'x'\nerrno = 'einval'",
    "[[tests]]\nname = 'x'\nmodule = 'a b'",
    "[recipes]\noffline = true\nlayers = ['a']",
    "[recipes]\noffline = 'true'",
    "recipes = []",
    "output = ''",
    "output = true",
]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())
    json.dumps(schema())


@pytest.mark.parametrize("text", FILES)
def test_reader_and_schema_agree(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dlkm.toml"
    path.write_text(text)
    try:
        read_project(path)
        taken = True
    except UsageError:
        taken = False
    assert Draft202012Validator(schema()).is_valid(tomllib.loads(text)) == taken


def test_both_kinds_are_among_the_files(tmp_path: Path) -> None:
    judged = [Draft202012Validator(schema()).is_valid(tomllib.loads(text)) for text in FILES]
    assert judged.count(True) >= 9
    assert judged.count(False) >= 15
