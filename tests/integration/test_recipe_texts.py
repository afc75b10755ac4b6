# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm new, recipe new, lint and fix as a user runs them; what they write builds."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")
TESTS = Path(__file__).parents[1]


def _run(folder: Path, *words: str | Path, status: int = 0) -> str:
    argv = [str(DLKM), *map(str, words)]
    done = subprocess.run(argv, env=environment(), cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in done.stderr
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def _json(folder: Path, *words: str | Path, status: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_run(folder, *words, "--json", status=status))
    return document


def test_a_new_driver_is_built_as_a_recipe(tmp_path: Path, kernel_61: Kernel) -> None:
    files = _json(tmp_path, "new", "my-thing")["files"]
    assert sorted(Path(file).name for file in files) == ["COPYING", "Makefile", "my-thing_1.0.bb", "my_thing.c"]
    _run(tmp_path, "new", "my-thing", status=2)
    assert _json(tmp_path, "recipe", "lint", "my-thing/my-thing_1.0.bb")["findings"] == []
    cells = _json(tmp_path, "build", "my-thing/my-thing_1.0.bb", "-k", kernel_61.id)["cells"]
    assert [cell["outcome"] for cell in cells] == ["built"]
    assert list(tmp_path.glob("out/*/packages-split/kernel-module-my-thing-*/etc/modules-load.d/my_thing.conf"))


@pytest.mark.parametrize("name", ["kdir", "bare"])
def test_a_recipe_for_a_driver_builds(tmp_path: Path, name: str, kernel_61: Kernel) -> None:
    shutil.copytree(TESTS / "drivers" / name, tmp_path / name)
    (file,) = _json(tmp_path, "recipe", "new", name)["files"]
    assert _json(tmp_path, "recipe", "lint", file)["findings"] == []
    cells = _json(tmp_path, "build", file, "-k", kernel_61.id)["cells"]
    assert [cell["outcome"] for cell in cells] == ["built"]


def test_fix_shows_then_writes(tmp_path: Path) -> None:
    folder = tmp_path / "hello"
    shutil.copytree(TESTS / "recipes" / "recipes-mission" / "hello", folder)
    recipe = folder / "hello_1.0.bb"
    recipe.chmod(0o640)
    before = recipe.read_text()
    findings = _json(folder, "recipe", "lint", recipe.name, status=1)["findings"]
    assert [(one["rule"], one["line"], one["fixable"]) for one in findings if one["severity"] == "error"] == [
        ("source-workdir", 11, True),
        ("old-override", 21, True),
    ]
    older = _json(folder, "recipe", "lint", "--yocto", "kirkstone", recipe.name, status=1)["findings"]
    assert "source-workdir" not in {one["rule"] for one in older}
    shown = _run(folder, "recipe", "fix", recipe.name)
    assert recipe.read_text() == before
    link = folder / "link.bb"
    link.symlink_to(recipe.name)
    _run(folder, "recipe", "fix", "--write", link.name)
    assert link.is_symlink()
    assert recipe.stat().st_mode & 0o777 == 0o640
    after = recipe.read_text()
    assert after == before.replace('S = "${WORKDIR}"', 'S = "${UNPACKDIR}"').replace(
        "RPROVIDES_${PN}", "RPROVIDES:${PN}"
    )
    assert _run(folder, "recipe", "fix", recipe.name) == ""
    _run(folder, "recipe", "lint", recipe.name)
    recipe.write_text(before)
    subprocess.run(
        ["patch", "-p1"], input=shown, text=True, cwd=folder, env=environment(), check=True, capture_output=True
    )
    assert recipe.read_text() == after
