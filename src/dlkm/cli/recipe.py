# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm recipe`: Yocto recipes. Each action is a module of its own; this one only finds it."""

import argparse
from importlib import import_module

from dlkm.cli.common import add_common_flags
from dlkm.report.terminal import Terminal

# `register(parser)` and `run(arguments, terminal)` of dlkm.cli.recipe_ACTION, as for a verb.
ACTIONS: dict[str, str] = {
    "show": "what a recipe's variables are, and where each was set",
    "lint": "what is wrong with a recipe, by line, and what to write instead",
    "fix": "today's spelling and what else is safe, as a diff or in place",
    "new": "a recipe for a driver's directory",
}


def register(parser: argparse.ArgumentParser) -> None:
    """The actions and their arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=type(parser))
    for name, summary in ACTIONS.items():
        made = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        import_module(f"dlkm.cli.recipe_{name}").register(made)
        add_common_flags(made, again=True)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do what the action says."""
    status: int = import_module(f"dlkm.cli.recipe_{arguments.action}").run(arguments, terminal)
    return status
