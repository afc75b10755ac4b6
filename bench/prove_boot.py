# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a proof takes, against a bare QEMU boot of the same kernel: the first one, and those that find a guest kept.

The bare boot has the machine of a proof and an initramfs whose init powers off at once. Each proof is a process of its
own, from its start to the answer on its standard output.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figure import Figure, pair
from dlkm.build.job import build
from dlkm.build.options import BuildOptions
from dlkm.core.arch import Machine
from dlkm.core.cpio import archive, character_device, directory, plain_file
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve
from dlkm.prove.accelerator import Accelerator
from dlkm.prove.machine import Hardware, kernel_cmdline
from dlkm.source.driver import find

SOURCE = Path(__file__).parents[1] / "examples" / "hello"
POWER_OFF = """
#include <sys/reboot.h>
#include <unistd.h>
int main(void) { reboot(RB_POWER_OFF); for (;;) pause(); }
"""
# The caches but the pool of kernels are elsewhere, so that a proof can be the first one.
PROOF = """
import sys
from pathlib import Path
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.pool import Pool
from dlkm.prove.accelerator import Accelerator
from dlkm.prove.attempt import ProveOptions
from dlkm.prove.case import prove_files
module, kernel, cache = sys.argv[1:]
options = ProveOptions(cache=Path(cache), accelerator=Accelerator.TCG)
found = prove_files(Pool().get(kernel), [Path(module)], options, (), Processes(), Events())
print(found.cases[0].observed.outcome, found.boots[0].resumed)
"""


def figures() -> Iterator[Figure]:
    """The first proof and a further one."""
    (kernel,) = resolve(["debian:latest-6.1-amd64"], Pool(), Events(), Processes())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = build(find(SOURCE), kernel, BuildOptions(), folder / "out", runner=Processes(), events=Events())
        module = built.modules[0].path
        caches = iter(folder / f"cache-{number}" for number in range(100))
        bare = _bare_boot(kernel, folder)
        yield pair(
            "first proof of a module, against a bare boot of its kernel",
            lambda: _proof(module, kernel, next(caches), resumed=False),
            lambda: _run(bare),
            aim=1.3,
            runs=3,
            note="TCG",
        )
        kept = next(caches)
        _proof(module, kernel, kept, resumed=False)
        yield pair(
            "further proof, against a bare boot of its kernel",
            lambda: _proof(module, kernel, kept, resumed=True),
            lambda: _run(bare),
            aim=0.4,
            runs=3,
            note="TCG",
        )


def _proof(module: Path, kernel: Kernel, cache: Path, *, resumed: bool) -> None:
    said = _run([sys.executable, "-c", PROOF, str(module), kernel.id, str(cache)])
    assert said.split() == ["loads", str(resumed)], said


def _bare_boot(kernel: Kernel, folder: Path) -> list[str]:
    machine = kernel.arch.machine
    assert machine is not None
    initrd = folder / "initrd"
    initrd.write_bytes(_initramfs(kernel, folder))
    console = ["-serial", f"file:{folder / 'console'}"]
    return [*_machine(machine), "-kernel", str(kernel.image), "-initrd", str(initrd), *console]


def _machine(machine: Machine) -> Sequence[str]:
    cmdline = kernel_cmdline(machine, Accelerator.TCG, "")
    hardware = Hardware(machine=machine, accelerator=Accelerator.TCG, memory=machine.memory, cmdline=cmdline)
    return [machine.program, *hardware.words()]


def _initramfs(kernel: Kernel, folder: Path) -> bytes:
    source, program = folder / "off.c", folder / "off"
    source.write_text(POWER_OFF)
    _run([f"{kernel.arch.cross_compile}gcc", "-static", "-Os", "-s", "-o", str(program), str(source)])
    init = plain_file("init", program.read_bytes(), 0o755)
    return archive([directory("dev"), character_device("dev/console", 5, 1), init])


def _run(argv: Sequence[str]) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=300).stdout
