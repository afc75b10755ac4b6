# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories as people have them: Yocto's, unpacked packages, half-prepared trees; what each lacks is said."""

from pathlib import Path

import pytest

from dlkm.core.errors import UsageError
from dlkm.core.events import Event, EventKind, Events
from dlkm.kernel import select
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from tests.unit.kernel.fake_debian import CONFIG, SYMVERS, FakeDebian


def _write(root: Path, *names: str) -> Path:
    contents = {
        ".config": CONFIG,
        "Module.symvers": SYMVERS,
        "include/generated/utsrelease.h": '#define UTS_RELEASE "6.1.9-x"\n',
    }
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(contents.get(name, "x\n"))
    return root


PREPARED = (".config", "Makefile", "include/generated/utsrelease.h", "scripts/mod/modpost", "Module.symvers")


def _read(pool: Pool, word: object, said: list[Event]) -> Kernel:
    (kernel,) = select.resolve([str(word)], pool, Events(said.append), FakeDebian())
    return kernel


@pytest.mark.parametrize("named", ["", "kernel-source", "kernel-build-artifacts"])
def test_a_yocto_work_directory(pool: Pool, tmp_path: Path, said: list[Event], named: str) -> None:
    source = _write(tmp_path / "kernel-source", "Makefile", "Kconfig", "kernel/module/main.c")
    build = _write(tmp_path / "kernel-build-artifacts", *PREPARED)
    kernel = _read(pool, tmp_path / named, said)
    (build / "Makefile").write_text(f"include {source}/Makefile\n")
    kernel = _read(pool, tmp_path / named, said)
    assert (kernel.headers, kernel.source, kernel.release) == (build, source, "6.1.9-x")
    assert said == []


@pytest.mark.parametrize("named", ["", "kernel-source", "kernel-build-artifacts"])
def test_a_yocto_work_directory_with_the_source_elsewhere(
    pool: Pool, tmp_path: Path, said: list[Event], named: str
) -> None:
    source = _write(tmp_path / "external", "Makefile", "Kconfig", "kernel/module/main.c")
    shared = tmp_path / "work-shared"
    build = _write(shared / "kernel-build-artifacts", *PREPARED)
    (build / "Makefile").write_text(f"include {source}/Makefile\n")
    (shared / "kernel-source").symlink_to(source)
    kernel = _read(pool, shared / named, said)
    assert (kernel.headers, kernel.source) == (build, source)


def test_a_yocto_directory_whose_kernel_is_not_configured(pool: Pool, tmp_path: Path, said: list[Event]) -> None:
    _write(tmp_path / "kernel-source", "Makefile", "Kconfig")
    (tmp_path / "kernel-build-artifacts").mkdir()
    with pytest.raises(UsageError, match=r"kernel-build-artifacts: .*\.config is missing") as caught:
        _read(pool, tmp_path, said)
    assert caught.value.hint == "bitbake make-mod-scripts"


def test_an_empty_build_directory_is_what_lacks_and_what_is_prepared(
    pool: Pool, tmp_path: Path, said: list[Event]
) -> None:
    source = _write(tmp_path / "linux", "Makefile", "Kconfig")
    (tmp_path / "build").mkdir()
    with pytest.raises(UsageError, match=rf"^{tmp_path}/build: .*found: nothing of a kernel") as caught:
        _read(pool, f"{source}:{tmp_path / 'build'}", said)
    assert f"make -C {source} O={tmp_path / 'build'} olddefconfig modules_prepare" in (caught.value.hint or "")


def test_a_build_directory_inside_its_source(
    pool: Pool, tmp_path: Path, said: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its Makefile includes `../Makefile`, which is meant from there, not from where the user stands."""
    source = _write(tmp_path / "linux", "Makefile", "Kconfig", "kernel/module/main.c")
    build = _write(source / "build", *PREPARED)
    (build / "Makefile").write_text("include ../Makefile\n")
    driver = _write(tmp_path / "driver", "Makefile", "src/hello.c")
    monkeypatch.chdir(driver / "src")
    assert _read(pool, build, said).source == source


def test_a_yocto_directory_without_make_mod_scripts(pool: Pool, tmp_path: Path, said: list[Event]) -> None:
    _write(tmp_path / "kernel-source", "Makefile", "Kconfig")
    _write(tmp_path / "kernel-build-artifacts", ".config", "include/generated/utsrelease.h")
    with pytest.raises(UsageError, match="; missing: Makefile") as caught:
        _read(pool, tmp_path, said)
    assert caught.value.hint == "bitbake make-mod-scripts"


@pytest.mark.parametrize("place", ["usr/src/kernels/6.1.9-x", "usr/src/linux-headers-6.1.9-x"])
def test_unpacked_packages(pool: Pool, tmp_path: Path, said: list[Event], place: str) -> None:
    headers = _write(tmp_path / place, *PREPARED)
    kernel = _read(pool, tmp_path, said)
    assert (kernel.headers, kernel.tree) == (headers, tmp_path)
    assert _read(pool, headers, said).headers == headers
    _write(tmp_path / "usr/src/kernels/6.1.10-y", *PREPARED)
    with pytest.raises(UsageError, match="holds 2 kernels' headers"):
        _read(pool, tmp_path, said)


@pytest.mark.parametrize(
    ("there", "words", "hint"),
    [
        (("README",), "found: nothing of a kernel", "rootfs:"),
        (("Makefile", "Kconfig"), ".config is missing", "dlkm kernel add source:"),
        ((".config",), "Makefile is missing", "modules_prepare"),
        ((".config", "Makefile"), "configured but not prepared", "modules_prepare"),
    ],
)
def test_what_is_there_and_what_is_missing(
    pool: Pool, tmp_path: Path, said: list[Event], there: tuple[str, ...], words: str, hint: str
) -> None:
    _write(tmp_path / "tree", *there)
    with pytest.raises(UsageError, match=words) as caught:
        _read(pool, tmp_path / "tree", said)
    assert "missing: " in caught.value.what
    assert hint in (caught.value.hint or "")


def test_what_is_only_a_pity_is_a_warning(pool: Pool, tmp_path: Path, said: list[Event]) -> None:
    _read(pool, _write(tmp_path / "tree", *PREPARED[:3]), said)
    assert [event.kind for event in said] == [EventKind.WARNING] * 2
    assert "Module.symvers" in said[0].text
    assert f"make -C {tmp_path / 'tree'} modules_prepare" in said[1].text


def test_headers_whose_other_packages_are_missing(pool: Pool, tmp_path: Path, said: list[Event]) -> None:
    headers = _write(tmp_path / "usr/src/linux-headers-6.1.9-x", *PREPARED)
    (headers / "Makefile").write_text("include /usr/src/linux-headers-6.1.9-common/Makefile\n")
    with pytest.raises(UsageError) as caught:
        _read(pool, headers, said)
    assert caught.value.hint == "the package linux-headers-6.1.9-common brings it"
    _write(tmp_path / "usr/src/linux-headers-6.1.9-common", "Makefile")
    (headers / "tools").symlink_to("../../lib/linux-kbuild-6.1/tools")
    with pytest.raises(UsageError) as caught:
        _read(pool, headers, said)
    assert caught.value.hint == "the package linux-kbuild-6.1 brings it"
