# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts the worker before anything else is loaded: it needs as long to get ready as we do. Asks nothing."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from dlkm.build.bubblewrap import presumed_bubblewrap
from dlkm.core.processes import Begun, Processes
from dlkm.yocto.compiled import compile_worker
from dlkm.yocto.confine import reading_place
from dlkm.yocto.layers import RecipeFile, shown


def begin(processes: Processes, recipes: Sequence[RecipeFile], conf: Iterable[Path]) -> Begun | None:
    """A worker that can read these recipes for no kernel in particular; None where there is no sandbox."""
    bubblewrap = presumed_bubblewrap(processes, is_root=os.geteuid() == 0)
    if bubblewrap is None:
        return None
    compile_worker()
    return processes.begin(reading_place(bubblewrap, None, shown(recipes, conf)))
