# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths inside a root filesystem lead where they lead on the target (chroot semantics: path_resolution(7))."""

import os
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError, UsageError
from dlkm.rootfs.root import DirectoryRoot, Kind
from tests.unit.rootfs.support import put


@pytest.mark.parametrize(
    ("path", "real", "kind"),
    [
        ("etc/conf", "etc/conf", Kind.FILE),
        ("/etc//./conf", "etc/conf", Kind.FILE),
        ("etc/../../../etc/conf", "etc/conf", Kind.FILE),
        ("lib/modules", "usr/lib/modules", Kind.DIRECTORY),
        ("abs/modules", "usr/lib/modules", Kind.DIRECTORY),
        ("up/lib", "usr/lib", Kind.DIRECTORY),
        ("chain/modules", "usr/lib/modules", Kind.DIRECTORY),
        ("lib/modules/6.1/updates", "usr/lib/modules/6.1/updates", Kind.MISSING),
        ("gone/sub/x", "data/elsewhere/sub/x", Kind.MISSING),
        ("gone/../x", "data/x", Kind.MISSING),
        ("pipe", "pipe", Kind.OTHER),
        ("", "", Kind.DIRECTORY),
    ],
)
def test_where_a_path_leads(tmp_path: Path, path: str, real: str, kind: Kind) -> None:
    put(tmp_path, {"etc/conf": "x", "usr/lib/modules/keep": "", "lib": "-> usr/lib", "abs": "-> /usr/lib",
                   "up": "-> ../../../../usr", "chain": "-> etc/../lib", "gone": "-> /data/elsewhere"})  # fmt: skip
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with DirectoryRoot(tmp_path) as root:
        place = root.place(path)
    assert (place.path, place.kind) == (real, kind)


def test_a_last_link_can_be_looked_at(tmp_path: Path) -> None:
    put(tmp_path, {"a": "-> /b", "dir": "-> .", "b": "x"})
    with DirectoryRoot(tmp_path) as root:
        place = root.place("dir/dir/a", follow=False)
    assert (place.path, place.kind, place.target) == ("a", Kind.LINK, "/b")


@pytest.mark.parametrize("path", ["loop", "loop/x", "one", "self/self", "file/x", "tolink/x"])
def test_paths_that_lead_nowhere(tmp_path: Path, path: str) -> None:
    put(tmp_path, {"loop": "-> loop", "one": "-> two", "two": "-> one", "self": "-> self/self", "file": "x",
                   "tolink": "-> file"})  # fmt: skip
    with DirectoryRoot(tmp_path) as root, pytest.raises(MalformedError):
        root.place(path)


def test_long_chains_are_followed_as_far_as_the_kernel_does(tmp_path: Path) -> None:
    put(tmp_path, {"l0": "x"} | {f"l{number}": f"-> l{number - 1}" for number in range(1, 42)})
    with DirectoryRoot(tmp_path) as root:
        assert root.place("l40").path == "l0"
        with pytest.raises(MalformedError):
            root.place("l41")


def test_reading_stays_inside(tmp_path: Path) -> None:
    root_dir = tmp_path / "root"
    put(tmp_path, {"secret": "outside", "root/in": f"-> {tmp_path}/secret", "root/up": "-> ../secret"})
    os.mkfifo(root_dir / "pipe")
    with DirectoryRoot(root_dir) as root:
        assert [root.read(name) for name in ("in", "up", "pipe", "nothing")] == [None] * 4
        put(root_dir, {"secret": "inside"})
        assert root.read("up") == b"inside"


def test_a_directory_that_became_a_link_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path, {"root/a/b/file": "x", "outside/b/file": "secret"})
    with DirectoryRoot(tmp_path / "root") as root:
        place = root.place("a/b")
        (tmp_path / "root/a").rename(tmp_path / "root/old")
        put(tmp_path, {"root/a": "-> ../outside"})
        with pytest.raises(NotADirectoryError), root.directory(place.path):
            pass


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    put(tmp_path, {"a/b/c/d": "x", "loop": "-> loop"})
    before = len(list(Path("/proc/self/fd").iterdir()))
    with DirectoryRoot(tmp_path) as root:
        for path in ("a/b/c/d", "a/../a/b/../../a/b/c", "loop", "a/b/c/d/e"):
            try:
                root.place(path)
            except MalformedError:
                continue
        root.entries("a/b")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"file": ""})
    with pytest.raises(UsageError) as missing:
        DirectoryRoot(tmp_path / "nowhere")
    assert missing.value.hint == f"mkdir -p {tmp_path}/nowhere"
    with pytest.raises(UsageError):
        DirectoryRoot(tmp_path / "file")
