# SPDX-License-Identifier: GPL-2.0-or-later
"""The layer of recipes that tests build, with the sources that its recipes fetch, as a mirror that needs no network."""

import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from dlkm.core.processes import environment

LAYER = Path(__file__).parent / "recipes"


def _git(folder: Path, *words: str) -> str:
    dates = {"GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2024-01-01T00:00:00Z"}
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    argv = ["git", *who, *words]
    done = subprocess.run(argv, cwd=folder, env=environment(dates), capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _mirrored(source: Path, mirror: Path, url: str, branch: str) -> str:
    """A repository with one commit as its mirror tarball (`git2_HOST.PATH.tar.gz`, bb/fetch2/git.py); the commit."""
    work = mirror / "work" / url
    shutil.copytree(source, work)
    _git(work, "init", "-q")
    _git(work, "checkout", "-q", "-b", branch)
    _git(work, "add", ".")
    _git(work, "commit", "-q", "-m", "all")
    bare = mirror / "bare" / url
    _git(mirror, "clone", "-q", "--bare", "--mirror", str(work), str(bare))
    with tarfile.open(mirror / f"git2_{url.replace('/', '.')}.tar.gz", "w:gz") as archive:
        archive.add(bare, ".")
    return _git(work, "rev-parse", "HEAD")


def _archived(source: Path, path: Path, top: str) -> str:
    """A tar archive; its SHA-256."""
    path.write_bytes(_tar(source, top))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tar(source: Path, top: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(source, top)
    return data.getvalue()


def prepared(folder: Path) -> tuple[Path, Path]:
    """The layer with what only a run can know filled in, and the mirror with its sources."""
    layer, mirror = folder / "meta-field", folder / "mirror"
    shutil.copytree(LAYER, layer)
    mirror.mkdir()
    sources = layer / "sources"
    kgsl = _mirrored(sources / "kgsl", mirror, "github.com/qualcomm-linux/kgsl.git", "gfx-kernel.le.0.0")
    lines = "".join((sources / "one" / "Makefile").read_text().splitlines(keepends=True)[1:3])
    (mirror / "two-archives-data.tar").write_bytes(_tar(sources / "one", "archive-tiny-1.2"))
    known = {
        "553c972604f739564d6bb70e18e3857c041984b1": kgsl,
        "@kgsl@": _mirrored(sources / "kgsl", mirror, "git.example.com/bsp/kgsl.git", "main"),
        "@wlan@": _mirrored(sources / "wlan", mirror, "git.example.com/bsp/wlan-tiny.git", "main"),
        "@fpga@": _mirrored(sources / "fpga", mirror, "git.example.com/bsp/fpga.git", "main"),
        "@archive@": _archived(sources / "one", mirror / "archive-tiny-1.2.tar", "archive-tiny-1.2"),
        "@lines@": hashlib.md5(lines.encode()).hexdigest(),
    }
    for path in layer.rglob("*.bb"):
        text = path.read_text()
        for placeholder, value in known.items():
            text = text.replace(placeholder, value)
        path.write_text(text)
    return layer, mirror
