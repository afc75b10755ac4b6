# SPDX-License-Identifier: GPL-2.0-or-later
"""What Debian's maintainer scripts would do in a fresh root, done by the table: no program of the root runs."""

import fnmatch
import os
import shutil
from contextlib import suppress
from pathlib import Path

from dlkm.rootfs.minimal.accounts import accounts
from dlkm.rootfs.minimal.table import Table

DPKG_CONFIGURATION = "etc/dpkg/dpkg.cfg.d/minimal"


def merge_usr(root: Path) -> None:
    """/bin, /sbin and /lib* become links into /usr, as debootstrap makes them before it unpacks anything."""
    for folder in sorted(root.iterdir()):
        is_merged = folder.is_symlink() or not folder.name.startswith(("bin", "sbin", "lib"))
        if not is_merged:
            _move_into(folder, root / "usr" / folder.name)
            folder.rmdir()
            folder.symlink_to(f"usr/{folder.name}")


def settle(root: Path, table: Table) -> None:
    """Configuration, accounts, directories and links; and away with documentation."""
    _exclude(root, table)
    _make_accounts(root, table)
    for name, mode in table.directories.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
    for name, source in table.copies.items():
        shutil.copyfile(root / source, _clear(root / name))
    for name, target in table.links.items():
        _clear(root / name).symlink_to(target)
    for name, content in table.files.items():
        _clear(root / name).write_text(content, "utf-8")


def _move_into(folder: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for path in list(folder.iterdir()):
        place = target / path.name
        if path.is_dir() and not path.is_symlink() and place.is_dir():
            _move_into(path, place)
            path.rmdir()
        else:
            path.rename(place)


def _clear(path: Path) -> Path:
    """Nothing lies there afterwards, and its directory exists; an empty directory gives way to a link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    return path


def _exclude(root: Path, table: Table) -> None:
    for folder, _folders, names in os.walk(root / "usr/share", topdown=False):
        inside = f"/{Path(folder).relative_to(root)}"
        for name in names:
            if _is_excluded(f"{inside}/{name}", table):
                (Path(folder) / name).unlink()
        if _is_excluded(inside, table):
            with suppress(OSError):  # something of it is kept
                Path(folder).rmdir()
    lines = [f"path-exclude={pattern}\n" for pattern in table.excluded]
    lines += [f"path-include={pattern}\n" for pattern in table.kept]
    _clear(root / DPKG_CONFIGURATION).write_text("".join(lines), "utf-8")


def _is_excluded(path: str, table: Table) -> bool:
    kept = any(fnmatch.fnmatchcase(path, pattern) for pattern in table.kept)
    return not kept and any(fnmatch.fnmatchcase(path, pattern) for pattern in table.excluded)


def _make_accounts(root: Path, table: Table) -> None:
    masters = root / "usr/share/base-passwd"
    made = accounts(
        (masters / "passwd.master").read_text("utf-8"),
        (masters / "group.master").read_text("utf-8"),
        {path.name: path.read_text("utf-8") for path in (root / "usr/lib/sysusers.d").glob("*.conf")},
        table.groups,
    )
    (root / "etc/passwd").write_text(made.passwd(), "utf-8")
    (root / "etc/group").write_text(made.group(), "utf-8")
