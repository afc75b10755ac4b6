# SPDX-License-Identifier: GPL-2.0-or-later
"""The variables that stand before a recipe's first line: what kernel, compiler and user decide. Only values."""

from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.core.arch import Arch, host_arch
from dlkm.core.files import cache_home
from dlkm.yocto.options import RecipeOptions

if TYPE_CHECKING:
    from dlkm.build.kerneltree import KernelTree
    from dlkm.kernel.compiler import Compiler
    from dlkm.kernel.kernel import Kernel

WORK = "/build/driver"  # where a build's scratch directory is seen
# The machine of OpenEmbedded-Core that runs such a kernel.
_MACHINES = {
    "x86_64": "qemux86-64",
    "i386": "qemux86",
    "arm64": "qemuarm64",
    "arm": "qemuarm",
    "riscv": "qemuriscv64",
    "powerpc": "qemuppc64",
    "s390": "qemus390x",
}
SYSROOTS = "/build/sysroots"  # where the results of other recipes are seen
SYMVERS = "/build/symvers"  # where the symbols of others are seen that a recipe does not DEPEND on


def downloads() -> Path:
    """Where sources are kept, for all recipes and builds: at the same place outside and inside, as links lead there."""
    return cache_home() / "downloads"


def preset(
    options: RecipeOptions, kernel: "Kernel | None", tree: "KernelTree | None", compiler: "Compiler | None"
) -> dict[str, str]:
    """Everything that holds before any file is read. Without a kernel what belongs to it stays unset."""
    arch = kernel.arch if kernel is not None else host_arch()
    values = {
        "DLKM_HOST_ARCH": arch.name,
        "DLKM_DEFAULT_MACHINE": _MACHINES[arch.name],
        "DLKM_RELEASE": options.release.value,
        "TOPDIR": WORK,
        "DL_DIR": str(downloads()),
        "PARALLEL_MAKE": f"-j {options.jobs}",
        "BB_NUMBER_THREADS": str(options.jobs),
    }
    if options.machine:
        values["DLKM_MACHINE"] = options.machine
    if options.distro:
        values["DLKM_DISTRO"] = options.distro
    return values | _of_kernel(kernel, tree) | _of_tools(arch, compiler)


def _of_kernel(kernel: "Kernel | None", tree: "KernelTree | None") -> dict[str, str]:
    if kernel is None or tree is None:
        return {"KERNEL_VERSION": ""}  # as in Yocto before its kernel is built
    return {
        "DLKM_ARCH": kernel.arch.name,
        "KERNEL_VERSION": kernel.release,
        "KERNELRELEASE": kernel.release,
        "STAGING_KERNEL_DIR": tree.source if kernel.source is not None else tree.directory,
        "STAGING_KERNEL_BUILDDIR": tree.directory,
    }


def _of_tools(arch: Arch, compiler: "Compiler | None") -> dict[str, str]:
    """Always tools with a prefix, as in Yocto; the sandbox has them under these names."""
    prefix = f"{arch.triplet}-"
    clang = compiler is not None and compiler.family == "clang"
    linker, tools = ("ld.lld", "llvm-") if clang else (f"{prefix}ld", prefix)
    return {
        "TARGET_PREFIX": prefix,
        "DLKM_KERNEL_CC": compiler.path.name if compiler is not None and clang else f"{prefix}gcc",
        "DLKM_KERNEL_LD": linker,
        "DLKM_KERNEL_TOOLS": tools,
    }
