# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel that dlkm was given stands where Yocto has its own; a module's package belongs to the machine.
inherit kernel-arch

STAGING_KERNEL_DIR ??= "${TMPDIR}/work-shared/${MACHINE}/kernel-source"
STAGING_KERNEL_BUILDDIR ??= "${TMPDIR}/work-shared/${MACHINE}/kernel-build-artifacts"
export KBUILD_OUTPUT = "${STAGING_KERNEL_BUILDDIR}"
export KERNEL_VERSION
export LOCALVERSION ?= "${KERNEL_LOCALVERSION}"
KERNEL_OBJECT_SUFFIX ?= ".ko"
PACKAGE_ARCH = "${MACHINE_ARCH}"
do_configure[depends] += "make-mod-scripts:do_compile"
