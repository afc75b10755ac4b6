# SPDX-License-Identifier: GPL-2.0-only
"""Paths, as recipes handle them."""

import os
import shutil
from pathlib import Path


def join(*paths: str) -> str:
    """Several parts as one normal path."""
    return os.path.normpath("/".join(paths))


def relative(src: str, dest: str) -> str:
    """The path from a directory to another."""
    return os.path.relpath(dest, src)


def format_display(path: str, metadata: object) -> str:
    """A path to be shown."""
    return path


def symlink(source: str, destination: str, force: bool = False) -> None:
    """A link, over an old one when forced."""
    if force and os.path.lexists(destination):
        Path(destination).unlink()
    Path(destination).symlink_to(source)


def copytree(src: str, dst: str) -> None:
    """A directory with all in it, into another."""
    shutil.copytree(src, dst, symlinks=True, dirs_exist_ok=True)


def remove(path: str, recurse: bool = True) -> None:
    """What lies there, if anything does."""
    import bb

    bb.utils.remove(path, recurse)
