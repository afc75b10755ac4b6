# SPDX-License-Identifier: GPL-2.0-or-later
"""One kernel release of an open root filesystem: its module files, its tables, who wins. Each read once, when asked."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dlkm.core.errors import DlkmError
from dlkm.core.names import is_release
from dlkm.rootfs.index import LIMIT
from dlkm.rootfs.kmod import Loader
from dlkm.rootfs.lookup import Answer, Lookup
from dlkm.rootfs.modtree import ModuleFile, ModuleTree, module_of_path, module_tree
from dlkm.rootfs.precedence import Precedence
from dlkm.rootfs.root import Root
from dlkm.rootfs.settings import Settings, read

if TYPE_CHECKING:
    from dlkm.ko.module import Module


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release as the root's modprobe and depmod see it."""

    root: Root
    release: str
    settings: Settings

    @property
    def folder(self) -> str:
        """Its modules directory, as the target calls it."""
        return f"lib/modules/{self.release}"

    @cached_property
    def precedence(self) -> Precedence:
        """What depmod.d says of it."""
        return Precedence.of(read(self.settings.depmod), self.release)

    @cached_property
    def tree(self) -> ModuleTree:
        """Its module files."""
        precedence = self.precedence
        return module_tree(self.root, self.release, precedence.excludes, precedence.external_dirs)

    @cached_property
    def lookup(self) -> Lookup:
        """modprobe's tables, as they lie there now."""
        texts = self.settings.kmod.loader is Loader.BUSYBOX
        return Lookup(self.table, self.settings.directives, f"{self.folder}/", texts=texts)

    def table(self, name: str) -> bytes | None:
        """A file of the modules directory."""
        if name not in self._tables:
            self._tables[name] = self.root.read(f"{self.folder}/{name}", LIMIT)
        return self._tables[name]

    @cached_property
    def _tables(self) -> dict[str, bytes | None]:
        return {}

    def file(self, path: str | None) -> ModuleFile | None:
        """The file that a table names, where it is there."""
        return self.tree.by_path.get(path) if path is not None else None

    def shown(self, path: str) -> str:
        """A path of modules.dep as one below the root."""
        file = self.tree.by_path.get(path)
        return file.real if file is not None else path[1:] if path.startswith("/") else f"{self.folder}/{path}"

    @cached_property
    def added(self) -> tuple[ModuleFile, ...]:
        """The files that do not lie among the kernel's own."""
        return tuple(file for file in self.tree.files if not file.is_own)

    def loaded(self, name: str) -> ModuleFile | None:
        """The file that `modprobe NAME` loads now."""
        return self.file(self.lookup.module(name).path)

    def module(self, file: ModuleFile) -> "Module | None":
        """What a file holds; None for one that cannot be read."""
        if file.real not in self._modules:
            from dlkm.ko.module import read_module

            try:
                self._modules[file.real] = _whole(read_module(self.root.host_path(file.real)))
            except DlkmError:
                self._modules[file.real] = None
        return self._modules[file.real]

    @cached_property
    def _modules(self) -> "dict[str, Module | None]":
        return {}

    def aliases(self, name: str) -> dict[str, Answer]:
        """Each alias that the file which wins states, and what it stands for."""
        file = self.loaded(name)
        module = self.module(file) if file is not None else None
        stated = dict.fromkeys(module.all("alias")) if module is not None else {}
        return {alias: self.lookup.ask(alias) for alias in stated}

    def is_own(self, name: str) -> bool:
        """Whether what loads by that name is the kernel's own."""
        path = self.lookup.module(name).path
        return path is not None and path.startswith("kernel/") and module_of_path(path) == name


def _whole(module: "Module") -> "Module":
    """The module itself; MalformedError for one that is cut off, which shows when its parts are asked for."""
    module.all("name")
    return module


def releases_in(root: Root) -> tuple[str, ...]:
    """The releases that have a directory of modules; one with the links of a headers package alone is none."""
    found = set()
    for folder in ("lib/modules", "usr/lib/modules"):
        for entry in root.entries(folder):
            name = entry.path.rpartition("/")[2]
            inside = {inner.path.rpartition("/")[2] for inner in root.entries(f"{folder}/{name}")}
            if is_release(name) and inside - {"build", "source"}:
                found.add(name)
    return tuple(sorted(found))
