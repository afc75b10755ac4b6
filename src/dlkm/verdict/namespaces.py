# SPDX-License-Identifier: GPL-2.0-or-later
"""To which modules a namespace of symbols is open without an import: those that a `module:` one names."""

from dlkm.core.names import normalise_module_name

PREFIX = "module:"


def is_open_to(namespace: str, module: str) -> bool:
    """Whether a namespace `module:a,b*` is for a module of that name; "-" and "_" are one.

    Source: kernel/module/main.c: verify_module_namespace (6.16).
    """
    if not namespace.startswith(PREFIX):
        return False
    name = normalise_module_name(module)
    return any(_matches(pattern, name) for pattern in namespace.removeprefix(PREFIX).split(","))


def _matches(pattern: str, name: str) -> bool:
    plain = normalise_module_name(pattern)
    return name.startswith(plain[:-1]) if plain.endswith("*") else name == plain
