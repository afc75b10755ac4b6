# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels from .deb files: several make one kernel, what is missing is named, hostile ones stay in their directory."""

from pathlib import Path
from tarfile import TarInfo

import pytest

from dlkm.core.errors import MalformedError, NothingSelectedError, UsageError
from dlkm.core.events import Event, EventKind, Events
from dlkm.kernel import select
from dlkm.kernel.facts import Facts
from dlkm.kernel.pool import Pool
from dlkm.kernel.spec import Spec, SpecKind
from tests.unit.kernel.deb_builder import COMMON, deb, kernel_debs
from tests.unit.kernel.fake_debian import CONFIG, FakeDebian
from tests.unit.ko.elf_builder import tiny_module

R = "6.1.0-10-amd64"


def _resolve(pool: Pool, *words: object, said: list[Event] | None = None) -> list[str]:
    events = Events(said.append) if said is not None else Events()
    return [kernel.id for kernel in select.resolve([str(word) for word in words], pool, events, FakeDebian())]


def test_words_that_name_packages() -> None:
    assert Spec.parse("a.deb").kind is Spec.parse("x/a.deb,/y/b.rpm").kind is SpecKind.PACKAGES
    assert select.packages_together(["a.deb", "6.1.0", "b.deb"]) == ["a.deb,b.deb", "6.1.0"]


def test_four_packages_make_one_kernel(pool: Pool, tmp_path: Path) -> None:
    debs = kernel_debs(tmp_path / "debs")
    (kernel,) = select.resolve(list(map(str, debs.values())), pool, Events(), FakeDebian())
    tree = pool.home(R) / "tree"
    assert (kernel.id, kernel.release, kernel.arch.name, kernel.exports) == (R, R, "x86_64", 2)
    assert kernel.headers == tree / f"usr/src/linux-headers-{R}"
    assert (kernel.image, kernel.modules) == (tree / f"boot/vmlinuz-{R}", tree / "lib/modules" / R)
    assert "../linux-headers-6.1.0-10-common" in (kernel.headers / "Makefile").read_text()
    assert (kernel.headers / "scripts/mod/modpost").is_file(), "the links between packages hold"
    assert kernel.packages == tuple(sorted(f"{path.name.split('_')[0]}=1" for path in debs.values()))
    assert not (tree / "usr/share").exists()
    assert pool.damage(R, whole=True) == ()


def test_the_same_files_are_unpacked_once(pool: Pool, tmp_path: Path) -> None:
    debs = kernel_debs(tmp_path / "debs")
    assert _resolve(pool, *debs.values()) == _resolve(pool, *reversed(debs.values())) == [R]
    assert _resolve(pool, tmp_path / "debs") == [R], "a directory of packages is a word too"
    assert pool.ids() == (R,)


@pytest.mark.parametrize(("left_out", "named"), [("common", COMMON), ("kbuild", "linux-kbuild-6.1")])
def test_what_is_missing_is_named(pool: Pool, tmp_path: Path, left_out: str, named: str) -> None:
    debs = kernel_debs(tmp_path / "debs")
    with pytest.raises(UsageError, match=f"needs the package {named}") as caught:
        _resolve(pool, *(path for name, path in debs.items() if name != left_out))
    assert f"apt-get download {named}" in (caught.value.hint or "")
    assert pool.ids() == ()


def test_parts_that_do_something_alone(pool: Pool, tmp_path: Path, said: list[Event]) -> None:
    debs = kernel_debs(tmp_path / "debs")
    (kernel,) = select.resolve([str(debs["image"])], pool, Events(said.append), FakeDebian())
    assert (kernel.headers, kernel.image is not None) == (None, True)
    without = [str(path) for name, path in debs.items() if name != "image"]
    (kernel,) = select.resolve(without, pool, Events(said.append), FakeDebian())
    assert (kernel.id, kernel.image, kernel.modules) == (f"{R}@deb", None, None), "a link to headers is no module"
    warned = [event.text for event in said if event.kind is EventKind.WARNING]
    assert [f"linux-headers-{R}" in warned[0], f"linux-image-{R}" in warned[1]] == [True, True]
    with pytest.raises(UsageError, match="no kernel among"):
        _resolve(pool, debs["common"], debs["kbuild"])


def test_a_directory_of_packages_is_a_mirror(pool: Pool, tmp_path: Path) -> None:
    for release in (R, "6.1.0-9-amd64"):
        kernel_debs(tmp_path / "debs", release)
    given = select.Given(mirrors=(str(tmp_path / "debs"),))
    nothing = FakeDebian(missing=("apt-get", "apt-cache", "dpkg-deb"))
    for word, ids in {
        "debian:latest-6.1-amd64": [R],
        "debian:6.1.0-9-amd64": ["6.1.0-9-amd64"],
        "debian:6.1.0-*-amd64": ["6.1.0-9-amd64", R],
    }.items():
        found = select.resolve([word], pool, Events(), nothing, given=given)
        assert sorted(kernel.id for kernel in found) == sorted(ids)
        assert {kernel.origin for kernel in found} == {f"debian:{name}" for name in ids}, "as from the archive"
    with pytest.raises(NothingSelectedError):
        select.resolve(["debian:latest-6.12-amd64"], pool, Events(), nothing, given=given)
    with pytest.raises(UsageError, match="is no directory"):
        select.resolve(["debian:x-amd64"], pool, Events(), nothing, given=select.Given(mirrors=("/none",)))


def test_hostile_packages_stay_inside(pool: Pool, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "share").mkdir(parents=True)
    (outside / "modules" / R).mkdir(parents=True)
    (outside / "modules" / R / "build").symlink_to("/usr/src/x")
    (outside / "share/mine").write_text("mine")
    headers = f"usr/src/linux-headers-{R}"
    first = deb(tmp_path / f"linux-image-{R}_1_amd64.deb", {"usr": f"-> {outside}", "lib": f"-> {outside}"})
    second = deb(
        tmp_path / f"linux-headers-{R}_1_amd64.deb", {f"{headers}/Makefile": "x", f"{headers}/.config": CONFIG}
    )
    for words in ([first], [first, second]):
        with pytest.raises(MalformedError):
            _resolve(pool, *words)
    assert (outside / "share/mine").read_text() == "mine"
    assert (outside / "modules" / R / "build").is_symlink()
    assert pool.ids() == ()
    assert list((pool.root / ".scratch").iterdir()) == []


@pytest.mark.parametrize("order", ["/etc/passwd\n", "**x/../..\n", "kernel/../../../../../outside.ko\n", ""])
def test_a_kernel_whose_parts_lead_elsewhere_is_read_from_itself_alone(pool: Pool, tmp_path: Path, order: str) -> None:
    (tmp_path / "outside.ko").write_bytes(tiny_module().build())
    files: dict[str, str | bytes | TarInfo] = {
        f"./boot/vmlinuz-{R}": b"MZ",
        f"./boot/config-{R}": f"-> {tmp_path}/outside.ko",
        f"./lib/modules/{R}/kernel": f"-> {tmp_path}",
        f"./lib/modules/{R}/modules.order": order,
    }
    package = deb(tmp_path / f"linux-image-{R}_1_amd64.deb", files)
    (kernel,) = select.resolve([str(package)], pool, Events(), FakeDebian())
    assert pool.take(R) == kernel, "a link has no bytes of its own to be verified"
    assert (kernel.config_file, kernel.vermagic, Facts(kernel).vermagic) == (None, None, None)


def test_files_that_are_no_packages(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "a.deb").write_bytes(b"nonsense")
    (tmp_path / "a.rpm").write_bytes(b"\xed\xab\xee\xdb" + bytes(200))
    for name in ("a.deb", "a.rpm"):
        with pytest.raises(MalformedError):
            _resolve(pool, tmp_path / name)
    with pytest.raises(UsageError, match="none"):
        _resolve(pool, tmp_path / "none.deb")
