# SPDX-License-Identifier: GPL-2.0-or-later
"""A hundred drivers for a hundred kernels, every cell recorded as built, judged and proven: how the matrix stays quick.

The sources, kernels and records are made for this; what is measured are whole commands, as a user runs them. Then a
hundred copies of a driver for two kernels that are known to the cache: what a cell takes of which nothing changed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.figure import Figure
from dlkm.build.record import Evidence, write_record
from dlkm.build.result import BuildOutcome, BuiltModule, Cell
from dlkm.core.events import Events
from dlkm.core.files import sha256_file
from dlkm.core.processes import Processes
from dlkm.core.records import Mark
from dlkm.kernel.identity import identity_of
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import present, resolve
from dlkm.matrix.evidence import now
from dlkm.prove.agreement import Agreement
from dlkm.prove.record import ProofRecord, Proven, write_proof
from dlkm.verdict.record import VerdictRecord, write_verdicts
from dlkm.verdict.verdict import Outcome, Verdict

DLKM = Path(sys.executable).with_name("dlkm")
HELLO = Path(__file__).parents[1] / "examples" / "hello"
MANY = 100
PROJECT = """\
kernels = ["*"]
sources = ["drivers/*"]
exclude = ["driver-00@6.1.0-{0..9}-amd64"]
variables = { V = "1" }
[[overrides]]
select = "driver-{10..19}@6.1.0-5*"
variables = { CONFIG_X = "y" }
[[expected-failures]]
select = "driver-99@6.1.0-9*"
reason = "known"
"""


def figures() -> Iterator[Figure]:
    """Plan, report in three forms, and a run in which nothing is left to do; seconds and MB, against absolute aims."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        env = os.environ | {"XDG_CACHE_HOME": str(place / "cache")}
        _make(place, env)
        size = f"{MANY} drivers x {MANY} kernels"
        for what, words, aim in (
            ("list the cells", (), 2.0),
            ("list the cells, --json", ("--json",), 2.0),
            ("report for the terminal", ("--report",), 4.0),
            ("report as Markdown", ("--report", "markdown"), 4.0),
            ("report as HTML", ("--report", "html"), 4.0),
        ):
            seconds, memory = _measured([str(DLKM), "matrix", *words], place, env)
            yield Figure(claim=f"{size}: {what}", ours=seconds, peer=None, aim=aim)
            yield Figure(claim=f"{size}: {what}, MB of memory", ours=memory, peer=None, aim=500.0)
    yield from _nothing_changed()


def _nothing_changed() -> Iterator[Figure]:
    """A run of which every cell is known: the cache, the delivery and the table."""
    kernels = resolve(["debian:latest-6.1-amd64", "debian:latest-6.1-rt-amd64"], Pool(), Events(), Processes())
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        sources = [shutil.copytree(HELLO, place / f"driver-{number:02}") for number in range(MANY)]
        words = [word for kernel in kernels for word in ("-k", kernel.id)]
        command = [str(DLKM), "build", "-q", *map(str, sources), *words]
        cells = len(sources) * len(kernels)
        seconds, memory = _measured(command, place, os.environ | {"DLKM_CACHE": str(place / "actions")})
        yield Figure(
            claim=f"dlkm build of {cells} cells, nothing changed: each", ours=seconds / cells, peer=None, aim=0.03
        )
        yield Figure(claim=f"dlkm build of {cells} cells, MB of memory", ours=memory, peer=None, aim=500.0)


def _measured(command: list[str], place: Path, env: Mapping[str, str]) -> tuple[float, float]:
    """Seconds (the median of three runs after one to warm up) and the most memory in MB of one."""
    times, most = [], 0.0
    for run in range(4):
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=place, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert child.stderr is not None
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        assert status == 0, said
        if run:
            times.append(time.perf_counter() - start)
        most = max(most, usage.ru_maxrss / 1024)
    return median(times), most


def _make(place: Path, env: Mapping[str, str]) -> None:
    (place / "dlkm.toml").write_text(PROJECT)
    names = [f"driver-{number:02}" for number in range(MANY)]
    for name in names:
        folder = place / "drivers" / name
        folder.mkdir(parents=True)
        (folder / "Makefile").write_text("obj-m := x.o\nall: ; $(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules\n")
    kernels = [f"6.1.0-{number}-amd64" for number in range(MANY)]
    for kernel in kernels:
        _kernel(place / "kernels" / kernel, kernel)
    added = [str(DLKM), "kernel", "add", *(f"{place}/kernels/{kernel}" for kernel in kernels)]
    subprocess.run(added, check=True, env=env, capture_output=True)
    shown = [str(DLKM), "matrix", "--json"]
    made = subprocess.run(shown, check=True, env=env, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    pool = Pool(place / "cache" / "dlkm" / "kernels")
    found = {one.id: identity_of(one, pool) for one in present(pool) if isinstance(one, Kernel)}
    for cell in json.loads(made.stdout)["cells"]:
        _record(place / "out" / cell["id"], cell["id"], cell["kernel"], found[cell["kernel"]])


def _kernel(build: Path, release: str) -> None:
    """A prepared build directory, as far as a plan looks at one."""
    (build / "include/generated").mkdir(parents=True)
    (build / "include/generated/utsrelease.h").write_text(f'#define UTS_RELEASE "{release}"\n')
    (build / ".config").write_text("# Linux/x86 6.1.0 Kernel Configuration\nCONFIG_64BIT=y\nCONFIG_MODULES=y\n")
    (build / "Makefile").write_text("VERSION = 6\n")
    (build / "Module.symvers").write_text("0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")


def _record(folder: Path, cell: str, kernel: str, identity: str) -> None:
    """One cell that was built, judged and proven; a few failed."""
    folder.mkdir(parents=True)
    path = folder / "x.ko"
    path.write_bytes(cell.encode() * 20)
    (folder / "build.log").write_text("make\n")
    module = BuiltModule(path=path, sha256=sha256_file(path), vermagic=f"{kernel} SMP mod_unload ")
    built = Cell(
        id=cell,
        source=Path("/src") / cell,
        kernel=kernel,
        arch="x86_64",
        outcome=BuildOutcome.BUILT,
        seconds=2.0,
        modules=(module,),
        log=folder / "build.log",
    )
    if sum(cell.encode()) % 29 == 0:
        built = replace(built, outcome=BuildOutcome.FAILED, reason="x.c:1: error: no", modules=())
    write_record(folder, built, Evidence(environment={f"NAME{number}": kernel for number in range(40)}))
    if built.modules:
        _evidence(folder, (kernel, identity, ("dlkm", "check", "--only", cell), now()), Mark.of(path))


def _evidence(folder: Path, told: tuple[str, str, tuple[str, ...], str], mark: Mark) -> None:
    kernel, identity, command, when = told
    verdict = Verdict(path="x.ko", module="x", kernel=kernel, outcome=Outcome.LOADS, taint="OE")
    write_verdicts(
        folder,
        VerdictRecord(
            kernel=kernel,
            identity=identity,
            command=command,
            when=when,
            marks={"x.ko": mark},
            verdicts={"x.ko": verdict},
        ),
    )
    proven = Proven(mark=mark, outcome=Outcome.LOADS, agreement=Agreement.AGREES)
    write_proof(
        folder,
        ProofRecord(kernel=kernel, identity=identity, command=command, when=when, modules={"x.ko": proven}),
    )
