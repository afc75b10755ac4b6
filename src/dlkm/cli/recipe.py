# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm recipe`: Yocto recipes."""

import argparse

from dlkm.cli.actions import register_actions, run_action
from dlkm.report.terminal import Terminal

ACTIONS: dict[str, str] = {
    "show": "what a recipe's variables are, and where each was set",
    "lint": "what is wrong with a recipe, by line, and what to write instead",
    "fix": "today's spelling and what else is safe, as a diff or in place",
    "new": "a recipe for a driver's directory",
}


def register(parser: argparse.ArgumentParser) -> None:
    """The actions and their arguments."""
    register_actions(parser, "recipe", ACTIONS)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do what the action says."""
    return run_action("recipe", arguments, terminal)
