# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiler: the one the kernel names, else the nearest, else a command that installs it."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.core.arch import host_arch
from dlkm.core.errors import MissingToolError
from dlkm.core.events import Event, EventKind, Events
from dlkm.kernel.compiler import Compiler, Wanted, choose, compiler_for, wanted_by
from dlkm.kernel.config import Config
from dlkm.kernel.kernel import Kernel
from tests.unit.build.fakes import FakeRunner, kernel

DEBIAN = "CCACHE = ccache\nCC = $(if $(DEBIAN_KERNEL_USE_CCACHE),$(CCACHE)) $(CROSS_COMPILE)gcc-12\n"


@pytest.fixture
def debian(tmp_path: Path) -> Kernel:
    """A kernel whose headers name gcc-12."""
    made = kernel(tmp_path)
    (tmp_path / "usr/src/linux-headers-6.1.0-9-amd64/.kernelvariables").write_text(DEBIAN)
    return made


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0", Wanted(family="gcc", major=12, called="gcc")),
        ("aarch64-poky-linux-gcc (GCC) 13.3.0", Wanted(family="gcc", major=13, called="gcc")),
        ("Debian clang version 14.0.6", Wanted(family="clang", major=14, called="clang")),
        ("", Wanted(family="gcc", major=None, called="gcc")),
        ("something else", Wanted(family="gcc", major=None, called="gcc")),
    ],
)
def test_what_the_configuration_names(tmp_path: Path, text: str, wanted: Wanted) -> None:
    (tmp_path / "config").write_text(f'CONFIG_CC_VERSION_TEXT="{text}"\n')
    assert wanted_by(replace(kernel(tmp_path), config_file=tmp_path / "config")) == wanted


def _said(events: list[Event]) -> list[str]:
    return [event.text for event in events if event.kind is EventKind.WARNING]


def test_the_one_that_is_named(debian: Kernel) -> None:
    heard: list[Event] = []
    runner = FakeRunner({"gcc-12": "/usr/bin/gcc-12", "gcc": "/usr/bin/gcc"})
    chosen = choose(debian, runner, Events(heard.append))
    assert (chosen.path, chosen.stand_in, runner.ran) == (Path("/usr/bin/gcc-12"), None, [])
    assert _said(heard) == []


def test_a_tree_that_calls_gcc_gets_the_right_gcc(tmp_path: Path) -> None:
    (tmp_path / "config").write_text('CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14) 12.2.0"\n')
    made = replace(kernel(tmp_path), config_file=tmp_path / "config")
    runner = FakeRunner({"gcc": "/usr/bin/gcc", "gcc-12": "/usr/bin/gcc-12"}, {"-dumpversion": (0, "14\n")})
    chosen = choose(made, runner, Events())
    assert (chosen.path, chosen.stand_in) == (Path("/usr/bin/gcc-12"), "gcc")
    same = FakeRunner({"gcc": "/usr/bin/gcc"}, {"-dumpversion": (0, "12\n")})
    assert choose(made, same, Events()).stand_in is None


@pytest.mark.parametrize(("present", "taken"), [((9, 11, 14), 11), ((11, 13), 13), ((14,), 14)])
def test_the_nearest_stands_in_with_a_warning(debian: Kernel, present: tuple[int, ...], taken: int) -> None:
    heard: list[Event] = []
    runner = FakeRunner({f"gcc-{major}": f"/usr/bin/gcc-{major}" for major in present})
    chosen = choose(debian, runner, Events(heard.append))
    assert (chosen.path.name, chosen.stand_in) == (f"gcc-{taken}", "gcc-12")
    (warning,) = _said(heard)
    assert "gcc 12" in warning
    assert "apt-get install gcc-12" in warning


def test_none_at_all_is_told_with_the_command(debian: Kernel, tmp_path: Path) -> None:
    with pytest.raises(MissingToolError) as caught:
        choose(debian, FakeRunner({}), Events())
    assert caught.value.hint == "apt-get install gcc-12"
    arm = kernel(tmp_path / "arm", "6.1.0-9-arm64", "arm64")
    if arm.arch.is_host:
        return
    with pytest.raises(MissingToolError) as caught:
        choose(arm, FakeRunner({"gcc-12": "/usr/bin/gcc-12"}), Events())
    assert caught.value.hint == f"apt-get install {arm.arch.compiler_package}"


def test_the_package_of_the_very_version_is_named(debian: Kernel, tmp_path: Path) -> None:
    heard: list[Event] = []
    arm = kernel(tmp_path / "arm", "6.1.0-9-arm64", "arm64")
    if arm.arch.is_host:
        return
    (tmp_path / "config").write_text('CONFIG_CC_VERSION_TEXT="aarch64-linux-gnu-gcc-14 (Debian) 14.2.0"\n')
    plain = f"{arm.arch.triplet}-gcc"
    choose(
        replace(arm, config_file=tmp_path / "config"),
        FakeRunner({plain: f"/usr/bin/{plain}"}, {"-dumpversion": (0, "12\n")}),
        Events(heard.append),
    )
    assert "(apt-get install gcc-14-aarch64-linux-gnu brings the right one)" in _said(heard)[0]


def test_the_warning_says_what_another_compiler_risks(debian: Kernel, tmp_path: Path) -> None:
    heard: list[Event] = []
    runner = FakeRunner({"gcc-14": "/usr/bin/gcc-14"})
    choose(debian, runner, Events(heard.append))
    (tmp_path / "config").write_text("CONFIG_GCC_PLUGIN_RANDSTRUCT=y\nCONFIG_RETPOLINE=y\n")
    choose(replace(debian, config_file=tmp_path / "config"), runner, Events(heard.append))
    plain, risky = _said(heard)
    assert "this risks: little" in plain
    assert ["RANDSTRUCT" in risky, "retpoline" in risky, "CFI" in risky] == [True, True, False]
    assert "Symbol versions never differ" in plain


@pytest.mark.parametrize(
    ("path", "family", "major", "word"),
    [
        ("clang", "clang", 14, "1"),
        ("clang-14", "clang", 14, "-14"),
        ("clang", "clang", None, "1"),
        ("gcc", "gcc", 12, None),
    ],
)
def test_clang_kernels_get_llvm(path: str, family: str, major: int | None, word: str | None) -> None:
    assert Compiler(path=Path("/usr/bin") / path, family=family, major=major).llvm == word


@pytest.mark.parametrize(
    ("text", "present", "taken", "warned"),
    [
        ("gcc-12 (Debian 12.2.0-14) 12.2.0", {"gcc": 12, "gcc-12": 12}, "gcc-12", False),
        ("gcc (GCC) 13.3.0", {"gcc": 12, "gcc-13": 13}, "gcc-13", False),
        ("x86_64-poky-linux-gcc (GCC) 13.3.0", {"gcc": 12, "gcc-11": 11}, "gcc", True),
        ("Debian clang version 14.0.6", {"gcc": 12, "clang": 14}, "clang", False),
        ("Debian clang version 16.0.6", {"gcc": 16, "clang-15": 15}, "clang-15", True),
    ],
)
def test_a_source_is_prepared_with_what_its_configuration_names(
    text: str, present: dict[str, int], taken: str, *, warned: bool
) -> None:
    heard: list[Event] = []
    answers = {f"/usr/bin/{name}": (0, f"{major}\n") for name, major in present.items()}
    runner = FakeRunner({name: f"/usr/bin/{name}" for name in present}, answers)
    config = Config.parse(f'CONFIG_CC_VERSION_TEXT="{text}"\n')
    found = compiler_for(config, host_arch(), "linux-source", runner, Events(heard.append))
    assert (found.path.name, bool(_said(heard))) == (taken, warned)
