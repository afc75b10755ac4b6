# SPDX-License-Identifier: GPL-2.0-or-later
"""Package files from anybody: what they hold comes out as a value, and nothing leaves the directory."""

import io
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError, UsageError
from dlkm.kernel.archive import Limits
from dlkm.package.compression import Compression
from dlkm.package.package import Package, PackageFile, Scripts
from dlkm.package.reading import read_package
from dlkm.package.rpm import write_rpm
from dlkm.package.stamp import Stamp
from tests.unit.kernel.deb_builder import ar, deb, tar

CONTROL = """Package: kernel-module-one-6.1
Version: 1:1.0-r0
Architecture: qemux86_64
Pre-Depends: kmod
Depends: kernel-6.1,
 kernel-module-two-6.1 (>=  1.0) , a|b
Provides: kernel-module-one
Recommends: firmware-one
License: GPL-2.0-only
Section: kernel/modules
Homepage: https://example.com/one
Source: one
Description: one kernel module
 It does
 .
 one thing.
"""


def _info(name: str, kind: bytes, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


def _outer(path: Path, control: str = CONTROL) -> Path:
    """The older form of an .ipk."""
    members = {
        "./debian-binary": b"2.0\n",
        "./data.tar.gz": tar({"./etc/one.conf": "one\n"}, "w:gz"),
        "./control.tar.gz": tar({"./control": control, "./conffiles": "/etc/one.conf\n"}, "w:gz"),
    }
    path.write_bytes(tar(members, "w:gz"))
    return path


def test_everything_it_says(tmp_path: Path) -> None:
    files: dict[str, str | bytes | tarfile.TarInfo] = {
        "lib/": _info("./lib/", tarfile.DIRTYPE, mode=0o755),
        "lib/one.ko": "module",
        "lib/link": "-> one.ko",
        "lib/again.ko": _info("./lib/again.ko", tarfile.LNKTYPE, "./lib/one.ko"),
        "usr/sbin/tool": _info("./usr/sbin/tool", tarfile.REGTYPE, mode=0o4755),
        "srv/empty": _info("./srv/empty", tarfile.DIRTYPE, mode=0o755),
        "etc/one.conf": "one\n",
    }
    path = tmp_path / "one_1_amd64.ipk"
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": tar(
            {"control": CONTROL, "conffiles": "/etc/one.conf\n/etc/gone\n", "postinst": "#!/bin/sh\ndepmod\n"}, "w:gz"
        ),
        "data.tar.xz": tar(files),
    }
    path.write_bytes(ar(members))
    out = tmp_path / "out"
    assert read_package(path, out) == Package(
        name="kernel-module-one-6.1",
        version="1:1.0-r0",
        arch="qemux86_64",
        summary="one kernel module",
        description="It does\n\none thing.",
        licence="GPL-2.0-only",
        section="kernel/modules",
        homepage="https://example.com/one",
        recipe="one",
        depends=("kmod", "kernel-6.1", "kernel-module-two-6.1 (>= 1.0)", "a|b"),
        recommends=("firmware-one",),
        provides=("kernel-module-one",),
        files=(
            PackageFile(path="/etc/one.conf", mode=0o644, source=out / "etc/one.conf"),
            PackageFile(path="/lib/again.ko", mode=0o644, source=out / "lib/again.ko"),
            PackageFile(path="/lib/link", mode=0o777, link="one.ko"),
            PackageFile(path="/lib/one.ko", mode=0o644, source=out / "lib/one.ko"),
            PackageFile(path="/usr/sbin/tool", mode=0o4755, source=out / "usr/sbin/tool"),
        ),
        folders=("/srv/empty",),
        conffiles=("/etc/one.conf",),
        scripts=Scripts(postinst="#!/bin/sh\ndepmod\n"),
    )
    assert (out / "lib/again.ko").read_text() == "module"


def test_the_older_form_of_an_ipk(tmp_path: Path) -> None:
    package = read_package(_outer(tmp_path / "x.ipk"), tmp_path / "out")
    assert (package.name, package.conffiles) == ("kernel-module-one-6.1", ("/etc/one.conf",))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["etc"]


@pytest.mark.parametrize(
    "files",
    [
        {"../evil": "x"},
        {"a": "-> ..", "a/evil": "x"},
        {"hard": _info("hard", tarfile.LNKTYPE, "../outside")},
        {"hard": _info("hard", tarfile.LNKTYPE, "not/there")},
    ],
)
def test_what_must_not_be_in_a_package(tmp_path: Path, files: dict[str, str | bytes | tarfile.TarInfo]) -> None:
    path = deb(tmp_path / "x_1_amd64.deb", files)
    (tmp_path / "outside").write_text("precious")
    with pytest.raises(MalformedError):
        read_package(path, tmp_path / "in/out")
    assert not (tmp_path / "in/evil").exists()


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_device_node_is_called_so(tmp_path: Path, kind: bytes) -> None:
    path = deb(tmp_path / "x_1_amd64.deb", {"dev/x": _info("dev/x", kind)})
    with pytest.raises(MalformedError, match="holds a device node, pipe or socket at /dev/x"):
        read_package(path, tmp_path / "out")


@pytest.mark.parametrize(
    "control", ["", "Package: x\nVersion: 1\n", "no field\n", CONTROL.replace("kernel-module-one-6.1", "../x", 1)]
)
def test_a_control_file_that_is_none(tmp_path: Path, control: str) -> None:
    with pytest.raises(MalformedError):
        read_package(_outer(tmp_path / "x.ipk", control), tmp_path / "out")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"!<arch>\n",
        b"\x1f\x8b\x08\0",
        b"\xed\xab\xee\xdb\x03\0" + bytes(90),
        b"\xed\xab\xee\xdb\x03\0" + bytes(90) + b"\x8e\xad\xe8\x01\0\0\0\0" + b"\xff" * 8,
        b"\xed\xab\xee\xdb\x03\0" + bytes(90) + b"\x8e\xad\xe8\x01\0\0\0\0\0\0\0\x01\0\0\0\x10\0\0",
        b"\xed\xab\xee\xdb\x03\0\0\x01" + bytes(88),
    ],
)
def test_what_is_no_package(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.deb").write_bytes(data)
    with pytest.raises(MalformedError, match=r"x\.deb: "):
        read_package(tmp_path / "x.deb", tmp_path / "out")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_package(tmp_path / "gone.deb", tmp_path / "out")
    with pytest.raises(UsageError):
        read_package(tmp_path, tmp_path / "out")


def test_bombs_end_early(tmp_path: Path) -> None:
    path = deb(tmp_path / "x_1_amd64.deb", {"big": bytes(1 << 20)})
    with pytest.raises(MalformedError, match="more than"):
        read_package(path, tmp_path / "out", Limits(size=1 << 16))
    many: dict[str, str | bytes | tarfile.TarInfo] = {str(number): "" for number in range(50)}
    path = deb(tmp_path / "y_1_amd64.deb", many)
    with pytest.raises(MalformedError, match="more than"):
        read_package(path, tmp_path / "out2", Limits(entries=40))


@settings(deadline=None, max_examples=150)
@given(place=st.integers(min_value=0), byte=st.integers(0, 255))
def test_damage_is_an_error_of_ours_or_none(tmp_path_factory: pytest.TempPathFactory, place: int, byte: int) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = deb(folder / "x_1_amd64.deb", {"etc/x": "y" * 500, "lib/l": "-> x"}, more={"conffiles": "/etc/x\n"})
    data = bytearray(path.read_bytes())
    data[place % len(data)] = byte
    path.write_bytes(data)
    with suppress(MalformedError):
        read_package(path, folder / "out")


@settings(deadline=None, max_examples=300)
@given(place=st.integers(min_value=96), data=st.binary(min_size=1, max_size=4))
def test_damage_of_an_rpm_is_an_error_of_ours_or_none(
    tmp_path_factory: pytest.TempPathFactory, place: int, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    files = (PackageFile(path="/etc/x", mode=0o644, data=b"y" * 500), PackageFile(path="/lib/l", mode=0o777, link="x"))
    package = Package(
        name="x", version="1-1", arch="noarch", depends=("a", "b (>= 1)"), files=files, conffiles=("/etc/x",)
    )
    whole = io.BytesIO()
    write_rpm(package, Compression.GZ, Stamp(0), whole)
    damaged = bytearray(whole.getvalue())
    start = place % len(damaged)
    damaged[start : start + len(data)] = data
    (folder / "x.rpm").write_bytes(damaged)
    with suppress(MalformedError):
        read_package(folder / "x.rpm", folder / "out")
    assert sorted(path.name for path in folder.iterdir() if path.name not in {"out", "x.rpm"}) == []
