# SPDX-License-Identifier: GPL-2.0-or-later
"""What `dlkm build` of one small module takes over plain make with the same kernel, both from nothing each time."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from bench.figure import Figure, pair
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve

DLKM = Path(sys.executable).with_name("dlkm")
SOURCE = Path(__file__).parents[1] / "examples" / "hello"


def figures() -> Iterator[Figure]:
    """The overhead."""
    (kernel,) = resolve(["debian:latest-6.1-amd64"], Pool(), Events(), Processes())
    with tempfile.TemporaryDirectory() as name:
        out, copy = Path(name) / "out", Path(name) / "copy"

        times = count(1_000_000_000)

        def ours() -> None:
            # A time that no build had before makes it one that is not known; what comes of it is kept as always.
            env = {**os.environ, "DLKM_CACHE": str(Path(name) / "cache"), "SOURCE_DATE_EPOCH": str(next(times))}
            command = [str(DLKM), "build", str(SOURCE), "-k", kernel.id, "-o", str(out)]
            subprocess.run(command, check=True, capture_output=True, env=env)

        def peer() -> None:
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(SOURCE, copy)
            command = ["make", f"KERNEL_SRC={kernel.headers}"]
            subprocess.run(command, check=True, capture_output=True, cwd=copy)

        yield pair("dlkm build of one small module, cold, against plain make", ours, peer, aim=1.1, runs=9)
