# SPDX-License-Identifier: GPL-2.0-or-later
"""Depmod's files that were found right once: again right where each file depmod reads, and each it made, is the same.

By content: every module's digest is taken each time, on the way to its verdict. What is kept is one digest of all these
(core/kept.py), behind a question that is known before the modules are read: so that depmod need not be started first.
"""

import hashlib
from collections.abc import Iterator, Mapping

from dlkm.core.files import sha256_file
from dlkm.core.kept import Kept
from dlkm.core.rooms import digest_of_rooms
from dlkm.core.tools import find_program
from dlkm.rootfs.depmod import INPUTS
from dlkm.rootfs.modtree import ModuleFile
from dlkm.rootfs.release import Release
from dlkm.rootfs.settings import read
from dlkm.rootfs.staleness import TABLES

_MARK = b"depmod's files are right 1"


class Fresh:
    """What is known of one release's tables. Keeps nothing of a release where depmod's answer is left to chance."""

    def __init__(self, release: Release, kept: Kept | None = None) -> None:
        self._release, self._kept = release, kept or Kept()
        self._question = hashlib.sha256(b"\0".join(_told(release))).digest() if _is_settled(release) else None
        self._answer = self._kept.get(self._question) if self._question is not None else None

    @property
    def is_likely(self) -> bool:
        """Whether they were right, if the modules are what they were."""
        return self._answer is not None

    def holds(self, digests: Mapping[str, str | None]) -> bool:
        """Whether they are right; `digests` are the modules' own by their paths on this machine."""
        return self._answer is not None and self._answer == self._of_modules(digests)

    def keep(self, digests: Mapping[str, str | None]) -> None:
        """They were found right; nothing is kept where not all modules were digested."""
        answer = self._of_modules(digests)
        if self._question is not None and answer is not None:
            self._kept.put(self._question, answer)

    def _of_modules(self, digests: Mapping[str, str | None]) -> bytes | None:
        tree = self._release.root.tree
        found = [digests.get(f"{tree}/{file.real}") for file in self._release.tree.files]
        return hashlib.sha256("".join(one for one in found if one).encode()).digest() if all(found) else None


def _is_settled(release: Release) -> bool:
    """Whether all that depmod reads is digested, and nothing of what it makes depends on the order of a directory."""
    tree, winner = release.tree, release.precedence.winner
    several = (files for files in tree.by_name.values() if len(files) > 1)
    return (
        not tree.troubles
        and not release.precedence.external_dirs
        and all(winner([file.path for file in files]) is not None for files in several)
    )


def _told(release: Release) -> Iterator[bytes]:
    """All that the answer depends on but the modules' bytes; each part is a digest, or holds no NUL."""
    yield _MARK
    yield _program()
    yield f"{release.release} {release.settings.kmod}".encode()
    for name in (*INPUTS, *TABLES):
        data = release.table(name)
        yield b"-" if data is None else hashlib.sha256(data).hexdigest().encode()
    for file in read(release.settings.depmod):
        yield file.path.encode("utf-8", "surrogateescape")
        yield hashlib.sha256(file.data).hexdigest().encode()
    yield from map(_path, release.tree.files)


def _path(file: ModuleFile) -> bytes:
    return file.path.encode("utf-8", "surrogateescape")


def _program() -> bytes:
    """This machine's depmod, and what compares here."""
    depmod = find_program("depmod")
    return f"{digest_of_rooms('rootfs')} {sha256_file(depmod) if depmod is not None else '-'}".encode()
