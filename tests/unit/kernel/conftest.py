# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool of the test's own, and a machine that has Debian's keys."""

from pathlib import Path

import pytest

from dlkm.core.events import Event
from dlkm.kernel import apt
from dlkm.kernel.pool import Pool


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "debian-archive-keyring.gpg").write_bytes(b"")
    monkeypatch.setattr(apt, "KEYRING_FOLDERS", (str(keys),))
    return Pool(tmp_path / "kernels")


@pytest.fixture
def said() -> list[Event]:
    """What the library told; pass `said.append` to Events."""
    return []
