# SPDX-License-Identifier: GPL-2.0-or-later
"""30 debs of a driver with 29 modules, the verdict on each included, against dpkg-deb --build of what is in them."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, pair
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.demand import complete
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve

DLKM = Path(sys.executable).with_name("dlkm")
MODULES = 29  # and one package that follows the newest kernel


def figures() -> Iterator[Figure]:
    """The claim, for modules of a usual size: 30 to 300 kB."""
    (kernel,) = resolve(["debian:latest-6.1-amd64"], Pool(), Events(), Processes())
    assert kernel.modules is not None
    complete(kernel.modules)
    usual = [path for path in sorted(kernel.modules.rglob("*.ko")) if 30_000 < path.stat().st_size < 300_000]
    chosen = usual[:: len(usual) // MODULES][:MODULES]
    with tempfile.TemporaryDirectory() as name:
        out, trees = Path(name) / "out", Path(name) / "trees"
        words = [str(DLKM), "package", *map(str, chosen), "-k", kernel.id, "--format", "deb", "--name", "many"]

        def ours() -> None:
            shutil.rmtree(out, ignore_errors=True)
            subprocess.run([*words, "-q", "-o", str(out)], check=True, capture_output=True)

        ours()
        trees.mkdir()
        for number, deb in enumerate(sorted(out.iterdir())):
            subprocess.run(["dpkg-deb", "--raw-extract", deb, trees / str(number)], check=True)
        made = sorted(trees.iterdir())
        assert len(made) == MODULES + 1

        def peer() -> None:
            for tree in made:
                command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), f"{name}/x.deb"]
                subprocess.run(command, check=True, capture_output=True)

        size = sum(path.stat().st_size for path in chosen) // 1000
        yield pair("dlkm package, 30 debs, against dpkg-deb for their payloads", ours, peer, aim=1.0, note=f"{size} kB")
