# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: N999 — a verb is found by its name
"""`dlkm import`: projects that others describe."""

import argparse

from dlkm.cli.actions import register_actions, run_action
from dlkm.report.terminal import Terminal

ACTIONS: dict[str, str] = {
    "dkms": "a dlkm.toml and a recipe each for drivers with a dkms.conf",
}


def register(parser: argparse.ArgumentParser) -> None:
    """The actions and their arguments."""
    register_actions(parser, "import", ACTIONS)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do what the action says."""
    return run_action("import", arguments, terminal)
