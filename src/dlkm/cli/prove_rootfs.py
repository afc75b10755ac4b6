# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm prove --rootfs`: boot a root filesystem, and hold what it does with modules against what its files say."""

import argparse
import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dlkm.cli.common import kernels_of
from dlkm.core.errors import ExitStatus, NothingSelectedError, UsageError
from dlkm.core.processes import Processes
from dlkm.filesystem.members import Form
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.rooted import modules_of
from dlkm.prove.agreement import Agreement
from dlkm.prove.attempt import ProveOptions
from dlkm.prove.case import Expectation
from dlkm.prove.rooted.expect import Foresight
from dlkm.prove.rooted.run import RootProof, prove_root
from dlkm.prove.rooted.subject import Fate, Trial
from dlkm.prove.rooted.weigh import agreement, as_meant
from dlkm.report import prove_rootfs as report
from dlkm.report.terminal import Terminal
from dlkm.rootfs.installed import kernels_in
from dlkm.rootfs.opened import opened
from dlkm.rootfs.root import Root


def run(arguments: argparse.Namespace, terminal: Terminal, options: ProveOptions) -> int:
    """Foretell, boot twice with each kernel, show."""
    if arguments.paths:
        raise UsageError(
            "--rootfs proves what is in the root filesystem already; it takes no files",
            hint=f"install them first: dlkm stage {arguments.paths[0]} --rootfs {arguments.rootfs}",
        )
    proofs: list[tuple[str, RootProof]] = []
    runner = Processes()
    with opened(arguments.rootfs, runner, terminal.events) as root:
        disk = root.path if root.form in {Form.DIRECTORY, Form.EXT} else root.host_path("")
        for kernel, drivers in _kernels(root, arguments, terminal):
            foresight = Foresight(
                root=root, kernel=kernel, cmdline=options.cmdline, named=tuple(arguments.modules), drivers=drivers
            )
            if not foresight.subjects:
                raise NothingSelectedError(
                    f"{arguments.rootfs}: loads no module at boot, blacklists none and has none added to {kernel.id}",
                    hint="name those that are to be there after the boot: --module NAME",
                )
            proof = prove_root(foresight, disk, options, arguments.devices, runner, terminal.events)
            proofs.append((kernel.id, proof))
    terminal.close()
    if arguments.json:
        terminal.document(report.rootfs_document(arguments.rootfs.absolute(), proofs))
    else:
        report.show(proofs, terminal)
    return _status([trial for _, proof in proofs for trial in proof.trials], Expectation(arguments.expect))


Chosen = tuple[Kernel, Path | None]  # with the modules directory that has drivers for the guest's disk


def _kernels(root: Root, arguments: argparse.Namespace, terminal: Terminal) -> Iterator[Chosen]:
    """The root's own, or those of -k: the root's where it has an image of that release, else any, with its modules."""
    own = kernels_in(root)
    bootable = [kernel for kernel in own if kernel.image is not None]
    if not arguments.kernels and not bootable:
        found = ", ".join(kernel.release for kernel in own)
        what = f"has modules of {found} but no image to boot" if found else "has no kernel, nor modules of one"
        raise UsageError(f"{root.path}: {what}", hint="name the kernel: -k KERNEL" if found else None)
    if not arguments.kernels:
        yield from ((kernel, kernel.modules) for kernel in bootable)
    for word in arguments.kernels:
        named = [kernel for kernel in bootable if fnmatch.fnmatchcase(kernel.release, word)]
        yield from [(kernel, kernel.modules) for kernel in named] or _foreign(word, root, arguments, terminal)


def _foreign(word: str, root: Root, arguments: argparse.Namespace, terminal: Terminal) -> Iterator[Chosen]:
    """Kernels from elsewhere, with the modules that the root has for them."""
    for kernel in kernels_of(argparse.Namespace(**vars(arguments) | {"kernels": [word]}), terminal):
        modules = modules_of(root.tree, kernel.release)
        if modules is None:
            raise UsageError(f"{root.path}: has no modules of {kernel.release}, so {kernel.id} cannot boot it")
        yield replace(kernel, modules=modules), kernel.modules or modules


def _status(trials: Sequence[Trial], expected: Expectation) -> ExitStatus:
    """NO when prediction and reality differ anywhere, or something is not as it was meant."""
    if any(agreement(trial) is Agreement.DIFFERS for trial in trials):
        return ExitStatus.NO
    good = {
        Expectation.LOADS: all(map(as_meant, trials)),
        Expectation.FAILS: all(trial.seen.fate is not Fate.LOADS for trial in trials),
        Expectation.AGREE: True,
    }
    return ExitStatus.OK if good[expected] else ExitStatus.NO
