# SPDX-License-Identifier: GPL-2.0-or-later
"""What is loaded before a module, and with which parameters."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dlkm.core.arch import arch_named
from dlkm.kernel.kernel import Kernel
from dlkm.prove.plan import attempts_for
from dlkm.verdict.conditions import Conditions
from tests.unit.ko.elf_builder import Exported, tiny_module

RELEASE = "6.1.0-56-amd64"


def _module(
    folder: Path,
    name: str,
    *,
    depends: str = "",
    softdep: str | None = None,
    wants: Sequence[str] = (),
    gives: Sequence[str] = (),
) -> Path:
    modinfo = [("name", name.replace("-", "_")), ("depends", depends)]
    if softdep is not None:
        modinfo.append(("softdep", softdep))
    image = tiny_module(modinfo=modinfo, undefined=wants, exports=[Exported(name=symbol, crc=1) for symbol in gives])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ko"
    path.write_bytes(image.build())
    return path


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A kernel with a few modules installed."""
    modules = tmp_path / "lib/modules" / RELEASE
    _module(modules / "kernel", "crc32c_generic")
    _module(modules / "kernel", "libcrc32c", softdep="pre: crc32c")
    _module(modules / "kernel", "nf_tables", depends="libcrc32c")
    return Kernel(id=RELEASE, release=RELEASE, arch=arch_named("amd64"), origin="test", modules=modules)


def _loaded(files: Sequence[Path], kernel: Kernel) -> list[list[str]]:
    return [[path.stem for path in attempt.files] for attempt in attempts_for(files, kernel, Conditions())]


def test_alone(tmp_path: Path, kernel: Kernel) -> None:
    assert _loaded([_module(tmp_path, "hello")], kernel) == [["hello"]]


def test_installed_modules_come_with_all_they_need(tmp_path: Path, kernel: Kernel) -> None:
    driver = _module(tmp_path, "driver", depends="nf-tables")
    assert _loaded([driver], kernel) == [["crc32c_generic", "libcrc32c", "nf_tables", "driver"]]


def test_given_modules_serve_each_other_by_symbols(tmp_path: Path, kernel: Kernel) -> None:
    user = _module(tmp_path, "user", wants=["part_do"])
    part = _module(tmp_path, "part", gives=["part_do"], wants=["base_do"])
    base = _module(tmp_path, "base", gives=["base_do"])
    other = _module(tmp_path, "other", gives=["other_do"])
    assert _loaded([user, part, base, other], kernel) == [
        ["base", "part", "user"],
        ["base", "part"],
        ["base"],
        ["other"],
    ]


def test_a_given_module_wins_over_an_installed_one(tmp_path: Path, kernel: Kernel) -> None:
    driver = _module(tmp_path, "driver", depends="libcrc32c")
    own = _module(tmp_path / "own", "libcrc32c")
    (attempt, _alone) = attempts_for([driver, own], kernel, Conditions())
    assert attempt.files == (own, driver)


def test_a_ring_ends(tmp_path: Path, kernel: Kernel) -> None:
    one = _module(tmp_path, "one", wants=["b"], gives=["a"])
    two = _module(tmp_path, "two", wants=["a"], gives=["b"])
    assert _loaded([one, two], kernel) == [["two", "one"], ["one", "two"]]


def test_softdeps_after_it_are_not_loaded(tmp_path: Path, kernel: Kernel) -> None:
    driver = _module(tmp_path, "driver", softdep="post: nf_tables pre: libcrc32c")
    assert _loaded([driver], kernel) == [["crc32c_generic", "libcrc32c", "driver"]]


def test_what_is_no_module_is_tried_as_it_is(tmp_path: Path, kernel: Kernel) -> None:
    junk = tmp_path / "junk.ko"
    junk.write_bytes(b"no module")
    assert _loaded([junk], kernel) == [["junk"]]


def test_parameters_of_the_flags_and_the_command_line(tmp_path: Path, kernel: Kernel) -> None:
    hello, other = _module(tmp_path, "hello"), _module(tmp_path, "other")
    conditions = Conditions(cmdline="quiet hello.whom=you", params=("count=3",))
    assert [attempt.parameters for attempt in attempts_for([hello, other], kernel, conditions)] == [
        "whom=you count=3",
        "count=3",
    ]


def test_a_kernel_without_modules_serves_none(tmp_path: Path) -> None:
    kernel = Kernel(id=RELEASE, release=RELEASE, arch=arch_named("amd64"), origin="test")
    assert _loaded([_module(tmp_path, "driver", depends="libcrc32c")], kernel) == [["driver"]]
