# SPDX-License-Identifier: GPL-2.0-or-later
"""What a plan left as an action's outputs, and back. Decides nothing of what is right about it.

log, statuses, place, told        driver/ the modules and Module.symvers        root/ what was installed
"""

import os
from collections.abc import Iterator
from pathlib import Path

from dlkm.action.outcome import Outcome
from dlkm.action.store import Store, walk
from dlkm.build.ran import Ran
from dlkm.core.names import is_module_file

_SANDBOX = "sandbox"
_TOLD_LIMIT = 4 << 20  # bytes


def gathered(store: Store, ran: Ran) -> Outcome:
    """The outcome, its files in the store."""
    statuses = "".join(f"{status}\n" for status in ran.statuses)
    small = {"statuses": statuses.encode(), "place": _place(ran), "told": ran.told}
    return store.gather(_outputs(ran), small)


def _place(ran: Ran) -> bytes:
    """Where it ran: in a sandbox, or where its directories were without one."""
    return "".join(f"{line}\n" for line in ran.bare or (_SANDBOX,)).encode("utf-8", "surrogateescape")


def _outputs(ran: Ran) -> Iterator[tuple[str, Path]]:
    if ran.log.is_file():
        yield "log", ran.log
    for folder, _folders, names in os.walk(ran.copy):
        for name in names:
            path = Path(folder, name)
            if (is_module_file(name) or name == "Module.symvers") and path.is_file() and not path.is_symlink():
                yield f"driver/{path.relative_to(ran.copy)}", path
    for path in walk(ran.root):
        yield f"root/{path.relative_to(ran.root)}", path


def ran_from(folder: Path) -> Ran | None:
    """What an outcome that was laid out in a directory says; None when it is none of ours."""
    try:
        statuses = tuple(int(word) for word in (folder / "statuses").read_text("ascii").split())
        told = (folder / "told").read_bytes() if (folder / "told").is_file() else b""
        place = (folder / "place").read_text("utf-8", "surrogateescape").splitlines()
    except (OSError, ValueError):
        return None
    for name in ("driver", "root"):
        (folder / name).mkdir(exist_ok=True)
    if len(told) > _TOLD_LIMIT or not place or not (folder / "log").is_file():
        return None
    return Ran(
        statuses=statuses,
        log=folder / "log",
        copy=folder / "driver",
        root=folder / "root",
        told=told,
        bare=None if place == [_SANDBOX] else (place[0], place[-1]),
        cached=True,
    )
