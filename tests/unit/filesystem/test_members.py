# SPDX-License-Identifier: GPL-2.0-or-later
"""Members as they lie once all is unpacked: links on the way, what comes twice, what may not be."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError
from dlkm.filesystem import members as members_module
from dlkm.filesystem.members import Form, Member, Members, lay_out
from dlkm.filesystem.place import Kind

FILE, FOLDER, OTHER = (Member(kind=kind) for kind in (Kind.FILE, Kind.DIRECTORY, Kind.OTHER))


def _link(target: str) -> Member:
    return Member(kind=Kind.LINK, target=target)


def _members(**given: Member) -> Members:
    found = Members(Path("x"))
    for name, member in given.items():
        found.add(name.replace("__", "/"), member)
    return found


def _shown(members: Members) -> dict[str, Kind]:
    return {path: member.kind for path, member in members.below("")}


def test_directories_that_nobody_names_are_made() -> None:
    assert _shown(_members(a__b__c=FILE)) == {"a": Kind.DIRECTORY, "a/b": Kind.DIRECTORY, "a/b/c": Kind.FILE}


@pytest.mark.parametrize("target", ["usr/lib", "/usr/lib", "../../usr/./lib", "usr/../usr/lib"])
def test_what_lies_below_a_link_lies_where_it_leads(target: str) -> None:
    members = _members(usr__lib=FOLDER, lib=_link(target))
    assert members.add("./lib/modules/x.ko", FILE) == "usr/lib/modules/x.ko"
    assert _shown(members)["lib"] is Kind.LINK


def test_a_later_one_takes_the_place_of_an_earlier_one() -> None:
    members = _members(a=Member(kind=Kind.FILE, size=1), b=_link("a"), c=FOLDER)
    for name in ("a", "b", "c"):
        members.add(name, Member(kind=Kind.FILE, size=2))
    assert {member.size for _path, member in members.below("")} == {2}


def test_a_link_that_becomes_a_directory_leads_nowhere_any_more() -> None:
    members = _members(other=FOLDER, a=_link("other"), a__x=FILE)
    assert members.look("other/x") is not None
    members.add("a", FOLDER)
    assert members.add("a/y", FILE) == "a/y"


def test_a_directory_that_holds_something_stays() -> None:
    members = _members(a__x=FILE)
    assert members.add("a", FILE) is None
    assert members.look("a/x") is not None
    members.add("a", Member(kind=Kind.DIRECTORY, mode=0o700))
    assert [member.mode for path, member in members.below("") if path == "a"] == [0o700]


@pytest.mark.parametrize(
    ("before", "name", "member"),
    [
        ({}, "../x", FILE),
        ({}, "a/../x", FILE),
        ({}, "a/..", FOLDER),
        ({}, "x" * 256, FILE),
        ({}, "é" * 128, FILE),
        ({}, "/".join("d" * 65), FILE),
        ({}, "empty", _link("")),
        ({}, "long", _link("x" * 4096)),
        ({"a": FILE}, "a/x", FILE),
        ({"a": OTHER}, "a/x", FILE),
        ({"a": _link("b"), "b": _link("a")}, "a/x", FILE),
        ({"a": _link("f"), "f": FILE}, "a/x", FILE),
    ],
)
def test_what_may_not_be(before: dict[str, Member], name: str, member: Member) -> None:
    members = _members(**before)
    with pytest.raises(MalformedError):
        members.add(name, member)


def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members_module, "MOST_MEMBERS", 10)
    members = _members(**{f"f{number}": FILE for number in range(10)})
    members.add("f1", FILE)
    with pytest.raises(MalformedError, match="more than 10 files"):
        members.add("more", FILE)


class _Full:
    """Every file holds its own name."""

    form = Form.TAR

    def __init__(self, members: Members) -> None:
        self.members = members

    def fetch(self, files: Mapping[str, Member], into: Path) -> None:
        for name in files:
            (into / name).write_text(name)


def test_laid_out_they_are_real_and_devices_are_none(tmp_path: Path) -> None:
    holder = _Full(_members(usr__lib__x=FILE, lib=_link("/usr/lib"), dev__null=OTHER, empty=FOLDER))
    for _ in range(2):
        lay_out(holder, [path for path, _member in holder.members.below("")], tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")}
    assert found == {"usr", "usr/lib", "usr/lib/x", "lib", "dev", "empty"}
    assert (tmp_path / "out/usr/lib/x").read_text() == "usr/lib/x"
    assert str((tmp_path / "out/lib").readlink()) == "/usr/lib"


def test_programs_stay_programs_and_all_can_be_read(tmp_path: Path) -> None:
    modes = {"run": 0o4755, "plain": 0o640, "closed": 0}
    members = {name: Member(kind=Kind.FILE, mode=mode, size=1) for name, mode in modes.items()}
    lay_out(_Full(_members(**members)), list(modes), tmp_path)
    assert {name: (tmp_path / name).stat().st_mode & 0o7777 for name in modes} == {
        "run": 0o755,
        "plain": 0o640,
        "closed": 0o600,
    }


def test_nothing_is_laid_out_that_would_fill_the_disk(tmp_path: Path) -> None:
    holder = _Full(_members(bomb=Member(kind=Kind.FILE, size=1 << 40)))
    with pytest.raises(MalformedError, match="more than"):
        lay_out(holder, ["bomb"], tmp_path)
    assert list(tmp_path.iterdir()) == []
