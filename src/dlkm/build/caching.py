# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run shares to know builds again: the store, the content of kernels and toolchains. Builds nothing."""

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any, TypeVar

from dlkm.action.store import Store
from dlkm.action.tree import Blobs
from dlkm.build.content import KernelContent, kernel_content
from dlkm.build.kerneltree import KernelTree, tree_on_the_target
from dlkm.build.order import Order
from dlkm.build.toolchain import Toolchain, toolchain_of
from dlkm.core.arch import Arch
from dlkm.core.errors import DlkmError
from dlkm.core.processes import Runner
from dlkm.kernel.compiler import Compiler
from dlkm.kernel.kernel import Kernel

_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Once:
    """Values that are made once, whoever asks for them first, in whatever thread."""

    lock: Lock = field(default_factory=Lock)
    made: dict[Hashable, tuple[Lock, list[Any]]] = field(default_factory=dict)

    def get(self, name: Hashable, make: Callable[[], _Value]) -> _Value:
        with self.lock:
            own, box = self.made.setdefault(name, (Lock(), []))
        with own:
            if not box:
                box.append(make())
            value: _Value = box[0]
            return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The store, and what is known in this run."""

    store: Store
    runner: Runner
    known: bool = True  # whether what is known is taken, and what is made is kept
    _once: _Once = field(default_factory=_Once)

    def tree(self, kernel: Kernel) -> KernelTree:
        """A kernel's directories as a target has them."""
        return self._once.get(("tree", kernel.id), lambda: tree_on_the_target(kernel))

    def kernel(self, kernel: Kernel) -> KernelContent:
        """Its content."""
        tree = self.tree(kernel)
        return self._once.get(("kernel", kernel.id), lambda: kernel_content(tree, self.runner, self.store))

    def begin(self, kernel: Kernel) -> None:
        """Take its content beside whatever else is to be done: most of that is another program's work."""
        _beside(lambda: self.kernel(kernel))

    def begin_toolchain(self, compiler: Compiler, arch: Arch) -> None:
        """The same for what compiles."""
        _beside(lambda: self.toolchain(compiler, arch))

    def kernel_blobs(self, kernel: Kernel) -> Blobs:
        """What that is made of."""
        return self._once.get(("blobs", kernel.id), self.kernel(kernel).blobs)

    def toolchain(self, compiler: Compiler, arch: Arch) -> Toolchain:
        """What compiles for an architecture."""
        name = ("toolchain", compiler, arch.name)
        return self._once.get(name, lambda: toolchain_of(compiler, arch, self.runner, self.store))

    def answers(self, order: Order, ask: Callable[[], bytes]) -> bytes:
        """What an order's compiler answers its kernel's Makefiles; `ask` finds out."""
        return self._once.get(("answers", order.compiler, order.kernel.id), ask)


def _beside(make: Callable[[], object]) -> None:
    """Make something in a thread of its own."""

    def take() -> None:
        with suppress(DlkmError, OSError):  # who asks for it meets the same, and tells
            make()

    Thread(target=take, daemon=True).start()
