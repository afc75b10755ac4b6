# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands that make a driver, as values: what is run, in which order, and what may fail. Runs nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dlkm.build.environment import install_environment, make_commands, make_environment
from dlkm.build.order import Order, symvers_place
from dlkm.build.view import View

_LOOKED_FOR = "KBUILD_EXTRA_SYMBOLS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command. `folder` is where it runs, `shown` what a reader of the log can repeat ("" for the command itself).

    When a `required` one fails, none of those after it is run. What one that is to be `told` says goes to a file of its
    own; a `silent` one leaves no word in the log.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str
    shown: str = ""
    required: bool = True
    told: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All steps. `yard` is where DKMS's tree holds the copy ("NAME/VERSION"), "" for a driver that is not DKMS's."""

    steps: tuple[Step, ...]
    yard: str = ""


def environment_of(order: Order, view: View) -> Mapping[str, str]:
    """What make finds in its environment, sorted by name, but for who shares the cores."""
    own = make_environment(order.driver, order.kernel, order.compiler, order.options, view.around)
    given = {_LOOKED_FOR: extra_symbols(order, view)} if order.given else {}
    return dict(sorted((own | dict(view.environment) | given).items()))


def extra_symbols(order: Order, view: View) -> str:
    """The Module.symvers of others, as the view has them: what KBUILD_EXTRA_SYMBOLS holds."""
    return " ".join(f"{view.around.tools}/{symvers_place(one.name)}" for one in order.given)


def make_plan(order: Order, view: View) -> Plan:
    """The calls of make for a driver that has a Makefile or speaks Kbuild."""
    environment, folder = environment_of(order, view), view.around.folder(order.driver)
    install = {**environment, **install_environment(view.around)}
    return Plan(
        steps=tuple(
            Step(argv=argv, environment=install if number else environment, folder=folder)
            for number, argv in enumerate(_commands(order, view))
        )
    )


def _commands(order: Order, view: View) -> tuple[tuple[str, ...], ...]:
    """A Makefile that looks for its givers itself, beside it, does not find them: it is told on the command line."""
    options = order.options
    if order.given and any(name == _LOOKED_FOR for name, _value, _line in order.driver.makefile.assignments):
        told = (_LOOKED_FOR, extra_symbols(order, view))
        options = replace(options, variables=(told, *options.variables))
    return make_commands(order.driver, options, view.around)
