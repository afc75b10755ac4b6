# SPDX-License-Identifier: GPL-2.0-or-later
"""Booted guests that are kept between runs, as files; the oldest go when they are many. Starts and trusts none.

A file's name holds the digest of its content: half-written or damaged, it is no kept guest.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from tempfile import mkstemp
from threading import Thread

from dlkm.core.files import sha256_file
from dlkm.prove.machine import Hardware

FORMAT = 1  # of what lies around the state; a new one makes old guests strangers
MOST_BYTES = 2 << 30
MOST_GUESTS = 24
NEW = ".new-"
ABANDONED = 3600.0  # seconds after which nobody writes to a new file any more


def key_of(hardware: Hardware, image_digest: str, initramfs: bytes, program: Path, host_boot: str) -> str:
    """What a state depends on: kernel, machine, guest, and the very QEMU.

    `host_boot` is the host's boot id where the host's own processor shows through (KVM), "" elsewhere.
    """
    status = program.stat()
    identity = (str(program.resolve()), status.st_size, status.st_mtime_ns)
    digest = hashlib.sha256(initramfs).hexdigest()
    facts = (FORMAT, hardware.words(), image_digest, digest, identity, host_boot)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptGuests:
    """The states in one directory: `KEY-SHA256.state`."""

    folder: Path

    @contextmanager
    def opened(self, key: str) -> Iterator[BufferedReader | None]:
        """The state of that key, read and found whole, or None. Damaged ones are removed."""
        stream = self._find(key)
        try:
            yield stream
        finally:
            if stream is not None:
                stream.close()

    def _find(self, key: str) -> BufferedReader | None:
        for path in sorted(self.folder.glob(f"{key}-*.state")):
            with suppress(OSError):
                stream = path.open("rb")
                if hashlib.file_digest(stream, "sha256").hexdigest() == path.stem.rpartition("-")[2]:
                    stream.seek(0)
                    os.utime(path)
                    return stream
                stream.close()
                path.unlink()
        return None

    def drop(self, key: str) -> None:
        """Forget it: it does not resume."""
        for path in self.folder.glob(f"{key}-*.state"):
            with suppress(OSError):
                path.unlink()

    def start_saving(self) -> Path | None:
        """An empty file for a state, which `Saving` gives its name; None when the cache cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = mkstemp(dir=self.folder, prefix=NEW)
        except OSError:
            return None
        os.close(descriptor)
        return Path(name)

    def evict(self) -> None:
        """Remove the least recently used beyond the limits, and what was never finished."""
        found = []
        for path in self.folder.glob(f"{NEW}*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()
        for path in self.folder.glob("*.state"):
            with suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, path))
        total = 0
        for number, (_used, size, path) in enumerate(sorted(found, reverse=True)):
            total += size
            if total > MOST_BYTES or number >= MOST_GUESTS:
                with suppress(OSError):
                    path.unlink()


class Saving:
    """A state that QEMU has written to `path`; it gets its name while the guest already works."""

    def __init__(self, guests: KeptGuests, key: str, path: Path) -> None:
        self._guests = guests
        self._key = key
        self._path = path
        self._thread = Thread(target=self._finish, daemon=True)
        self._thread.start()

    def _finish(self) -> None:
        try:
            self._path.rename(self._guests.folder / f"{self._key}-{sha256_file(self._path)}.state")
        except OSError:
            self._path.unlink(missing_ok=True)
        self._guests.evict()

    def join(self) -> None:
        """Wait until it is kept, or was given up."""
        self._thread.join()
