# SPDX-License-Identifier: GPL-2.0-or-later
"""Our reading of a recipe's text against BitBake's own parser: the same statements, lines and names."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from dlkm.yocto.overrides import translate
from dlkm.yocto.statements import Kind, Statement, read_statements

pytestmark = pytest.mark.contract

RECIPES = Path(__file__).parents[1] / "recipes"

# What is between the corpus and the oddities of the language.
ODD = r"""
export A
export B = "x"
unset C
unset D[flag]
E[flag] = "1"
F:append:x = ' y "z" '
G := "a \
b \
  c"
H ?= ""
I ??= "w"
J += "1"
K =+ "2"
L .= "3"
M =. "4"
N="no blanks"
O-p.q+r/s~t = "all letters of a name"
python () {
    d.setVar("X", "}")
    if True:
        pass
}
python do_thing() {
    pass
}
fakeroot do_other () {
	echo {
	}
  }
}
fakeroot python do_both() {
    pass
}
do_${PN}-x:append:y() {
    :
}
def helper(d, x):
    # a comment

    return "a = 'b'"

# a comment
def second(d):
	return 1
include other.inc
addtask thing after do_compile before do_install
deltask other
EXPORT_FUNCTIONS do_thing
Z = "last" """

ASK = """
import io, json, sys
from dlkm.yocto.worker import stand_ins
stand_ins.prepare(tasks=False)
import bb, bb.parse
from bb.parse.parse_py import BBHandler
answers = {}
for path in json.load(sys.stdin):
    found = []
    for node in BBHandler.get_statements(path, path, "x"):
        kind = type(node).__name__
        group = getattr(node, "groupd", None) or {}
        name = group.get("var") or getattr(node, "func_name", None) or getattr(node, "var", None)
        name = name or getattr(node, "function", None) or ""
        body = getattr(node, "body", None)
        flag = group.get("flag") or getattr(node, "flag", "")
        found.append([kind, node.lineno, name, flag, group.get("value"), body])
    answers[path] = found
print(json.dumps(answers))
"""

KINDS = {
    "DataNode": Kind.ASSIGNMENT,
    "MethodNode": Kind.SHELL,
    "PythonMethodNode": Kind.DEFINITION,
    "UnsetNode": Kind.UNSET,
    "UnsetFlagNode": Kind.UNSET,
    "ExportNode": Kind.UNSET,
}


def _bitbake(paths: list[Path]) -> dict[str, list[list[object]]]:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        input=json.dumps([str(path) for path in paths]),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, list[list[object]]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def _ours(one: Statement) -> tuple[str, str, str]:
    kind = Kind.SHELL if one.kind is Kind.PYTHON else one.kind
    return kind, one.name, one.flag


def _compared(text: str, theirs: list[list[object]]) -> None:
    named = {Kind.ASSIGNMENT, Kind.SHELL, Kind.PYTHON, Kind.DEFINITION, Kind.UNSET}
    statements = read_statements(text)
    assert not [one for one in statements if one.kind is Kind.OTHER]
    ours = [one for one in statements if one.kind in named]
    known = [row for row in theirs if row[0] in KINDS]
    wanted = [(KINDS[str(kind)], "" if name == "__anonymous" else name, flag) for kind, _, name, flag, _, _ in known]
    assert [_ours(one) for one in ours] == wanted
    for one, (kind, line, _name, _flag, value, body) in zip(ours, known, strict=True):
        if kind == "DataNode":
            # BitBake counts an assignment by its last line.
            assert (one.last, one.value) == (line, value), one
        if kind == "MethodNode":
            assert isinstance(body, list)
            # … and a function's body ends with an empty line that it adds.
            assert [text.rstrip() for text in one.body] == body[:-1], one
    directives = [one for one in statements if one.kind is Kind.DIRECTIVE]
    assert len(directives) == len(theirs) - len(known)


def test_recipes_of_every_shape(tmp_path: Path) -> None:
    paths = []
    for number, path in enumerate(sorted([*RECIPES.rglob("*.bb"), *RECIPES.rglob("*.inc")])):
        paths.append(tmp_path / f"r{number}_1.0.bb")
        paths[-1].write_text(translate(path.read_text(), path.name)[0])
    answers = _bitbake(paths)
    for path in paths:
        _compared(path.read_text(), answers[str(path)])


def test_oddities(tmp_path: Path) -> None:
    path = tmp_path / "odd_1.0.bb"
    path.write_text(ODD)
    _compared(ODD, _bitbake([path])[str(path)])
