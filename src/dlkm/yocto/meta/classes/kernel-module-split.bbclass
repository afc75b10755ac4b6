# SPDX-License-Identifier: GPL-2.0-or-later
# Each module gets a package of its own, with the files that load it at boot and that set its options.
pkg_postinst:modules () {
if [ -z "$D" ]; then
	depmod -a ${KERNEL_VERSION}
elif [ -z "$INTERCEPT_DIR" ]; then
	# an image that BitBake does not make; there it is run once for all
	depmod -a -b "$D" ${KERNEL_VERSION}
fi
}

pkg_postrm:modules () {
if [ -z "$D" ]; then
	depmod -a ${KERNEL_VERSION}
else
	depmodwrapper -a -b $D ${KERNEL_VERSION} ${KERNEL_PACKAGE_NAME}
fi
}

autoload_postinst_fragment() {
if [ x"$D" = "x" ]; then
	modprobe %s || true
fi
}

PACKAGE_WRITE_DEPS += "kmod-native depmodwrapper-cross"

modulesloaddir ??= "${@oe.kernel.conf_folder(d, 'nonarch_libdir')}/modules-load.d"
modprobedir ??= "${@oe.kernel.conf_folder(d, 'nonarch_base_libdir')}/modprobe.d"

KERNEL_SPLIT_MODULES ?= "1"
PACKAGESPLITFUNCS =+ "split_kernel_module_packages"
KERNEL_MODULES_META_PACKAGE ?= "${@d.getVar('KERNEL_PACKAGE_NAME') or 'kernel'}-modules"
KERNEL_MODULE_PACKAGE_PREFIX ?= ""
KERNEL_MODULE_PACKAGE_SUFFIX ?= "-${KERNEL_VERSION}"
KERNEL_MODULE_PROVIDE_VIRTUAL ?= "1"

python split_kernel_module_packages() {
    modules = oe.kernel.split_modules(d)  # what a recipe appends to this function finds them under this name
}
