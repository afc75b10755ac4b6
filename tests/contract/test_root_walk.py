# SPDX-License-Identifier: GPL-2.0-or-later
"""Our walk through a root filesystem against the kernel's own: openat2 with RESOLVE_IN_ROOT (Linux 5.6)."""

import ctypes
import errno
import os
import struct
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.core.errors import MalformedError
from dlkm.rootfs.root import DirectoryRoot, Kind

pytestmark = pytest.mark.contract

# include/uapi/linux/openat2.h; the call's number is the same on every architecture.
OPENAT2 = 437
RESOLVE_IN_ROOT = 0x10

NAMES = ["a", "b", "c"]
# No "." at the end: of a file it means ENOTDIR to the kernel, and nothing to us.
_PATHS = st.lists(st.sampled_from([*NAMES, "..", "./a"]), min_size=1, max_size=5).map("/".join)
_TARGETS = st.builds(lambda start, path: start + path, st.sampled_from(["", "/", "../../../"]), _PATHS)


def _by_the_kernel(root: Path, path: str) -> str | int:
    """Where the path leads, relative to the root; or the error number."""
    how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT)
    libc = ctypes.CDLL(None, use_errno=True)
    top = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        found = libc.syscall(OPENAT2, top, path.encode(), how, len(how))
        if found < 0:
            return ctypes.get_errno()
        where = str(Path(f"/proc/self/fd/{found}").readlink())
        os.close(found)
        return where.removeprefix(str(root)).lstrip("/")
    finally:
        os.close(top)


def _by_us(root: DirectoryRoot, path: str) -> str | int:
    try:
        place = root.place(path)
    except MalformedError as error:
        return errno.ELOOP if "circle" in error.what else errno.ENOTDIR
    return errno.ENOENT if place.kind is Kind.MISSING else place.path


@settings(max_examples=400, deadline=None)
@given(
    folders=st.lists(_PATHS, max_size=4),
    files=st.lists(_PATHS, max_size=3),
    links=st.lists(st.tuples(_PATHS, _TARGETS), max_size=6),
    asked=st.lists(_PATHS, min_size=1, max_size=8),
)
def test_both_lead_to_the_same_place(
    folders: list[str], files: list[str], links: list[tuple[str, str]], asked: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name).resolve()
        root = top / "x/y/root"
        root.mkdir(parents=True)
        _fill(root, folders, files, links)
        with DirectoryRoot(root) as opened:
            for path in asked:
                ours, kernels = _by_us(opened, path), _by_the_kernel(root, path)
                # Behind what is missing ".." has no meaning to the kernel; we take it away from the path to be made.
                missing = kernels == errno.ENOENT and (".." in path or any(".." in target for _, target in links))
                assert ours == kernels or missing, path


def _fill(root: Path, folders: list[str], files: list[str], links: list[tuple[str, str]]) -> None:
    """What can be made of it; `..` is left out of the places so that all lies inside."""
    for place in folders:
        _try(lambda path: path.mkdir(parents=True, exist_ok=True), root, place)
    for place in files:
        _try(lambda path: path.touch(), root, place)
    for place, target in links:
        _try(partial(Path.symlink_to, target=target), root, place)


def _try(make: Callable[[Path], None], root: Path, place: str) -> None:
    inside = "/".join(part for part in place.split("/") if part not in {"..", "."})
    try:
        if inside and not any(parent.is_symlink() for parent in (root / inside).parents):
            make(root / inside)
    except OSError:
        return
