# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts on all modules of a kernel, from the shell: against `depmod -n -e -E` and modinfo, the first and again."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import Figure, alone, pair, seconds
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.facts import Facts
from dlkm.kernel.installed import module_paths
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve
from dlkm.verdict.era import era_of
from dlkm.verdict.known import NAME as KNOWN
from dlkm.verdict.own import trusted_body
from dlkm.verdict.reading import plain_bytes

DLKM = Path(sys.executable).with_name("dlkm")
JOBS = min(os.cpu_count() or 1, 2)


def figures() -> Iterator[Figure]:
    """Plain files, packed files, one file, memory."""
    plain, packed = resolve(["debian:latest-6.1-amd64", "debian:latest-6.12-amd64"], Pool(), Events(), Processes())
    with TemporaryDirectory() as scratch:
        yield from _all(plain, "depmod -n -e -E", _depmod(plain, Path(scratch)), Path(scratch))
        yield from _all(packed, "modinfo", ["modinfo", *_files(packed)], Path(scratch))
        one = next(path for path in _files(plain) if path.endswith("/dummy.ko"))
        command = [str(DLKM), "check", one, "-k", plain.id]
        yield alone("dlkm check of one module, from the shell (s)", lambda: _run(command), aim=0.25)
        yield _memory(plain, Path(scratch))


def _all(kernel: Kernel, peer: str, command: Sequence[str], scratch: Path) -> Iterator[Figure]:
    """The whole command: copies of modules that are known by content, the same with nothing known, and again."""
    files = _files(kernel)
    copies = scratch / f"copies-{kernel.release}"
    assert kernel.modules is not None
    shutil.copytree(kernel.modules / "kernel", copies / "kernel")
    elsewhere = [str(DLKM), "check", str(copies), "-k", kernel.id, "-j", str(JOBS)]
    yield pair(
        f"first dlkm check of copies of {len(files)} modules that the pool knows by content / {peer}",
        lambda: _afresh(elsewhere, scratch),
        lambda: _run(command),
        aim=0.6,
        note="each file digested; judged once before, by an earlier check for this kernel",
    )
    shutil.rmtree(copies)
    ours = [str(DLKM), "check", str(kernel.modules), "-k", kernel.id, "-j", str(JOBS)]
    first = pair(
        f"the same with nothing known (dlkm check of {len(files)} modules) / {peer}",
        lambda: _unknown(ours, kernel, scratch),
        lambda: _run(command),
        aim=0.6,
    )
    assert first.peer is not None
    proof = _proof(kernel)
    proofs, reading = seconds(lambda: _shared(proof, files)), seconds(lambda: _shared(_read, files))
    rest = (first.ours - proofs) / first.peer
    speed, distance = len(files) / first.ours, first.ours / reading
    told = f"{speed:.0f}/s, {JOBS} processes; {distance:.1f} times what reading the bytes takes; "
    yield replace(first, note=f"{told}all signatures alone {proofs:.2f} s, without them the ratio is {rest:.2f}")
    again = {**os.environ, "XDG_STATE_HOME": str(scratch / "again")}
    _run(ours, again)
    yield pair("the same again", lambda: _run(ours, again), lambda: _run(command), aim=0.1)


def _files(kernel: Kernel) -> list[str]:
    assert kernel.modules is not None
    return sorted(module_paths(kernel.modules))


def _run(command: Sequence[str], env: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)


def _afresh(command: Sequence[str], scratch: Path) -> None:
    """With a new seal: nothing that was kept before is taken."""
    with TemporaryDirectory(dir=scratch) as state:
        _run(command, {**os.environ, "XDG_STATE_HOME": state})


def _unknown(command: Sequence[str], kernel: Kernel, scratch: Path) -> None:
    """With nothing known of the modules' content either; what is found is kept again, which counts."""
    (Pool().home(kernel.id) / KNOWN).unlink(missing_ok=True)
    _afresh(command, scratch)


def _proof(kernel: Kernel) -> Callable[[str], object]:
    """What the signatures alone take: digests and keys (of packed files some, unpacked before, again and again)."""
    facts, era = Facts(kernel), era_of(kernel)
    packed = not _files(kernel)[0].endswith(".ko")
    if not packed:
        return lambda path: trusted_body(Path(path).read_bytes(), facts, era)
    sample = [bytes(plain_bytes(Path(path))) for path in _files(kernel)[::40]]
    turn = iter(sample * 1000)
    return lambda _path: trusted_body(next(turn), facts, era)


def _read(path: str) -> object:
    return plain_bytes(Path(path))[:] if not path.endswith(".ko") else Path(path).read_bytes()


def _shared(action: Callable[[str], object], files: Sequence[str]) -> None:
    """Every file once, shared among as many processes as the command has."""
    children = []
    for number in range(JOBS):
        child = os.fork()
        if child == 0:
            for path in files[number::JOBS]:
                action(path)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def _memory(kernel: Kernel, scratch: Path) -> Figure:
    """The most that all processes of the command held at one time, shared pages counted once."""
    command = [str(DLKM), "check", str(kernel.modules), "-k", kernel.id, "-j", str(JOBS)]
    env = {**os.environ, "XDG_STATE_HOME": str(scratch / "memory")}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env, start_new_session=True)
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(_held, _session(process.pid))))
        time.sleep(0.005)
    return Figure(claim="memory of all processes of dlkm check at its peak (MB)", ours=most / 1e6, peer=None, aim=300)


def _session(leader: int) -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with suppress(OSError):
                if os.getsid(int(entry.name)) == leader:
                    yield int(entry.name)


def _held(process: int) -> int:
    with suppress(OSError, ValueError):
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
        return sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:"))
    return 0


def _depmod(kernel: Kernel, scratch: Path) -> list[str]:
    """depmod over the same files, in a root of its own: it wants lib/modules/RELEASE below one."""
    assert kernel.modules is not None
    (scratch / "lib/modules").mkdir(parents=True)
    (scratch / "lib/modules" / kernel.release).symlink_to(kernel.modules)
    return ["depmod", "-n", "-e", "-E", str(kernel.symvers), "-b", str(scratch), kernel.release]
