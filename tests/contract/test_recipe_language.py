# SPDX-License-Identifier: GPL-2.0-or-later
"""BitBake's own library is the authority on the language: from it alone every variable has the value that we show."""

import json
import sys
from pathlib import Path

import pytest

from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.yocto import preset as presets
from dlkm.yocto.evaluation import Asked, Evaluation, evaluate, setting
from dlkm.yocto.layers import RecipeFile, find_recipes, layers_of
from dlkm.yocto.options import RecipeOptions

pytestmark = pytest.mark.contract

LAYER = Path(__file__).parents[1] / "recipes"
META = Path(presets.__file__).parent / "meta"
OURS = "/build/lib/dlkm/yocto"  # where the worker sees META's parent

# What says where the library lies, and what bb notes of its own run.
PLACES = {"BBPATH", "BBINCLUDED", "BB_SIGNATURE_HANDLER", "LOGFIFO"}
# Recipes in the syntax of before, which plain bb refuses or ignores; what they become is compared elsewhere.
OLD = {"old-style", "hello"}


@pytest.fixture(scope="module")
def recipes() -> tuple[RecipeFile, ...]:
    """The recipes of the corpus that need no translation, and one with every construct of the language."""
    found = find_recipes([LAYER, Path(__file__).parent / "language"])
    return tuple(recipe for recipe in found if recipe.name not in OLD)


@pytest.fixture(scope="module")
def ours(recipes: tuple[RecipeFile, ...]) -> dict[Path, Evaluation]:
    """As dlkm reads them."""
    place = setting(Processes(), Events(), RecipeOptions(jobs=2), None)
    return {one.recipe.path: one for one in evaluate(place, recipes, Asked(variables=True))}


@pytest.fixture(scope="module")
def theirs(recipes: tuple[RecipeFile, ...]) -> dict[Path, dict[str, str | None]]:
    """As bb alone reads them."""
    request = {
        "meta": str(META),
        "layers": [*map(str, layers_of(recipes)), str(META.parent / "fallback")],
        "preset": presets.preset(RecipeOptions(jobs=2), None, None, None),
        "recipes": [{"path": str(one.path), "appends": list(map(str, one.appends))} for one in recipes],
    }
    script = Path(__file__).parent / "plain_bitbake.py"
    # The umask and the environment are the same: Processes sees to it.
    done = Processes().run([sys.executable, script], stdin=json.dumps(request).encode(), timeout=120)
    assert done.ok, done.errors.decode()
    answers = map(json.loads, done.output.splitlines())
    return dict(zip([one.path for one in recipes], answers, strict=True))


def _outside(value: str | None) -> str | None:
    return None if value is None else value.replace(OURS, str(META.parent))


def test_every_recipe_can_be_read(ours: dict[Path, Evaluation]) -> None:
    assert [one.error for one in ours.values() if one.error is not None] == []
    assert len(ours) >= 40


def test_every_variable_has_the_value_that_bitbake_gives_it(
    ours: dict[Path, Evaluation], theirs: dict[Path, dict[str, str | None]]
) -> None:
    for path, values in theirs.items():
        mine = {name: _outside(value) for name, value in ours[path].variables.items() if name not in PLACES}
        wanted = {name: value for name, value in values.items() if name not in PLACES}
        differing = {name for name in mine | wanted if mine.get(name) != wanted.get(name)}
        assert not differing, f"{path}: { ({name: (mine.get(name), wanted.get(name)) for name in sorted(differing)}) }"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLAIN", "a"),
        ("WEAK", "first"),
        ("WEAKER", "strong"),
        ("NOW", "a then"),
        ("JOINED", "0 1 2 3"),
        ("TIGHT", "abc"),
        ("LATER", "[begin] middle end"),
        ("LESS", "a  d"),
        ("CHOSEN", "for this machine"),
        ("CHOSEN_BY_KEY", "deep"),
        ("COUNT", "3"),
        ("FROM_FUNCTION", "HELLO"),
        ("FROM_ANONYMOUS", "x86_64 again"),
        ("REQUIRED", "yes"),
        ("APPENDED", "here and there"),
        ("FLAGGED", "one two"),
        ("LONG", "one two three"),
        ("UNTOUCHED", "${NOT_THERE} ${@ ${NOT_THERE} }"),
    ],
)
def test_the_language_by_reasoning(name: str, value: str, ours: dict[Path, Evaluation]) -> None:
    one = next(one for one in ours.values() if one.name == "language")
    assert one.variables[name] == value


def test_where_a_variable_was_set(ours: dict[Path, Evaluation]) -> None:
    one = next(one for one in ours.values() if one.name == "language")
    places = [(Path(event.file).name, event.line, event.op) for event in one.history["APPENDED"]]
    text = one.recipe.path.read_text().splitlines()
    line = next(number for number, words in enumerate(text, 1) if words.startswith("APPENDED"))
    assert places[0] == ("language_1.0.bb", line, "set")
    assert ("language_1.0.bbappend", 2, ":append") in places


def test_tasks_in_their_order(ours: dict[Path, Evaluation]) -> None:
    one = next(one for one in ours.values() if one.name == "language")
    order = list(one.tasks)
    assert order.index("do_compile") < order.index("do_between") < order.index("do_install")
    assert "do_populate_lic" not in order
    assert "do_devshell" not in order
    assert order.index("do_unpack") < order.index("do_compile")
