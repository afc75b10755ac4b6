# SPDX-License-Identifier: GPL-2.0-or-later
"""The files depmod makes for a root filesystem, as values. kmod's depmod makes them, outside the root.

depmod follows links wherever they lead and writes where it reads. So it runs on a likeness of the modules directory in
a scratch directory: our walker (root.py) makes it, with links to where the module files really lie; the target's
own depmod.d goes with it. What it leaves there is then written into the root like any other file.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import MalformedError
from dlkm.core.events import Events
from dlkm.core.files import scratch_dir, temporary_dir
from dlkm.core.names import is_module_file, module_name
from dlkm.core.processes import Runner
from dlkm.core.tools import missing
from dlkm.rootfs.conffiles import read_files
from dlkm.rootfs.kmod import Kmod
from dlkm.rootfs.root import Kind, Root
from dlkm.rootfs.statements import kmod_lines

MOST_FILES = 200_000  # a distribution's kernel has 5,000
MOST_LEVELS = 40
TIME_LIMIT = 300.0  # seconds; a whole distribution kernel takes one or two
INPUTS = ("modules.order", "modules.builtin", "modules.builtin.modinfo")

# depmod misses these in a root whose kernel is not installed there, which is nobody's mistake.
_EXPECTED = re.compile(r"could not open modules\.(order|builtin|builtin\.modinfo|builtin\.ranges) at ")
_ODD = re.compile(r"[\s:\x00-\x1f\x7f]")  # would be taken for the syntax of modules.dep


@dataclass(frozen=True, slots=True, kw_only=True)
class Depmod:
    """What depmod made: file names with their bytes, the winning file of each module, its complaints.

    `winners` maps a module's name to its path below the modules directory ("updates/hello.ko"), from modules.dep.
    """

    files: Mapping[str, bytes]
    winners: Mapping[str, str]
    warnings: tuple[str, ...]


def modules_dir(release: str) -> str:
    """Where kmod looks on the target; any link on the way is the target's own affair."""
    return f"lib/modules/{release}"


def depmod(
    root: Root,
    release: str,
    *,
    runner: Runner,
    events: Events,
) -> Depmod:
    """What depmod makes of a root, which may be one that is planned only. Changes nothing in it.

    MissingToolError without kmod; MalformedError when depmod fails, as it does on dependency cycles.
    """
    if runner.find("depmod") is None:
        raise missing("depmod")
    with scratch_dir(temporary_dir(), "dlkm-depmod-") as scratch:
        likeness = _Likeness(root, modules_dir(release), _modules_place(scratch, release))
        likeness.fill()
        _copy_configuration(root, scratch / "depmod.d", likeness.warnings)
        argv: list[str | Path] = ["depmod", "-b", scratch, "-C", scratch / "depmod.d", release]
        events.detail(f"+ depmod -b {root.path} {release}")
        completed = runner.run(argv, timeout=TIME_LIMIT)
        said = completed.errors.decode("utf-8", "replace").replace(str(scratch), "")
        files = dict(_outputs(likeness.into))
    complaints = [line for line in said.splitlines() if line.strip() and not _EXPECTED.search(line)]
    if not completed.ok:
        why = "ran into its time limit" if completed.timed_out else f"ended with status {completed.status}"
        raise MalformedError("\n  ".join([f"depmod for {release} in {root.path} {why}", *complaints[-5:]]))
    return Depmod(files=files, winners=winners(files), warnings=(*likeness.warnings, *complaints))


def winners(files: Mapping[str, bytes]) -> dict[str, str]:
    """Module name → path below the modules directory, from modules.dep ("PATH: DEPENDENCY…")."""
    text = files.get("modules.dep", b"").decode("utf-8", "surrogateescape")
    paths = (line.partition(":")[0] for line in text.split("\n") if ":" in line)
    return {module_name(path): path for path in paths}


def _modules_place(scratch: Path, release: str) -> Path:
    """Found by a depmod that was configured for /usr/lib/modules as well as for /lib/modules."""
    place = scratch / "usr" / "lib" / "modules" / release
    place.mkdir(parents=True)
    (scratch / "lib").symlink_to("usr/lib")
    return place


class _Likeness:
    """A directory tree with real directories, and links to what are regular files in the root."""

    def __init__(self, root: Root, base: str, into: Path) -> None:
        self._root = root
        self._base = base
        self._count = 0
        self.into = into
        self.warnings: list[str] = []

    def fill(self) -> None:
        self._root.host_path(self._base)  # what lies there is at hand below `tree` from now on
        for name in INPUTS:
            if self._root.place(f"{self._base}/{name}").kind is Kind.FILE:
                (self.into / name).symlink_to(self._root.host_path(f"{self._base}/{name}"))
        _, found = self._survey("", ())
        for path, real in found:
            place = self.into / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(self._root.host_path(real))

    def _survey(self, below: str, above: tuple[str, ...]) -> tuple[bool, list[tuple[str, str]]]:
        """What depmod is to see: paths below the modules directory, and where those lie in the root.

        Also whether all of this directory is plain (only directories, regular files and names that can be listed, as
        they lie): then one link to it serves for all.
        """
        folder = f"{self._base}/{below}"
        here = self._directory(folder, above)
        if here is None:
            return False, []
        plain, found = self._root.is_as_it_lies(here), []
        for entry in self._root.entries(folder):
            name = entry.path.rpartition("/")[2]
            path = f"{below}{name}"
            kind, real = self._followed(entry.kind, f"{folder}{name}", entry.path)
            plain = plain and entry.kind in {Kind.FILE, Kind.DIRECTORY}
            if kind is Kind.DIRECTORY and name not in {"build", "source"}:
                whole, inside = self._survey(f"{path}/", (*above, here))
                plain = plain and whole
                found += [(path, real)] if whole else inside
            elif kind is Kind.FILE and is_module_file(name):
                sane = self._sane(path)
                plain = plain and sane
                found += [(path, real)] if sane else []
        return plain, found

    def _directory(self, folder: str, above: tuple[str, ...]) -> str | None:
        """Where a directory really lies; None when there is no such directory, or when it lies within itself."""
        place = self._root.place(folder)
        if place.kind is not Kind.DIRECTORY:
            return None
        self._count_one()
        if place.path in above or len(above) > MOST_LEVELS:
            self.warnings.append(f"{folder}: links lead in a circle; not followed")
            return None
        return place.path

    def _followed(self, kind: Kind, path: str, real: str) -> tuple[Kind, str]:
        if kind is not Kind.LINK:
            return kind, real
        try:
            place = self._root.place(path)
        except MalformedError as error:
            self.warnings.append(error.what)
            return Kind.OTHER, real
        if place.kind is not Kind.MISSING:
            self._root.host_path(place.path)
        return place.kind, place.path

    def _count_one(self) -> None:
        self._count += 1
        if self._count > MOST_FILES:
            raise MalformedError(f"{self._root.path}/{self._base}: more than {MOST_FILES} files and directories")

    def _sane(self, path: str) -> bool:
        self._count_one()
        if _ODD.search(path):
            self.warnings.append(f"{self._base}/{path!r}: a name that modules.dep cannot hold; left out")
            return False
        return True


def _copy_configuration(root: Root, into: Path, warnings: list[str]) -> None:
    """The target's depmod.d. `external` names directories of the target that depmod would take for this machine's."""
    into.mkdir()
    for file in read_files(root, Kmod.of(root).folders("depmod.d")):
        lines = [line.text for line in kmod_lines(file.data)]
        kept = [line for line in lines if line.split()[0] != "external"]
        if len(kept) < len(lines):
            warnings.append(f"{file.path}: 'external' is not followed")
        (into / file.name).write_text("".join(f"{line}\n" for line in kept), "utf-8", "surrogateescape")


def _outputs(folder: Path) -> Iterator[tuple[str, bytes]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("modules.") and stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                yield entry.name, Path(entry.path).read_bytes()
