# SPDX-License-Identifier: GPL-2.0-or-later
"""Which layer a recipe belongs to, what appends to it, and what a worker sees of a directory that is not a layer."""

from pathlib import Path

import pytest

from dlkm.core.errors import UsageError
from dlkm.yocto.layers import find_recipes, locate, providers, visible


def _recipe(folder: Path, name: str = "one_1.0.bb") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("")
    return folder / name


def test_the_layer_is_where_its_configuration_lies(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path / "layer/recipes-kernel/one")
    (tmp_path / "layer/conf").mkdir()
    (tmp_path / "layer/conf/layer.conf").write_text("")
    found = locate(recipe)
    assert found.layers == (tmp_path / "layer",)
    assert (found.name, found.version) == ("one", "1.0")


def test_without_a_configuration_the_directory_of_recipes_tells(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path / "layer/recipes-kernel/one")
    assert locate(recipe).layers == (tmp_path / "layer",)


def test_a_recipe_alone_is_its_own_layer(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path / "here", "one.bb")
    assert locate(recipe).layers == (tmp_path / "here",)
    assert locate(recipe).version == ""


def test_appends_by_version_and_for_any(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path / "layer/recipes-kernel/one", "one_1.2.bb")
    more = tmp_path / "more/recipes-x/one"
    wanted = [_recipe(more, name) for name in ("one_%.bbappend", "one_1.%.bbappend", "one_1.2.bbappend")]
    for name in ("one_1.1.bbappend", "one-two_%.bbappend", "two_%.bbappend"):
        _recipe(more, name)
    assert sorted(locate(recipe, [tmp_path / "more"]).appends) == sorted(wanted)


@pytest.mark.parametrize("name", ["a_b_c_d.bb", "with blank.bb"])
def test_names_that_bitbake_does_not_take(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        locate(_recipe(tmp_path, name))


def test_a_recipe_or_layer_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        locate(tmp_path / "none.bb")
    with pytest.raises(UsageError):
        locate(_recipe(tmp_path), [tmp_path / "gone"])


def test_a_directory_of_recipes(tmp_path: Path) -> None:
    paths = [_recipe(tmp_path / "recipes-a" / name, f"{name}_1.bb") for name in ("b", "a")]
    assert {one.path for one in find_recipes([tmp_path])} == set(paths)
    with pytest.raises(UsageError):
        find_recipes([tmp_path / "recipes-a" / "a" / ".."[:1] / "none"])


def test_recipes_that_provide_a_name(tmp_path: Path) -> None:
    one = _recipe(tmp_path / "recipes-kernel/kernel-module-x", "kernel-module-x_1.0.bb")
    _recipe(tmp_path / "recipes-kernel/kernel-module-xy", "kernel-module-xy_1.0.bb")
    assert providers("kernel-module-x", [tmp_path]) == (one,)


def test_of_a_home_only_recipes_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    recipe = _recipe(tmp_path)
    for name in (".ssh", "files", "one", "one-1.0", "letters", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "secret.txt").write_text("")
    shown = {Path(word).name for word in visible(locate(recipe).layers)[1::3]}
    assert shown == {"files", "one", "one-1.0", "one_1.0.bb"}
