# SPDX-License-Identifier: GPL-2.0-or-later
"""A planned root answers as the directory does in which the same plan was carried out."""

import random
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError
from dlkm.rootfs.apply import apply
from dlkm.rootfs.plan import Content
from dlkm.rootfs.planner import Planner
from dlkm.rootfs.records import Records
from dlkm.rootfs.root import DirectoryRoot, Kind, Root
from tests.unit.rootfs.support import put

NAMES = ("a", "b", "c")


def _told(root: Root) -> dict[str, object]:
    """All that a root says of itself."""
    told: dict[str, object] = {}
    todo = [""]
    for folder in todo:
        for place in root.entries(folder):
            told[place.path] = (place.kind, place.target)
            if place.kind is Kind.DIRECTORY:
                todo.append(place.path)
            elif place.kind is Kind.FILE:
                told[place.path] = (
                    root.digest(place.path),
                    root.read(place.path),
                    root.host_path(place.path).read_bytes(),
                )
    return told


def _path(chance: random.Random, most: int = 3) -> str:
    return "/".join(chance.choice(NAMES) for _ in range(chance.randint(1, most)))


def _fill(root: Path, chance: random.Random) -> None:
    for _ in range(chance.randint(0, 8)):
        target = chance.choice(["", "/", "../"]) + _path(chance, 2)
        try:
            put(root, {_path(chance): chance.choice(["text", f"-> {target}"])})
        except OSError:
            continue


def _try(planner: Planner, chance: random.Random, source: Path) -> None:
    path = _path(chance)
    source.write_text(path)
    what = chance.choice([Content.of(source), Content.to(chance.choice(["/", ""]) + _path(chance, 2)), None])
    try:
        if what is not None:
            planner.write(path, what)
        elif chance.random() < 0.5:
            planner.make_folder(path)
        elif (place := planner.after.place(path, follow=False)).kind in {Kind.FILE, Kind.LINK}:
            planner.remove(place)
    except (MalformedError, OSError):
        return


@pytest.mark.parametrize("seed", range(150))
def test_it_is_what_it_will_be(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    root, sources = tmp_path / "root", tmp_path / "sources"
    root.mkdir()
    sources.mkdir()
    _fill(root, chance)
    with DirectoryRoot(root) as opened:
        planner = Planner(opened)
        for number in range(chance.randint(1, 5)):
            _try(planner, chance, sources / str(number))
        foretold = _told(planner.after)
        places = [_path(chance, 4) for _ in range(20)]
        asked = [_where(planner.after, path) for path in places]
        plan = planner.plan()
        if plan.operations:
            apply(plan, opened, Records(root))
        assert _told(opened) == foretold
        assert [_where(opened, path) for path in places] == asked


def _where(root: Root, path: str) -> object:
    try:
        return root.place(path)
    except MalformedError as error:
        return error.what


def test_what_is_wanted_no_more_leaves_nothing(tmp_path: Path) -> None:
    put(tmp_path, {"etc/x": "old"})
    with DirectoryRoot(tmp_path) as root:
        planner = Planner(root)
        planner.write("etc/x", Content.of(b"new"))
        assert planner.after.read("etc/x") == b"new"
        planner.write("etc/x", Content.of(b"old", (tmp_path / "etc/x").stat().st_mode & 0o777))
        assert planner.plan().operations == ()
        assert planner.after.read("etc/x") == b"old"
