# SPDX-License-Identifier: GPL-2.0-or-later
"""An audit of a Debian root filesystem with a whole kernel, from the shell: against `depmod -n -e -E` on it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
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
    """A root never seen before whose kernel's modules are known by content, or are not; one like it, then again."""
    (kernel,) = resolve(["debian:latest-6.1-amd64"], Pool(), Events(), Processes())
    _run([str(DLKM), "check", str(kernel.modules), "-k", kernel.id])
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        Maker(runner=Processes(), events=Events()).put(Kind(suite="bookworm", arch=kernel.arch), [kernel], folder / "r")
        against = partial(pair, peer=partial(_run, _depmod(folder / "r", kernel)), aim=AIM)
        yield against(
            "first dlkm audit of a Debian root with 6.1 / depmod -n -e -E",
            lambda: _anew(folder, "XDG_STATE_HOME"),
            note="depmod's own files compared with what depmod makes, all modules digested and judged",
        )
        yield against(
            "the same, of a kernel that no pool knows",
            lambda: _anew(folder, "XDG_STATE_HOME", "XDG_CACHE_HOME"),
            note="the image is unpacked, all modules are read and judged with their signatures",
        )
        again = {**os.environ, "XDG_STATE_HOME": f"{scratch}/again"}
        yield against("the same, depmod's files once found right in another root", lambda: _run(_audit(folder), again))
        same = _audit(folder)
        _run(same, again)
        yield against("the same root again", lambda: _run(same, again), aim=0.5)


def _audit(folder: Path) -> list[str]:
    """Of a root of which nothing was ever read: all that is kept of images and modules goes by their places."""
    name = folder / f"r{sum(1 for _ in folder.iterdir())}"
    name.symlink_to("r")
    return [str(DLKM), "audit", str(name)]


def _depmod(root: Path, kernel: Kernel) -> list[str]:
    return ["depmod", "-n", "-e", "-E", str(kernel.symvers), "-b", str(root), kernel.release]


def _run(command: Sequence[str], env: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)


def _anew(folder: Path, *homes: str) -> None:
    """With an empty directory for these: that of states has a seal without which no kept answer is taken."""
    with TemporaryDirectory() as home:
        _run(_audit(folder), {**os.environ, **dict.fromkeys(homes, home)})
