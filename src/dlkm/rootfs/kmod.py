# SPDX-License-Identifier: GPL-2.0-or-later
"""The program that loads modules on a root filesystem (kmod or BusyBox), and where it looks. Runs nothing of it."""

import re
from dataclasses import dataclass
from enum import StrEnum

from dlkm.rootfs.root import Kind, Root

PROGRAMS = ("usr/bin/kmod", "bin/kmod", "usr/sbin/kmod", "sbin/kmod", "usr/bin/modprobe", "bin/modprobe",
            "usr/sbin/modprobe", "sbin/modprobe")  # fmt: skip
LIMIT = 8 << 20  # bytes of a program; a static BusyBox with everything in it has two million

_VERSION = re.compile(rb"\0kmod version ([0-9]{1,4})\b")
_FEATURES = re.compile(rb"\0([+-][A-Z]+(?: [+-][A-Z]+)*)\0")
_COMMENT = re.compile(rb"#[^\n]*")
_BUSYBOX = re.compile(rb"\bBusyBox v([0-9.]+)")
# Lines of modprobe.d that BusyBox's modprobe heeds (modutils/modprobe.c: config_file_action); it passes over others.
_BUSYBOX_WORDS = frozenset({"alias", "blacklist", "options"})
_PACKINGS = {"ZSTD": ".zst", "XZ": ".xz", "ZLIB": ".gz"}


class Loader(StrEnum):
    """Whose modprobe it is."""

    KMOD = "kmod"
    BUSYBOX = "BusyBox"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kmod:
    """What is known of a root's modprobe and depmod. Where there is none, a kmod of today is assumed.

    `path` is the program's, None where there is none; `version` kmod's number. `vendor_dir` is the distribution's own
    directory for configuration that is read beside /lib ("usr/lib" since kmod 32, nothing before).
    `packings` are suffixes of packed modules that it can read; None: nobody tells, so all.
    """

    loader: Loader = Loader.NONE
    path: str | None = None
    version: int | None = None
    vendor_dir: str | None = "usr/lib"
    packings: frozenset[str] | None = None

    @classmethod
    def of(cls, root: Root) -> "Kmod":
        """From the strings of the program: its number, its features, the directories it was configured with."""
        for program in PROGRAMS:
            place = root.place(program)
            data = root.read(place.path, LIMIT) if place.kind is Kind.FILE else None
            found = _of_program(data, place.path) if data else None
            if found is not None:
                return found
        return cls()

    def folders(self, kind: str) -> tuple[str, ...]:
        """The directories of a kind ("modprobe.d", "depmod.d"), the first hiding files of the same name in later ones.

        Source: libkmod/libkmod.c: default_config_paths; tools/depmod.c: default_cfg_paths; BusyBox modutils/modprobe.c.
        """
        if self.loader is Loader.BUSYBOX:
            return (f"etc/{kind}",) if kind == "modprobe.d" else ()
        vendor = (self.vendor_dir,) if self.vendor_dir is not None else ()
        return tuple(f"{base}/{kind}" for base in ("etc", "run", "usr/local/lib", *vendor, "lib"))

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Which files of modprobe.d are read: kmod took `.alias` for configuration too until 32."""
        return (".conf", ".alias") if self.version is not None and self.version < 33 else (".conf",)

    def heeds(self, word: str) -> bool:
        """Whether lines of modprobe.d that begin with this word of kmod's say anything to it."""
        return self.loader is not Loader.BUSYBOX or word in _BUSYBOX_WORDS

    def without_comments(self, data: bytes) -> bytes:
        """A file of modprobe.d as its lines count: to BusyBox a '#' begins a comment anywhere (config_read)."""
        return _COMMENT.sub(b"", data) if self.loader is Loader.BUSYBOX else data

    def reads(self, file_name: str) -> bool:
        """Whether it can read a module packed like this file."""
        packing = next((end for end in _PACKINGS.values() if file_name.endswith(end)), None)
        return packing is None or self.packings is None or packing in self.packings

    def __str__(self) -> str:
        return f"{self.loader} {self.version}" if self.version is not None else str(self.loader)


def _of_program(data: bytes, path: str) -> Kmod | None:
    version = _VERSION.search(data)
    if version is None:
        return Kmod(loader=Loader.BUSYBOX, path=path, vendor_dir=None) if _BUSYBOX.search(data) else None
    features = _FEATURES.search(data)
    words = features[1].decode("ascii").split() if features is not None else None
    # The string "/lib/modprobe.d" is the end of another one and is always read; "/usr/lib/…" stands for itself.
    return Kmod(
        loader=Loader.KMOD,
        path=path,
        version=int(version[1]),
        vendor_dir="usr/lib" if b"\0/usr/lib/modprobe.d\0" in data else None,
        packings=frozenset(end for name, end in _PACKINGS.items() if f"+{name}" in words) if words else None,
    )
