# SPDX-License-Identifier: GPL-2.0-or-later
"""Changed images and archives, read by the tools that made them: what was planned differs, and nothing else."""

import os
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.rootfs.plan import Content, Plan
from dlkm.rootfs.planner import Planner
from dlkm.rootfs.root import Root
from dlkm.rootfs.target import target
from tests.contract.images import FORMS, made, make_tree, true
from tests.unit.rootfs.support import put, snapshot

pytestmark = pytest.mark.contract

EPOCH = 1_700_000_000


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("held") / "tree"
    make_tree(top)
    put(top, {"usr/lib/modules/6.1.0/updates/old.ko.xz": "old", "etc/modules-load.d/link.conf": "-> ../far"})
    return top


def _plan(root: Root) -> Plan:
    """Each kind of change: new, replaced, a link, a file in place of a link, one of several hard links, one gone."""
    planner = Planner(root)
    planner.write("lib/modules/6.1.0/updates/new.ko", Content.of(os.urandom(3000)))
    planner.write("lib/modules/6.1.0/extra/deep/er/é.ko", Content.of(b"y" * 70_000))
    planner.write("etc/modprobe.d/x.conf", Content.of(b"options a b=1\n"))
    planner.write("etc/modules-load.d/link.conf", Content.of(b"a\n"))
    planner.write("etc/#c", Content.of(b"no more a twin", 0o600))
    planner.write("usr/sbin/tool", Content.of(b"#!/bin/sh\n", 0o755))
    planner.write("etc/tool", Content.to("../usr/sbin/tool"))
    planner.write("etc/abs", Content.to("/usr/lib"))
    planner.write("etc/blank name", Content.of(b""))
    planner.remove(root.place("usr/lib/modules/6.1.0/updates/old.ko.xz", follow=False))
    return planner.plan()


def _extracted(image: Path, form: str, into: Path, early: int) -> None:
    """By the tool that belongs to it."""
    into.mkdir()
    if form.startswith("ext"):
        subprocess.run(["debugfs", "-R", f"rdump / {into}", str(image)], check=True, capture_output=True)
        (into / "lost+found").rmdir()
    elif "cpio" in FORMS[form]:
        data = image.read_bytes()[early:].lstrip(b"\0")
        (into.parent / "main").write_bytes(data)
        (unpack,) = [tool for tool in _UNPACKERS if data.startswith(tool)]
        command = f"{_UNPACKERS[unpack]} <../main | cpio --quiet -idm"
        subprocess.run(command, shell=True, check=True, cwd=into)
    else:
        packed = ["-I", "lz4"] if form == "tar.lz4" else ["-a"]
        subprocess.run(["tar", *packed, "-xpf", str(image), "-C", str(into)], check=True)


_UNPACKERS = {b"0707": "cat", b"\x1f\x8b": "gzip -dc", b"\xfd7zXZ": "xz -dc", b"\x28\xb5\x2f\xfd": "zstd -dc",
              b"\x02\x21\x4c\x18": "lz4 -dc", b"\x5d\0\0": "xz --format=lzma -dc"}  # fmt: skip
WRITABLE = [form for form in FORMS if form != "cpio.lzo"]


def _image(tree: Path, form: str, tmp_path: Path) -> Path:
    image = made(tree, form, tmp_path)
    suffix = "" if form.startswith("ext") else f".{form.partition(',')[0]}"
    return image.rename(image.with_name(f"image{suffix}"))


def _changed(path: Path) -> Plan:
    """Carry the plan out."""
    with target(path, None, Processes(), Events()) as held:
        plan = _plan(held.root)
        assert held.carry_out(plan, EPOCH) is not None
        return plan


@pytest.mark.parametrize("form", WRITABLE)
def test_what_is_changed_is_what_was_planned(tree: Path, tmp_path: Path, form: str) -> None:
    """The same as in a directory, where another piece of us does it; and undone it is the old file."""
    image = _image(tree, form, tmp_path)
    data, times = image.read_bytes(), image.stat()
    early = (tmp_path / "early.cpio").read_bytes() if "microcode" in form else b""
    plan = _changed(image)
    assert image.read_bytes().startswith(early)
    _extracted(image, form, tmp_path / "out", len(early))
    with target(tmp_path / "tree", tmp_path / "records", Processes(), Events()) as held:
        held.carry_out(plan)
    wanted, found = true(tmp_path / "tree"), true(tmp_path / "out")
    if form.startswith("ext"):
        # debugfs dumps no pipes, and gives owners, which take setuid away, after modes
        for state in (wanted, found):
            state.pop("etc/pipe", None)
            state.pop("etc/empty")
        subprocess.run(["e2fsck", "-fn", str(image)], check=True, capture_output=True)
    if "inline" in form:  # of what lies in the inode debugfs dumps 60 bytes, however short the file is
        found, wanted = ({path: state[:1] for path, state in told.items()} for told in (found, wanted))
    assert found == wanted
    assert (tmp_path / "out/a-twin").read_bytes()[:1] == (tmp_path / "out/usr/twin").read_bytes()[:1] == b"x"
    _undone(image)
    assert image.read_bytes() == data
    assert image.stat().st_mtime_ns == times.st_mtime_ns
    assert not (tmp_path / f"{image.name}.staged").exists()


def _undone(image: Path) -> None:
    with target(image, None, Processes(), Events()) as held:
        undone = held.undo()
        assert (undone.changed, undone.remaining) == ((), 0)


@pytest.mark.parametrize("form", ["tar", "tar, pax", "bsdtar", "tar, sparse", "tar, pax sparse"])
def test_every_other_member_of_a_tar_stays_byte_for_byte(tree: Path, tmp_path: Path, form: str) -> None:
    image = _image(tree, form, tmp_path)
    before = list(_members(image))
    plan = _changed(image)
    after = list(_members(image))
    touched = {operation.path for operation in plan.operations}
    kept = [(name, raw) for name, raw in before if name not in touched and name not in {"a-twin", "usr/twin"}]
    assert [(name, raw) for name, raw in after if name in dict(before)
            and name not in touched and name not in {"a-twin", "usr/twin"}] == kept  # fmt: skip
    order = [name for name, _ in before if name in dict(after)]
    assert [name for name, _ in after if name in dict(before)] == order
    with tarfile.open(image) as archive:
        new = archive.getmember("./usr/lib/modules/6.1.0/updates/new.ko")
        assert (new.uid, new.gid, new.mode, new.mtime) == (0, 0, 0o644, EPOCH)


def _members(image: Path) -> Iterator[tuple[str, bytes]]:
    """Each name with all bytes of the member, as another reader finds them."""
    data = image.read_bytes()
    with tarfile.open(image) as archive:
        members = list(archive)
        ends = [member.offset for member in members[1:]] + [archive.offset]
    for member, end in zip(members, ends, strict=True):
        yield member.name.removeprefix("./"), data[member.offset : end].rstrip(b"\0")


def test_attributes_and_owners_of_hard_links_are_handed_on(tmp_path: Path) -> None:
    """The file that was written first is replaced: the next of its names gets the data and all that belonged to it."""
    top = tmp_path / "tree"
    put(top, {"a": "data", "etc/x": ""})
    os.setxattr(top / "a", "user.mark", b"kept\xff")
    (top / "a").chmod(0o640)
    for name in ("b", "c"):
        os.link(top / "a", top / name)
    image = tmp_path / "x.tar"
    command = [
        "tar",
        "--xattrs",
        "--sort=name",
        "--owner=someone:7",
        "--group=some:8",
        "-cf",
        str(image),
        "a",
        "b",
        "c",
    ]
    subprocess.run(command, cwd=top, check=True)
    with target(image, None, Processes(), Events()) as held:
        planner = Planner(held.root)
        planner.write("a", Content.of(b"new"))
        held.carry_out(planner.plan())
    with tarfile.open(image) as archive:
        members = {member.name: member for member in archive}
        assert [(member.type, member.uname, member.uid, member.gid, member.mode) for member in members.values()][1] == (
            tarfile.REGTYPE, "someone", 7, 8, 0o640)  # fmt: skip
        assert (members["c"].type, members["c"].linkname) == (tarfile.LNKTYPE, "b")
        stream = archive.extractfile("c")
        assert stream is not None
        assert stream.read() == b"data"
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "--xattrs", "-xf", str(image), "-C", str(out)], check=True)
    assert os.getxattr(out / "b", "user.mark") == b"kept\xff"
    assert os.listxattr(out / "a") == []


def test_long_names_of_hard_links_are_handed_on(tmp_path: Path) -> None:
    """Names that only pax headers hold."""
    first, other = "é" * 70 + "/first", "ü" * 70 + "/other"
    put(tmp_path / "tree", {first: "data", other.replace("other", "x"): ""})
    os.link(tmp_path / "tree" / first, tmp_path / "tree" / other)
    image, out = tmp_path / "x.tar", tmp_path / "out"
    subprocess.run(["tar", "--format=pax", "-cf", str(image), first, other], cwd=tmp_path / "tree", check=True)
    with target(image, None, Processes(), Events()) as held:
        planner = Planner(held.root)
        planner.write(first, Content.of(b"new"))
        held.carry_out(planner.plan())
    out.mkdir()
    subprocess.run(["tar", "-xf", str(image), "-C", str(out)], check=True)
    assert {path.name: path.read_text() for path in out.rglob("*") if path.is_file()} == {
        "first": "new",
        "other": "data",
    }


@pytest.mark.parametrize("check", ["none", "crc32", "crc64", "sha256"])
def test_xz_keeps_its_check(tree: Path, tmp_path: Path, check: str) -> None:
    """The kernel reads no initramfs with another check than none or CRC32."""
    image = tmp_path / "x.cpio.xz"
    subprocess.run(f"find . | cpio --quiet -o -H newc | xz --check={check} >{image}", shell=True, check=True,
                   cwd=tree / "usr")  # fmt: skip
    with target(image, None, Processes(), Events()) as held:
        planner = Planner(held.root)
        planner.write("new", Content.of(b"x"))
        held.carry_out(planner.plan())
    told = subprocess.run(["xz", "--robot", "-l", str(image)], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1].split("\t")[6].lower().replace("-", "") == check


@pytest.mark.parametrize("form", ["ext4", "tar", "cpio.gz"])
def test_a_source_that_changes_meanwhile_is_noticed(tree: Path, tmp_path: Path, form: str) -> None:
    image, source = _image(tree, form, tmp_path), tmp_path / "source"
    source.write_bytes(b"planned")
    data = image.read_bytes()
    with target(image, None, Processes(), Events()) as held:
        planner = Planner(held.root)
        planner.write("etc/new", Content.of(source))
        source.write_bytes(b"changed")
        with pytest.raises(MalformedError, match="a source may have changed meanwhile"):
            held.carry_out(planner.plan())
    assert image.read_bytes() == data
    assert not (tmp_path / f"{image.name}.staged").exists()


@pytest.mark.parametrize("form", ["ext4", "tar", "tar.zst", "cpio", "microcode, packed"])
def test_several_stagings_are_undone_in_reverse_order(tree: Path, tmp_path: Path, form: str) -> None:
    image = _image(tree, form, tmp_path)
    states = []
    for text in (b"1", b"22" * 5000, b"3"):
        states.append(image.read_bytes())
        with target(image, None, Processes(), Events()) as held:
            planner = Planner(held.root)
            planner.write(f"etc/modprobe.d/{len(text)}.conf", Content.of(text))
            planner.write("etc/modprobe.d/x.conf", Content.of(text))
            held.carry_out(planner.plan())
    for remaining in (2, 1, 0):
        with target(image, None, Processes(), Events()) as held:
            assert held.undo().remaining == remaining
        assert image.read_bytes() == states.pop()


@pytest.mark.parametrize("form", ["ext4", "tar", "cpio.zst"])
def test_a_file_that_changed_since_is_left_alone(tree: Path, tmp_path: Path, form: str) -> None:
    image = _image(tree, form, tmp_path)
    _changed(image)
    with image.open("r+b") as stream:
        stream.seek(300)
        other = bytes([stream.read(1)[0] ^ secrets.randbelow(255) + 1])  # a random byte may be the one that is there
        stream.seek(300)
        stream.write(other)
    before = snapshot(tmp_path)
    try:
        with target(image, None, Processes(), Events()) as held:
            assert held.undo().changed == (f"{image.name}: is not what the staging left",)
    except MalformedError as error:
        assert str(image) in error.what  # noqa: PT017 — which of the two depends on the byte
    assert snapshot(tmp_path) == before


def test_an_image_without_room(tree: Path, tmp_path: Path) -> None:
    image = tmp_path / "small.ext4"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", ".", str(image), "4M"], cwd=tree, check=True)
    data = image.read_bytes()
    with target(image, None, Processes(), Events()) as held:
        planner = Planner(held.root)
        planner.write("etc/large", Content.of(os.urandom(6 << 20)))
        with pytest.raises(MalformedError, match="no room left in it for 6291456 bytes") as caught:
            held.carry_out(planner.plan())
    assert caught.value.hint is not None
    assert "resize2fs" in caught.value.hint
    assert image.read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["small.ext4"]


def test_an_image_that_is_not_sound(tree: Path, tmp_path: Path) -> None:
    """Its inode table says a file has more blocks than are marked as in use: e2fsck would mend it, we do not."""
    image = _image(tree, "ext4", tmp_path)
    subprocess.run(["debugfs", "-w", "-R", "sif /etc/empty links_count 7", str(image)], check=True, capture_output=True)
    data = image.read_bytes()
    with (
        target(image, None, Processes(), Events()) as held,
        pytest.raises(MalformedError, match="has errors") as caught,
    ):
        held.carry_out(_plan(held.root))
    assert "e2fsck" in str(caught.value.hint)
    assert image.read_bytes() == data


@pytest.mark.parametrize(("field", "value", "match"), [("state", "2", "having errors"),
                                                       ("feature_incompat", "0x2c6", "was not unmounted")])  # fmt: skip
def test_an_image_that_is_in_use_or_broken(tree: Path, tmp_path: Path, field: str, value: str, match: str) -> None:
    image = _image(tree, "ext4", tmp_path)
    subprocess.run(["debugfs", "-w", "-R", f"ssv {field} {value}", str(image)], check=True, capture_output=True)
    data = image.read_bytes()
    with target(image, None, Processes(), Events()) as held, pytest.raises(MalformedError, match=match):
        held.carry_out(_plan(held.root))
    assert image.read_bytes() == data


def test_holes_stay_holes(tree: Path, tmp_path: Path) -> None:
    image = tmp_path / "x.ext4"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", ".", str(image), "2G"], cwd=tree, check=True)
    _changed(image)
    assert image.stat().st_size == 2 << 30
    assert image.stat().st_blocks * 512 < 200 << 20
    record = sum(path.stat().st_size for path in (tmp_path / "x.ext4.staged").rglob("*") if path.is_file())
    assert record < 1 << 20
    _undone(image)
    assert image.stat().st_blocks * 512 < 200 << 20


def test_the_same_staging_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    for form in ("tar.gz", "tar.xz", "cpio.zst"):
        results = []
        (tmp_path / form).mkdir()
        made_once = _image(tree, form, tmp_path / form)
        for number in ("1", "2"):
            image = tmp_path / f"{number}.{form}"
            shutil.copyfile(made_once, image)
            with target(image, None, Processes(), Events()) as held:
                planner = Planner(held.root)
                planner.write("etc/new", Content.of(b"x" * 100_000))
                held.carry_out(planner.plan(), EPOCH)
            results.append(image.read_bytes())
        assert results[0] == results[1], form
