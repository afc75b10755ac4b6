# SPDX-License-Identifier: GPL-2.0-or-later
# CMake in a directory apart, for the target.
OECMAKE_SOURCEPATH ??= "${S}"
OECMAKE_TARGET_COMPILE ?= "all"
OECMAKE_TARGET_INSTALL ?= "install"
OECMAKE_C_COMPILER ?= "${HOST_PREFIX}gcc"
OECMAKE_CXX_COMPILER ?= "${HOST_PREFIX}g++"
EXTRA_OECMAKE ?= ""
B = "${WORKDIR}/build"
do_configure[cleandirs] = "${@d.getVar('B') if d.getVar('B') != d.getVar('S') else ''}"

cmake_do_configure() {
	cmake -S ${OECMAKE_SOURCEPATH} -B ${B} -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=${TARGET_ARCH} \
		-DCMAKE_C_COMPILER=${OECMAKE_C_COMPILER} -DCMAKE_CXX_COMPILER=${OECMAKE_CXX_COMPILER} \
		-DCMAKE_FIND_ROOT_PATH=${STAGING_DIR_HOST} -DCMAKE_INSTALL_PREFIX:PATH=${prefix} \
		-DCMAKE_INSTALL_SYSCONFDIR:PATH=${sysconfdir} ${EXTRA_OECMAKE}
}
cmake_runcmake_build() {
	DESTDIR='${D}' cmake --build ${B} "$@"
}
cmake_do_compile() {
	cmake_runcmake_build --target ${OECMAKE_TARGET_COMPILE}
}
cmake_do_install() {
	cmake_runcmake_build --target ${OECMAKE_TARGET_INSTALL}
}
EXPORT_FUNCTIONS do_configure do_compile do_install
