# SPDX-License-Identifier: GPL-2.0-or-later
"""An audit of a Debian root filesystem with a whole kernel, from the shell: against `depmod -n -e -E` on it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import Figure, pair
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve
from dlkm.rootfs.minimal.fetch import Kind
from dlkm.rootfs.minimal.make import Maker

DLKM = Path(sys.executable).with_name("dlkm")
AIM = 2.0


def figures() -> Iterator[Figure]:
    """The first audit of a root whose image is known, and the same again."""
    (kernel,) = resolve(["debian:latest-6.1-amd64"], Pool(), Events(), Processes())
    with TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        kind = Kind(suite="bookworm", arch=kernel.arch)
        Maker(runner=Processes(), events=Events()).put(kind, [kernel], root)
        peer = _depmod(root, kernel)
        ours = [str(DLKM), "audit", str(root)]
        yield pair(
            "dlkm audit of a Debian root with 6.1 / depmod -n -e -E",
            lambda: _afresh(ours, Path(scratch)),
            lambda: _run(peer),
            aim=AIM,
            note="depmod's own files compared with what depmod makes, all modules judged, signatures verified",
        )
        again = {**os.environ, "XDG_STATE_HOME": f"{scratch}/again"}
        _run(ours, again)
        yield pair("the same again", lambda: _run(ours, again), lambda: _run(peer), aim=0.5)


def _depmod(root: Path, kernel: Kernel) -> list[str]:
    return ["depmod", "-n", "-e", "-E", str(kernel.symvers), "-b", str(root), kernel.release]


def _run(command: Sequence[str], env: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)


def _afresh(command: Sequence[str], scratch: Path) -> None:
    """With a new seal: no answer that was kept before is taken."""
    with TemporaryDirectory(dir=scratch) as state:
        _run(command, {**os.environ, "XDG_STATE_HOME": state})
