# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's word for the architecture, and the tools that build for it.
export ARCH = "${@oe.kernel.arch_of(d.getVar('TARGET_ARCH'))}"
export UBOOT_ARCH = "${@oe.kernel.uboot_arch_of(d.getVar('ARCH'))}"
export OS = "${TARGET_OS}"
export CROSS_COMPILE = "${TARGET_PREFIX}"
valid_archs = "alpha arc arm arm64 blackfin csky hexagon i386 ia64 loongarch m68k microblaze mips nios2 openrisc parisc powerpc riscv s390 sh sparc um x86 x86_64 xtensa"

def map_kernel_arch(a, d):
    return oe.kernel.arch_of(a)

TARGET_CC_KERNEL_ARCH ?= ""
TARGET_LD_KERNEL_ARCH ?= ""
TARGET_AR_KERNEL_ARCH ?= ""
HOST_CC_KERNEL_ARCH ?= "${TARGET_CC_KERNEL_ARCH}"
HOST_LD_KERNEL_ARCH ?= "${TARGET_LD_KERNEL_ARCH}"
HOST_AR_KERNEL_ARCH ?= "${TARGET_AR_KERNEL_ARCH}"
HOST_OBJCOPY_KERNEL_ARCH ?= ""
HOST_STRIP_KERNEL_ARCH ?= ""
KERNEL_CC = "${CCACHE}${DLKM_KERNEL_CC}"
KERNEL_LD = "${DLKM_KERNEL_LD}"
KERNEL_AR = "${DLKM_KERNEL_TOOLS}ar"
KERNEL_OBJCOPY = "${DLKM_KERNEL_TOOLS}objcopy"
KERNEL_STRIP = "${DLKM_KERNEL_TOOLS}strip"
KERNEL_LOCALVERSION ??= ""
TOOLCHAIN ??= "gcc"

python __anonymous() {
    oe.kernel.settle_builder(d)
}
