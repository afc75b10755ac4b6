# SPDX-License-Identifier: GPL-2.0-or-later
"""make's environment and command lines, for the styles of drivers."""

from pathlib import Path

import pytest

from dlkm.build.environment import SERIAL_OUTSIDE_KBUILD, Surroundings, make_commands, make_environment
from dlkm.build.options import BuildOptions
from dlkm.kernel.compiler import Compiler
from dlkm.source.driver import Driver, find
from tests.unit.build.fakes import kernel

AROUND = Surroundings(kernel="/k", driver="/build/driver", root="/build/root", home="/h", tools="/t", path="/bin")
MAKE = ("make", SERIAL_OUTSIDE_KBUILD)
GCC = Compiler(path=Path("/usr/bin/gcc-12"), family="gcc", major=12)
RULE = "obj-m := x.o\nall:\n\tmake -C $(KERNEL_SRC) M=$(PWD)\n"


def _driver(folder: Path, text: str = RULE, subdir: str = "") -> Driver:
    place = folder / "driver" / subdir
    place.mkdir(parents=True)
    (place / "Makefile").write_text(text)
    return find(folder / "driver", subdir)


def _environment(folder: Path, text: str = RULE) -> dict[str, str]:
    return make_environment(_driver(folder, text), kernel(folder / "k"), GCC, BuildOptions(), AROUND)


def test_the_kernel_under_all_its_names(tmp_path: Path) -> None:
    variables = _environment(tmp_path)
    for name in ("KERNEL_SRC", "KDIR", "KERNELDIR", "KERNEL_DIR", "KSRC"):
        assert variables[name] == "/k"
    for name in ("KVER", "KERNEL_VERSION"):
        assert variables[name] == "6.1.0-9-amd64"
    assert (variables["ARCH"], variables["PWD"]) == ("x86_64", "/build/driver")


def test_nothing_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "-k")
    monkeypatch.setenv("SECRET", "x")
    assert not {"MAKEFLAGS", "SECRET"} & _environment(tmp_path).keys()


def test_kernelrelease_only_where_it_does_no_harm(tmp_path: Path) -> None:
    assert "KERNELRELEASE" not in _environment(tmp_path / "a")
    two_faced = f"ifneq ($(KERNELRELEASE),)\nobj-m := x.o\nelse\n{RULE}endif\n"
    assert "KERNELRELEASE" not in _environment(tmp_path / "b", two_faced)
    plain = "all:\n\tmake -C /lib/modules/$(KERNELRELEASE)/build M=$(PWD)\n"
    assert _environment(tmp_path / "c", plain)["KERNELRELEASE"] == "6.1.0-9-amd64"


def test_a_plain_make(tmp_path: Path) -> None:
    assert make_commands(_driver(tmp_path), BuildOptions(), AROUND) == (MAKE,)


def test_a_bare_kbuild_below(tmp_path: Path) -> None:
    driver = _driver(tmp_path, "obj-m := x.o\n", "src")
    expected = ("make", "-C", "/k", "M=/build/driver/src", "modules")
    assert make_commands(driver, BuildOptions(), AROUND) == (expected,)


def test_variables_and_goals(tmp_path: Path) -> None:
    options = BuildOptions(variables=(("A", "b c"), ("K", "$(KERNEL_SRC)")), targets=("driver", "modules_install"))
    first, second = make_commands(_driver(tmp_path), options, AROUND)
    assert first == (*MAKE, "A=b c", "K=$(KERNEL_SRC)", "driver")
    assert second == (*MAKE, "A=b c", "K=$(KERNEL_SRC)", "DEPMOD=true", "modules_install")


def test_an_install_goal_alone_makes_first(tmp_path: Path) -> None:
    options = BuildOptions(targets=("install",))
    first, second = make_commands(_driver(tmp_path), options, AROUND)
    assert (first, second[-1]) == (MAKE, "install")


def test_only_kbuild_is_parallel(tmp_path: Path) -> None:
    """However many jobs there are: what is run must not depend on it."""
    for jobs in (1, 4):
        options = BuildOptions(jobs=jobs)
        assert make_commands(_driver(tmp_path / f"a{jobs}"), options, AROUND) == (MAKE,)
    (bare,) = make_commands(_driver(tmp_path / "b", "obj-m := x.o\n"), BuildOptions(), AROUND)
    assert bare[:2] == ("make", "-C")
    # Kbuild (scripts/Makefile, `findstring s,$(filter-out --%,$(MAKEFLAGS))`) must not find flags in it.
    assert len(SERIAL_OUTSIDE_KBUILD.split()) == 1
