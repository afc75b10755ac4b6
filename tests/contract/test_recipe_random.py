# SPDX-License-Identifier: GPL-2.0-or-later
"""Recipes put together at random: BitBake's library alone gives every variable, flag and task the value that we show.

Each is also written as before Yocto 3.4; read by us, that must come to the same as today's spelling read by BitBake.
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.yocto import preset as presets
from dlkm.yocto.evaluation import Asked, Evaluation, evaluate, setting
from dlkm.yocto.layers import RecipeFile, find_recipes
from dlkm.yocto.options import RecipeOptions

pytestmark = pytest.mark.contract

META = Path(presets.__file__).parent / "meta"
COUNT = 40
OPERATORS = ("=", ":=", "?=", "??=", "+=", "=+", ".=", "=.")
CHANGES = ("append", "prepend", "remove")
# The strongest last; some hold on this machine, some do not.
OVERRIDES = (
    "x86-64",
    "qemuall",
    "qemux86-64",
    "nodistro",
    "class-target",
    "forcevariable",
    "qemuarm64",
    "class-native",
)
WORDS = ("a", "b", "c", "${V0}", "${V1}", "${V_TWO}", "${PN}", "${@d.getVar('V1') or 'none'}", "${@1 + 1}", "${NOT}")
NAMES = ("V0", "V1", "V_TWO", "SRC_NOTE", "EXTRA_OEMAKE")
PER_PACKAGE = ("RDEPENDS", "RRECOMMENDS", "RPROVIDES", "FILES", "SUMMARY")


class Writer:
    """One recipe at random, in both spellings."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.new, self.old = list[str](), list[str]()

    def both(self, new: str, old: str | None = None) -> None:
        """One statement."""
        self.new.append(new)
        self.old.append(new if old is None else old)

    def statements(self, count: int) -> None:
        """A recipe's body."""
        kinds = (self._assignment, self._assignment, self._assignment, self._package, self._flag, self._function)
        for _number in range(count):
            self._random.choice(kinds)()

    def _value(self) -> str:
        words = " ".join(self._random.choice(WORDS) for _ in range(self._random.randint(0, 4)))
        space = self._random.choice(("", " "))
        broken = words.replace(" b", " \\\nb") if self._random.random() < 0.2 else words
        # What refers to itself in itself never ends, in BitBake either.
        return f"{space}{broken}{space}"

    def _assignment(self) -> None:
        name = self._random.choice(NAMES)
        value = self._value()
        for other in NAMES:
            if NAMES.index(other) >= NAMES.index(name):
                value = value.replace("${" + other + "}", "x").replace(f"d.getVar('{other}')", "'x'")
        overrides = self._random.sample(OVERRIDES, self._random.choice((0, 0, 0, 1, 1, 2)))
        if self._random.random() < 0.4:
            self._put([name, self._random.choice(CHANGES), *overrides], "=", value)
        else:
            self._put([name, *overrides], self._random.choice(OPERATORS), value)

    def _package(self) -> None:
        name = self._random.choice(PER_PACKAGE)
        package = self._random.choice(("${PN}", "${PN}-tools", "kernel-module-x"))
        change = [self._random.choice(CHANGES)] if self._random.random() < 0.4 else []
        condition = [self._random.choice(OVERRIDES)] if self._random.random() < 0.3 else []
        operator = "=" if change else self._random.choice(OPERATORS)
        self._put([name, package, *change, *condition], operator, self._value())

    def _put(self, parts: list[str], operator: str, value: str) -> None:
        quote = self._random.choice("\"'") if "'" not in value else '"'
        self.both(
            f"{':'.join(parts)} {operator} {quote}{value}{quote}",
            f"{'_'.join(parts)} {operator} {quote}{value}{quote}",
        )

    def _flag(self) -> None:
        name, flag = self._random.choice(("V0", "do_thing", "SRC_NOTE")), self._random.choice(("doc", "x.y", "other"))
        self.both(f'{name}[{flag}] {self._random.choice(("=", "+=", ":=", "?="))} "{self._random.choice("abc")}"')

    def _function(self) -> None:
        word = self._random.choice("abc")
        change = self._random.choice(("", "append", "prepend"))
        condition = self._random.choice(OVERRIDES) if self._random.random() < 0.4 else ""
        parts = [part for part in ("do_thing", change, condition) if part]
        body = "() {\n\techo " + word + "\n}"
        self.both(":".join(parts) + body, "_".join(parts) + body)


HEAD = 'LICENSE = "CLOSED"\ninherit module\ndo_thing() {\n\t:\n}\naddtask thing after do_compile before do_install\n'
TAIL = (
    "PROBE_FLAGS = \"${@[sorted((d.getVarFlags(name) or {}).items()) for name in ('V0', 'SRC_NOTE')]}\"\n"
    "PROBE_THING = \"${@(d.getVar('do_thing') or '')}\"\n"
    "PROBE_DOC = \"${@d.getVarFlag('do_thing', 'doc')}\"\n"
)


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same recipes in today's spelling and in that of before."""
    folders = tmp_path_factory.mktemp("new"), tmp_path_factory.mktemp("old")
    for number in range(COUNT):
        writer = Writer(number)
        writer.statements(25)
        for folder, lines in zip(folders, (writer.new, writer.old), strict=True):
            text = HEAD + "\n".join(lines) + "\n" + TAIL
            (folder / f"random-{number:02}_1.0.bb").write_text(text)
    return folders


def _ours(folder: Path) -> tuple[Evaluation, ...]:
    place = setting(Processes(), Events(), RecipeOptions(jobs=2), None)
    return evaluate(place, find_recipes([folder]), Asked(variables=True))


def _theirs(recipes: tuple[RecipeFile, ...]) -> list[dict[str, str | None]]:
    request = {
        "meta": str(META),
        "layers": [str(recipes[0].path.parent), str(META.parent / "fallback")],
        "preset": presets.preset(RecipeOptions(jobs=2), None, None, None),
        "recipes": [{"path": str(one.path), "appends": []} for one in recipes],
    }
    script = Path(__file__).parent / "plain_bitbake.py"
    done = Processes().run([sys.executable, script], stdin=json.dumps(request).encode(), timeout=120)
    assert done.ok, done.errors.decode()
    return [json.loads(line) for line in done.output.splitlines()]


@pytest.fixture(scope="module")
def theirs(layers: tuple[Path, Path]) -> list[dict[str, str | None]]:
    """As bb alone reads today's spelling."""
    return _theirs(find_recipes([layers[0]]))


def _written(values: dict[str, str | None]) -> Iterator[tuple[str, str | None]]:
    """What the statements are about; FILESPATH says where the layer lies."""
    for name, value in values.items():
        if name != "FILESPATH" and name.startswith(("PROBE_", *NAMES, *PER_PACKAGE)):
            yield name, value


@pytest.mark.parametrize("spelling", [0, 1], ids=["today", "before"])
def test_every_value_is_bitbakes(spelling: int, layers: tuple[Path, Path], theirs: list[dict[str, str | None]]) -> None:
    ours = _ours(layers[spelling])
    assert [one.error for one in ours if one.error is not None] == []
    for one, values in zip(ours, theirs, strict=True):
        mine, wanted = dict(_written(dict(one.variables))), dict(_written(values))
        differing = {
            name: (mine.get(name), wanted.get(name)) for name in mine | wanted if mine.get(name) != wanted.get(name)
        }
        assert not differing, f"{one.recipe.path}: {differing}"


def test_the_recipes_are_worth_comparing(theirs: list[dict[str, str | None]]) -> None:
    values = {value for one in theirs for _name, value in _written(one)}
    assert len(theirs) == COUNT
    assert len(values) > 5 * COUNT
