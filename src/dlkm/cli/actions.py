# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs with actions (`dlkm recipe show`), each a module of its own, dlkm.cli.VERB_ACTION; this one only finds it."""

import argparse
from collections.abc import Mapping
from importlib import import_module

from dlkm.cli.common import add_common_flags
from dlkm.report.terminal import Terminal


def register_actions(parser: argparse.ArgumentParser, verb: str, summaries: Mapping[str, str]) -> None:
    """The actions and their arguments; a module has `register(parser)` and `run(arguments, terminal)`, as a verb."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=type(parser))
    for name, summary in summaries.items():
        made = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        import_module(f"dlkm.cli.{verb}_{name}").register(made)
        add_common_flags(made, again=True)


def run_action(verb: str, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do what the action says."""
    status: int = import_module(f"dlkm.cli.{verb}_{arguments.action}").run(arguments, terminal)
    return status
