# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of a kernel and of two: facts with their places, differences, types, pins."""

import gzip
import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.core.arch import arch_named
from dlkm.core.errors import FetchError, MalformedError, UsageError
from dlkm.core.events import Events
from dlkm.kernel import select
from dlkm.kernel.diff import difference
from dlkm.kernel.image_btf import KernelBtf
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.lockfile import Lock, pin_of, require
from dlkm.kernel.pool import Pool
from dlkm.kernel.portrait import portrait
from dlkm.kernel.select import Given
from dlkm.kernel.types import types_in
from dlkm.report.kernel import lines
from dlkm.report.kerneldiff import diff_document, diff_lines
from tests.unit.kernel.deb_builder import kernel_debs
from tests.unit.kernel.fake_debian import FakeDebian

CONFIG = """# Linux/x86 6.1.9 Kernel Configuration
CONFIG_64BIT=y
CONFIG_MODVERSIONS=y
CONFIG_PREEMPT=y
CONFIG_PREEMPT_DYNAMIC=y
CONFIG_MODULE_SIG=y
CONFIG_MODULE_SIG_HASH="sha256"
CONFIG_CC_VERSION_TEXT="gcc-12 12.2.0"
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _kernel(folder: Path, release: str, config: str, symvers: str, btf: bytes | None = None) -> Kernel:
    folder.mkdir()
    (folder / ".config").write_text(config)
    (folder / "Module.symvers").write_text(symvers)
    if btf is not None:
        (folder / "sys/kernel/btf").mkdir(parents=True)
        (folder / "sys/kernel/btf/vmlinux").write_bytes(btf)
    return Kernel(
        id=release,
        release=release,
        arch=arch_named("x86_64"),
        origin=str(folder),
        symvers=folder / "Module.symvers",
        config_file=folder / ".config",
        vermagic=f"{release} SMP mod_unload modversions ",
        tree=folder,
    )


def row(name: str, crc: int, gpl: bool = False, namespace: str = "") -> str:  # noqa: FBT001, FBT002
    return f"{crc:#010x}\t{name}\tvmlinux\tEXPORT_SYMBOL{'_GPL' if gpl else ''}\t{namespace}\n"


def btf(*members: tuple[str, int, int]) -> bytes:
    """Types: 1 int; 2 struct box of these members (name, type, bits); 3 a pointer to it; 4 an array of three ints."""
    names = b"\0int\0box\0"
    types = struct.pack("<IIII", 1, 1 << 24, 4, 32)
    body = b""
    for name, type_, bits in members:
        body += struct.pack("<III", len(names), type_, bits)
        names += name.encode() + b"\0"
    types += struct.pack("<III", 5, 4 << 24 | len(members), 64) + body
    types += struct.pack("<III", 0, 2 << 24, 2) + struct.pack("<IIIIII", 0, 3 << 24, 0, 1, 1, 3)
    types += struct.pack("<III", 0, 10 << 24, 1) * 400  # const int, so that it is as long as a kernel's at least
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(names)) + types + names


OLD = btf(("first", 1, 0), ("list", 3, 64), ("end", 4, 128))
NEW = btf(("first", 1, 0), ("added", 1, 32), ("list", 3, 64), ("end", 4, 128))


@pytest.fixture
def two(tmp_path: Path) -> tuple[Kernel, Kernel]:
    before = row("printk", 1) + row("kfree", 2) + row("gone", 3) + row("stricter", 4) + row("moved", 5)
    after = (
        row("printk", 1) + row("kfree", 9) + row("new", 3) + row("stricter", 4, gpl=True) + row("moved", 5, False, "NS")
    )
    config = CONFIG.replace("CONFIG_PREEMPT=y\n", "").replace("sha256", "sha512") + "CONFIG_RANDSTRUCT=y\n"
    return _kernel(tmp_path / "a", "6.1.9", CONFIG, before, OLD), _kernel(tmp_path / "b", "6.1.10", config, after, NEW)


def test_what_differs(two: tuple[Kernel, Kernel]) -> None:
    found = difference(*two)
    assert found.vermagic is not None
    assert {change.name: (change.before, change.after) for change in found.options} == {
        "PREEMPT": ("y", None),
        "RANDSTRUCT": (None, "y"),
        "MODULE_SIG_HASH": ("sha256", "sha512"),
    }
    assert (found.added, found.removed) == (("new",), ("gone",))
    assert [tuple(change) for change in found.versions] == [("kfree", 2, 9)]
    assert [(change.name, change.after) for change in found.licences] == [("stricter", "GPL only")]
    assert [(change.name, change.before, change.after) for change in found.namespaces] == [("moved", "", "NS")]
    assert found.types is not None
    assert [(one.name, one.before, one.after) for one in found.types] == [("struct box", (), ("+4 int added",))]
    assert "certificates" in found.unknown[0]
    assert not found.same
    assert difference(two[0], two[0]).same


def test_it_is_rendered_whole_and_short(two: tuple[Kernel, Kernel]) -> None:
    found = difference(*two)
    text = "\n".join(diff_lines(*two, found, all_of_it=False))
    for words in ("CONFIG_RANDSTRUCT: n → y", "kfree: 0x00000002 → 0x00000009", "struct box\n      ++4 int added"):
        assert words in text
    document = diff_document(*two, found)
    assert (document["schema"], document["exports"]["added"]) == ("dlkm.kernel-diff/1", ["new"])
    json.dumps(document)
    without = replace(two[0], tree=None, symvers=None, config_file=None)
    assert "not both kernels carry" in "\n".join(diff_lines(*two, difference(without, two[1]), all_of_it=True))


def test_a_vermagic_that_nobody_has_seen_is_said_to_be_concluded(two: tuple[Kernel, Kernel]) -> None:
    fact = next(fact for fact in portrait(two[0]) if fact.name == "vermagic")
    assert fact.source == f"concluded from {two[0].config_file}"


def test_types_are_read(two: tuple[Kernel, Kernel]) -> None:
    lengths = struct.unpack_from("<5I", OLD, 4)
    types = OLD[24 : 24 + lengths[2]]
    found = types_in(KernelBtf(types, OLD[24 + lengths[2] :], "<"))
    assert found == {"struct box": "64 bytes\n+0 int first\n+8 struct box * list\n+16 int[3] end"}


@settings(max_examples=150, deadline=None)
@given(place=st.integers(24, len(NEW) - 1), value=st.integers(0, 255))
def test_types_of_any_bytes_end(place: int, value: int) -> None:
    data = bytearray(NEW)
    data[place] = value
    size = struct.unpack_from("<5I", NEW, 4)[2]
    types_in(KernelBtf(bytes(data[24 : 24 + size]), bytes(data[24 + size :]), "<"))


def test_facts_say_where_they_come_from(two: tuple[Kernel, Kernel]) -> None:
    facts = {fact.name: fact for fact in portrait(two[0])}
    assert next(iter(facts)) == "MODVERSIONS"
    assert (facts["MODVERSIONS"].value, facts["MODVERSIONS"].source) == ("yes", str(two[0].config_file))
    assert (facts["exports"].value, facts["exports"].source) == ("5", str(two[0].symvers))
    assert facts["preemption"].value == "dynamic (PREEMPT_DYNAMIC)"
    assert facts["signature hash"].value == "sha256"
    assert facts["randomised structures"].value == "no"
    assert facts["certificate"].value is None
    shown = list(lines(two[0], portrait(two[0])))
    assert shown[1].split()[:2] == ["MODVERSIONS:", "yes"]


def test_facts_without_a_configuration(two: tuple[Kernel, Kernel], tmp_path: Path) -> None:
    bare = replace(two[0], config_file=None)
    facts = {fact.name: fact for fact in portrait(bare)}
    assert (facts["MODVERSIONS"].value, facts["MODVERSIONS"].source) == ("yes", "the vermagic")
    assert facts["forced loading"].value is None
    image = tmp_path / "vmlinux"
    image.write_bytes(
        b"\x7fELF" + bytes(60) + b"IKCFG_ST" + gzip.compress(b"CONFIG_MODULE_SIG_FORCE=y\n") + b"IKCFG_ED"
    )
    facts = {fact.name: fact for fact in portrait(replace(bare, image=image))}
    assert facts["MODVERSIONS"].value == "no"
    assert "IKCONFIG" in str(facts["module signing"].source)
    assert "enforced" in str(facts["module signing"].value)


R = "6.1.0-10-amd64"


@pytest.fixture
def pinned(pool: Pool, tmp_path: Path) -> Path:
    """A lock file with one kernel of packages."""
    kernel_debs(tmp_path / "debs")
    (kernel,) = select.resolve([str(tmp_path / "debs")], pool, Events(), FakeDebian())
    Lock((pin_of(str(tmp_path / "debs"), kernel, pool),)).write(tmp_path / "dlkm.lock")
    return tmp_path / "dlkm.lock"


def test_a_pinned_kernel_is_the_same_elsewhere(pool: Pool, pinned: Path, tmp_path: Path) -> None:
    elsewhere = Pool(tmp_path / "elsewhere")
    for words in ([str(tmp_path / "debs")], [R], ["6.1.*"], []):
        found = select.resolve(words, elsewhere, Events(), FakeDebian(), given=Given(lock=pinned))
        assert [kernel.id for kernel in found] == [R]
    with pytest.raises(UsageError, match="not pinned"):
        select.resolve(["debian:6.1.0-9-amd64"], elsewhere, Events(), FakeDebian(), given=Given(lock=pinned))


def test_what_lay_elsewhere_is_looked_for_where_the_users_word_says(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel_debs(tmp_path / "here/debs")
    (kernel,) = select.resolve([str(tmp_path / "here/debs")], pool, Events(), FakeDebian())
    lock = tmp_path / "there/dlkm.lock"
    lock.parent.mkdir()
    Lock((pin_of("debs/", kernel, pool),)).write(lock)
    (tmp_path / "here/debs").rename(lock.parent / "debs")
    monkeypatch.chdir(lock.parent)
    given = Given(lock=lock)
    assert [one.id for one in select.resolve([], Pool(tmp_path / "pool"), Events(), FakeDebian(), given=given)] == [R]
    Lock((pin_of("debs/", replace(kernel, release="6.1.0-9-amd64"), pool),)).write(lock)
    with pytest.raises(FetchError, match=r"debs/: holds no kernel 6\.1\.0-9-amd64, which .*dlkm\.lock pins"):
        select.resolve([], pool, Events(), FakeDebian(), given=given)


def test_other_bytes_are_refused(pool: Pool, pinned: Path, tmp_path: Path) -> None:
    kernel_debs(tmp_path / "debs")["image"].write_bytes((tmp_path / "debs/linux-kbuild-6.1_1_amd64.deb").read_bytes())
    elsewhere = Pool(tmp_path / "elsewhere")
    with pytest.raises(FetchError, match="is not the kernel that"):
        select.resolve([R], elsewhere, Events(), FakeDebian(), given=Given(lock=pinned))
    (pin,) = Lock.read(pinned).pins
    kernel = pool.get(R)
    assert kernel is not None
    require(pin, kernel, pool)
    with pytest.raises(FetchError):
        require(replace(pin, digest="0" * 64), kernel, pool)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 2, "kernels": []}', '{"format": 1, "kernels": [{}]}', "[" * 9000]
)
def test_lock_files_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "dlkm.lock").write_text(text)
    with pytest.raises(MalformedError):
        Lock.read(tmp_path / "dlkm.lock")
    with pytest.raises(UsageError):
        Lock.read(tmp_path / "none")


def test_pinning_again_replaces(pool: Pool, pinned: Path) -> None:
    lock = Lock.read(pinned)
    assert lock.with_pins(lock.pins).pins == lock.pins
    other = replace(lock.pins[0], spec="other")
    assert len(lock.with_pins([other]).pins) == 2


def test_use_and_pruning(pool: Pool, tmp_path: Path) -> None:
    kernel_debs(tmp_path / "debs")
    select.resolve([str(tmp_path / "debs")], pool, Events(), FakeDebian())
    added = pool.used(R)
    assert added > 0
    assert pool.prunable(3600) == ()
    assert pool.prunable(-10) == (R,)
    pool.take(R)
    assert pool.used(R) >= added
    (pool.root / ".downloads/9.9").mkdir(parents=True)
    (pool.root / ".downloads/9.9/part").write_bytes(bytes(1000))
    assert pool.leftovers() == 1000
    assert not (pool.root / ".downloads/9.9").exists()
