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
from dlkm.core.names import module_name
from dlkm.core.processes import Runner
from dlkm.core.tools import missing
from dlkm.rootfs.conffiles import read_files
from dlkm.rootfs.kmod import Kmod
from dlkm.rootfs.modtree import ModuleTree, Trouble, module_tree
from dlkm.rootfs.root import Kind, Root
from dlkm.rootfs.statements import kmod_lines

TIME_LIMIT = 300.0  # seconds; a whole distribution kernel takes one or two
INPUTS = ("modules.order", "modules.builtin", "modules.builtin.modinfo")

# depmod misses these in a root whose kernel is not installed there, which is nobody's mistake.
_EXPECTED = re.compile(r"could not open modules\.(order|builtin|builtin\.modinfo|builtin\.ranges) at ")


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
    tree: ModuleTree | None = None,
) -> Depmod:
    """What depmod makes of a root, which may be one that is planned only. Changes nothing in it.

    `tree` is what lies in the modules directory, where that is known already. MissingToolError without kmod;
    MalformedError when depmod fails, as it does on dependency cycles.
    """
    if runner.find("depmod") is None:
        raise missing("depmod")
    with scratch_dir(temporary_dir(), "dlkm-depmod-") as scratch:
        seen = tree or module_tree(root, release)
        into, warnings = _modules_place(scratch, release), _left_out(seen)
        _liken(root, seen, into)
        _copy_configuration(root, scratch / "depmod.d", warnings)
        argv: list[str | Path] = ["depmod", "-b", scratch, "-C", scratch / "depmod.d", release]
        events.detail(f"+ depmod -b {root.path} {release}")
        completed = runner.run(argv, timeout=TIME_LIMIT)
        said = completed.errors.decode("utf-8", "replace").replace(str(scratch), "")
        files = dict(_outputs(into))
    complaints = [line for line in said.splitlines() if line.strip() and not _EXPECTED.search(line)]
    if not completed.ok:
        raise MalformedError("\n  ".join([f"depmod for {release} in {root.path} {completed.ending}", *complaints[-5:]]))
    return Depmod(files=files, winners=winners(files), warnings=(*warnings, *complaints))


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


def _liken(root: Root, tree: ModuleTree, into: Path) -> None:
    """A directory with real directories, and links to where the parts of the modules directory really lie."""
    base = modules_dir(tree.release)
    root.host_path(base)  # what lies there is at hand from now on
    for name in INPUTS:
        if root.place(f"{base}/{name}").kind is Kind.FILE:
            (into / name).symlink_to(root.host_path(f"{base}/{name}"))
    for part in tree.parts:
        place = into / part.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(root.host_path(part.real))


def _left_out(tree: ModuleTree) -> list[str]:
    """What depmod is not shown, in words."""
    why = {
        Trouble.CIRCLE: "links lead in a circle; not followed",
        Trouble.DANGLING: "a link that leads nowhere; left out",
        Trouble.NO_FILE: "no regular file; left out",
        Trouble.ODD_NAME: "a name that modules.dep cannot hold; left out",
    }
    return [f"{path if path.isprintable() else ascii(path)}: {why[trouble]}" for trouble, path in tree.troubles]


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
