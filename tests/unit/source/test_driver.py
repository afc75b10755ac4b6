# SPDX-License-Identifier: GPL-2.0-or-later
"""A source directory as a driver: how it is recognised, named, and what is said when there is none."""

from pathlib import Path

import pytest

from dlkm.core.errors import UsageError
from dlkm.source.driver import Style, find, safe_name, told_apart

KBUILD = "obj-m := x.o\n"
MAKE = f"{KBUILD}all:\n\tmake -C $(KDIR) M=$(PWD)\n"


def _tree(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "style", "read"),
    [
        ({"Makefile": MAKE}, Style.MAKE, "Makefile"),
        ({"Makefile": KBUILD}, Style.KBUILD, "Makefile"),
        ({"Kbuild": KBUILD}, Style.KBUILD, "Kbuild"),
        ({"Kbuild": KBUILD, "Makefile": "all:\n\tmake -C $(KDIR) M=$(PWD)\n"}, Style.MAKE, "Makefile"),
        ({"Kbuild": KBUILD, "Makefile": "VERSION := 1\n"}, Style.KBUILD, "Kbuild"),
        ({"Makefile": KBUILD, "GNUmakefile": MAKE}, Style.MAKE, "GNUmakefile"),
        ({"Makefile": "all:\n\t./build.sh\n"}, Style.MAKE, "Makefile"),
    ],
)
def test_how_it_is_made(tmp_path: Path, files: dict[str, str], style: Style, read: str) -> None:
    driver = find(_tree(tmp_path, **files))
    assert (driver.style, driver.makefile.path.name) == (style, read)


def test_a_directory_below(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    _tree(tmp_path / "src", Makefile=MAKE)
    driver = find(tmp_path, "src")
    assert (driver.path, driver.subdir, driver.name) == (tmp_path, "src", safe_name(tmp_path.name))
    with pytest.raises(UsageError) as caught:
        find(tmp_path)
    assert "--subdir src" in (caught.value.hint or "")


@pytest.mark.parametrize("subdir", ["..", "/etc", "nowhere", "link"])
def test_no_way_out_by_subdir(tmp_path: Path, subdir: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "link").symlink_to("/etc")
    _tree(source, Makefile=MAKE)
    with pytest.raises(UsageError):
        find(source, subdir)


def test_what_is_no_driver(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "file", tmp_path / "missing", tmp_path / "loop"):
        with pytest.raises(UsageError):
            find(path)


@pytest.mark.parametrize(
    ("text", "name"), [("hello-1.2", "hello-1.2"), ("a b@c#d", "a-b-c-d"), (".hidden", "hidden"), ("äö", "driver")]
)
def test_names_are_safe(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_one_name_twice_is_told_apart(tmp_path: Path) -> None:
    for place in ("one/src", "two/src", "other"):
        (tmp_path / place).mkdir(parents=True)
        _tree(tmp_path / place, Makefile=MAKE)
    found = told_apart([find(tmp_path / place) for place in ("one/src", "two/src", "other")])
    assert [driver.name for driver in found] == ["one-src", "two-src", "other"]


def test_names_that_only_differ_in_what_is_not_safe(tmp_path: Path) -> None:
    for place in ("a b", "a@b"):
        (tmp_path / place).mkdir()
        _tree(tmp_path / place, Makefile=MAKE)
    found = told_apart([find(tmp_path / "a b"), find(tmp_path / "a@b")])
    assert len({driver.name for driver in found}) == 2
