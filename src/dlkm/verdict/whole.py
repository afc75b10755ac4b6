# SPDX-License-Identifier: GPL-2.0-or-later
"""What is found of a kernel's modules while it is added and all of them lie there: known from the first check on."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.kernel.facts import Facts
from dlkm.kernel.image_record import move
from dlkm.kernel.installed import module_paths
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.manifest import Manifest
from dlkm.kernel.symvers import KERNEL
from dlkm.verdict.batch import shared, without_collector
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.known import Plain, home_of, keep
from dlkm.verdict.quick import Quick


def look_at_whole(kernel: Kernel, made: Path, files: Manifest, jobs: int) -> Callable[[Kernel], None]:
    """Look at the modules that lie below `made`; what is to be done once the kernel is in the pool.

    As `WhileWhole` (kernel/pool.py), with so many processes. Nothing is kept of a kernel whose modules need the rules.
    """
    facts = Facts(kernel)
    found: list[tuple[str, Plain]] = []
    with without_collector(), suppress(DlkmError):
        quick = Quick(facts, Conditions(), era_of(kernel))
        if kernel.modules is not None and quick.usable:
            quick.prepare()
            # Compressed ones take as long as unpacking the packages does.
            names = [path for path in module_paths(kernel.modules) if path.endswith(".ko")]
            told = zip(names, shared(quick.digest, names, jobs), strict=True)
            listed = {f"{made}/{name}": entry.sha256 for name, entry in files.entries.items()}
            found += (row for name, one in told if one is not None for row in _rows(listed.get(name), *one))
    return lambda there: _keep(facts, there, found)


def _rows(listed: str | None, digest: str, plain: Plain) -> Iterator[tuple[str, Plain]]:
    yield digest, plain
    if listed:
        yield listed, plain


def _keep(facts: Facts, there: Kernel, found: list[tuple[str, Plain]]) -> None:
    """What was found, beside the kernel; what was read of its image is of the one in the pool from now on."""
    move(facts.kernel, there)
    home = home_of(there)
    if found and home is not None:
        assert facts.table is not None
        with suppress(OSError, DlkmError):
            keep(there, home, found, facts.table.providers - {KERNEL})
