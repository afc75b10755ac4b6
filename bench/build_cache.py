# SPDX-License-Identifier: GPL-2.0-or-later
"""Ten of Debian's DKMS drivers for two kernels, against DKMS itself: cold, nothing changed, one file changed.

DKMS is run from its package, unpacked, with trees of its own: nothing is installed here. Each side is timed once: a
round takes minutes, and what is to be shown is far from the aim.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.figure import Figure, seconds
from dlkm.core.events import Events
from dlkm.core.processes import Processes, environment
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve
from dlkm.source.dkms import CONF, names_in

DLKM = Path(sys.executable).with_name("dlkm")
HELLO = Path(__file__).parents[1] / "examples" / "hello"
# Small and middle ones that DKMS builds for 6.1.
PACKAGES = (
    *("acpi-call-dkms", "bbswitch-dkms", "ddcci-dkms", "digimend-dkms", "dm-writeboost-dkms", "gost-crypto-dkms"),
    *("lime-forensics-dkms", "tp-smapi-dkms", "v4l2loopback-dkms", "vpoll-dkms"),
)
_STEP = re.compile(r"^\+ status 0, ([0-9.]+) seconds$", re.MULTILINE)


def figures() -> Iterator[Figure]:
    """All claims."""
    found = resolve(["debian:latest-6.1-amd64"], Pool(), Events(), Processes())
    kernels = (
        *found,
        *resolve([f"debian:{found[0].release.replace('-amd64', '-rt-amd64')}"], Pool(), Events(), Processes()),
    )
    with tempfile.TemporaryDirectory() as name:
        bench = _Bench(Path(name), kernels)
        yield from bench.figures()
        yield bench.outside_make()


class _Bench:
    """The drivers and DKMS, unpacked in a directory."""

    def __init__(self, folder: Path, kernels: Sequence[Kernel]) -> None:
        self._folder, self._kernels = folder, kernels
        debs = folder / "debs"
        debs.mkdir()
        subprocess.run(["apt-get", "-qq", "download", "dkms", *PACKAGES], cwd=debs, check=True, capture_output=True)
        for deb in debs.iterdir():
            subprocess.run(["dpkg-deb", "-x", str(deb), str(folder / "unpacked")], check=True)
        self._sources = folder / "unpacked/usr/src"
        self._drivers = sorted(path.parent for path in self._sources.glob(f"*/{CONF}"))

    def figures(self) -> Iterator[Figure]:
        """Cold, again, and with one file changed."""
        theirs = seconds(lambda: self._dkms(self._drivers, "tree"))
        cells: dict[str, Any] = {}
        ours = seconds(lambda: cells.update(self._dlkm()))
        assert not any(cell["cached"] for cell in cells.values())
        what = f"{len(self._drivers)} DKMS drivers for {len(self._kernels)} kernels"
        yield Figure(claim=f"{what}, cold, against DKMS", ours=ours, peer=theirs, aim=0.6)
        again = min(seconds(lambda: cells.update(self._dlkm())) for _ in range(3))
        assert all(cell["cached"] for cell in cells.values())
        yield Figure(claim=f"{what}, nothing changed", ours=again, peer=theirs, aim=0.02)
        changed = next(path for path in self._drivers if path.name.startswith("v4l2loopback"))
        with (changed / "v4l2loopback.c").open("a") as stream:
            stream.write("/* changed */\n")
        one = seconds(lambda: cells.update(self._dlkm()))
        made = [cell["source"] for cell in cells.values() if not cell["cached"]]
        assert made == [str(changed)] * len(self._kernels), made
        alone = seconds(lambda: self._dkms([changed], "tree-of-one"))
        note = f"{len(made)} of {len(cells)} cells made; the peer makes only these"
        yield Figure(claim=f"{what}, one file of one changed", ours=one, peer=alone, aim=1.0, note=note)

    def _dkms(self, drivers: Sequence[Path], tree: str) -> None:
        """DKMS builds in its own tree: one driver for one kernel at a time, each with all cores."""
        (self._folder / tree).mkdir()
        places = ["--dkmstree", str(self._folder / tree), "--sourcetree", str(self._sources)]
        for driver in drivers:
            name, version = names_in(driver / CONF)
            which = ["-m", name, "-v", version]
            self._run(["add", *which, *places])
            for kernel in self._kernels:
                self._run(["build", *which, *places, "-k", kernel.release, "--kernelsourcedir", str(kernel.headers)])

    def _run(self, words: list[str]) -> None:
        """DKMS where both kernels' headers are installed, as far as it can see: many drivers look there themselves."""
        seen = ["--dev-bind", "/", "/", "--tmpfs", "/usr/lib/modules"]
        for kernel in self._kernels:
            seen += ["--symlink", str(kernel.headers), f"/usr/lib/modules/{kernel.release}/build"]
        program = self._folder / "unpacked/usr/sbin/dkms"
        done = subprocess.run(["bwrap", *seen, "bash", program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _dlkm(self, *more: str) -> dict[str, Any]:
        kernels = [word for kernel in self._kernels for word in ("-k", kernel.id)]
        return self._cells(*map(str, self._drivers), *kernels, *more)

    def _cells(self, *words: str) -> dict[str, Any]:
        env = environment({"DLKM_CACHE": str(self._folder / "cache")}) | {"HOME": os.environ["HOME"]}
        argv = [str(DLKM), "build", "--json", *words, "-o", str(self._folder / "out")]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
        return {cell["id"]: cell for cell in json.loads(done.stdout)["cells"]}

    def _into(self, cells: dict[str, Any], words: Sequence[str]) -> None:
        cells |= self._cells(*words)

    def outside_make(self) -> Figure:
        """What a build takes beside make and all that it starts: compilers, linkers, modpost."""
        words = (str(HELLO), "-k", self._kernels[0].id, "--no-cache", "-j", "1")
        shares = []
        for _ in range(5):
            cells: dict[str, Any] = {}
            whole = seconds(partial(self._into, cells, words))
            (cell,) = cells.values()
            steps = sum(map(float, _STEP.findall(Path(cell["log"]).read_text())))
            shares.append((whole - steps, whole))
        outside, whole = sorted(shares)[2]
        note = "a share of the whole; not a ratio to a peer"
        return Figure(
            claim="time outside make, of one small module's build", ours=outside, peer=whole, aim=0.25, note=note
        )
