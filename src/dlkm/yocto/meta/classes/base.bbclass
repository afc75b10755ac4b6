# SPDX-License-Identifier: GPL-2.0-or-later
# The tasks that every recipe has, in their order, and the questions asked of it before the first of them.
inherit logging
inherit patch

FILESPATH = "${@oe.utils.filespath(['${FILE_DIRNAME}/${BP}', '${FILE_DIRNAME}/${BPN}', '${FILE_DIRNAME}/files'], d)}"
THISDIR = "${@os.path.dirname(d.getVar('FILE', False))}"
FILESEXTRAPATHS ?= "__default:"

oe_runmake_call() {
	bbnote ${MAKE} ${EXTRA_OEMAKE} "$@"
	${MAKE} ${EXTRA_OEMAKE} "$@"
}

oe_runmake() {
	oe_runmake_call "$@" || die "oe_runmake failed"
}

oe_soinstall() {
	install -m 0755 "$1" "$2/"
}

BASE_DEFAULT_DEPS = "virtual/cross-cc virtual/compilerlibs virtual/libc"
BASEDEPENDS = "${@'' if d.getVar('INHIBIT_DEFAULT_DEPS', False) else d.getVar('BASE_DEFAULT_DEPS')}"
DEPENDS:prepend = "${BASEDEPENDS} "

addtask fetch
addtask unpack after do_fetch
addtask patch after do_unpack
addtask populate_lic after do_patch before do_build
addtask prepare_recipe_sysroot after do_fetch before do_configure
addtask configure after do_patch
addtask compile after do_configure
addtask install after do_compile
addtask populate_sysroot after do_install
addtask package after do_install
addtask packagedata before do_build after do_package
addtask build after do_populate_sysroot

do_fetch[network] = "1"
python base_do_fetch() {
    oe.sources.check_local(d)
}

do_unpack[dirs] = "${UNPACKDIR}"
python base_do_unpack() {
    oe.sources.unpack(d)
}


python do_populate_lic() {
    oe.licence.check(d)
}

python do_prepare_recipe_sysroot() {
    oe.sysroot.take_over(d)
}

do_configure[dirs] = "${B}"
base_do_configure() {
	:
}

do_compile[dirs] = "${B}"
base_do_compile() {
	if [ -e Makefile -o -e makefile -o -e GNUmakefile ]; then
		oe_runmake || die "make failed"
	else
		bbnote "nothing to compile"
	fi
}

do_install[dirs] = "${B}"
do_install[cleandirs] = "${D}"
base_do_install() {
	:
}

SYSROOT_DIRS = "${includedir} ${libdir} ${base_libdir} ${nonarch_base_libdir} ${datadir} /sysroot-only"
SYSROOT_DIRS_IGNORE = "${mandir} ${docdir} ${infodir} ${datadir}/applications ${datadir}/bash-completion"
SYSROOT_PREPROCESS_FUNCS ?= ""
do_populate_sysroot[cleandirs] = "${SYSROOT_DESTDIR}"
python do_populate_sysroot() {
    oe.sysroot.give(d)
}

sysroot_stage_dir() {
	[ -d "$1" ] || return 0
	mkdir -p "$2"
	cp -a "$1/." "$2/"
}

python do_packagedata() {
    pass
}

do_build[noexec] = "1"
do_build() {
	:
}

addtask cleansstate
addtask cleanall
addtask clean
addtask listtasks
addtask devshell after do_patch
do_clean() {
	:
}
do_cleansstate() {
	:
}
do_cleanall() {
	:
}
do_listtasks() {
	:
}
do_devshell() {
	:
}

inherit package

python () {
    oe.recipe.settle(d)
}

EXPORT_FUNCTIONS do_fetch do_unpack do_configure do_compile do_install
