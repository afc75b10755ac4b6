# SPDX-License-Identifier: GPL-2.0-or-later
# An out-of-tree kernel module: built by its own Makefile with the kernel's tools, installed below lib/modules/RELEASE.
inherit module-base kernel-module-split pkgconfig

EXTRA_OEMAKE += "KERNEL_SRC=${STAGING_KERNEL_DIR}"
MODULES_INSTALL_TARGET ?= "modules_install"
MODULES_MODULE_SYMVERS_LOCATION ?= ""

python __anonymous() {
    oe.kernel.settle_dependencies(d)
    words = (d.getVar('DEPENDS') or '').split()
    # Those of DLKM_SYMVERS are of drivers that are built beside the recipe, and of recipes that it does not DEPEND on.
    tables = ['${STAGING_INCDIR}/%s/Module.symvers' % word for word in words if word.startswith('kernel-module-')]
    tables += (d.getVar('DLKM_SYMVERS') or '').split()
    d.setVar('KBUILD_EXTRA_SYMBOLS', ' '.join(tables))
}

# The tools that a release passes on make's command line stand in DLKM_COMPILE_TOOLS and DLKM_INSTALL_TOOLS.
DLKM_COMPILE_ARGUMENTS = "${@oe.kernel.tool_arguments(d.getVar('DLKM_COMPILE_TOOLS'))}"
DLKM_INSTALL_ARGUMENTS = "${@oe.kernel.tool_arguments(d.getVar('DLKM_INSTALL_TOOLS'))}"
DLKM_INSTALL_EXTRA = "${@'KBUILD_EXTRA_SYMBOLS="${KBUILD_EXTRA_SYMBOLS}"' if d.getVar('DLKM_INSTALL_SYMBOLS') == '1' else ''}"

module_do_compile() {
	unset CFLAGS CPPFLAGS CXXFLAGS LDFLAGS
	oe_runmake KERNEL_PATH=${STAGING_KERNEL_DIR} KERNEL_VERSION=${KERNEL_VERSION} ${DLKM_COMPILE_ARGUMENTS} \
		O=${STAGING_KERNEL_BUILDDIR} KBUILD_EXTRA_SYMBOLS="${KBUILD_EXTRA_SYMBOLS}" ${MAKE_TARGETS}
}

module_do_install() {
	unset CFLAGS CPPFLAGS CXXFLAGS LDFLAGS
	oe_runmake DEPMOD=echo MODLIB="${D}${nonarch_base_libdir}/modules/${KERNEL_VERSION}" \
		INSTALL_FW_PATH="${D}${nonarch_base_libdir}/firmware" ${DLKM_INSTALL_ARGUMENTS} \
		O=${STAGING_KERNEL_BUILDDIR} ${DLKM_INSTALL_EXTRA} ${MODULES_INSTALL_TARGET}
	symvers="${B}/${MODULES_MODULE_SYMVERS_LOCATION}/Module.symvers"
	if [ -e "$symvers" ]; then
		install -D -m 0644 "$symvers" ${D}${includedir}/${BPN}/Module.symvers
		sed -i -e 's:${B}/::g' ${D}${includedir}/${BPN}/Module.symvers
	else
		bbwarn "there is no Module.symvers in ${B}/${MODULES_MODULE_SYMVERS_LOCATION}: MODULES_MODULE_SYMVERS_LOCATION says where below B it lies"
	fi
}

EXPORT_FUNCTIONS do_compile do_install

# The recipe's own package only pulls in those that the split makes.
KERNEL_MODULES_META_PACKAGE = "${PN}"
FILES:${PN} = ""
ALLOW_EMPTY:${PN} = "1"
