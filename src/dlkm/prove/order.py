# SPDX-License-Identifier: GPL-2.0-or-later
"""In which order installed modules are loaded, soft dependencies included. Loads nothing."""

from collections.abc import Sequence
from pathlib import Path

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.names import normalise_module_name
from dlkm.kernel.installed import Installed
from dlkm.ko.modinfo import softdeps_before
from dlkm.ko.module import Module, read_module


def load_order(installed: Installed, names: Sequence[str]) -> tuple[Path, ...]:
    """The installed files of these names with all they need, those of their softdeps before each.

    What is not installed, or cannot be read, is left out: the kernel will say what it thinks of that.
    """
    order: dict[Path, None] = {}
    try:
        for path in installed.load_order([_installed_name(installed, name) for name in names]):
            before = [_installed_name(installed, name) for name in before_of(read_module(path))]
            order |= dict.fromkeys(installed.load_order(before))
            order[path] = None
    except (MalformedError, UsageError):
        return tuple(order)
    return tuple(order)


def before_of(module: Module) -> tuple[str, ...]:
    """What its softdeps ask to be loaded first."""
    names = (name for line in module.all("softdep") for name in softdeps_before(line))
    return tuple(map(normalise_module_name, names))


def _installed_name(installed: Installed, name: str) -> str:
    """Softdeps name aliases too; only depmod's list, which a kernel that was never installed lacks, has them all.
    Those of the crypto layer's algorithms follow a rule of naming.
    """
    plain = name.removeprefix("crypto_")
    return next((one for one in (name, plain, f"{plain}_generic") if installed.has(one)), name)
