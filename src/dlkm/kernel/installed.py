# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules installed in a …/lib/modules/RELEASE directory: which there are, where, what loads first. Reads only."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dlkm.core.names import is_module_file, module_name, normalise_module_name
from dlkm.core.suffixes import MODULE_SUFFIXES
from dlkm.core.walk import entries_below
from dlkm.kernel.demand import complete, packed

LIST_LIMIT = 16 << 20  # bytes of modules.builtin; Debian's has 6 kB


@dataclass(frozen=True)
class Installed:
    """A modules directory; what is read is read once. A directory that does not exist holds nothing."""

    modules_dir: Path

    def files(self) -> Iterable[Path]:
        """Every module file, sorted by directory; the links `build` and `source` are not followed."""
        complete(self.modules_dir)
        return map(Path, (*self._by_name.values(), *self._shadowed))

    @property
    def names(self) -> Collection[str]:
        """The names of all modules, with '_' for '-'; nothing is unpacked for that."""
        return self._by_name.keys()

    def outside(self) -> Iterator[Path]:
        """The module files that do not lie in the kernel's own directory `kernel`."""
        try:
            entries = sorted(self.modules_dir.iterdir())
        except OSError:
            return
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink() and entry.name != "kernel":
                yield from module_files(entry)
            elif entry.is_file() and is_module_file(entry.name):
                yield entry

    def find(self, name: str) -> Path | None:
        """The file of a module by its name ('-' and '_' alike), or None; one that the pool has packed is unpacked."""
        found = self._by_name.get(normalise_module_name(name))
        if found is None:
            return None
        if found in self._packed:
            complete(self.modules_dir)
        return Path(found)

    def has(self, name: str) -> bool:
        """Whether `find` finds it."""
        return normalise_module_name(name) in self._by_name

    def holds(self, provider: str) -> bool:
        """Whether the module of a path without suffix ("drivers/net/dummy") is there, at that place or any other.

        Told without a walk through the directory where it lies where it belongs.
        """
        place = f"{self.modules_dir}/kernel/{provider}"
        beside = any(os.path.isfile(f"{place}{suffix}") for suffix in MODULE_SUFFIXES)  # noqa: PTH113 — asked a thousand times
        return beside or self.has(module_name(provider))

    @cached_property
    def builtin(self) -> frozenset[str]:
        """Names of the modules that are linked into the image (modules.builtin); empty when nothing tells."""
        try:
            with (self.modules_dir / "modules.builtin").open("rb") as stream:
                text = stream.read(LIST_LIMIT).decode("utf-8", "replace")
        except OSError:
            return frozenset()
        return frozenset(module_name(line) for line in text.splitlines() if line.strip())

    @cached_property
    def builtin_modinfo(self) -> Mapping[str, frozenset[str]]:
        """By built-in module the keys that modules.builtin.modinfo has of it; empty when nothing tells."""
        try:
            with (self.modules_dir / "modules.builtin.modinfo").open("rb") as stream:
                entries = stream.read(LIST_LIMIT).decode("utf-8", "replace").split("\0")
        except OSError:
            return {}
        found: dict[str, set[str]] = {}
        for entry in entries:
            name, dot, rest = entry.partition("=")[0].partition(".")
            if dot:
                found.setdefault(normalise_module_name(name), set()).add(rest)
        return {name: frozenset(keys) for name, keys in found.items()}

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
                    order[name] = self._file(name)
            elif needed not in entered and needed in self._by_name:
                entered.add(needed)
                stack.append((needed, iter(self._depends(needed))))
        return tuple(order.values())

    def _depends(self, name: str) -> list[str]:
        from dlkm.ko.module import read_module  # which most who ask where modules lie do without

        return [normalise_module_name(needed) for needed in read_module(self._file(name)).depends]

    def _file(self, name: str) -> Path:
        found = self.find(name)
        assert found is not None, "asked for what the index has"
        return found

    @cached_property
    def _packed(self) -> frozenset[str]:
        return frozenset(packed(self.modules_dir))

    @cached_property
    def _index(self) -> tuple[dict[str, str], list[str]]:
        chosen: dict[str, str] = {}
        paths: Iterable[str] = _walk(self.modules_dir)
        if self._packed:
            paths = sorted({*paths, *self._packed}, key=_rank)
        shadowed = [path for path in paths if chosen.setdefault(module_name(path), path) is not path]
        return chosen, shadowed

    @property
    def _by_name(self) -> Mapping[str, str]:
        return self._index[0]

    @property
    def _shadowed(self) -> Sequence[str]:
        return self._index[1]


def module_files(modules_dir: Path) -> Iterator[Path]:
    """Module files, those in `updates` first: they win over others of the same name (depmod.d: search updates)."""
    return map(Path, module_paths(modules_dir))


def module_paths(modules_dir: Path) -> Iterator[str]:
    """The same as strings: thousands of paths are a tenth of a second as objects.

    What a kernel of the pool has packed there is unpacked first.
    """
    complete(modules_dir)
    return _walk(modules_dir)


def all_module_paths(modules_dir: Path) -> Iterator[str]:
    """The same in no order, which takes a third of the time; what is packed is named without being unpacked."""
    for entry in entries_below([str(modules_dir)]):
        if is_module_file(entry.name) and not entry.is_dir():
            yield entry.path
    yield from packed(modules_dir)


def _rank(path: str) -> tuple[list[tuple[bool, str]], str]:
    """The order in which the walk comes to a file."""
    folder, _, name = path.rpartition("/")
    return [(part != "updates", part) for part in folder.split("/")], name


def _walk(modules_dir: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(modules_dir):
        folders.sort(key=lambda name: (name != "updates", name))
        for name in sorted(filter(is_module_file, names)):
            yield f"{folder}/{name}"
