# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm inspect` against modinfo: one module from the shell, and all modules of a kernel in one process each."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, alone, pair
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.demand import complete
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve
from dlkm.ko.module import read_module
from dlkm.report.inspect import modinfo_entries

DLKM = Path(sys.executable).with_name("dlkm")


def figures() -> Iterator[Figure]:
    """One module, then all."""
    (kernel,) = resolve(["debian:latest-6.1-amd64"], Pool(), Events(), Processes())
    assert kernel.modules is not None
    complete(kernel.modules)
    files = sorted(kernel.modules.rglob("*.ko"))
    one = str(files[0])
    yield alone("dlkm inspect ONE, from the shell (s)", lambda: _run(str(DLKM), "inspect", one), aim=0.25, runs=15)
    # modinfo needs two milliseconds; an interpreter that only starts needs ten.
    yield pair("dlkm inspect ONE / modinfo ONE", lambda: _run(str(DLKM), "inspect", one), lambda: _modinfo(one), aim=60)
    yield pair(
        "what modinfo prints of all modules / modinfo",
        lambda: ["\n".join(modinfo_entries(read_module(path))) for path in files],
        lambda: _modinfo(*map(str, files)),
        aim=5,
        note=f"{len(files)} modules",
    )


def _modinfo(*files: str) -> None:
    _run("modinfo", *files)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
