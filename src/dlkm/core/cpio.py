# SPDX-License-Identifier: GPL-2.0-or-later
"""cpio archives ("newc": of an initramfs, in an .rpm), the same bytes for the same entries. Reads no files.

Source of the format: Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import stat
from collections.abc import Iterable
from dataclasses import dataclass

END = "TRAILER!!!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file, directory, link or device node; `mode` holds the type as stat(2) has it, `data` a link's target."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)
    mtime: int = 0  # seconds since the epoch


def directory(name: str) -> Entry:
    """A directory that all may read."""
    return Entry(name=name, mode=stat.S_IFDIR | 0o755)


def plain_file(name: str, data: bytes, mode: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(name=name, mode=stat.S_IFREG | mode, data=data)


def character_device(name: str, major: int, minor: int) -> Entry:
    """A node for a character device, for its owner alone."""
    return Entry(name=name, mode=stat.S_IFCHR | 0o600, device=(major, minor))


def archive(entries: Iterable[Entry]) -> bytes:
    """The whole archive; its length is a multiple of 4, so that archives can follow one another."""
    named = [*entries, Entry(name=END, mode=0)]
    return b"".join(_record(number, entry) for number, entry in enumerate(named))


def _record(inode: int, entry: Entry) -> bytes:
    name = entry.name.encode("utf-8", "surrogateescape") + b"\0"
    fields = (inode, entry.mode, 0, 0, 1, entry.mtime, len(entry.data), 0, 0, *entry.device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
