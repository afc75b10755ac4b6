# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of a kernel's files finds what changed, and nothing else."""

import os
from pathlib import Path

import pytest

from dlkm.kernel.manifest import Manifest


@pytest.mark.parametrize("target", ["../.././a", "a//b", "a/", "./a", "plain"])
def test_a_link_is_the_same_however_it_is_written(tmp_path: Path, target: str) -> None:
    """The kernel's own source has one with a dot inside (selftests/powerpc/primitives/asm/asm-compat.h)."""
    link = tmp_path / "link"
    os.symlink(target, link)  # noqa: PTH211 — pathlib would tidy the target
    listed = Manifest.of(tmp_path)
    assert list(Manifest.parse(listed.to_json().encode(), "list").differences(tmp_path, whole=True)) == []
    link.unlink()
    link.symlink_to("another")
    assert list(listed.differences(tmp_path, whole=False)) == ["link"]
