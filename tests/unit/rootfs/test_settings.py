# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration as the tools of a root read it: which files, which lines, in which order."""

import os
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError
from dlkm.rootfs.conffiles import Standing
from dlkm.rootfs.kmod import Kmod, Loader
from dlkm.rootfs.root import CONF_LIMIT, DirectoryRoot
from dlkm.rootfs.settings import MOST_LINES, Settings
from dlkm.rootfs.statements import directives, kmod_lines, load_lines, underscores
from tests.unit.rootfs.support import put

KMOD_30 = b"\x7fELF\0kmod version 30\0+ZSTD +XZ -ZLIB +LIBCRYPTO -EXPERIMENTAL\0/usr/local/lib/modprobe.d\0"
KMOD_34 = b"\x7fELF\0kmod version 34.2\0+ZSTD +XZ +ZLIB\0/usr/local/lib/modprobe.d\0/usr/lib/modprobe.d\0"


def settings(root: Path) -> Settings:
    with DirectoryRoot(root) as opened:
        return Settings.of(opened)


def standings(files: tuple[object, ...]) -> dict[str, str]:
    return {file.path: file.standing.value for file in files}  # type: ignore[attr-defined]


def test_lines_are_joined_and_numbered_as_kmod_does() -> None:
    text = b"# comment\n\n  options a \\\n x=1\nblacklist b\\\\\nc \\d\n\xff\n  # not first\nlast \\"
    assert [(line.number, line.text) for line in kmod_lines(text)] == [
        (3, "  options a  x=1"),
        (5, "blacklist b\\"),
        (6, "c d"),
        (7, "\udcff"),
        (9, "last "),
    ]


@pytest.mark.parametrize(
    ("text", "kind", "name", "rest"),
    [
        ("blacklist a-b trailing words", "blacklist", "a-b", "trailing words"),
        ("blacklist\ta", "blacklist", "a", ""),
        ("options a x=1  y=2", "options", "a", "x=1  y=2"),
        ("alias usb:v[0-9]* b-c d", "alias", "usb:v[0-9]*", "b-c d"),
        ("install a /bin/true", "install", "a", "/bin/true"),
        ("options a", "", "options", "a"),
        ("alias a", "", "alias", "a"),
        ("blacklist", "", "blacklist", ""),
        ("blacklist a]b", "", "blacklist", "a]b"),
        ("alias a b[", "", "alias", "a b["),
        ("include /etc/x", "", "include", "/etc/x"),
        ("Blacklist a", "", "Blacklist", "a"),
    ],
)
def test_words_of_modprobe(text: str, kind: str, name: str, rest: str) -> None:
    (line,) = directives(text.encode(), "f")
    assert (line.kind, line.name, line.rest, line.place) == (kind, name, rest, "f:1")


def test_a_carriage_return_is_a_part_of_the_name() -> None:
    (line,) = directives(b"blacklist a\r\n", "f")
    assert not line.about("a")


@pytest.mark.parametrize(
    ("name", "plain"), [("a-b", "a_b"), ("a[b-c]d-e", "a[b-c]d_e"), ("a]", None), ("a[b", None), ("", "")]
)
def test_underscores(name: str, plain: str | None) -> None:
    assert underscores(name) == plain


def test_names_to_load() -> None:
    assert [(line.number, line.text) for line in load_lines(b"# c\n; c\n  fuse \r\n\nsnd-dummy x=1")] == [
        (3, "fuse"),
        (5, "snd-dummy x=1"),
    ]


def test_earlier_directories_hide_later_ones(tmp_path: Path) -> None:
    put(tmp_path, {"etc/modprobe.d/a.conf": "blacklist mine", "usr/lib/modprobe.d/a.conf": "blacklist theirs",
                   "usr/lib/modprobe.d/b.conf": "options x-y z=1\nalias foo* bar\nnothing",
                   "usr/lib/modprobe.d/readme": "blacklist no", "lib": "-> usr/lib",
                   "etc/modules": "# list\nloop\n", "etc/modules-load.d/modules.conf": "-> ../modules",
                   "usr/lib/modules-load.d/x.conf": "; c\n fuse \n"})  # fmt: skip
    found = settings(tmp_path)
    assert [(line.text, line.place) for line in found.directives] == [
        ("blacklist mine", "etc/modprobe.d/a.conf:1"),
        ("options x-y z=1", "usr/lib/modprobe.d/b.conf:1"),
        ("alias foo* bar", "usr/lib/modprobe.d/b.conf:2"),
    ]
    assert [line.place for line in found.bad_lines] == ["usr/lib/modprobe.d/b.conf:3"]
    assert [(one.name, one.place) for one in found.autoload] == [
        ("loop", "etc/modules-load.d/modules.conf:2"),
        ("fuse", "usr/lib/modules-load.d/x.conf:2"),
    ]
    assert found.blacklisted("mine") is not None
    assert found.blacklisted("theirs") is None
    assert standings(found.modprobe) == {"etc/modprobe.d/a.conf": "read", "usr/lib/modprobe.d/a.conf": "hidden",
                                         "usr/lib/modprobe.d/b.conf": "read",
                                         "usr/lib/modprobe.d/readme": "suffix"}  # fmt: skip


def test_files_that_are_none(tmp_path: Path) -> None:
    put(tmp_path, {"etc/modprobe.d/mask.conf": "-> /dev/null", "usr/lib/modprobe.d/mask.conf": "blacklist a",
                   "etc/modprobe.d/nowhere.conf": "-> gone", "etc/modprobe.d/ring.conf": "-> ring.conf",
                   "etc/modprobe.d/deep.conf/x.conf": "blacklist b",
                   "etc/modprobe.d/.hidden.conf": "blacklist c"})  # fmt: skip
    os.mkfifo(tmp_path / "etc/modprobe.d/pipe.conf")
    found = settings(tmp_path)
    assert standings(found.modprobe) == {
        "etc/modprobe.d/mask.conf": "read",
        "usr/lib/modprobe.d/mask.conf": "hidden",
        "etc/modprobe.d/nowhere.conf": "dangling",
        "etc/modprobe.d/ring.conf": "dangling",
        "etc/modprobe.d/deep.conf": "folder",
        "etc/modprobe.d/pipe.conf": "no file",
    }
    assert found.directives == ()


def test_an_enormous_file_is_read_in_part(tmp_path: Path) -> None:
    put(tmp_path, {"etc/modprobe.d/big.conf": "blacklist a\n" + "#" * CONF_LIMIT})
    (file,) = settings(tmp_path).modprobe
    assert (file.standing, file.whole, len(file.data)) == (Standing.READ, False, CONF_LIMIT)


def test_more_files_than_anyone_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {f"etc/modprobe.d/{number}.conf": "" for number in range(5)})
    monkeypatch.setattr("dlkm.rootfs.conffiles.MOST_FILES", 4)
    with pytest.raises(MalformedError, match="more configuration"):
        settings(tmp_path)


def test_the_kmod_of_a_root(tmp_path: Path) -> None:
    put(tmp_path, {"bin/kmod": KMOD_30, "sbin/modprobe": "-> /bin/kmod", "etc/modprobe.d/old.alias": "alias a b",
                   "usr/lib/modprobe.d/x.conf": "blacklist x", "lib/modprobe.d/y.conf": "blacklist y"})  # fmt: skip
    found = settings(tmp_path)
    assert (found.kmod.loader, found.kmod.version, str(found.kmod)) == (Loader.KMOD, 30, "kmod 30")
    assert [line.text for line in found.directives] == ["alias a b", "blacklist y"]
    assert [found.kmod.reads(name) for name in ("a.ko", "a.ko.xz", "a.ko.gz")] == [True, True, False]
    (tmp_path / "bin/kmod").write_bytes(KMOD_34)
    newer = settings(tmp_path)
    assert [line.text for line in newer.directives] == ["blacklist x", "blacklist y"]
    assert newer.kmod.reads("a.ko.gz")


def test_a_root_with_busybox(tmp_path: Path) -> None:
    put(tmp_path, {"bin/busybox": b"\x7fELF\0BusyBox v1.36.1 (2024)\0", "sbin/modprobe": "-> ../bin/busybox",
                   "usr/lib/modprobe.d/x.conf": "blacklist x", "etc/modprobe.d/y.conf": "blacklist y"})  # fmt: skip
    found = settings(tmp_path)
    assert found.kmod.loader is Loader.BUSYBOX
    assert [line.text for line in found.directives] == ["blacklist y"]


@pytest.mark.parametrize("path", ["etc/modprobe.d/x.conf", "etc/modules-load.d/x.conf"])
def test_more_lines_than_anyone_has(path: str, tmp_path: Path) -> None:
    put(tmp_path, {path: "blacklist a\n" * MOST_LINES})
    found = settings(tmp_path)
    assert len(found.directives) + len(found.autoload) == MOST_LINES
    (tmp_path / path).write_text("blacklist a\n" * (MOST_LINES + 1))
    found = settings(tmp_path)
    with pytest.raises(MalformedError, match=r"x.conf: more than 10000 lines"):
        len(found.directives) + len(found.autoload)


def test_a_root_without_any(tmp_path: Path) -> None:
    with DirectoryRoot(tmp_path) as root:
        assert Kmod.of(root) == Kmod()
    assert str(Kmod()) == "none"
