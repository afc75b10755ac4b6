# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user asks of recipes, and what becomes of a mirror."""

from pathlib import Path

import pytest

from dlkm.core.errors import UsageError
from dlkm.yocto.options import RecipeOptions, mirror_lines


@pytest.mark.parametrize("name", ["", "../x", "a b", "${X}", "-x"])
def test_a_machine_is_a_name(name: str) -> None:
    with pytest.raises(UsageError):
        RecipeOptions(machine=name)
    with pytest.raises(UsageError):
        RecipeOptions(distro=name)


def test_names_of_real_machines() -> None:
    RecipeOptions(machine="imx8mp-lpddr4-evk", distro="fsl-imx-wayland")


def test_no_mirror() -> None:
    assert mirror_lines(None) == ""


def test_a_mirror_by_url_serves_every_kind_of_source() -> None:
    words = mirror_lines("https://mirror.example.com/sources/").split()
    assert dict(zip(words[::2], words[1::2], strict=True))["git://.*/.*"] == "https://mirror.example.com/sources/"
    assert set(words[1::2]) == {"https://mirror.example.com/sources/"}


def test_a_directory_serves_archives_and_repositories(tmp_path: Path) -> None:
    words = mirror_lines(str(tmp_path)).split()
    of_git = [place for kind, place in zip(words[::2], words[1::2], strict=True) if kind == "git://.*/.*"]
    assert of_git == [
        f"file://{tmp_path}/",
        f"git://{tmp_path}/BASENAME;protocol=file",
        f"git://{tmp_path}/HOST/PATH;protocol=file",
        f"git://{tmp_path}/git2/MIRRORNAME;protocol=file",
    ]
