# SPDX-License-Identifier: GPL-2.0-or-later
"""What modprobe runs in place of loading a module, or one that it needs: the kernel is not asked. Reads nothing."""

from collections.abc import Iterator

from dlkm.core.errors import MalformedError
from dlkm.core.names import normalise_module_name
from dlkm.verdict.case import Case, Trip


def install_commands(case: Case) -> Iterator[Trip]:
    """`install` lines of modprobe.d (libkmod/libkmod-module.c: kmod_module_probe_insert_module)."""
    conditions = case.conditions
    if not conditions.commands:
        return
    name = normalise_module_name(case.struct_name)
    command = conditions.command_of(name)
    if command is not None:
        yield case.trip("install-command", subject=name, command=command)
    loaded = frozenset(map(normalise_module_name, conditions.loaded))
    for one in conditions.detours_of(name, _depends(case)):
        if one.needed not in loaded:
            yield case.trip("install-command/needed", subject=one.needed, command=one.command)


def _depends(case: Case) -> tuple[str, ...]:
    try:
        return case.candidate.depends
    except MalformedError:  # which a step of the loader tells
        return ()
