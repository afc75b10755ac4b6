# SPDX-License-Identifier: GPL-2.0-or-later
"""What an answer of `dlkm audit` rests on, so that it can be given again: all that was asked of a directory."""

import argparse
from collections.abc import Iterator

from dlkm.cli.recall import keep
from dlkm.cli.remember import of_program
from dlkm.core.tools import find_program
from dlkm.filesystem.members import Form
from dlkm.report.terminal import Terminal
from dlkm.rootfs.audit import Audit
from dlkm.rootfs.glance import Glance


def remember(arguments: argparse.Namespace, seen: Glance, audit: Audit, terminal: Terminal, since: int) -> None:
    """Keep the answer that was just given; `since` is when the first file was read, in nanoseconds since the epoch."""
    if terminal.told or arguments.sarif is not None or seen.form is not Form.DIRECTORY:
        return
    text = "".join(terminal.answered).encode("utf-8", "surrogateescape")
    keep(arguments.kept_as, _grounds(arguments, seen, audit), text, since)


def _grounds(arguments: argparse.Namespace, seen: Glance, audit: Audit) -> Iterator[str]:
    """Every path that was asked for, with the directories above it: a link on the way lies in one of those."""
    for kernel in audit.kernels:
        for path in (kernel.image or "boot", f"lib/modules/{kernel.release}/build/.config"):
            seen.place(path)  # its parts were found by another way
    asked = {above for path in seen.asked for above in _with_those_above(path)}
    yield from (f"{seen.tree}/{path}" for path in (*asked, *seen.files))
    yield from map(str, arguments.trusted_cert)
    yield str(find_program("depmod"))
    yield from of_program("rootfs")


def _with_those_above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""
