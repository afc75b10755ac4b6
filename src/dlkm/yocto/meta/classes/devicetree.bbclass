# SPDX-License-Identifier: GPL-2.0-or-later
# Device trees and overlays of a board, compiled with the kernel's includes.
inherit kernel-arch
DT_FILES_PATH ?= "${S}"
DT_INCLUDE ?= "${DT_FILES_PATH} ${KERNEL_INCLUDE}"
KERNEL_INCLUDE ?= "${STAGING_KERNEL_DIR}/arch/${ARCH}/boot/dts ${STAGING_KERNEL_DIR}/scripts/dtc/include-prefixes ${STAGING_KERNEL_DIR}/include"
DTC_FLAGS ?= "-R 8 -b 0"
DTC_PPFLAGS ?= "-nostdinc -undef -D__DTS__ -x assembler-with-cpp"
DTC_OFLAGS ?= "-@ -H epapr"
PACKAGE_ARCH = "${MACHINE_ARCH}"
COMPATIBLE_MACHINE ?= ".*"
FILES:${PN} = "/boot/devicetree/*.dtb /boot/devicetree/*.dtbo"

devicetree_do_compile() {
	for source in ${DT_FILES_PATH}/*.dts ${DT_FILES_PATH}/*.dtso; do
		[ -e "$source" ] || continue
		case $source in *.dtso) kind=dtbo ;; *) kind=dtb ;; esac
		grep -q '/plugin/;' "$source" && kind=dtbo
		name=$(basename "$source"); name=${name%.*}
		includes=""; searched=""
		for folder in ${DT_INCLUDE}; do includes="$includes -I$folder"; searched="$searched -i $folder"; done
		${CPP} ${DTC_PPFLAGS} $includes -o ${B}/$name.pp "$source"
		dtc ${DTC_FLAGS} ${DTC_OFLAGS} $searched -I dts -O dtb -o ${B}/$name.$kind ${B}/$name.pp
	done
}

devicetree_do_install() {
	for file in ${B}/*.dtb ${B}/*.dtbo; do
		[ -e "$file" ] || continue
		install -D -m 0644 "$file" ${D}/boot/devicetree/$(basename "$file")
	done
}
EXPORT_FUNCTIONS do_compile do_install
