# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration files: what we write, and what we read as modprobe.d(5) and modules-load.d(5) say."""

from pathlib import Path

import pytest

from dlkm.core.errors import UsageError
from dlkm.rootfs.conf import ConfDir, conf_files, logical_lines, modprobe_dir, present, wanted
from dlkm.rootfs.root import Root
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


def test_lines_as_kmod_reads_them() -> None:
    text = b"# comment\n\n  options a \\\n x=1\nblacklist b\r\n\xff\n"
    assert list(logical_lines(text)) == ["options a  x=1", "blacklist b", "\udcff"]


def test_earlier_directories_hide_later_ones(tmp_path: Path) -> None:
    put(tmp_path, {"etc/modprobe.d/a.conf": "blacklist mine", "usr/lib/modprobe.d/a.conf": "blacklist theirs",
                   "usr/lib/modprobe.d/b.conf": "options x-y z=1\nalias foo* bar\nnothing",
                   "usr/lib/modprobe.d/readme": "blacklist no", "lib": "-> usr/lib",
                   "etc/modules": "# list\nloop\n", "etc/modules-load.d/modules.conf": "-> ../modules",
                   "usr/lib/modules-load.d/x.conf": "; c\n fuse \n"})  # fmt: skip
    with Root(tmp_path) as root:
        found = present(root)
    assert [(line.text, line.file) for line in found.directives] == [
        ("blacklist mine", "modprobe.d/a.conf"),
        ("options x-y z=1", "modprobe.d/b.conf"),
        ("alias foo* bar", "modprobe.d/b.conf"),
    ]
    assert found.autoload == {"loop": "modules-load.d/modules.conf", "fuse": "modules-load.d/x.conf"}
    assert found.blacklisted("mine") is not None
    assert found.blacklisted("theirs") is None


def test_a_masking_link_hides_too(tmp_path: Path) -> None:
    put(tmp_path, {"etc/modules-load.d/x.conf": "-> /dev/null", "usr/lib/modules-load.d/x.conf": "fuse"})
    with Root(tmp_path) as root:
        assert conf_files(root, ("etc/modules-load.d", "usr/lib/modules-load.d")) == {"x.conf": b""}


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        ({"usr/lib/x": "", "lib": "-> usr/lib"}, "usr/lib/modprobe.d"),
        ({"usr/lib/x": "", "lib/x": ""}, "lib/modprobe.d"),
        ({}, "usr/lib/modprobe.d"),
    ],
)
def test_the_distributions_directory(tmp_path: Path, files: dict[str, str], folder: str) -> None:
    put(tmp_path, files)
    with Root(tmp_path) as root:
        assert modprobe_dir(root, ConfDir.USR) == folder
        assert modprobe_dir(root, ConfDir.ETC) == "etc/modprobe.d"
