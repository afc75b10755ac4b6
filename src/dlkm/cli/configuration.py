# SPDX-License-Identifier: GPL-2.0-or-later
"""The flags that say what modprobe.d and modules-load.d are to hold, for the verbs that install modules."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlkm.rootfs.conf import Wanted


def add_configuration_flags(parser: argparse.ArgumentParser) -> None:
    """`--autoload`, `--options`, `--blacklist`, `--softdep`, `--install`, `--conf-dir`."""
    add = parser.add_argument_group("configuration").add_argument
    add("--autoload", action="append", default=[], metavar="NAME", help="load it at every boot (modules-load.d)")
    add("--options", action="append", default=[], metavar="'NAME K=V…'", help="its parameters (modprobe.d)")
    add("--blacklist", action="append", default=[], metavar="NAME", help="do not load it by its aliases (modprobe.d)")
    add("--softdep", action="append", default=[], metavar="'NAME pre: X post: Y'", help="load others with it")
    add("--install", action="append", default=[], metavar="'NAME COMMAND'", help="run this in its place (modprobe.d)")
    add("--conf-dir", choices=["etc", "usr"], default="etc", help="/etc or /usr/lib for the configuration")


def add_file_flags(parser: argparse.ArgumentParser) -> None:
    """`--firmware`, `--udev-rules`: files that go with a driver whose source does not install them."""
    add = parser.add_argument_group("files").add_argument
    add("--firmware", action="append", default=[], metavar="FILE[:NAME]",
        help="below /lib/firmware, by the name that the module asks for, else NAME, else its own")  # fmt: skip
    add("--udev-rules", action="append", default=[], type=Path, metavar="FILE.rules", help="into udev/rules.d")


def wanted_of(arguments: argparse.Namespace) -> "Wanted":
    """What the flags ask for; UsageError for what kmod would not understand."""
    from dlkm.rootfs.conf import wanted

    return wanted(
        autoload=arguments.autoload,
        options=arguments.options,
        blacklist=arguments.blacklist,
        softdep=arguments.softdep,
        install=arguments.install,
    )
