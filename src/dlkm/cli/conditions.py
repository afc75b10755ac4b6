# SPDX-License-Identifier: GPL-2.0-or-later
"""The flags that say of the machine what no file tells: those of `dlkm check` and `dlkm explain`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dlkm.kernel.kernel import Kernel
    from dlkm.verdict.conditions import Conditions
    from dlkm.verdict.verdict import Verdict

_NONE = "none"  # of --trusted-cert: nothing is enrolled beside the kernel's own


def add_conditions(parser: argparse.ArgumentParser) -> None:
    """`--sig-enforce`, `--lockdown`, `--cmdline`, `--trusted-cert`, `--loaded`, `--param`."""
    add = parser.add_argument_group("what no file tells").add_argument
    add("--sig-enforce", action="store_true", default=None, help="only modules with a trusted signature")
    add("--lockdown", choices=["none", "integrity", "confidentiality"], help="how far it is locked down")
    add("--cmdline", default="", metavar="TEXT", help="the kernel's command line")
    add(
        "--trusted-cert",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a certificate it trusts too; none: there are none",
    )
    add("--loaded", action="append", default=[], metavar="NAME", help="a module that is loaded already")
    add("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter that is given")


def are_given(arguments: argparse.Namespace) -> bool:
    """Whether a flag says something that need not be so: what is found out then does not hold in general."""
    given = (arguments.lockdown, arguments.cmdline, arguments.trusted_cert, arguments.loaded, arguments.param)
    return arguments.sig_enforce is not None or any(given)


def conditions_of(arguments: argparse.Namespace) -> "Conditions":
    """What the flags say.

    UsageError, MalformedError: a certificate that is none, whether or not any module is signed.
    """
    from dlkm.verdict.conditions import Conditions

    named = tuple(path for path in arguments.trusted_cert if str(path) != _NONE)
    for path in named:
        from dlkm.verdict.keyring import certificates_at

        certificates_at(path)
    return Conditions(
        sig_enforce=arguments.sig_enforce,
        lockdown=arguments.lockdown,
        cmdline=arguments.cmdline,
        trusted_certs=named if arguments.trusted_cert else None,
        loaded=frozenset(arguments.loaded),
        params=tuple(arguments.param),
    )


def on(kernel: "Kernel", conditions: "Conditions", grounds: set[str]) -> "Conditions":
    """With what lies beside a kernel: what a snapshot tells of its machine, what modprobe.d says in a root filesystem.

    Where no flag says otherwise. `grounds` gets the files and directories that it was read from.
    """
    if kernel.origin.startswith("rootfs:"):
        return _with_modprobe(kernel, conditions, grounds)
    if not kernel.origin.startswith("snapshot:"):
        return conditions
    from dlkm.kernel.snapshot import live

    found = live(kernel)
    if found is None:
        return conditions
    return replace(
        conditions,
        sig_enforce=found.sig_enforce if conditions.sig_enforce is None else conditions.sig_enforce,
        lockdown=conditions.lockdown or found.lockdown,
        cmdline=conditions.cmdline or found.cmdline or "",
        trusted_certs=found.enrolled if conditions.trusted_certs is None else conditions.trusted_certs,
    )


def _with_modprobe(kernel: "Kernel", conditions: "Conditions", grounds: set[str]) -> "Conditions":
    from dlkm.rootfs.glance import Glance
    from dlkm.rootfs.handed import with_commands, with_options
    from dlkm.rootfs.release import Release
    from dlkm.rootfs.root import DirectoryRoot
    from dlkm.rootfs.settings import Settings

    assert kernel.tree is not None
    with DirectoryRoot(kernel.tree) as root:
        seen = Glance(root)
        settings = Settings.of(seen)
        release = Release(root=seen, release=kernel.release, settings=settings)
        told = with_commands(with_options(conditions, settings), release)
        grounds.update(seen.grounds())
    return told


def by_firmware(kernel: "Kernel", conditions: "Conditions", verdicts: "Iterable[Verdict]") -> "Iterator[str]":
    """What a machine's firmware would change of verdicts on a kernel; nothing where it would change nothing.

    `conditions` are those on this kernel.
    """
    unsigned = sum("E" in verdict.taint for verdict in verdicts)
    if not unsigned:
        return
    from dlkm.verdict.signing import locks_with_firmware

    if locks_with_firmware(kernel, conditions):
        many = f"{unsigned} of them have" if unsigned > 1 else "the module has"
        yield (
            f"with Secure Boot on, {kernel.id} refuses what has no signature that it trusts, and {many} none: "
            "--lockdown integrity tells what it says then"
        )
