# SPDX-License-Identifier: GPL-2.0-or-later
"""Adding a Debian kernel, its download excluded, its modules looked at, against dpkg-deb -x; comparing two kernels."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.figure import Figure, alone, pair
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel import rooted, unpack
from dlkm.kernel.adopt import adopt
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve
from dlkm.verdict.whole import look_at_whole

DLKM = Path(sys.executable).with_name("dlkm")


def figures() -> Iterator[Figure]:
    """Both claims."""
    (kernel,) = resolve(["debian:latest-6.1-amd64"], Pool(), Events(), Processes())
    (other,) = resolve([f"debian:{kernel.release.replace('-amd64', '-rt-amd64')}"], Pool(), Events(), Processes())
    with tempfile.TemporaryDirectory() as name:
        yield _adding(kernel, Path(name))
    command = [str(DLKM), "kernel", "diff", kernel.id, other.id]
    yield alone(
        "kernel diff of two 6.1 kernels, types included",
        lambda: subprocess.run(command, check=True, capture_output=True),
        aim=0.5,
        runs=9,
    )


def _adding(kernel: Kernel, folder: Path) -> Figure:
    debs = folder / "debs"
    debs.mkdir()
    subprocess.run(["apt-get", "-qq", "download", *kernel.packages], cwd=debs, check=True, capture_output=True)
    files = sorted(debs.iterdir())
    pool = Pool(folder / "pool", partial(look_at_whole, jobs=os.cpu_count() or 1))

    def ours() -> None:
        with pool.scratch(kernel.release) as made:
            unpack.unpack(files, made / "tree", Processes(), Events())
            unpack.relocate(made / "tree", kernel.release)
            headers = made / "tree/usr/src" / f"linux-headers-{kernel.release}"
            found = rooted.kernel_in(made / "tree", kernel.release, origin=kernel.origin, headers=headers)
            adopt(pool, kernel.release, found, made)
        pool.remove(kernel.release)

    def peer() -> None:
        for file in files:
            subprocess.run(["dpkg-deb", "-x", str(file), str(folder / "plain")], check=True)
        shutil.rmtree(folder / "plain")

    return pair("kernel add without the download, against dpkg-deb -x", ours, peer, aim=1.2, runs=3)
