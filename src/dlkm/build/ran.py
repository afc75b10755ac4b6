# SPDX-License-Identifier: GPL-2.0-or-later
"""What the steps of a plan left, wherever they ran: statuses, the log, new modules. Only values."""

from dataclasses import dataclass
from pathlib import Path

from dlkm.build.mounts import DKMS_TREE, DRIVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """`statuses` are those of the steps that were run, in order; the log and directories are on this machine.

    `copy` holds the modules and Module.symvers where the driver made them, `root` what was installed, `told` what a
    step told, in the sandbox's words. `cached`: nothing was run for it. `bare` is where the driver and DKMS's tree were
    when there was no sandbox, None when the machine looked like the target.
    """

    statuses: tuple[int, ...]
    log: Path
    copy: Path
    root: Path
    told: bytes = b""
    bare: tuple[str, str] | None = None
    cached: bool = False

    @property
    def status(self) -> int:
        """The last one's."""
        return self.statuses[-1] if self.statuses else 0

    def seen(self, folder: str) -> str:
        """A directory of the sandbox as it was where the steps ran."""
        for usual, here in zip((DRIVER, DKMS_TREE), self.bare or (), strict=False):
            if folder == usual or folder.startswith(f"{usual}/"):
                return here + folder.removeprefix(usual)
        return folder
