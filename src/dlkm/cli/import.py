# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: N999 — a verb is found by its name
"""`dlkm import`: projects that others describe. Each action is a module of its own; this one only finds it."""

import argparse
from importlib import import_module

from dlkm.cli.common import add_common_flags
from dlkm.report.terminal import Terminal

# `register(parser)` and `run(arguments, terminal)` of dlkm.cli.import_ACTION, as for a verb.
ACTIONS: dict[str, str] = {
    "dkms": "a dlkm.toml and a recipe each for drivers with a dkms.conf",
}


def register(parser: argparse.ArgumentParser) -> None:
    """The actions and their arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=type(parser))
    for name, summary in ACTIONS.items():
        made = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        import_module(f"dlkm.cli.import_{name}").register(made)
        add_common_flags(made, again=True)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do what the action says."""
    status: int = import_module(f"dlkm.cli.import_{arguments.action}").run(arguments, terminal)
    return status
