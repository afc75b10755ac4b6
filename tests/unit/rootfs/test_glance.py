# SPDX-License-Identifier: GPL-2.0-or-later
"""What cannot be followed or read does not keep the rest from being looked at."""

from pathlib import Path

import pytest

from dlkm.rootfs.glance import Glance
from dlkm.rootfs.root import DirectoryRoot, Kind
from tests.unit.rootfs.support import put


@pytest.fixture
def glance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Glance:
    """A root of which a file and a directory may not be read, whoever looks."""
    put(tmp_path, {"plain": "text", "secret": "text", "closed/x": "", "ring": "-> ring", "file/x": "-> ../plain/x"})
    read, entries = DirectoryRoot._read, DirectoryRoot._entries

    def refuse_file(self: DirectoryRoot, real: str, limit: int) -> bytes:
        if real == "secret":
            raise PermissionError(13, "Permission denied")
        return read(self, real, limit)

    def refuse_directory(self: DirectoryRoot, real: str) -> object:
        if real == "closed":
            raise PermissionError(13, "Permission denied")
        return entries(self, real)

    monkeypatch.setattr(DirectoryRoot, "_read", refuse_file)
    monkeypatch.setattr(DirectoryRoot, "_entries", refuse_directory)
    return Glance(DirectoryRoot(tmp_path))


def test_what_may_not_be_read_is_noted(glance: Glance) -> None:
    assert glance.read("plain") == b"text"
    assert glance.read("secret") is None
    assert glance.entries("closed") == ()
    assert glance.unreadable.keys() == {"secret", "closed"}
    assert "Permission denied" in glance.unreadable["secret"]


@pytest.mark.parametrize("path", ["ring", "ring/x", "plain/x", "file/x", "nothing"])
def test_what_leads_nowhere_is_missing(glance: Glance, path: str) -> None:
    assert glance.place(path).kind is Kind.MISSING
    assert glance.read(path) is None
    assert glance.entries(path) == ()
    assert glance.unreadable == {}
