# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules installed in a …/lib/modules/RELEASE directory: which there are, where, what loads first. Reads only."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dlkm.core.names import is_module_file, module_name, normalise_module_name
from dlkm.ko.module import read_module

LIST_LIMIT = 16 << 20  # bytes of modules.builtin; Debian's has 6 kB


@dataclass(frozen=True)
class Installed:
    """A modules directory; what is read is read once. A directory that does not exist holds nothing."""

    modules_dir: Path

    def files(self) -> Iterable[Path]:
        """Every module file, sorted by directory; the links `build` and `source` are not followed."""
        return self._by_name.values() if not self._shadowed else (*self._by_name.values(), *self._shadowed)

    def find(self, name: str) -> Path | None:
        """The file of a module by its name ('-' and '_' alike), or None."""
        return self._by_name.get(normalise_module_name(name))

    @cached_property
    def builtin(self) -> frozenset[str]:
        """Names of the modules that are linked into the image (modules.builtin); empty when nothing tells."""
        try:
            with (self.modules_dir / "modules.builtin").open("rb") as stream:
                text = stream.read(LIST_LIMIT).decode("utf-8", "replace")
        except OSError:
            return frozenset()
        return frozenset(module_name(line) for line in text.splitlines() if line.strip())

    def load_order(self, depends: Sequence[str]) -> tuple[Path, ...]:
        """The files to load for these names and all they depend on, each after those it needs.

        Built-in modules and those that are not installed are left out. Source of the names: `depends=` of the files,
        as modpost wrote it. Raises MalformedError for a module file that cannot be read.
        """
        order: dict[str, Path] = {}
        entered: set[str] = set()
        # Each entry is a name with what is left of its dependencies; an explicit stack, for chains of any length.
        stack: list[tuple[str, Iterator[str]]] = [("", iter([normalise_module_name(name) for name in depends]))]
        while stack:
            name, rest = stack[-1]
            needed = next(rest, None)
            if needed is None:
                stack.pop()
                if name:
                    order[name] = self._by_name[name]
            elif needed not in entered and needed in self._by_name:
                entered.add(needed)
                stack.append((needed, iter(self._depends(needed))))
        return tuple(order.values())

    def _depends(self, name: str) -> list[str]:
        return [normalise_module_name(needed) for needed in read_module(self._by_name[name]).depends]

    @cached_property
    def _index(self) -> tuple[dict[str, Path], list[Path]]:
        chosen: dict[str, Path] = {}
        files = module_files(self.modules_dir)
        shadowed = [path for path in files if chosen.setdefault(module_name(path.name), path) is not path]
        return chosen, shadowed

    @property
    def _by_name(self) -> Mapping[str, Path]:
        return self._index[0]

    @property
    def _shadowed(self) -> Sequence[Path]:
        return self._index[1]


def module_files(modules_dir: Path) -> Iterator[Path]:
    """Module files, those in `updates` first: they win over others of the same name (depmod.d: search updates)."""
    for folder, folders, names in os.walk(modules_dir):
        folders.sort(key=lambda name: (name != "updates", name))
        yield from (Path(folder) / name for name in sorted(names) if is_module_file(name))
