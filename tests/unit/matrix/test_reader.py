# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm.toml as a value; what is wrong in it is told all at once, with line, key and what may be meant."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.core.errors import UsageError
from dlkm.matrix.declaration import Declared, Step
from dlkm.matrix.reader import ProjectFile, read_project

WHOLE = """\
kernels = ["debian:6.1.0-*-amd64", { spec = "6.12*", variables = { B = "2" } }]
include = ["*"]
exclude = ["hello@*-rt-*"]
output = "results"
targets = ["modules"]
variables = { A = "$(KERNEL_SRC)" }

[[sources]]
path = "drivers/hello"
name = "hi"
subdir = "src"
variables.A = "3"

[[overrides]]
select = "hi@6.12*"
targets = ["all"]

[[expected-failures]]
select = "hi@6.12*"
reason = "timers"
step = "load"
strict = false

[[tests]]
name = "smoke"
run = "smoke.c"
timeout = 5
log = ["hello, me"]

[recipes]
yocto = "scarthgap"
source-mirror = "/srv/mirror"
"""


def _read(folder: Path, text: str | bytes) -> ProjectFile:
    path = folder / "dlkm.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_project(path)


def _refused(folder: Path, text: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        _read(folder, text)
    return caught.value.what.replace(f"{folder}/", "")


def test_every_kind_of_key(tmp_path: Path) -> None:
    file = _read(tmp_path, WHOLE)
    found = file.declared
    assert [(one.spec, dict(one.variables)) for one in found.kernels] == [
        ("debian:6.1.0-*-amd64", {}),
        ("6.12*", {"B": "2"}),
    ]
    (source,) = found.sources
    assert (source.path, source.name, source.subdir, dict(source.variables)) == (
        "drivers/hello",
        "hi",
        "src",
        {"A": "3"},
    )
    assert (found.output, found.targets, dict(found.variables)) == ("results", ("modules",), {"A": "$(KERNEL_SRC)"})
    assert (found.overrides[0].targets, found.overrides[0].variables) == (("all",), {})
    failure = found.expected_failures[0]
    assert (failure.step, failure.strict, failure.reason) == (Step.LOAD, False, "timers")
    test = found.tests[0]
    assert (test.select, test.run, test.timeout, test.log, test.errno) == ("*", "smoke.c", 5.0, ("hello, me",), None)
    assert (found.recipes.yocto, found.recipes.source_mirror, found.recipes.offline) == (
        "scarthgap",
        "/srv/mirror",
        False,
    )
    assert file.where("sources", 0, "variables", "A") == "dlkm.toml:12"
    assert file.where("kernels", 1, "variables", "B") == "dlkm.toml:1"
    assert file.where("tests", 0, "errno") == "dlkm.toml:24"


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path, b"\xef\xbb\xbfoutput = 'x'").declared == Declared(output="x")
    assert _read(tmp_path, "").declared == Declared()
    assert _read(tmp_path, b'output = "x"\r\nkernels = []\r\n').declared == Declared(output="x")


NO_KEY = "there is no such key; did you mean"
KNOWN, KNOWN_STEP = "[[expected-failures]]\nselect = 'x'\nreason = 'y'\n", "dlkm.toml:4: expected-failures[1].step"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('inclde = ["x"]', "dlkm.toml:1: inclde: there is no such key; did you mean 'include'"),
        ("expected_failures = []", f"dlkm.toml:1: expected_failures: {NO_KEY} 'expected-failures'?"),
        ("\n[[sources]]\npath = 'a'\nvarables.X = '1'", f"dlkm.toml:4: sources[1].varables: {NO_KEY} 'variables'?"),
        ("[[sources]]\nname = 'a'", "dlkm.toml:1: sources[1]: 'path' is missing"),
        ("kernels = 'x'", "dlkm.toml:1: kernels: must be a list, not a text"),
        ("kernels = [\n'x',\n1]", "dlkm.toml:3: kernels[2]: must be a table, not a number"),
        ("variables.X = 1", 'dlkm.toml:1: variables.X: must be a text, not a number: write "1"'),
        ("variables.X = true", "dlkm.toml:1: variables.X: must be a text, not a boolean"),
        ("variables.'a b' = '1'", "dlkm.toml:1: variables.a b: is no name"),
        ("variables.X = 'a\\u0000'\nvariables.Y = \"a\\u0000\"", "dlkm.toml:2: variables.Y: 'a\\x00' cannot stand"),
        ("targets = ['-j9']", "dlkm.toml:1: targets[1]: '-j9' cannot stand there"),
        ("[[expected-failures]]\nselect = 'x'\nreason = ' '", "dlkm.toml:3: expected-failures[1].reason: ' ' cannot"),
        (f"{KNOWN}step = 'laod'", f"{KNOWN_STEP}: must be build or load, not 'laod'; did you mean 'load'?"),
        ("[[tests]]\nname = 'x'\ntimeout = 0", "dlkm.toml:3: tests[1].timeout: must be above 0, not 0"),
        ("[[tests]]\nname = 'x'\ntimeout = inf", "dlkm.toml:3: tests[1].timeout: must be above 0, not inf"),
        ("[[tests]]\nname = 'x'\nerrno = '22'", "dlkm.toml:3: tests[1].errno: '22' cannot stand there"),
        ("[[tests]]\nname = 'x'\n[[tests]]\nname = 'x'", "dlkm.toml:4: tests[2].name: 'x' is the name of an earlier"),
        ("[recipes]\noffline = 'yes'", "dlkm.toml:2: recipes.offline: must be true or false, not 'yes'"),
        ("recipes = 1", "dlkm.toml:1: recipes: must be a table, not a number"),
        ("output = 2026-01-01", "dlkm.toml:1: output: must be a text, not a date"),
        ("a = ?", "dlkm.toml: is no TOML: Invalid value (at line 1"),
        (b"\xff", "dlkm.toml: is no TOML: 'utf-8' codec can't decode"),
        (b"a = " + b"[" * 100_000, "dlkm.toml: is no TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert _refused(tmp_path, text).startswith(said)


def test_all_that_is_wrong_is_told_in_the_order_of_the_lines(tmp_path: Path) -> None:
    said = _refused(tmp_path, "kernels = 1\n[[tests]]\nnme = 'x'\n[[sources]]\npath = 'a'\nsubdir = 3\n")
    assert [line.strip().split(": ")[1] for line in said.splitlines()] == [
        "kernels",
        "tests[1]",
        "tests[1].nme",
        "sources[1].subdir",
    ]


def test_no_file_and_a_pipe(tmp_path: Path) -> None:
    import os

    with pytest.raises(UsageError, match="cannot read"):
        read_project(tmp_path / "dlkm.toml")
    os.mkfifo(tmp_path / "dlkm.toml")
    with pytest.raises(UsageError, match="not a regular file"):
        read_project(tmp_path / "dlkm.toml")


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
@settings(max_examples=150, deadline=None)
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "dlkm.toml"
    path.write_bytes(data)
    with suppress(UsageError):
        read_project(path)
