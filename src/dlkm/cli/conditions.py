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


def conditions_of(arguments: argparse.Namespace, rootfs: Path | None = None) -> "Conditions":
    """What the flags say, and what modprobe.d of a root filesystem hands to modules.

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
        **({} if rootfs is None else _of_modprobe(rootfs)),
    )


def _of_modprobe(rootfs: Path) -> "dict[str, tuple[tuple[str, str], ...]]":
    from dlkm.verdict.modprobe import commands_in, options_in

    return {"options": options_in(rootfs), "commands": commands_in(rootfs)}


def on(kernel: "Kernel", conditions: "Conditions") -> "Conditions":
    """With what a snapshot tells of the machine it was taken on, where no flag says otherwise."""
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


def by_firmware(kernel: "Kernel", conditions: "Conditions", verdicts: "Iterable[Verdict]") -> "Iterator[str]":
    """What a machine's firmware would change of verdicts on a kernel; nothing where it would change nothing."""
    unsigned = sum("E" in verdict.taint for verdict in verdicts)
    if not unsigned:
        return
    from dlkm.verdict.signing import locks_with_firmware

    if locks_with_firmware(kernel, on(kernel, conditions)):
        many = f"{unsigned} of them have" if unsigned > 1 else "the module has"
        yield (
            f"with Secure Boot on, {kernel.id} refuses what has no signature that it trusts, and {many} none: "
            "--lockdown integrity tells what it says then"
        )
