# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of targets: what is in them becomes a kernel, what is not is said, and hostile ones are refused."""

import gzip
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.events import Event, EventKind, Events
from dlkm.kernel import select, snapshot
from dlkm.kernel.pool import Pool
from dlkm.kernel.snapshot import Snapshot, live
from dlkm.kernel.target import take
from tests.unit.kernel.fake_debian import CONFIG, SYMVERS, FakeDebian

R = "6.1.9-mine"


def text(name: str, *lines: str) -> bytes:
    return f"text {name}\n".encode() + b"".join(b" " + line.encode() + b"\n" for line in lines) + b"\n"


def file(name: str, content: bytes) -> bytes:
    return f"file {name} {len(content)}\n".encode() + content + b"\n"


def whole(*entries: bytes) -> bytes:
    return b"dlkm-snapshot 1\n" + text("release", R) + text("machine", "x86_64") + b"".join(entries) + b"end\n"


GOOD = whole(
    file("config", gzip.compress(CONFIG.encode() + b"CONFIG_SMP=y\nCONFIG_MODULE_UNLOAD=y\n")),
    file("btf", b"end\nfile x 9\n"),
    text("modules", "virtio 1 0 - Live 0x0", "dummy 1 0 - Live 0x0"),
    text("cmdline", "quiet module.sig_enforce=1"),
    text("lockdown", "none [integrity] confidentiality"),
    text("sig_enforce", "Y"),
    file("modprobe.d/etc/a.conf", b"options dummy numdummies=2\n"),
    file("modules/modules.builtin", b"kernel/fs/x.ko\n"),
    file("efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23", b"\6\0\0\0"),
    file("efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", b"\6\0\0\0\1"),
    b"none keys /proc/keys\n",
)


def _add(pool: Pool, data: bytes, tmp_path: Path, said: list[Event] | None = None) -> object:
    (tmp_path / "s").write_bytes(data)
    events = Events(said.append) if said is not None else Events()
    (kernel,) = select.resolve([f"snapshot:{tmp_path / 's'}"], pool, events, FakeDebian())
    return kernel


@pytest.mark.parametrize("packed", [False, True])
def test_a_snapshot_is_a_kernel(pool: Pool, tmp_path: Path, said: list[Event], *, packed: bool) -> None:
    (tmp_path / "s").write_bytes(gzip.compress(b"Welcome!\n" + GOOD) if packed else GOOD)
    (kernel,) = select.resolve([f"snapshot:{tmp_path / 's'}"], pool, Events(said.append), FakeDebian())
    assert (kernel.id, kernel.release, kernel.arch.name, kernel.headers) == (R, R, "x86_64", None)
    assert kernel.vermagic == f"{R} SMP mod_unload modversions "
    assert kernel.config.on("MODVERSIONS")
    assert kernel.tree is not None
    assert (kernel.tree / "sys/kernel/btf/vmlinux").read_bytes() == b"end\nfile x 9\n"
    assert (kernel.tree / "snapshot/modprobe.d/etc/a.conf").read_text() == "options dummy numdummies=2\n"
    found = live(kernel)
    assert found is not None
    assert (found.cmdline, found.lockdown, found.sig_enforce) == ("quiet module.sig_enforce=1", "integrity", True)
    assert found.loaded == {"virtio", "dummy"}
    assert found.enrolled is not None
    assert [path.name[:9] for path in found.enrolled] == ["MokListRT"]
    assert "exports" in kernel.lacks
    (warning,) = [event.text for event in said if event.kind is EventKind.WARNING]
    assert "image" in warning
    assert "the keys that were enrolled" in warning
    assert pool.damage(R, whole=True) == ()
    assert select.resolve([f"snapshot:{tmp_path / 's'}"], pool, Events(), FakeDebian()) == (pool.get(R),)


def test_symvers_in_a_snapshot_make_it_complete(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(
        whole(file("symvers", gzip.compress(SYMVERS.encode())), file("config", CONFIG.encode()))
    )
    (kernel,) = select.resolve([f"snapshot:{tmp_path / 's'}"], pool, Events(), FakeDebian())
    assert kernel.exports == 2
    assert "exports" not in kernel.lacks


HOSTILE = {
    "cut off": GOOD[:-5],
    "cut in a file": GOOD[:200],
    "empty": b"",
    "nothing": gzip.compress(b""),
    "something else": b"\x7fELF" + bytes(1000),
    "outside": whole(file("../../evil", b"x")),
    "absolute": whole(file("/etc/evil", b"x")),
    "inside out": whole(file("a/../../evil", b"x")),
    "twice": whole(file("btf", b"x"), file("btf", b"y")),
    "no release": b"dlkm-snapshot 1\n" + text("release", "../x") + text("machine", "x86_64") + b"end\n",
    "no machine": b"dlkm-snapshot 1\n" + text("release", R) + text("machine", "pdp11") + b"end\n",
    "size": whole(b"file btf 99999999999\n"),
    "no size": whole(b"file btf -1\nx\n"),
    "odd word": whole(b"run /bin/sh\n"),
    "file and folder": whole(file("a", b"x"), file("a/b", b"y")),
    "too many": whole(*(file(f"n{number}", b"x") for number in range(6000))),
    "bomb": gzip.compress(whole(file("btf", bytes(300 << 20))), 1),
    "config bomb": whole(file("config", gzip.compress(bytes(300 << 20), 1))),
    "bad gzip": gzip.compress(GOOD)[:-20] + bytes(20),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_snapshots_are_refused(pool: Pool, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(MalformedError):
        _add(pool, data, tmp_path)
    assert pool.ids() == ()
    assert {path.name for path in tmp_path.iterdir()} <= {"s", "kernels", "keys"}
    assert not list((pool.root / ".scratch").glob("*"))


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, len(GOOD) - 1), bits=st.integers(1, 255))
def test_a_changed_byte_is_read_or_refused(place: int, bits: int) -> None:
    data = bytearray(GOOD)
    data[place] ^= bits
    with suppress(MalformedError):
        assert Snapshot.parse(bytes(data), "x").entries.keys()


def test_no_file(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        select.resolve([f"snapshot:{tmp_path / 'none'}"], pool, Events(), FakeDebian())


@pytest.mark.parametrize(
    "url", ["host", "ssh://", "http://host", "ssh://-oProxyCommand=x", "ssh://-x@host", "ssh://host:99999", "ssh://h/x"]
)
def test_urls_that_name_no_target(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="names no target"):
        take(url, tmp_path / "s", FakeDebian(), Events())


def test_the_script_only_reads() -> None:
    words = snapshot.script()
    for line in words.splitlines():
        assert not line.lstrip().startswith(("rm ", "mv ", "cp ", "touch ", "mkdir ", "insmod", "modprobe ")), line
        assert ">>" not in line
        assert " >" not in line.replace("2>/dev/null", "").replace(">/dev/null", "").replace("> FILE", ""), line
