# SPDX-License-Identifier: GPL-2.0-or-later
"""What an answer of `dlkm audit` rests on, so that it can be given again: all that was asked of a directory."""

import argparse
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dlkm.cli.recall import keep, states_of
from dlkm.cli.remember import of_program
from dlkm.core.tools import find_program
from dlkm.filesystem.members import Form
from dlkm.report.terminal import Terminal
from dlkm.rootfs.audit import Audit
from dlkm.rootfs.glance import Glance

if TYPE_CHECKING:
    from dlkm.cli.recall import States


class Grounds:
    """What an answer rests on, as it is found; `since` is when the first file was read, in nanoseconds since the epoch.

    Nothing is kept of a root that has to be unpacked, and of a run that writes a report.
    """

    def __init__(self, arguments: argparse.Namespace, seen: Glance, since: int) -> None:
        self._arguments, self._seen, self._since = arguments, seen, since
        self._states: States = {}
        self._is_wanted = arguments.kept_as is not None and arguments.sarif is None and seen.form is Form.DIRECTORY

    def look(self) -> None:
        """See what the files are that were asked for so far, and this program's: nobody waits for it now."""
        if self._is_wanted:
            given = map(str, self._arguments.trusted_cert)
            self._look((*self._seen.grounds(), *given, str(find_program("depmod")), *of_program("rootfs")))

    def keep(self, audit: Audit, terminal: Terminal) -> None:
        """Keep the answer that was just given."""
        if not self._is_wanted or terminal.told:
            return
        for kernel in audit.kernels:
            for path in (kernel.image or "boot", f"lib/modules/{kernel.release}/build/.config"):
                self._seen.place(path)  # its parts were found by another way
        self.look()
        text = "".join(terminal.answered).encode("utf-8", "surrogateescape")
        keep(self._arguments.kept_as, self._states, text)

    def _look(self, files: Iterable[str]) -> None:
        new = (file for file in files if os.fsencode(file) not in self._states)
        self._states |= states_of(new, self._since)
