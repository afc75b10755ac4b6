# SPDX-License-Identifier: GPL-2.0-or-later
"""A changed copy of an image or archive, of whatever kind."""

from collections.abc import Sequence
from pathlib import Path

from dlkm.core.processes import Runner
from dlkm.filesystem.change import Change
from dlkm.filesystem.copying import copy_whole
from dlkm.filesystem.cpio import CpioArchive
from dlkm.filesystem.cpiowrite import rewrite_cpio
from dlkm.filesystem.delta import Kept
from dlkm.filesystem.ext import ExtImage
from dlkm.filesystem.extwrite import rewrite_ext
from dlkm.filesystem.members import Holder
from dlkm.filesystem.packing import Packing, pack
from dlkm.filesystem.tar import TarArchive
from dlkm.filesystem.tarwrite import rewrite_plain


def rewrite(
    holder: Holder, changes: Sequence[Change], into: Path, when: int, scratch: Path, runner: Runner
) -> tuple[Kept, ...]:
    """Write to a new file what `holder` holds with these changes, all else as it is; which bytes both have in common.

    Directories come before what is in them. `when` is the time of new members, in seconds; files are worked on in
    `scratch`. MalformedError where it cannot be done, MissingToolError where a program is missing.
    """
    if isinstance(holder, ExtImage):
        return rewrite_ext(holder, changes, into, when, scratch, runner)
    if isinstance(holder, CpioArchive):
        return rewrite_cpio(holder, changes, into, when, scratch, runner)
    assert isinstance(holder, TarArchive)
    if holder.packing is Packing.NONE:
        return rewrite_plain(holder, changes, into, when)
    plain = scratch / "rewritten"
    rewrite_plain(holder, changes, plain, when)
    copy_whole(pack(plain, holder.packing, holder.path, 0, runner), into)
    return ()
