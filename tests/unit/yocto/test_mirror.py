# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of --source-mirror: each kind of source, and where it is looked for, in order."""

import re
from pathlib import Path

import pytest

from dlkm.yocto.mirror import mirror_lines


def _places(mirror: str, url: str) -> list[str]:
    """Where a mirror's lines lead a URL, as far as their patterns tell."""
    words = mirror_lines(mirror).split()
    pairs = zip(words[::2], words[1::2], strict=True)
    return [place for pattern, place in pairs if re.match(pattern, url)]


def test_no_mirror() -> None:
    assert mirror_lines(None) == ""


def test_a_mirror_by_url_serves_archives_and_repositories() -> None:
    places = _places("https://mirror.example.com/sources/", "git://git.example.com/a/b.git")
    assert places[0] == "https://mirror.example.com/sources/"
    assert "git://mirror.example.com/sources/BASENAME;protocol=https" in places
    assert _places("https://mirror.example.com/sources", "ftp://x.org/y.tar") == ["https://mirror.example.com/sources/"]


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_directory_serves_archives_and_repositories(form: str, tmp_path: Path) -> None:
    assert _places(form.format(tmp_path), "git://git.example.com/a/b.git") == [
        f"file://{tmp_path}/",
        f"git://{tmp_path}/HOST/PATH;protocol=file",
        f"git://{tmp_path}/git2/MIRRORNAME;protocol=file",
        f"git://{tmp_path}/BASENAME;protocol=file",
    ]


def test_a_repository_by_its_name_however_it_ends(tmp_path: Path) -> None:
    (tmp_path / "group" / "gpu" / ".git").mkdir(parents=True)
    (tmp_path / "gpu-tools" / ".git").mkdir(parents=True)
    own = f"git://{tmp_path}/group/gpu;protocol=file"
    assert own in _places(str(tmp_path), "git://git.example.com/bsp/gpu.git")
    assert own in _places(str(tmp_path), "git://git.example.com/gpu")
    assert own not in _places(str(tmp_path), "git://git.example.com/gpu-tools.git")
    assert own not in _places(str(tmp_path), "git://git.example.com/other-gpu.git")


def test_one_repository_serves_every_one(tmp_path: Path) -> None:
    (tmp_path / "HEAD").write_text("ref: refs/heads/main")
    (tmp_path / "objects").mkdir()
    assert _places(str(tmp_path), "git://git.example.com/a.git") == [f"git://{tmp_path};protocol=file"]
    assert _places(str(tmp_path), "https://example.com/a.tar") == []
    assert _places("git:///srv/a.git;protocol=file", "git://x.org/a") == ["git:///srv/a.git;protocol=file"]
