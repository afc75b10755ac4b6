# SPDX-License-Identifier: GPL-2.0-or-later
"""Recipes come after those that they DEPEND on, or whose symbols their sources use."""

from pathlib import Path

from dlkm.core.processes import Processes
from dlkm.source.symbols import in_order
from dlkm.yocto.batch import members_of
from dlkm.yocto.evaluation import Evaluation
from dlkm.yocto.layers import RecipeFile


def _read(name: str, depends: str = "", provides: str = "") -> Evaluation:
    recipe = RecipeFile(path=Path(f"/layer/{name}.bb"), layers=(Path("/layer"),), appends=())
    return Evaluation(recipe=recipe, facts={"PN": name, "DEPENDS": depends, "PROVIDES": provides})


def _names(*read: Evaluation) -> list[str]:
    return [one.name for one in in_order(members_of(Processes(), read, {})).members]


def test_a_recipe_comes_after_what_it_needs() -> None:
    assert _names(_read("user", "kernel-module-x virtual/kernel"), _read("kernel-module-x")) == [
        "kernel-module-x",
        "user",
    ]


def test_by_what_is_provided() -> None:
    assert _names(_read("a", "b"), _read("x", provides="b")) == ["x", "a"]


def test_independent_recipes_keep_their_order() -> None:
    assert _names(_read("b"), _read("a"), _read("c")) == ["b", "a", "c"]


def test_a_circle_ends() -> None:
    assert sorted(_names(_read("a", "b"), _read("b", "a"), _read("c", "c"))) == ["a", "b", "c"]


def test_a_chain() -> None:
    assert _names(_read("a", "b"), _read("b", "c"), _read("c")) == ["c", "b", "a"]
