# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages and tar archives with any content, good or hostile, made in memory."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tests.unit.kernel.fake_debian import CONFIG, SYMVERS

COMMON = "linux-headers-6.1.0-10-common"


def tar(files: Mapping[str, str | bytes | tarfile.TarInfo], mode: str = "w:xz") -> bytes:
    """A tar of these files; a text that starts with "-> " is a symbolic link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info, data = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name), b""
            if isinstance(content, str) and content.startswith("-> "):
                info.type, info.linkname = tarfile.SYMTYPE, content[3:]
            elif not isinstance(content, tarfile.TarInfo):
                data = content.encode() if isinstance(content, str) else content
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data) if data else None)
    return out.getvalue()


def deb(
    path: Path,
    files: Mapping[str, str | bytes | tarfile.TarInfo],
    depends: str = "",
    arch: str = "amd64",
    more: Mapping[str, str] | None = None,
) -> Path:
    """A package named as its file says (NAME_VERSION_ARCH.deb); `more` is what stands beside its control file."""
    name, version, _ = path.name.split("_")
    control = f"Package: {name}\nVersion: {version}\nArchitecture: {arch}\nDescription: x\n"
    control += f"Depends: {depends}\n" if depends else ""
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": tar({"./control": control} | {f"./{beside}": text for beside, text in (more or {}).items()}),
        "data.tar.xz": tar({f"./{place}": content for place, content in files.items()}),
    }
    path.write_bytes(ar(members))
    return path


def ar(members: Mapping[str, bytes]) -> bytes:
    """An ar archive."""
    out = b"!<arch>\n"
    for member, data in members.items():
        out += (
            f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        )
    return out


def kernel_debs(folder: Path, release: str = "6.1.0-10-amd64") -> dict[str, Path]:
    """Headers, common, kbuild and image of one kernel, as Debian splits them."""
    headers = f"usr/src/linux-headers-{release}"
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "headers": deb(
            folder / f"linux-headers-{release}_1_amd64.deb",
            {
                f"{headers}/Makefile": f"include /usr/src/{COMMON}/Makefile\n",
                f"{headers}/.config": CONFIG,
                f"{headers}/Module.symvers": SYMVERS,
                f"{headers}/scripts": "-> ../../lib/linux-kbuild-6.1/scripts",
                f"lib/modules/{release}/build": f"-> /{headers}",
            },
            depends=f"{COMMON} (= 1), linux-kbuild-6.1 (>= 1), gcc-12",
        ),
        "common": deb(folder / f"{COMMON}_1_all.deb", {f"usr/src/{COMMON}/Makefile": "VERSION = 6\n"}, arch="all"),
        "kbuild": deb(folder / "linux-kbuild-6.1_1_amd64.deb", {"usr/lib/linux-kbuild-6.1/scripts/mod/modpost": "x"}),
        "image": deb(
            folder / f"linux-image-{release}_1_amd64.deb",
            {
                f"boot/vmlinuz-{release}": "image",
                f"boot/config-{release}": CONFIG,
                f"lib/modules/{release}/modules.builtin": "kernel/fs/x.ko\n",
                "usr/share/doc/x": "x",
            },
            depends="kmod, linux-base (>= 4.3~)",
        ),
    }
