# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm recipe show`: what a recipe's variables are and where each was set."""

import argparse
from pathlib import Path

from dlkm.cli.common import add_kernel_flag, kernels_of
from dlkm.cli.recipes import add_recipe_flags, recipe_options_of
from dlkm.core.errors import ExitStatus, UsageError
from dlkm.report.terminal import Terminal


def register(parser: argparse.ArgumentParser) -> None:
    """The action's own arguments."""
    parser.add_argument("recipes", nargs="+", type=Path, metavar="FILE", help="a .bb, or a directory of them")
    parser.add_argument("--variable", metavar="NAME", help="only the value of this one")
    add_kernel_flag(parser, required=False)
    add_recipe_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Read the recipes and show them."""
    from dlkm.core.processes import Processes
    from dlkm.yocto.beginning import begin
    from dlkm.yocto.layers import find_recipes

    options = recipe_options_of(arguments)
    kernels = kernels_of(arguments, terminal) if arguments.kernels else ()
    if len(kernels) > 1:
        raise UsageError(f"recipe show takes one kernel, not {len(kernels)}")
    recipes = find_recipes(arguments.recipes, options.layers)
    begun = None if kernels else begin(Processes(), recipes, options.conf)
    from dlkm.report.recipe_show import recipe_document, show_recipes, show_variable
    from dlkm.yocto.evaluation import Asked, evaluate, setting

    place = setting(Processes(), terminal.events, options, kernels[0] if kernels else None, begun=begun)
    asked = Asked(variables=arguments.variable is None, variable=arguments.variable)
    evaluations = evaluate(place, recipes, asked)
    terminal.close()
    if len(evaluations) == 1 and evaluations[0].error is not None:
        raise evaluations[0].error
    for text in dict.fromkeys(text for one in evaluations for text in one.warnings):
        terminal.events.warning(text)
    if arguments.json:
        terminal.document(recipe_document(evaluations))
    elif arguments.variable is not None:
        for one in evaluations:
            show_variable(one, arguments.variable, terminal)
            if one.error is None and one.variables.get(arguments.variable) is None:
                terminal.events.warning(f"{one.name}: {arguments.variable} is not set")
    else:
        show_recipes(evaluations, terminal)
    broken = next((one.error for one in evaluations if one.error is not None), None)
    if broken is not None:
        terminal.error(broken)
    return ExitStatus.OK if broken is None else broken.status
