# SPDX-License-Identifier: GPL-2.0-only
"""What a recipe hands to those that DEPEND on it. Copies below the work directory only."""

import os
import shutil
from pathlib import Path
from typing import Any

import bb


def give(d: Any) -> None:
    """Put what others build against into SYSROOT_DESTDIR."""
    installed, target = d.getVar("D"), d.getVar("SYSROOT_DESTDIR")
    ignored = [f"{installed}{name}" for name in (d.getVar("SYSROOT_DIRS_IGNORE") or "").split()]
    for name in (d.getVar("SYSROOT_DIRS") or "").split():
        if Path(installed + name).is_dir():
            _copy(installed + name, target + name, ignored)
    for function in (d.getVar("SYSROOT_PREPROCESS_FUNCS") or "").split():
        bb.build.exec_func(function, d)


def _copy(source: str, target: str, ignored: list[str]) -> None:
    def leave(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if os.path.join(folder, name) in ignored]

    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=leave)


def take_over(d: Any) -> None:
    """Lay the directories of the recipes that this one depends on into its RECIPE_SYSROOT."""
    target = d.getVar("RECIPE_SYSROOT")
    for folder in (target, d.getVar("RECIPE_SYSROOT_NATIVE")):
        bb.utils.mkdirhier(folder)
    for given in (d.getVar("DLKM_SYSROOTS") or "").split():
        shutil.copytree(given, target, symlinks=True, dirs_exist_ok=True)
