# SPDX-License-Identifier: GPL-2.0-or-later
"""A dkms.conf's variables, as bash told them, become what DKMS makes of them; what it refuses is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError
from dlkm.source.dkms import DkmsConf, Target, depends_in, names_in, neighbours, read_conf

TARGET = Target(
    release="6.1.0-9-amd64",
    machine="x86_64",
    kernel_dir="/k",
    build_dir="/b",
    options=frozenset({"CONFIG_PCI", "CONFIG_USB"}),
    clang=False,
)
LEAST = {"PACKAGE_NAME": "x", "PACKAGE_VERSION": "1", "BUILT_MODULE_NAME": "x", "DEST_MODULE_LOCATION": "/extra"}


def _told(values: dict[str, str]) -> bytes:
    """As dkms.sh writes it; a name may carry an index: "MAKE 1"."""
    words = ((*(*name.split(), "0")[:2], value) for name, value in values.items())
    return "".join(f"{word}\0" for triple in words for word in triple).encode()


def _conf(target: Target = TARGET, **values: str) -> DkmsConf:
    return read_conf(Path("dkms.conf"), _told(LEAST | values), target)


def _with(values: dict[str, str], target: Target = TARGET) -> DkmsConf:
    return read_conf(Path("dkms.conf"), _told(LEAST | values), target)


def test_what_is_not_said_is_as_dkms_has_it() -> None:
    conf = _conf()
    assert (conf.make, conf.clean) == ("make -C /k M=/b", "make -C /k M=/b clean")
    (module,) = conf.modules
    assert (str(module.built), module.name, module.strip) == ("x.ko", "x", True)


def test_a_lone_record_takes_the_package_name() -> None:
    conf = _conf(BUILT_MODULE_NAME="", PACKAGE_NAME="pack")
    assert str(conf.modules[0].built) == "pack.ko"


def test_records_go_together_by_index() -> None:
    conf = _with(
        {
            "BUILT_MODULE_NAME 1": "y",
            "BUILT_MODULE_LOCATION 1": "sub",
            "DEST_MODULE_NAME 1": "z",
            "DEST_MODULE_LOCATION 1": "/updates",
            "STRIP": "no",
        }
    )
    first, second = conf.modules
    assert (str(second.built), second.name, second.location) == ("sub/y.ko", "z", "/updates")
    assert (first.strip, second.strip) == (False, False)  # the first one's word holds for those without one


@pytest.mark.parametrize(
    ("said", "meant"),
    [("/kernel/../misc/", "/misc"), ("/updates/dkms/", "/updates/dkms"), ("/extra//a/./b", "/extra/a/b")],
)
def test_steps_up_within_the_modules_directory_are_taken(said: str, meant: str) -> None:
    assert _with({"DEST_MODULE_LOCATION": said}).modules[0].location == meant


def test_the_last_matching_make_wins_and_the_first_needs_no_match() -> None:
    values = {"MAKE": "make a", "MAKE 1": "make b", "MAKE_MATCH 1": "^6", "MAKE_MATCH? 1": "yes"}
    assert _with(values).make == "make b"
    assert _with(values | {"MAKE_MATCH? 1": "no"}).make == "make a"


def test_patches_by_release() -> None:
    values = {"PATCH": "a.patch", "PATCH 1": "b.patch", "PATCH_MATCH 1": "^5", "PATCH_MATCH? 1": "no"}
    assert _with(values).patches == ("a.patch",)


def test_a_kernel_built_by_clang_is_met_by_llvm() -> None:
    target = Target(release="6.1", machine="x86_64", kernel_dir="/k", build_dir="/b", options=frozenset(), clang=True)
    assert _conf(target, MAKE="make").make == "make LLVM=1"


@pytest.mark.parametrize(
    ("values", "excluded"),
    [
        ({"BUILD_EXCLUSIVE_KERNEL": "^5", "BUILD_EXCLUSIVE_KERNEL?": "no"}, True),
        ({"BUILD_EXCLUSIVE_KERNEL": "^6", "BUILD_EXCLUSIVE_KERNEL?": "yes"}, False),
        ({"BUILD_EXCLUSIVE_ARCH": "arm", "BUILD_EXCLUSIVE_ARCH?": "no"}, True),
        ({"BUILD_EXCLUSIVE_KERNEL_MIN": "6.1"}, False),
        ({"BUILD_EXCLUSIVE_KERNEL_MIN": "6.2"}, True),
        ({"BUILD_EXCLUSIVE_KERNEL_MIN": "5.19"}, False),
        ({"BUILD_EXCLUSIVE_KERNEL_MAX": "6.2"}, False),
        ({"BUILD_EXCLUSIVE_KERNEL_MAX": "6.0"}, True),
        ({"BUILD_EXCLUSIVE_CONFIG": "CONFIG_PCI CONFIG_USB"}, False),
        ({"BUILD_EXCLUSIVE_CONFIG": "CONFIG_PCI CONFIG_ISA"}, True),
        ({"BUILD_EXCLUSIVE_CONFIG": "!CONFIG_ISA"}, False),
        ({"BUILD_EXCLUSIVE_CONFIG": "!CONFIG_PCI"}, True),
    ],
)
def test_exclusions(values: dict[str, str], *, excluded: bool) -> None:
    conf = _with(values)
    assert (conf.excluded is not None) is excluded
    assert conf.excluded is None or next(iter(values)) in conf.excluded


@pytest.mark.parametrize(
    "values",
    [
        {"PACKAGE_NAME": ""},
        {"PACKAGE_VERSION": ""},
        {"PACKAGE_NAME": "../x"},
        {"BUILT_MODULE_NAME": "x.ko"},
        {"DEST_MODULE_NAME": "x.o"},
        {"DEST_MODULE_NAME": "../../etc/x"},
        {"DEST_MODULE_LOCATION": ""},
        {"DEST_MODULE_LOCATION": "/etc"},
        {"DEST_MODULE_LOCATION": "/extra/../../../etc"},
        {"DEST_MODULE_LOCATION": "/extra/../.."},
        {"DEST_MODULE_LOCATION": "/kernel/.."},
        {"BUILT_MODULE_LOCATION": "../out"},
        {"BUILT_MODULE_LOCATION": "/etc"},
        {"BUILT_MODULE_NAME": "", "DEST_MODULE_LOCATION 1": "/extra"},
    ],
)
def test_what_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(MalformedError, match=r"dkms\.conf"):
        _with(values)


def test_a_conf_that_names_no_module_is_refused() -> None:
    with pytest.raises(MalformedError, match="names no module"):
        read_conf(Path("dkms.conf"), _told({"PACKAGE_NAME": "x", "PACKAGE_VERSION": "1"}), TARGET)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_conf_or_refused(told: bytes) -> None:
    with pytest.raises(MalformedError):
        read_conf(Path("dkms.conf"), told, TARGET)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('PACKAGE_NAME="a"\nPACKAGE_VERSION=1.2', ("a", "1.2")),
        ("PACKAGE_NAME='a b'\nPACKAGE_VERSION[0]='2'", ("a b", "2")),
        ('PACKAGE_NAME="$x"\nPACKAGE_VERSION=`cat v`', ("", "")),
        ("# PACKAGE_NAME=a", ("", "")),
    ],
)
def test_names_in_the_text(tmp_path: Path, text: str, names: tuple[str, str]) -> None:
    (tmp_path / "dkms.conf").write_text(text)
    assert names_in(tmp_path / "dkms.conf") == names


@pytest.mark.parametrize(
    ("since", "obsolete"),
    [
        ("", False),
        ("6.1.0", True),
        ("6.1.0-9", True),
        ("6.1.0-10", False),
        ("6.1.0-8", True),
        ("6.2", False),
        ("5.19", True),
        ("5.19-99", True),
        ("7", False),
    ],
)
def test_who_is_obsolete(since: str, *, obsolete: bool) -> None:
    """DKMS's own order: first by the version, then by the number behind it."""
    assert _conf(OBSOLETE_BY=since).obsolete is obsolete


def test_what_is_exclusive_is_told() -> None:
    conf = _with({"BUILD_EXCLUSIVE_CONFIG": "CONFIG_PCI", "BUILD_EXCLUSIVE_KERNEL_MIN": "5.1"})
    assert conf.exclusive == {"BUILD_EXCLUSIVE_CONFIG": "CONFIG_PCI", "BUILD_EXCLUSIVE_KERNEL_MIN": "5.1"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('BUILD_DEPENDS[0]="a b"', {"a", "b"}),
        ("BUILD_DEPENDS=a\nBUILD_DEPENDS[1]='c'", {"a", "c"}),
        ("# BUILD_DEPENDS=a", set()),
    ],
)
def test_depends_in_the_text(tmp_path: Path, text: str, names: set[str]) -> None:
    (tmp_path / "dkms.conf").write_text(text)
    assert depends_in(tmp_path / "dkms.conf") == names


def test_neighbours_are_those_that_a_conf_looks_for(tmp_path: Path) -> None:
    for name, text in (
        ("user-1.0", "find /usr/src -name 'base-*'"),
        ("base-2.0", ""),
        ("other-1.0", ""),
        ("tree-1.0", '"$source_tree/other-1.0"'),
        ("blind-1.0", "base-2.0"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dkms.conf").write_text(text)
    found = {path.name: [one.name for one in neighbours(path)] for path in sorted(tmp_path.iterdir())}
    assert found == {
        "user-1.0": ["base-2.0"],
        "base-2.0": [],
        "other-1.0": [],
        "tree-1.0": ["other-1.0"],
        "blind-1.0": [],
    }
