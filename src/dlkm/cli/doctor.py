# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm doctor`: what this machine lacks, and the command that installs it."""

import argparse

from dlkm.core.errors import ExitStatus
from dlkm.report.terminal import Terminal


def register(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""
    parser.epilog = f"Exit status {ExitStatus.OK} when nothing needed is missing, else {ExitStatus.MISSING_TOOL}."


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Look around and show it."""
    from dlkm.core.processes import Processes
    from dlkm.core.surroundings import survey
    from dlkm.report import doctor

    found = survey(Processes(), arguments.jobs)
    if arguments.json:
        terminal.document(doctor.to_document(found))
    else:
        doctor.show(found, terminal)
    return ExitStatus.OK if found.sufficient else ExitStatus.MISSING_TOOL
