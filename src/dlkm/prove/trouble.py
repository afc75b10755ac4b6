# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a guest fell silent, read from its console; and the files in which consoles are kept."""

import re
import time
from contextlib import suppress
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.files import write_atomically

MOST_CONSOLES = 50

# The last thing of these on a console tells how it ended; `{}` is what the group holds.
_SIGNS = (
    (re.compile(r"Kernel panic - not syncing: (.*)"), "the kernel panicked: {}"),
    (re.compile(r"reboot: (?:Power down|Power off|System halted)"), "the machine was powered off"),
    (re.compile(r"reboot: (?:Restarting system|machine restart)"), "the machine was restarted"),
    (re.compile(r"(BUG: .*|Internal error: .*|Oops: .*)"), "the kernel crashed: {}"),
)


def explain(trouble: str, console: bytes) -> str:
    """The trouble in the console's own words where it has any."""
    text = console.decode("utf-8", "replace").replace("\r", "")
    for sign, words in _SIGNS:
        found = sign.findall(text)
        if found:
            return words.format(found[0].strip())
    return trouble


def keep_console(folder: Path, kernel: str, console: bytes) -> Path | None:
    """Where it lies now; None when the cache cannot be written. The oldest go when they are many."""
    path = folder / f"{kernel}-{time.time_ns()}.log"
    try:
        write_atomically(path, console)
    except DlkmError:
        return None
    for old in sorted(folder.glob("*.log"), key=lambda log: log.name.rpartition("-")[2])[:-MOST_CONSOLES]:
        with suppress(OSError):
            old.unlink()
    return path
