# SPDX-License-Identifier: GPL-2.0-or-later
"""depmod's tables in their text form (modules.dep, modules.alias, modules.symbols), which BusyBox reads.

Source: BusyBox modutils/modprobe.c: config_file_action, load_modules_dep.
"""

from collections.abc import Iterator
from functools import cached_property

from dlkm.core.wildcards import matches
from dlkm.rootfs.modtree import module_of_path
from dlkm.rootfs.statements import underscores


class TextIndex:
    """One table, asked as an `Index` is."""

    def __init__(self, data: bytes) -> None:
        self._lines = data.decode("utf-8", "surrogateescape").split("\n")

    def find(self, key: str) -> str | None:
        """The first value of a key that is no wildcard."""
        return self._by_key.get(key)

    def matching(self, key: str) -> tuple[str, ...]:
        """The values of all keys that match, each once, in the file's order."""
        return tuple(dict.fromkeys(value for wildcard, value in self.items() if matches(wildcard, key)))

    def items(self) -> Iterator[tuple[str, str]]:
        """Every key with its value: a name and its line in modules.dep, an alias and its module, a built-in's path."""
        for line in self._lines:
            words = line.split()
            if len(words) > 2 and words[0] == "alias":
                yield underscores(words[1]) or words[1], words[2]
            elif words and not line.startswith("#"):
                yield module_of_path(line.partition(":")[0].rstrip()), line

    @cached_property
    def _by_key(self) -> dict[str, str]:
        return dict(reversed(list(self.items())))
