# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration files: what we write, and where."""

from pathlib import Path

import pytest

from dlkm.core.errors import UsageError
from dlkm.rootfs.conf import ConfDir, modprobe_dir, wanted
from dlkm.rootfs.root import DirectoryRoot
from tests.unit.rootfs.support import put


def test_files_that_are_written() -> None:
    asked = wanted(
        autoload=["hello", "snd-dummy", "snd_dummy"],
        options=["hello who=world times=3", 'snd-dummy text="a b"'],
        blacklist=["snd_dummy", "pcspkr"],
        softdep=["hello pre: crc32c post: loop"],
    )
    assert asked.load_files() == {"hello.conf": b"hello\n", "snd-dummy.conf": b"snd-dummy\n"}
    assert asked.modprobe_files() == {
        "snd_dummy.conf": b'blacklist snd_dummy\noptions snd-dummy text="a b"\n',
        "pcspkr.conf": b"blacklist pcspkr\n",
        "hello.conf": b"options hello who=world times=3\nsoftdep hello pre: crc32c post: loop\n",
    }


@pytest.mark.parametrize("name", ["", "../x", "a b", "a\nb", ".hidden", "-x", "a/b", "é", "x" * 200])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError):
        wanted(autoload=[name], options=[], blacklist=[], softdep=[])
    with pytest.raises(UsageError):
        wanted(autoload=[], options=[], blacklist=[name], softdep=[])


@pytest.mark.parametrize("text", ["hello", "hello ", "", "hello a=1\ninstall hello /bin/sh", "hello a=1 \\",
                                  "../x a=1", "hello a=\x00"])  # fmt: skip
def test_options_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        wanted(autoload=[], options=[text], blacklist=[], softdep=[])


@pytest.mark.parametrize("text", ["hello", "hello crc32c", "hello pre:", "hello pre: post:", "hello x pre: y"])
def test_softdeps_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        wanted(autoload=[], options=[], blacklist=[], softdep=[text])


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        ({"usr/lib/x": "", "lib": "-> usr/lib"}, "usr/lib/modprobe.d"),
        ({"usr/lib/x": "", "lib/x": ""}, "lib/modprobe.d"),
        ({}, "lib/modprobe.d"),  # modules will make a directory of /lib
        ({"usr/lib/x": ""}, "usr/lib/modprobe.d"),
    ],
)
def test_the_distributions_directory(tmp_path: Path, files: dict[str, str], folder: str) -> None:
    put(tmp_path, files)
    with DirectoryRoot(tmp_path) as root:
        assert modprobe_dir(root, ConfDir.USR) == folder
        assert modprobe_dir(root, ConfDir.ETC) == "etc/modprobe.d"
