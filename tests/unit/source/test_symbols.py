# SPDX-License-Identifier: GPL-2.0-or-later
"""Drivers come after those whose symbols they use, and rings are named."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.source.driver import Driver, find
from dlkm.source.symbols import Member, Order, in_order, members_of


def _driver(root: Path, name: str, text: str) -> Driver:
    folder = root / name
    folder.mkdir()
    (folder / "Kbuild").write_text(f"obj-m := {name}.o\n")
    (folder / f"{name}.c").write_text(text)
    return find(folder)


def _ordered(drivers: list[Driver]) -> Order:
    return in_order(members_of(drivers))


def _names(members: tuple[Member, ...]) -> list[str]:
    return [member.name for member in members]


def test_givers_come_first(tmp_path: Path) -> None:
    user = _driver(tmp_path, "user", "int x(void) { return middle_call(); }")
    middle = _driver(tmp_path, "middle", "EXPORT_SYMBOL_NS_GPL(middle_call, NS); int y = base_call();")
    base = _driver(tmp_path, "base", "EXPORT_SYMBOL(\n\tbase_call\n);")
    order = _ordered([user, middle, base])
    assert _names(order.members) == ["base", "middle", "user"]
    assert {path.name: _names(givers) for path, givers in order.givers.items()} == {
        "user": ["middle"],
        "middle": ["base"],
        "base": [],
    }
    assert order.rings == ()


def test_who_uses_nothing_keeps_its_place(tmp_path: Path) -> None:
    one = _driver(tmp_path, "one", "EXPORT_SYMBOL(one_call); int one_call2;")
    two = _driver(tmp_path, "two", "int one_call2, another_one_call;")
    assert _names(_ordered([two, one]).members) == ["two", "one"]
    assert not any(_ordered([two, one]).givers.values())


def test_a_symbol_of_ones_own_makes_no_user(tmp_path: Path) -> None:
    """Two drivers may both bring a copy of a library."""
    text = "EXPORT_SYMBOL(lib_call);"
    order = _ordered([_driver(tmp_path, "a", text), _driver(tmp_path, "b", text)])
    assert (_names(order.members), any(order.givers.values())) == (["a", "b"], False)


def test_a_ring_is_named_and_cut(tmp_path: Path) -> None:
    a = _driver(tmp_path, "a", "EXPORT_SYMBOL(a_call); c_call();")
    b = _driver(tmp_path, "b", "EXPORT_SYMBOL(b_call); a_call();")
    c = _driver(tmp_path, "c", "EXPORT_SYMBOL(c_call); b_call();")
    order = _ordered([a, b, c])
    assert sorted(_names(order.members)) == ["a", "b", "c"]
    assert [_names(ring.members) for ring in order.rings] == [["a", "c", "b", "a"]]
    assert str(order.rings[0]) == (
        "a → c → b → a: a cycle: a uses c_call of c, c uses b_call of b, b uses a_call of a: "
        "such modules need one Kbuild that makes them all"
    )
    assert {path.name: _names(givers) for path, givers in order.givers.items()} == {"b": [], "c": ["b"], "a": ["c"]}


def test_odd_files_are_passed_over(tmp_path: Path) -> None:
    one = _driver(tmp_path, "one", "EXPORT_SYMBOL(one_call);")
    two = _driver(tmp_path, "two", "")
    (two.path / "loop.c").symlink_to("loop.c")
    (two.path / "folder.c").mkdir()
    (two.path / "bytes.c").write_bytes(bytes(range(256)))
    assert not any(_ordered([one, two]).givers.values())


@pytest.mark.parametrize(
    "text",
    [
        "static int level = 3;",
        "struct x {\n\tbool level;\n};",
        "int f(struct x *x) { return x->level + y.level; }",
        "/* the level\n of it */ // level",
        '#include "level.h"\nmodule_param_named(level, mine, int, 0444);\nMODULE_PARM_DESC(level, "the level");',
        'int f(void) { return g("level"); }',
    ],
)
def test_a_name_for_something_else_is_no_use(tmp_path: Path, text: str) -> None:
    giver = _driver(tmp_path, "giver", "int level; EXPORT_SYMBOL(level);")
    assert not any(_ordered([_driver(tmp_path, "other", text), giver]).givers.values())


@pytest.mark.parametrize(
    "text",
    [
        "extern int level;\nint f(void) { return level; }",
        "#include <level.h>\nint f(void) { return level; }",
        "a(&level);",
    ],
)
def test_a_variable_of_another_is_a_use(tmp_path: Path, text: str) -> None:
    giver = _driver(tmp_path, "giver", "int level; EXPORT_SYMBOL(level);")
    assert _names(_ordered([_driver(tmp_path, "user", text), giver]).members) == ["giver", "user"]


def _of_dkms(root: Path, name: str, *words: str) -> Driver:
    driver = _driver(root, name, "")
    (driver.path / "dkms.conf").write_text("\n".join([f'PACKAGE_NAME="{name}"', "PACKAGE_VERSION=1", *words]))
    return find(driver.path)


def test_build_depends_makes_an_order(tmp_path: Path) -> None:
    user = _of_dkms(tmp_path, "user", 'BUILD_DEPENDS[0]="elsewhere base"')
    base = _of_dkms(tmp_path, "base")
    assert _names(_ordered([user, base]).members) == ["base", "user"]
    ring = _ordered([_of_dkms(tmp_path, "one", "BUILD_DEPENDS=two"), _of_dkms(tmp_path, "two", "BUILD_DEPENDS=one")])
    assert "one says BUILD_DEPENDS=two, two says BUILD_DEPENDS=one" in str(ring.rings[0])


def test_a_conf_that_cannot_be_read_hinders_no_other(tmp_path: Path) -> None:
    """It fails when it is built, alone."""
    user = _of_dkms(tmp_path, "user", 'BUILD_DEPENDS[0]="base"')
    drivers = [user, _of_dkms(tmp_path, "base"), _of_dkms(tmp_path, "lost")]
    (drivers[2].path / "dkms.conf").unlink()
    assert _names(_ordered(drivers).members) == ["base", "user", "lost"]


def test_what_a_source_says_goes_before_what_its_text_seems_to_say(tmp_path: Path) -> None:
    user = _driver(tmp_path, "user", "EXPORT_SYMBOL(common); base_call();")
    base = _driver(tmp_path, "base", "EXPORT_SYMBOL(base_call); common();")
    said, other = members_of([user, base])
    order = in_order([replace(said, asks={base.path: "says DEPENDS="}), other])
    assert (_names(order.members), order.rings) == (["base", "user"], ())


def test_one_gives_what_several_export(tmp_path: Path) -> None:
    """A driver, and a copy of it: with both tables modpost would say that a symbol is exported twice."""
    user = _driver(tmp_path, "user", "base_call();")
    copies = [_driver(tmp_path, name, "EXPORT_SYMBOL(base_call);") for name in ("one", "two")]
    order = _ordered([user, *copies])
    assert _names(order.givers[user.path]) == ["one"]
