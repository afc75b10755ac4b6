# SPDX-License-Identifier: GPL-2.0-only
"""The configuration that recipes start from: our bitbake.conf, the layers', and the classes that all inherit."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bb
import bb.data
import bb.data_smart
import bb.parse
import bb.utils

from dlkm.yocto.worker.stand_ins import lazily

# Configuration files of OpenEmbedded-Core that machines and distributions require, and whose processor they are about.
_CORE = (
    (r"conf/machine/include/arm/(?:arch-armv8|arch-arm64|armv[89]|tune-cortexa(?:3[45]|[57][0-9])).*", "arm64"),
    (r"conf/machine/include/(?:arm/.*|tune-(?:arm|cortex|xscale|ep93|strong).*)", "arm"),
    (r"conf/machine/include/(?:x86/)?(?:tune-(?:core2|i[56]86|c3)|ia32/).*", "i386"),
    (r"conf/machine/include/(?:x86/.*|tune-(?:corei|atom|x86).*|x86-base\.inc|ia32-base\.inc)", "x86_64"),
    (r"conf/machine/include/(?:riscv/.*|tune-riscv.*)", "riscv"),
    (r"conf/machine/include/(?:powerpc/.*|tune-p(?:pc|ower).*)", "powerpc"),
    (r"conf/machine/include/(?:mips|loongarch|sh|m68k|microblaze|nios2|or1k)/.*", ""),
    (r"conf/machine/include/(?:qemu|qemuboot|soc-family|tune-)[\w.-]*\.inc", ""),
    (r"conf/distro/include/[\w.+-]+\.inc|conf/distro/(?:defaultsetup|poky[\w-]*)\.conf", ""),
    (r"conf/(?:multilib|image-uefi|image-fitimage|documentation|licenses|abi_version)\.(?:conf|inc)", ""),
)
META = "/build/lib/dlkm/yocto/meta"
FALLBACK = "/build/lib/dlkm/yocto/fallback"  # classes of other layers, where those layers are not given


def configured(request: dict[str, Any], *, tracking: bool) -> Any:
    """A datastore after all configuration; raises what bb raises on a configuration that it cannot read."""
    _give_library(request["preset"])
    d = bb.data_smart.DataSmart()
    if tracking:
        d.enableTracking()
    layers = list(request.get("layers", ()))
    for name, value in request["preset"].items():
        d.setVar(name, value, op="preset", file="dlkm", line=0)
    d.setVar("BBPATH", ":".join([META, *layers, FALLBACK]), op="preset", file="dlkm", line=0)
    d.setVar("__bbclasstype", "global")
    for layer in layers:
        d = _read_layer(d, layer)
    # The layers may add to BBPATH; ours stays first, so that nobody's copy of a core class takes its place.
    d.setVar("BBPATH", ":".join(dict.fromkeys([META, *(d.getVar("BBPATH") or "").split(":"), FALLBACK])))
    d.setVar("DLKM_LOCAL_CONF", " ".join(request.get("conf", ())), op="preset", file="dlkm", line=0)
    with _core_includes():
        d = bb.parse.handle("conf/bitbake.conf", d, True)
    for name, value in request.get("forced", {}).items():
        d.setVar(name, value, op="set", file="command line", line=0)
    for name in ["base", *(d.getVar("INHERIT") or "").split()]:
        bb.parse.BBHandler.inherit(name, "configuration INHERITs", 0, d)
    d.setVar("__bbclasstype", "recipe")
    return d


@contextmanager
def _core_includes() -> Iterator[None]:
    """While configuration is read: what it requires of OpenEmbedded-Core only tells which processor it is about."""
    original = bb.parse.ConfHandler.include_single_file

    def include(parent: str, file: str, line: int, d: Any, error_out: Any) -> None:
        arch = next((arch for shape, arch in _CORE if re.fullmatch(shape, file)), None) if error_out else None
        if arch is None or bb.utils.which(d.getVar("BBPATH"), file):
            original(parent, file, line, d, error_out)
        elif arch and not d.getVar("DLKM_MACHINE_ARCH"):
            d.setVar("DLKM_MACHINE_ARCH", arch, op="set", file=parent, line=line)

    bb.parse.ConfHandler.include_single_file = include
    try:
        yield
    finally:
        bb.parse.ConfHandler.include_single_file = original


def _give_library(preset: dict[str, str]) -> None:
    """The modules of `oe`, each loaded when something of it is first used: reading a recipe needs few of them."""
    import oe

    for path in Path(oe.__path__[0]).glob("[a-z]*.py"):
        lazily(f"oe.{path.stem}")
    bb.utils.get_context()["oe"] = oe
    build = preset.get("STAGING_KERNEL_BUILDDIR")
    if build:
        import oe.utils

        oe.utils.TOLD[f"{build}/kernel-abiversion"] = preset["KERNEL_VERSION"]


def _read_layer(d: Any, layer: str) -> Any:
    conf = Path(layer) / "conf" / "layer.conf"
    if not conf.is_file():
        return d
    d.setVar("LAYERDIR", layer)
    d.setVar("LAYERDIR_RE", layer)
    d = bb.parse.handle(str(conf), d, True, True)
    d.expandVarref("LAYERDIR")
    d.expandVarref("LAYERDIR_RE")
    d.delVar("LAYERDIR")
    d.delVar("LAYERDIR_RE")
    return d
