# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm stage`: modules and their configuration into a root filesystem."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.build import add_build_flags
from dlkm.cli.common import add_kernel_flag, add_output_flag, source_date_epoch
from dlkm.cli.configuration import add_configuration_flags, add_file_flags, wanted_of
from dlkm.cli.inputs import INPUTS, cells_of, sort_out
from dlkm.core.errors import ExitStatus, UsageError
from dlkm.report.terminal import Terminal, printable

if TYPE_CHECKING:
    from dlkm.build.result import Cell
    from dlkm.core.processes import Foreman
    from dlkm.rootfs.conf import Wanted
    from dlkm.rootfs.inputs import Gathered
    from dlkm.rootfs.packaged import Extra
    from dlkm.rootfs.stage import Staging
    from dlkm.rootfs.target import Target
    from dlkm.verdict.verdict import Verdict


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    add = parser.add_argument
    what = f"{INPUTS}; or a package (.deb, .ipk, .rpm); a source needs -k"
    add("paths", nargs="*", type=Path, metavar="FILE|BUILD|SOURCE", help=what)
    add("--rootfs", required=True, type=Path, metavar="DIR|IMAGE|TAR|INITRD",
        help="the root filesystem: a directory, an ext2 to ext4 image, a tar archive, an initramfs")  # fmt: skip
    add_kernel_flag(parser, required=False)
    add_output_flag(parser)
    add_configuration_flags(parser)
    add_file_flags(parser)
    add("--dry-run", action="store_true", help="show the operations and do none")
    add("--undo", action="store_true", help="take the last staging back, byte for byte; again for the one before")
    add("--record", type=Path, metavar="DIR", help="where records for --undo lie (default: beside it, ROOTFS.staged)")
    add("--force", action="store_true", help="stage modules that their kernel will refuse")
    add_build_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Gather, judge, plan, carry out, show; or undo."""
    from dlkm.core.files import held_dir, temporary_dir
    from dlkm.core.processes import Processes
    from dlkm.rootfs.opened import require

    require(arguments.rootfs)
    runner = Processes()
    if arguments.undo:
        return _undo(arguments, terminal, runner)
    asked = _wanted(arguments)
    with held_dir(temporary_dir(), "dlkm-packages-") as unpacked:
        gathered = _gather(arguments, terminal, runner, unpacked)
        with _target(arguments, terminal, runner) as target:
            return _stage(target, asked, gathered, arguments, terminal)


def _target(arguments: argparse.Namespace, terminal: Terminal, runner: "Foreman") -> "AbstractContextManager[Target]":
    """The root to change; with --dry-run, to look at only."""
    from dlkm.rootfs.target import looked_at, target

    hold = looked_at if arguments.dry_run else target
    return hold(arguments.rootfs, arguments.record, runner, terminal.events)


def _stage(
    target: "Target", asked: "Wanted", gathered: "Gathered", arguments: argparse.Namespace, terminal: Terminal
) -> int:
    from dlkm.rootfs.admission import refusals
    from dlkm.rootfs.conf import ConfDir
    from dlkm.rootfs.stage import stage

    refused = list(refusals(target.root, gathered.given))
    if gathered.failed or (refused and not arguments.force):
        return _say_no(gathered.failed, refused, arguments, terminal)
    staging = stage(
        target.root,
        gathered.given,
        asked,
        extras=(*gathered.extras, *_files(gathered, arguments)),
        folders=gathered.folders,
        conf_dir=ConfDir(arguments.conf_dir),
        runner=target.runner,
        events=terminal.events,
    )
    record = None if arguments.dry_run else target.carry_out(staging.plan, source_date_epoch())
    forced = [f"{verdict.path} will not load on {verdict.kernel} (--force)" for verdict in refused]
    _say_done(staging, [*forced, *staging.warnings], record, arguments, terminal)
    return ExitStatus.OK


def _files(gathered: "Gathered", arguments: argparse.Namespace) -> "Iterator[Extra]":
    from dlkm.rootfs.belongings import firmware, udev_rules
    from dlkm.rootfs.conf import ConfDir

    yield from firmware(arguments.firmware, [item.module for item in gathered.given])
    yield from udev_rules(arguments.udev_rules, ConfDir(arguments.conf_dir))


def _undo(arguments: argparse.Namespace, terminal: Terminal, runner: "Foreman") -> int:
    from dlkm.report import stage as report

    if arguments.paths or _asks(wanted_of(arguments), arguments):
        raise UsageError("--undo takes the last staging back and stages nothing")
    with _target(arguments, terminal, runner) as target:
        undone = target.undo(dry_run=arguments.dry_run)
    for change in undone.changed:
        terminal.events.warning(printable(change))
    if arguments.json:
        where = arguments.rootfs.absolute()
        terminal.document(report.undone_document(where, undone, dry_run=arguments.dry_run))
    else:
        report.show_undone(undone, terminal, dry_run=arguments.dry_run)
    return ExitStatus.NO if undone.changed else ExitStatus.OK


def _wanted(arguments: argparse.Namespace) -> "Wanted":
    asked = wanted_of(arguments)
    if not arguments.paths and not _asks(asked, arguments):
        raise UsageError("nothing to stage", hint="name a .ko file, a package, a build's output, or a source with -k")
    return asked


def _asks(asked: "Wanted", arguments: argparse.Namespace) -> bool:
    """Whether the flags alone are something to stage."""
    return bool(asked.autoload or asked.lines or arguments.firmware or arguments.udev_rules)


def _gather(arguments: argparse.Namespace, terminal: Terminal, runner: "Foreman", unpacked: Path) -> "Gathered":
    from dlkm.kernel.pool import Pool
    from dlkm.kernel.select import Given, resolve
    from dlkm.rootfs.inputs import Kernels, gather

    pool = Pool()
    items = sort_out(arguments.paths, arguments.subdir)
    given = Given(lock=arguments.locked)
    asked = resolve(arguments.kernels, pool, terminal.events, runner, given=given) if arguments.kernels else ()
    known = {kernel.id: kernel for kernel in (*pool.list(), *asked)}
    named: list[Path | Cell] = []
    for item in items:
        named += [item.path] if item.is_file else cells_of(item, asked, arguments, terminal, runner)
    return gather(named, Kernels(asked=asked, known=known), unpacked)


def _say_no(
    failed: "Sequence[Cell]", refused: "Sequence[Verdict]", arguments: argparse.Namespace, terminal: Terminal
) -> int:
    from dlkm.report import stage as report
    from dlkm.rootfs.plan import Plan
    from dlkm.rootfs.stage import Staging

    failures = [f"{cell.id}: {cell.reason}" for cell in failed]
    for failure in failures:
        terminal.events.warning(failure)
    if arguments.json:
        nothing = Staging(plan=Plan())
        where = arguments.rootfs.absolute()
        terminal.document(report.to_document(where, nothing, refused, failures, dry_run=arguments.dry_run))
    elif refused:
        report.show_refused(refused, terminal)
    return ExitStatus.NO


def _say_done(
    staging: "Staging",
    warnings: Sequence[str],
    record: Path | None,
    arguments: argparse.Namespace,
    terminal: Terminal,
) -> None:
    from dlkm.report import stage as report

    for warning in warnings:
        terminal.events.warning(printable(warning))
    if arguments.json:
        where = arguments.rootfs.absolute()
        terminal.document(report.to_document(where, staging, (), warnings, record, dry_run=arguments.dry_run))
    else:
        report.show(staging, record, terminal, dry_run=arguments.dry_run, whole=arguments.dry_run or arguments.verbose)
