# SPDX-License-Identifier: GPL-2.0-or-later
# What do_install put into D becomes packages. The steps stand in PACKAGE_PREPROCESS_FUNCS, PACKAGESPLITFUNCS, PACKAGEFUNCS.
PACKAGE_DEPENDS ?= ""
PACKAGE_WRITE_DEPS ??= ""
PACKAGE_CLASSES ?= "package_ipk"
PACKAGE_PREPROCESS_FUNCS ?= ""
PACKAGESPLITFUNCS ?= "package_do_split_locales"
PACKAGESPLITFUNCS += "populate_packages"
PACKAGEFUNCS ?= ""
PACKAGE_DEBUG_SPLIT_STYLE ?= ""

def legitimize_package_name(s):
    return oe.package.legitimize_package_name(s)

def do_split_packages(d, root, file_regex, output_pattern, description, postinst=None, recursive=False, hook=None, extra_depends=None, aux_files_pattern=None, postrm=None, allow_dirs=False, prepend=False, match_path=False, aux_files_pattern_verbatim=None, allow_links=False, summary=None):
    return oe.package.split(d, root, file_regex, output_pattern, description, postinst=postinst, recursive=recursive, hook=hook, extra_depends=extra_depends, aux_files_pattern=aux_files_pattern, postrm=postrm, allow_dirs=allow_dirs, prepend=prepend, match_path=match_path, aux_files_pattern_verbatim=aux_files_pattern_verbatim, allow_links=allow_links, summary=summary)

do_package[cleandirs] = "${PKGDEST} ${PKGD}"
do_package[dirs] = "${D}"
python package_do_package() {
    oe.package.settle_version(d)
    oe.package.copy_installed(d)
    for function in (d.getVar('PACKAGE_PREPROCESS_FUNCS') or '').split():
        bb.build.exec_func(function, d)
    oe.package.strip_all(d)
    for function in (d.getVar('PACKAGESPLITFUNCS') or '').split():
        bb.build.exec_func(function, d)
    for function in (d.getVar('PACKAGEFUNCS') or '').split():
        bb.build.exec_func(function, d)
    oe.package.write_down(d)
}

python package_do_split_locales() {
    pass
}

python populate_packages() {
    oe.package.populate(d)
}

package_name_hook() {
	:
}

EXPORT_FUNCTIONS do_package
