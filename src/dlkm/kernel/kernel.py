# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel as a value: its id, where its parts lie, and what was learnt of it. Finds and fetches nothing."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dlkm.core.arch import Arch
from dlkm.core.names import KernelVersion
from dlkm.kernel.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Modules that the pool keeps packed: how many, their bytes when unpacked, and those that they take as they are."""

    files: int
    size: int
    taken: int


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """One kernel. Each path is None when that part is not at hand; nothing here is ever half there.

    `id` is unique in a pool: the release, or `RELEASE@ORIGIN` for a second kernel of that release.
    `origin` is the SPEC that brought it ("debian:6.1.0-56-amd64", a directory, "running").
    `headers` is what `KERNEL_SRC` or `O=` names; `source` a full source tree; `image` what boots;
    `modules` the directory `…/lib/modules/RELEASE`; `symvers` a Module.symvers; `config_file` a .config.
    `tree` is the root that holds the parts as the target has them (`usr/src/…`, `lib/modules/…`, `boot/…`),
    None for a kernel that lies wherever its owner put it. `lacks` says in words what is known to be missing of a kernel
    that came in parts (a snapshot); "exports" among them means that the modules' exports are not all there.
    """

    id: str
    release: str
    arch: Arch
    origin: str
    headers: Path | None = None
    source: Path | None = None
    image: Path | None = None
    modules: Path | None = None
    symvers: Path | None = None
    config_file: Path | None = None
    tree: Path | None = None
    vermagic: str | None = None
    compiler: str | None = None
    packages: tuple[str, ...] = ()  # "name=version" of what it was unpacked from
    exports: int | None = None  # rows of its Module.symvers
    size: int | None = None  # bytes that the pool keeps of it
    lacks: tuple[str, ...] = ()
    packed: Packed | None = None  # of its modules, until somebody asks for one of them (demand.py)

    @property
    def version(self) -> KernelVersion:
        """The numbers that choose its era."""
        return KernelVersion.parse(self.release)

    @property
    def is_copy(self) -> bool:
        """Whether it came into the pool beside the kernel of its release."""
        return "@" in self.id

    @cached_property
    def config(self) -> Config:
        """Its configuration; empty when no .config is at hand."""
        return Config.read(self.config_file) if self.config_file is not None else Config({})
