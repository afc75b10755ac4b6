# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths and globs to sources, each once, with names that differ."""

from pathlib import Path

import pytest

from dlkm.core.errors import NothingSelectedError, UsageError
from dlkm.matrix.declaration import SourceTable
from dlkm.matrix.sources import find_sources

RECIPE = "inherit module\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("drivers/a", "drivers/b", "other/a", "deep/x/src"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "Makefile").write_text("obj-m := x.o\n")
    (tmp_path / "drivers/docs").mkdir()
    (tmp_path / "drivers/b/dkms.conf").write_text("PACKAGE_NAME=b\n")
    for name, text in (("b_1.0.bb", RECIPE), ("c_git.bb", f'{RECIPE}PN = "kernel-module-c"\n')):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _names(*entries: SourceTable | str) -> list[str]:
    tables = [SourceTable(path=entry) if isinstance(entry, str) else entry for entry in entries]
    return [source.name for source in find_sources(tables)]


@pytest.mark.usefixtures("tree")
def test_directories_recipes_and_globs() -> None:
    assert _names("drivers/a", "b_1.0.bb") == ["a", "b"]
    assert _names("drivers/*") == ["a", "b"]
    assert _names("*.bb") == ["b", "kernel-module-c"]
    assert _names("**/a") == ["drivers-a", "other-a"]
    assert _names("drivers/*", "b_1.0.bb") == ["a", "drivers-b", f"{Path.cwd().name}-b"]


def test_what_several_entries_name_is_one_source(tree: Path) -> None:
    entries = [
        SourceTable(path="drivers/*"),
        SourceTable(path=str(tree / "other/../drivers/a"), name="mine"),
        SourceTable(path="deep/x", subdir="src"),
    ]
    found = find_sources(entries)
    assert [(source.name, source.entries) for source in found] == [("mine", (0, 1)), ("b", (0,)), ("x", (2,))]
    assert [source.driver.name for source in found if source.driver is not None] == ["mine", "b", "x"]
    assert found[2].driver is not None
    assert found[2].driver.subdir == "src"


@pytest.mark.usefixtures("tree")
def test_a_given_name_is_kept_from_others() -> None:
    assert _names("drivers/a", SourceTable(path="other/a", name="a")) == ["drivers-a", "a"]
    with pytest.raises(UsageError, match="several sources are called x"):
        _names(SourceTable(path="drivers/a", name="x"), SourceTable(path="drivers/b", name="x"))
    with pytest.raises(UsageError, match="means 2 sources, which cannot all be called x"):
        _names(SourceTable(path="drivers/*", name="x"))


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("missing", UsageError, "dlkm.toml:7: no source directory at missing"),
        ("missing.bb", UsageError, "dlkm.toml:7: no "),
        ("drivers/docs", UsageError, "holds no Makefile"),
        ("missing/*", NothingSelectedError, "dlkm.toml:7: missing/*: nothing matches it"),
        ("drivers/doc*", NothingSelectedError, "dlkm.toml:7: drivers/doc*: none of what matches it is a source"),
    ],
)
def test_what_is_no_source(path: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        find_sources([SourceTable(path=path)], ["dlkm.toml:7"])
    assert said in str(caught.value)
