# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the records of stagings lie, and in which order. Knows nothing of what they say.

Beside the target, so that both move together: `ROOTFS.staged/0001`, `IMAGE.ext4.staged/0001`. Where nothing can be
written there, in the user's state directory.
"""

import errno
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from dlkm.core.files import cannot_write, remove_tree
from dlkm.rootfs.record import BEFORE, FILE

SUFFIX = ".staged"
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class Records:
    """The records of one target; `home` exists once there is one."""

    def __init__(self, target: Path, folder: Path | None = None, env: Mapping[str, str] = os.environ) -> None:
        """`folder` is where they are to lie; otherwise where there are some, or beside the target."""
        self.target = target.resolve()
        self._places = (folder.absolute(),) if folder is not None else _usual(self.target, env)

    @property
    def home(self) -> Path | None:
        """Where there are some."""
        return next((place for place in self._places if place.is_dir()), None)

    def all(self) -> tuple[Path, ...]:
        """The directory of each, the oldest first."""
        home = self.home
        names = sorted(entry.name for entry in home.iterdir() if entry.name.isdigit()) if home is not None else []
        return tuple(home / name for name in names if (home / name / FILE).is_file()) if home is not None else ()

    def begin(self) -> Path:
        """A directory for a new one, numbered behind the last; StorageError where there is no room."""
        home = self.home or self._made()
        last = self.all()
        folder = home / f"{int(last[-1].name) + 1 if last else 1:04}"
        try:
            (folder / BEFORE).mkdir(parents=True)
        except BaseException as error:
            self.drop(folder)
            if isinstance(error, OSError):
                raise cannot_write(folder, error) from error
            raise
        return folder

    def sweep(self) -> None:
        """Remove what a run left that was killed before there was a record, or when there was none any more."""
        home = self.home
        left = home.iterdir() if home is not None else ()
        for entry in left:
            if entry.name.isdigit() and not (entry / FILE).is_file():
                self.drop(entry)

    def drop(self, folder: Path) -> None:
        """Remove one; with the last of them goes what holds them."""
        (folder / FILE).unlink(missing_ok=True)  # first: what is left of it is no record
        remove_tree(folder)
        try:
            folder.parent.rmdir()
        except OSError:
            return

    def _made(self) -> Path:
        for place in self._places:
            try:
                place.mkdir(parents=True)
            except OSError as error:
                if error.errno not in _FORBIDDEN or place == self._places[-1]:
                    raise cannot_write(place, error) from error
            else:
                return place
        raise AssertionError("there is a last place")


def _usual(target: Path, env: Mapping[str, str]) -> tuple[Path, ...]:
    state = env.get("XDG_STATE_HOME", "")
    base = Path(state if state.startswith("/") else Path(env.get("HOME") or "~").expanduser() / ".local/state")
    known = hashlib.sha256(os.fsencode(target)).hexdigest()[:16]
    fallback = base / "dlkm" / "staged" / f"{target.name}-{known}"
    # The root directory itself has nothing beside it.
    return (target.with_name(target.name + SUFFIX), fallback) if target.name else (fallback,)
