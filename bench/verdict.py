# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts on all modules of a 6.1 kernel against `depmod -n -e -E`, and on one from the shell."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import Figure, alone, pair
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.installed import module_files
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve
from dlkm.verdict.batch import judge_all
from dlkm.verdict.conditions import Conditions

DLKM = Path(sys.executable).with_name("dlkm")


def figures() -> Iterator[Figure]:
    """All modules, and one."""
    (kernel,) = resolve(["debian:latest-6.1-amd64"], Pool(), Events(), Processes())
    assert kernel.modules is not None
    files = sorted(module_files(kernel.modules))
    with TemporaryDirectory() as scratch:
        depmod = _depmod(kernel, Path(scratch))
        jobs = min(os.cpu_count() or 1, 2)
        yield pair(
            f"verdicts on {len(files)} modules / depmod -n -e -E",
            lambda: list(judge_all(kernel, files, Conditions(), jobs)),
            lambda: subprocess.run(depmod, check=True, capture_output=True),
            aim=0.6,
            note=f"{jobs} processes",
        )
    one = next(path for path in files if path.name.startswith("dummy.ko"))
    command = [str(DLKM), "check", str(one), "-k", kernel.id]
    yield alone(
        "dlkm check of one module, from the shell (s)",
        lambda: subprocess.run(command, check=True, capture_output=True),
        aim=0.25,
    )


def _depmod(kernel: Kernel, scratch: Path) -> list[str]:
    """depmod over the same files, in a root of its own: it wants lib/modules/RELEASE below one."""
    assert kernel.modules is not None
    (scratch / "lib/modules").mkdir(parents=True)
    (scratch / "lib/modules" / kernel.release).symlink_to(kernel.modules)
    return ["depmod", "-n", "-e", "-E", str(kernel.symvers), "-b", str(scratch), kernel.release]
