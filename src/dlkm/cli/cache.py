# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm cache`: what is kept of builds."""

import argparse
from typing import TYPE_CHECKING

from dlkm.cli.common import add_common_flags, add_kernel_flag, kernels_of
from dlkm.core.errors import ExitStatus, UsageError
from dlkm.report.terminal import Terminal

if TYPE_CHECKING:
    from dlkm.build.toolchain import Toolchain
    from dlkm.kernel.kernel import Kernel


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=type(parser))

    def action(name: str, summary: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        add_common_flags(made, again=True)
        return made

    action("show", "where it lies, how much is in it, and how much may be")
    pruning = action("prune", "throw away what was not used for the longest")
    pruning.add_argument(
        "--keep", default="0", metavar="SIZE", help="bytes to leave, with K, M, G or T behind the number (default: 0)"
    )
    action("verify", "look at every byte, and throw away what is damaged; exit status 1 when something was")
    asking = action("toolchain", "the digest of what compiles for a kernel: what its actions ask of a worker")
    add_kernel_flag(asking)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do what the action says, show."""
    from dlkm.action.store import Store, parse_size
    from dlkm.report.cache import cache_document, show_cache, show_toolchains

    if arguments.action == "toolchain":
        return show_toolchains(_toolchains(arguments, terminal), terminal, as_json=arguments.json)
    store = Store()
    checked = damaged = None
    if arguments.action == "prune":
        try:
            keep = parse_size(arguments.keep)
        except ValueError:
            raise UsageError(f"--keep {arguments.keep}: no size", hint="e.g. --keep 500M") from None
        store.prune(keep)
    elif arguments.action == "verify":
        checked, damaged = store.verify()
    document = cache_document(store, checked, damaged)
    if arguments.json:
        terminal.document(document)
    else:
        show_cache(document, terminal)
    return ExitStatus.NO if damaged else ExitStatus.OK


def _toolchains(arguments: argparse.Namespace, terminal: Terminal) -> "list[tuple[Kernel, Toolchain]]":
    from dlkm.action.store import Store
    from dlkm.build.toolchain import toolchain_of
    from dlkm.core.processes import Processes
    from dlkm.kernel.compiler import choose

    runner, store = Processes(), Store()
    kernels = kernels_of(arguments, terminal)
    return [
        (kernel, toolchain_of(choose(kernel, runner, terminal.events), kernel.arch, runner, store))
        for kernel in kernels
    ]
