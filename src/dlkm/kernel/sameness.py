# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a prepared source is that of a shipped kernel: computes from it what the shipped image states, and compares.

Symbol versions are hashes over the types that a function uses (scripts/genksyms): computed anew from source and
configuration, they are equal only when these are. A module built there must then fit the image like the kernel's own.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import DlkmError, FetchError
from dlkm.kernel.image import read_image
from dlkm.kernel.image_exports import exports_of_image
from dlkm.kernel.installed import module_files
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.symvers import KernelSymbol, Symvers
from dlkm.kernel.workbench import Workbench
from dlkm.ko.module import Module, read_module

# Small files whose exports take the types that nearly every driver uses: struct device, module, kobject, page, task.
OBJECTS = ("lib/kobject.o", "drivers/base/driver.o", "kernel/kthread.o")
PROBE = "/tmp/probe"  # noqa: S108 — inside the sandbox, where /tmp is empty
_SYMVER = re.compile(r"^#SYMVER (\S+) (0x[0-9a-f]+)$", re.MULTILINE)
_SOURCE = """#include <linux/module.h>
#include <linux/device.h>
#include <linux/slab.h>
static int __init probe_init(void) { kfree(kmalloc(8, GFP_KERNEL)); return 0; }
static void __exit probe_exit(void) { pr_info("bye\\n"); }
module_init(probe_init); module_exit(probe_exit);
MODULE_LICENSE("GPL");
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sameness:
    """What was compared: `computed` symbol versions from the source, `used` ones of a module built there."""

    computed: int
    used: int
    image: bool

    def __str__(self) -> str:
        against = "the shipped image" if self.image else "Module.symvers"
        return (
            f"{self.computed} symbol versions computed from the source, vermagic and struct module of a module built "
            f"with it ({self.used} symbols) equal those of {against}"
        )


def verify(bench: Workbench, shipped: Kernel, probe: Path) -> Sameness:
    """Compute and build; FetchError names the first thing that differs. `probe` is an empty directory."""
    exports, from_image = _shipped_exports(shipped)
    computed = dict(_computed(bench)) if shipped.config.on("MODVERSIONS") else {}
    for name, crc in computed.items():
        if name in exports and exports[name].crc != crc:
            raise FetchError(
                f"the source is not that of {shipped.release}: the version of {name} comes out as {crc:#010x}, "
                f"shipped is {exports[name].crc:#010x}"
            )
    module = _built(bench, probe)
    _compare(module, shipped, exports)
    return Sameness(computed=len(computed), used=len(module.versions or {}), image=from_image)


def _shipped_exports(shipped: Kernel) -> tuple[Mapping[str, KernelSymbol], bool]:
    if shipped.image is not None:
        try:
            return exports_of_image(read_image(shipped.image)), True
        except DlkmError:
            pass  # an image of a kind that cannot be read: the package's own list has to do
    return (Symvers.read(shipped.symvers).symbols if shipped.symvers is not None else {}), False


def _computed(bench: Workbench) -> Iterator[tuple[str, int]]:
    """Symbol versions as genksyms writes them into the command files of objects (scripts/Makefile.build)."""
    bench.make(*OBJECTS, doing="cannot compile a part of the kernel to compare it")
    for name in OBJECTS:
        path = bench.here / name
        command = path.with_name(f".{path.name}.cmd")
        for match in _SYMVER.finditer(command.read_text("utf-8", "replace") if command.is_file() else ""):
            yield match[1], int(match[2], 16)


def _built(bench: Workbench, probe: Path) -> Module:
    (probe / "probe.c").write_text(_SOURCE, "utf-8")
    (probe / "Makefile").write_text("obj-m := probe.o\n", "utf-8")
    bench.make(f"M={PROBE}", "modules", doing="cannot build a module with the source")
    return read_module(probe / "probe.ko")


def _compare(module: Module, shipped: Kernel, exports: Mapping[str, KernelSymbol]) -> None:
    sample = _own_module(shipped)
    pairs: list[tuple[str, object, object]] = [("the vermagic", module.vermagic, shipped.vermagic)]
    if sample is not None:
        pairs.append(("the size of struct module", module.struct_module_size, sample.struct_module_size))
    for name, crc in (module.versions or {}).items():
        if name in exports:
            pairs.append((f"the version of {name}", crc, exports[name].crc))
    for what, ours, theirs in pairs:
        if theirs is not None and ours != theirs:
            raise FetchError(
                f"the source is not that of {shipped.release}: {what} is {ours!r} in a module built with it, the "
                f"shipped kernel has {theirs!r}"
            )


def _own_module(shipped: Kernel) -> Module | None:
    if shipped.modules is None:
        return None
    path = next(iter(module_files(shipped.modules / "kernel")), None)
    return read_module(path) if path is not None else None
