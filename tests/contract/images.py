# SPDX-License-Identifier: GPL-2.0-or-later
"""Root filesystems in files, made by mke2fs, tar, bsdtar and cpio, for the tests of those who read and write them."""

import hashlib
import os
import stat
import subprocess
from pathlib import Path

from dlkm.filesystem.place import Kind
from dlkm.rootfs.root import Root
from tests.unit.rootfs.support import put

LONG = "long-name/" * 20 + "n" * 150
CPIO = "find . -mindepth 1 | cpio --quiet -o -H newc"
EARLY = (
    "mkdir -p ../early/kernel/x86/microcode; echo code >../early/kernel/x86/microcode/GenuineIntel.bin; "
    f"(cd ../early && {CPIO}) >../early.cpio; cat ../early.cpio;"
)
FORMS = {
    "ext2": "mke2fs -q -t ext2 -b 1024 -d . ../image 64M",
    "ext3": "mke2fs -q -t ext3 -d . ../image 64M",
    "ext4": "mke2fs -q -t ext4 -d . ../image 64M",
    "ext4 inline": "mke2fs -q -t ext4 -O inline_data -I 256 -d . ../image 64M",
    "ext4 plain": "mke2fs -q -t ext4 -O ^64bit,^metadata_csum,^extent,^has_journal -d . ../image 64M",
    "tar": "tar -cf ../image .",
    "tar, no dots": "tar -cf ../image *",
    "tar, pax": "tar --format=pax -cf ../image .",
    "tar, sparse": "tar -Scf ../image .",
    "tar, pax sparse": "tar --format=pax -Scf ../image .",
    "bsdtar": "bsdtar -cf ../image .",
    "tar.gz": "tar -czf ../image .",
    "tar.xz": "tar -cJf ../image .",
    "tar.zst": "tar --zstd -cf ../image .",
    "tar.bz2": "tar -cjf ../image .",
    "tar.lz4": "tar -cf - . | lz4 -lq >../image",
    "cpio": f"{CPIO} >../image",
    "cpio, crc": f"{CPIO.replace('newc', 'crc')} >../image",
    "cpio.gz": f"{CPIO} | gzip >../image",
    "cpio.xz": f"{CPIO} | xz --check=crc32 >../image",
    "cpio.zst": f"{CPIO} | zstd -q >../image",
    "cpio.lz4": f"{CPIO} | lz4 -lq >../image",
    "cpio.lzo": f"{CPIO} | lzop >../image",
    "cpio.lzma": f"{CPIO} | xz --format=lzma >../image",
    "microcode first": f"({EARLY} {CPIO}) >../image",
    "microcode, packed": f"({EARLY} {CPIO} | zstd -q) >../image",
    "microcode, a block": f"({EARLY} head -c 512 /dev/zero; {CPIO} | gzip) >../image",
}


def make_tree(top: Path) -> None:
    """A little of everything that a root filesystem may hold."""
    put(top, {"usr/lib/modules/6.1.0/kernel/a.ko": os.urandom(5000), "etc/modprobe.d/x.conf": "blacklist a\n",
              "lib": "-> usr/lib", "etc/abs": "-> /usr/lib/modules", "etc/far": f"-> {'../' * 20}{'x' * 100}",
              "etc/empty": "", LONG: "x", "etc/new\nline": "x", 'etc/sp ace "q" \\': "x", "etc/-p <2>": "x",
              "etc/#c": "x", os.fsdecode(b"etc/\xff\xfe"): "x", "etc/ünï": "x"})  # fmt: skip
    for name, mode in (("etc/empty", 0o4755), ("etc/modprobe.d", 0o700), ("etc/#c", 0o600)):
        (top / name).chmod(mode)
    os.link(top / "etc/#c", top / "usr/twin")
    os.link(top / "etc/#c", top / "a-twin")
    os.mkfifo(top / "etc/pipe")
    with (top / "usr/sparse").open("wb") as stream:
        stream.write(b"begin")
        stream.truncate(3 << 20)
        stream.seek(0, 2)
        stream.write(b"end")


def told(root: Root) -> dict[str, tuple[object, ...]]:
    """All that a root holds, by its own words."""
    found: dict[str, tuple[object, ...]] = {}
    todo = [""]
    for folder in todo:
        for place in root.entries(folder):
            found[place.path] = (place.kind, place.target)
            if place.kind is Kind.DIRECTORY:
                todo.append(place.path)
            elif place.kind is Kind.FILE:
                found[place.path] = (place.kind, *root.digest(place.path))
    return found


def true(top: Path) -> dict[str, tuple[object, ...]]:
    """All that a directory holds, in the same form."""
    found: dict[str, tuple[object, ...]] = {}
    for path in top.rglob("*"):
        status, name = path.lstat(), str(path.relative_to(top))
        if path.is_symlink():
            found[name] = (Kind.LINK, str(path.readlink()))
        elif path.is_dir():
            found[name] = (Kind.DIRECTORY, "")
        elif path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name] = (Kind.FILE, digest, stat.S_IMODE(status.st_mode))
        else:
            found[name] = (Kind.OTHER, "")
    return found


def made(tree: Path, form: str, tmp_path: Path) -> Path:
    """The tree in a file; newlines cannot be told to cpio, which takes names by lines."""
    copy = tmp_path / "tree"
    subprocess.run(["cp", "-a", str(tree), str(copy)], check=True)
    if "cpio" in FORMS[form]:
        (copy / "etc/new\nline").unlink()
    subprocess.run(FORMS[form], shell=True, check=True, cwd=copy, stdout=subprocess.DEVNULL)
    return tmp_path / "image"
