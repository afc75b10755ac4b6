# SPDX-License-Identifier: GPL-2.0-only
"""What recipes and our classes call as `oe.…`: what recipes use of OpenEmbedded's library, stated anew."""

from oe import kernel, licence, package, patch, path, qa, recipe, services, sources, sysroot, types, utils

__all__ = [
    "kernel",
    "licence",
    "package",
    "patch",
    "path",
    "qa",
    "recipe",
    "services",
    "sources",
    "sysroot",
    "types",
    "utils",
]
