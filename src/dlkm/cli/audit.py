# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm audit`: is a finished root filesystem or initramfs right, and which file wins there?"""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.conditions import add_conditions, conditions_of
from dlkm.core.errors import ExitStatus, UsageError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from dlkm.rootfs.audit import Audit


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    add = parser.add_argument
    add("root", type=Path, metavar="DIR|IMAGE|TAR|INITRD",
        help="a root filesystem: a directory, an ext2 to ext4 image, a tar archive, an initramfs")  # fmt: skip
    add("--module", action="append", default=[], dest="asked", metavar="NAME|ALIAS|GLOB",
        help="say which file this name or alias stands for, and why; may be given again")  # fmt: skip
    add_conditions(parser)
    answer = parser.add_argument_group("the answer")
    answer.add_argument("--strict", action="store_true", help="exit 8 when something cannot be told")
    answer.add_argument("--sarif", type=Path, metavar="FILE", help="write the findings as SARIF too")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Open it, look at all of it, show; whoever only asks for names is answered with those first."""
    from dlkm.core.processes import Processes
    from dlkm.rootfs.begun import begun
    from dlkm.rootfs.glance import Glance
    from dlkm.rootfs.opened import opened

    since = time.time_ns()
    if arguments.sarif is not None and not arguments.sarif.parent.is_dir():
        raise UsageError(f"cannot write {arguments.sarif}: there is no directory {arguments.sarif.parent}")
    if not arguments.root.exists():
        raise UsageError(f"{arguments.root}: no such file or directory")
    runner = Processes()
    with opened(arguments.root, runner, terminal.events) as root, begun(Glance(root), runner, arguments.jobs) as start:
        # What all of this needs is loaded while depmod runs.
        from dlkm.cli.remember_audit import Grounds
        from dlkm.rootfs.audit import Auditor

        grounds = Grounds(arguments, start.seen, since)
        auditor = Auditor(
            runner=runner,
            events=terminal.events,
            conditions=conditions_of(arguments),
            asked=tuple(arguments.asked),
            jobs=arguments.jobs,
            idle=grounds.look,
        )
        audit = auditor.audit(start)
    terminal.close()
    _show(audit, arguments, terminal)
    status = _status(audit, strict=arguments.strict)
    if status is ExitStatus.OK:
        grounds.keep(audit, terminal)
    return status


def _status(audit: "Audit", *, strict: bool) -> ExitStatus:
    if not audit.is_right:
        return ExitStatus.NO
    return ExitStatus.CANNOT_TELL if strict and not audit.is_certain else ExitStatus.OK


def _show(audit: "Audit", arguments: argparse.Namespace, terminal: Terminal) -> None:
    from dlkm.report import audit as report

    if arguments.sarif is not None:
        from dlkm.report.sarif import write_audit_sarif

        write_audit_sarif(arguments.sarif, audit)
    if arguments.json:
        terminal.document(report.audit_document(audit))
    else:
        report.show(audit, terminal, whole=arguments.verbose)
