# SPDX-License-Identifier: GPL-2.0-or-later
"""What modprobe.d says of loading a module, as conditions of its verdict: words for it, commands in its place."""

from collections.abc import Sequence
from dataclasses import replace

from dlkm.core.names import normalise_module_name
from dlkm.core.wildcards import matches
from dlkm.rootfs.lookup import Lookup
from dlkm.rootfs.release import Release
from dlkm.rootfs.settings import Settings
from dlkm.rootfs.statements import underscores
from dlkm.verdict.conditions import Conditions, Detour


def with_options(conditions: Conditions, settings: Settings) -> Conditions:
    """With the words that `options` lines hand to modules, in their order; the kernel takes them apart."""
    options = tuple((normalise_module_name(line.name), line.rest) for line in settings.of_kind("options"))
    return replace(conditions, options=options)


def with_commands(conditions: Conditions, release: Release) -> Conditions:
    """With what `install` lines run in place of modules, and the modules that are loaded without one they need."""
    lookup = release.lookup
    lines = [(underscores(line.name) or "", line.rest) for line in release.settings.of_kind("install")]
    # A softdep has modprobe load the module whatever the line says.
    commands = tuple((pattern, command) for pattern, command in lines if lookup.softdeps(pattern) == ((), ()))
    detours = _detours(lookup, [pattern for pattern, _ in lines]) if commands else ()
    return replace(conditions, commands=commands, detours=detours)


def _detours(lookup: Lookup, patterns: Sequence[str]) -> tuple[Detour, ...]:
    named = [name for name in lookup.files if any(matches(pattern, name) for pattern in patterns)]
    replaced = {name: command.rest for name in named if (command := lookup.module(name).command) is not None}
    return tuple(
        Detour(module=module, needed=needed, command=replaced[needed])
        for module, needs in (lookup.needs.items() if replaced else ())
        for needed in needs
        if needed in replaced
    )
