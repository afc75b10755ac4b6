# SPDX-License-Identifier: GPL-2.0-or-later
"""The flags that say what modprobe.d and modules-load.d are to hold, for the verbs that install modules."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlkm.rootfs.conf import Wanted


def add_configuration_flags(parser: argparse.ArgumentParser) -> None:
    """`--autoload`, `--options`, `--blacklist`, `--softdep`, `--conf-dir`."""
    add = parser.add_argument_group("configuration").add_argument
    add("--autoload", action="append", default=[], metavar="NAME", help="load it at every boot (modules-load.d)")
    add("--options", action="append", default=[], metavar="'NAME K=V…'", help="its parameters (modprobe.d)")
    add("--blacklist", action="append", default=[], metavar="NAME", help="do not load it by its aliases (modprobe.d)")
    add("--softdep", action="append", default=[], metavar="'NAME pre: X post: Y'", help="load others with it")
    add("--conf-dir", choices=["etc", "usr"], default="etc", help="/etc or /usr/lib for the configuration")


def wanted_of(arguments: argparse.Namespace) -> "Wanted":
    """What the flags ask for; UsageError for what kmod would not understand."""
    from dlkm.rootfs.conf import wanted

    return wanted(
        autoload=arguments.autoload,
        options=arguments.options,
        blacklist=arguments.blacklist,
        softdep=arguments.softdep,
    )
