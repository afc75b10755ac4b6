# SPDX-License-Identifier: GPL-2.0-or-later
"""Staging a module in a root filesystem with a whole Debian kernel, against copying it there and running depmod."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from bench.figure import Figure, pair
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.demand import complete
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve
from dlkm.rootfs.depmod import depmod
from dlkm.rootfs.minimal.fetch import Kind
from dlkm.rootfs.minimal.make import Maker
from dlkm.rootfs.root import DirectoryRoot

DLKM = Path(sys.executable).with_name("dlkm")


def figures() -> Iterator[Figure]:
    """depmod's files alone, and the whole command."""
    (kernel,) = resolve(["debian:latest-6.1-amd64"], Pool(), Events(), Processes())
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "root"
        maker = Maker(runner=Processes(), events=Events())
        maker.put(Kind(suite="bookworm", arch=kernel.arch), (kernel,), root, linked=False)
        yield _tables(root, kernel)
        yield _whole(root, kernel, Path(name))


def _peer(root: Path, kernel: Kernel) -> None:
    subprocess.run(["depmod", "-b", str(root), kernel.release], check=True)


def _tables(root: Path, kernel: Kernel) -> Figure:
    def ours() -> None:
        with DirectoryRoot(root) as opened:
            depmod(opened, kernel.release, runner=Processes(), events=Events())

    return pair("depmod's files of a whole kernel, against depmod", ours, lambda: _peer(root, kernel), aim=1.5, runs=9)


def _whole(root: Path, kernel: Kernel, folder: Path) -> Figure:
    """Two drivers take turns, so that each time there is something to do."""
    assert kernel.modules is not None
    complete(kernel.modules)
    drivers = [path for name in ("dummy", "veth") for path in kernel.modules.rglob(f"{name}.ko*")]
    copies = cycle([Path(shutil.copy(path, folder)) for path in drivers])
    updates = root / "lib/modules" / kernel.release / "updates"

    def ours() -> None:
        command = [str(DLKM), "stage", str(next(copies)), "--rootfs", str(root), "--autoload", "loop", "-q"]
        subprocess.run(command, check=True, capture_output=True)
        shutil.rmtree(updates)

    def peer() -> None:
        updates.mkdir(exist_ok=True)
        shutil.copy(next(copies), updates)
        _peer(root, kernel)
        shutil.rmtree(updates)

    note = "with the verdict, the audit of what is touched, and the record"
    return pair("dlkm stage of a module, start to end, against cp and depmod", ours, peer, aim=2.0, runs=9, note=note)
