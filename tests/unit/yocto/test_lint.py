# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule finds what it is there for, on the line where it is, and a good recipe is left in peace."""

import hashlib
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError, UsageError
from dlkm.yocto.lint import Finding, Report, Severity, lint, rule_table
from dlkm.yocto.releases import NEWEST, Release

RECIPES = Path(__file__).parents[2] / "recipes"

MAKEFILE = "obj-m := foo_bar.o\nall modules modules_install:\n\t$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) $@\n"
GOOD = """LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
inherit module
SRC_URI = "file://Makefile file://foo_bar.c"
S = "${UNPACKDIR}"
"""


def _lint(
    folder: Path, text: str, release: Release = NEWEST, *, makefile: str = MAKEFILE, name: str = "foo_1.0.bb"
) -> Report:
    (folder / "files").mkdir(parents=True, exist_ok=True)
    (folder / "files" / "Makefile").write_text(makefile)
    (folder / "files" / "foo_bar.c").write_text("// SPDX-License-Identifier: GPL-2.0-only\n")
    path = folder / name
    path.write_text(text)
    return lint(path, release)


def _rules(report: Report) -> list[tuple[str, int]]:
    return [(finding.rule, finding.line) for finding in report.findings]


def _only(report: Report) -> Finding:
    (finding,) = report.findings
    return finding


def test_a_good_recipe(tmp_path: Path) -> None:
    assert _lint(tmp_path, GOOD).findings == ()


LISTED = 'KERNEL_MODULE_PROBECONF = "foo_bar"\n'
LINE = hashlib.md5(b"// SPDX-License-Identifier: GPL-2.0-only\n", usedforsecurity=False).hexdigest()
# What is added to the good recipe (at its end, from line 6) or replaced in it → rule and line.
ADDED = [
    ('FOO = "x', "not-parsed", 6),
    ("do_compile:append() {\n    :\n", "unclosed-function", 6),
    ('RPROVIDES_${PN} += "x"', "old-override", 6),
    ("python do_x() {\n\tpass\n}", "python-tabs", 6),
    ('DEPENDS:append = "x"', "words-run-together", 6),
    ("EXTRA_OEMAKE:append:mx8 = 'A=\"b c\"'", "words-run-together", 6),
    ('DEPENDS:prepend = "x \\\n  y"', "words-run-together", 6),
    ('SRC_URI += "file://nowhere.c"', "file-missing", 6),
    ('SRC_URI += " \\\n    file://nowhere.c"', "file-missing", 7),
    ('SRC_URI += "git://h/x.git;protocol=https"\nSRCREV = "%s"' % ("0" * 40), "git-no-branch", 6),
    ('SRC_URI += "git://github.com/x.git;branch=m"\nSRCREV = "%s"' % ("0" * 40), "git-protocol", 6),
    ('SRC_URI += "git://h/x.git;branch=m"', "srcrev-missing", 6),
    ('SRC_URI += "git://h/x.git;branch=m;name=a"\nSRCREV_b = "%s"' % ("0" * 40), "srcrev-missing", 6),
    ('SRC_URI += "git://h/x.git;branch=m"\nSRCREV = "${AUTOREV}"', "srcrev-floats", 7),
    ('SRC_URI += "git://h/x.git;branch=m"\nSRCREV = "main"', "srcrev-floats", 7),
    ('SRC_URI += "https://h/x.tar.gz"', "checksum-missing", 6),
    ("do_install:append() {\n    cat ${WORKDIR}/foo_bar.c\n}", "fetched-in-workdir", 7),
    ("do_install:append() {\n    cat ${WORKDIR}/sources/foo_bar.c\n}", "unpackdir-spelled-out", 7),
    ('EXTRA_OEMAKE = "V=1"', "oemake-lost", 6),
    ('EXTRA_OEMAKE:mx8 = "V=1"', "oemake-lost", 6),
    ('KBUILD_EXTRA_SYMBOLS = "/x"', "symbols-lost", 6),
    ('KERNEL_MODULE_AUTOLOAD += "foo-bar"', "autoload-no-module", 6),
    ('KERNEL_MODULE_AUTOLOAD += "other"', "autoload-no-module", 6),
    ('module_autoload_foo_bar = "a foo_bar"', "autoload-not-listed", 6),
    ('KERNEL_MODULE_PROBECONF = "foo_bar"', "probeconf-without-conf", 6),
    ('KERNEL_MODULE_PROBECONF = "foo-bar"\nmodule_conf_foo-bar = "options x"', "probeconf-no-module", 6),
    ('module_conf_foo_bar = "options foo_bar x=1"', "conf-without-probeconf", 6),
    ('KERNEL_MODULE_PROBECONF = "foo_bar"\nmodule_conf_foo_bar = "blacklist foo_bar"', "blacklist-self", 7),
    (f'KERNEL_MODULE_AUTOLOAD = "foo_bar"\n{LISTED}module_conf_foo_bar = "blacklist foo-bar"', "blacklist-autoload", 8),
    ("do_compile() {\n    oe_runmake\n}", "compile-environment", 6),
    ("do_install() {\n    oe_runmake modules_install\n}", "install-place", 7),
    ("do_install() {\n    oe_runmake MODLIB=${D}/x modules_install\n}", "install-depmod", 7),
    ('RPROVIDES:${PN}-extra = "x"', "rprovides-no-package", 6),
    ('FILES:${PN} += "${nonarch_base_libdir}/modules/${KERNEL_VERSION}/extra"', "files-take-modules", 6),
    ('RPROVIDES:${PN} = "kernel-module-foo-bar"', "rprovides-split", 6),
    ('RDEPENDS:kernel-module-foo-bar = "x"', "split-package-name", 6),
    ('FILES:kernel-module-foo-bar:append = " /x"', "split-package-name", 6),
    ('RPROVIDES:${PN} = "kernel-module-foo_bar_driver"', "rprovides-underscore", 6),
    ('RDEPENDS:${PN} += "kernel-${KERNEL_VERSION}"', "rdepends-kernel", 6),
    ("do_install:append() {\n    install -Dm0644 x ${D}${sysconfdir}/x\n}", "not-shipped", 7),
    ("do_install:append() {\n    install -Dm0644 \\\n        x ${D}${sysconfdir}/x\n}", "not-shipped", 7),
    ('FILES:${PN} += "${nonarch_base_libdir}/udev/rules.d"', "udev-in-meta", 6),
    ('PACKAGES += "${PN}-udev"\nFILES:${PN}-udev = "/lib/udev/rules.d"', "udev-not-pulled-in", 7),
    ('LIC_FILES_CHKSUM += "file://foo_bar.c;md5=1"', "licence-checksum", 6),
    ('LIC_FILES_CHKSUM += "file://${COMMON_LICENSE_DIR}/GPL-2.0;md5=1"', "licence-no-such-text", 6),
]


@pytest.mark.parametrize(
    ("added", "rule", "line"), ADDED, ids=[f"{rule}-{at}" for at, (_, rule, _) in enumerate(ADDED)]
)
def test_a_rule(tmp_path: Path, added: str, rule: str, line: int) -> None:
    assert _rules(_lint(tmp_path, GOOD + added + "\n")) == [(rule, line)]


REPLACED = [
    ("inherit module\n", "", "inherit-missing", 1),
    ("UNPACKDIR", "WORKDIR", "source-workdir", 5),
    ("${UNPACKDIR}", "${WORKDIR}/git", "source-git", 5),
    ("${UNPACKDIR}", "${WORKDIR}/src", "source-below-workdir", 5),
    ('LICENSE = "GPL-2.0-only"\n', "", "licence-missing", 1),
    ('LICENSE = "GPL-2.0-only"', 'LICENSE = "GPLv2"', "licence-former-name", 1),
    ('LICENSE = "GPL-2.0-only"', 'LICENSE = "GPL-2.0-onyl"', "licence-unknown", 1),
    ("801f", "901f", "licence-checksum", 2),
    (GOOD.splitlines(keepends=True)[1], "", "licence-checksum-missing", 1),
]


@pytest.mark.parametrize(("old", "new", "rule", "line"), REPLACED, ids=[row[2] for row in REPLACED])
def test_a_rule_on_what_is_missing_or_wrong(tmp_path: Path, old: str, new: str, rule: str, line: int) -> None:
    assert old in GOOD
    assert _rules(_lint(tmp_path, GOOD.replace(old, new))) == [(rule, line)]


MAKEFILES = [
    ("M=$(CURDIR) $@", "M=$(CURDIR) $@\n\tdepmod -a", "makefile-depmod", 4),
    ("$(KERNEL_SRC)", "/usr/src/linux-headers-6.1", "makefile-kernel-src", 3),
    ("$(KERNEL_SRC)", "$(KDIR)", "makefile-kernel-src", 3),
    ("modules modules_install:", "modules:", "makefile-no-install", 1),
    ("obj-m", "X := $(shell uname -r)\nobj-m", "makefile-uname", 1),
    ("obj-m", "X := /usr/src/linux-headers-6.1\nobj-m", "makefile-kernel", 1),
]


@pytest.mark.parametrize(("old", "new", "rule", "line"), MAKEFILES, ids=[row[2] for row in MAKEFILES])
def test_a_rule_on_the_makefile(tmp_path: Path, old: str, new: str, rule: str, line: int) -> None:
    report = _lint(tmp_path, GOOD, makefile=MAKEFILE.replace(old, new))
    assert (rule, line) in _rules(report)
    assert {finding.file for finding in report.findings} == {str(tmp_path / "files" / "Makefile")}


@pytest.mark.parametrize(
    "added",
    [
        'EXTRA_OEMAKE += "V=1"',
        'EXTRA_OEMAKE:append:mx8 = " V=1"',
        'EXTRA_OEMAKE[doc] = "what make is told"',
        'DEPENDS:append = "\\\n  x"\nDEPENDS:append = "${@\'x\'}"\nDEPENDS:append = ""\nDEPENDS:prepend = "x "',
        'SRC_URI += "https://h/x.tar"\nSRC_URI[md5sum] = "%s"' % ("0" * 32),
        'EXTRA_OEMAKE = "KDIR=${STAGING_KERNEL_DIR}"',
        'KERNEL_MODULE_AUTOLOAD += "foo_bar"',
        "KERNEL_MODULE_AUTOLOAD += \"${@'a b' if 1 > 0 else ''}\"",
        'KERNEL_MODULE_PROBECONF += "foo_bar"\nmodule_conf_foo_bar = "options foo_bar x=1"',
        "SRC_URI += \"${@bb.utils.contains('A', 'b', 'file://c.patch', '', d)}\"",
        "require is-not-there.inc",
        'do_install:append() {\n    install -d ${D}/etc\n    install x ${D}/etc/x\n}\nFILES:${PN} += "/etc/*"',
        'do_install:append() {\n    install x ${D}/lib/other.d\n}\nFILES:${PN}-dev += "/lib/other.d/*.r"',
        'RDEPENDS:kernel-module-foo-bar-${KERNEL_VERSION} = "x"',
        'RDEPENDS:kernel-module-foo-bar = "x"\nKERNEL_MODULE_PACKAGE_SUFFIX = ""',
        'PACKAGES =+ "${PN}-x"\nRDEPENDS:${PN}-x = "y"',
        'KERNEL_SPLIT_MODULES = "0"\nFILES:${PN} += "${nonarch_base_libdir}/modules"',
        'PACKAGE_BEFORE_PN = "${PN}-x"\nFILES:${PN}-x = "/y"',
        "do_install() {\n    oe_runmake MODLIB=${D}/x DEPMOD=: modules_install\n}",
        "python () {\n    d.setVar('X', 'a_append')\n}",
        "export FOO\nunset BAR\naddtask x after do_y\ninherit pkgconfig systemd",
        f'LIC_FILES_CHKSUM += "file://foo_bar.c;md5={LINE}"',
    ],
)
def test_nothing_is_found_where_nothing_is(tmp_path: Path, added: str) -> None:
    assert _lint(tmp_path, GOOD + added + "\n").findings == ()


def test_a_goal_that_is_not_made_may_run_depmod(tmp_path: Path) -> None:
    makefile = MAKEFILE + "install:\n\tdepmod -a\n"
    assert _rules(_lint(tmp_path, GOOD, makefile=makefile)) == [("makefile-depmod-elsewhere", 5)]
    conf = MAKEFILE + "install:\n\tinstall -D depmod.conf /etc/depmod.d/x.conf\n"
    assert _lint(tmp_path, GOOD, makefile=conf).findings == ()
    chosen = GOOD + 'MODULES_INSTALL_TARGET = "modules_install"\n'
    assert _lint(tmp_path, chosen, makefile=makefile).findings == ()
    further = makefile.replace("\ninstall:", "\nmodules_install: last\nlast:")
    assert ("makefile-depmod", 6) in _rules(_lint(tmp_path, chosen, makefile=further))


def test_the_release_decides(tmp_path: Path) -> None:
    old = GOOD.replace("UNPACKDIR", "WORKDIR") + "do_install:append() {\n    cat ${WORKDIR}/foo_bar.c\n}\n"
    assert _lint(tmp_path, old, Release.SCARTHGAP).clean
    assert not _lint(tmp_path, old, Release.STYHEAD).clean
    git = 'LICENSE = "CLOSED"\ninherit module\nSRC_URI = "git://h/x;branch=m"\nSRCREV = "%s"\n' % ("0" * 40)
    assert _lint(tmp_path, git + 'S = "${WORKDIR}/git"\n', Release.WALNASCAR).clean
    assert not _lint(tmp_path, git + 'S = "${WORKDIR}/git"\n', Release.WHINLATTER).clean
    unsplit = GOOD + 'KERNEL_SPLIT_MODULES = "0"\nKERNEL_MODULE_AUTOLOAD = "foo_bar"\n'
    assert _rules(_lint(tmp_path, unsplit, Release.WALNASCAR)) == [("split-loses-conf", 6)]
    assert _lint(tmp_path, unsplit, Release.WHINLATTER).findings == ()


def test_a_dash_where_the_files_are_not_known(tmp_path: Path) -> None:
    git = 'LICENSE = "CLOSED"\ninherit module\nSRC_URI = "git://h/x;branch=m"\nSRCREV = "%s"\n' % ("0" * 40)
    report = _lint(tmp_path, git + 'KERNEL_MODULE_AUTOLOAD = "foo-bar foo_bar"\n')
    assert _rules(report) == [("autoload-dash", 5)]
    assert report.clean


def test_neighbours_whose_symbols_are_used(tmp_path: Path) -> None:
    for name in ("other_1.0.bb", "kernel-module-good_1.0.bb", "plain_1.0.bb"):
        (tmp_path / name).write_text("inherit module\n" if name != "plain_1.0.bb" else "inherit cmake\n")
    report = _lint(tmp_path, GOOD + 'DEPENDS = "other kernel-module-other kernel-module-good plain"\n')
    assert [finding.rule for finding in report.findings] == ["symbols-provider-name", "symbols-provider-path"]


def test_what_an_include_says_counts(tmp_path: Path) -> None:
    (tmp_path / "foo.inc").write_text(GOOD)
    assert _lint(tmp_path, 'require ${PN}.inc\nKERNEL_MODULE_AUTOLOAD = "foo_bar"\n').findings == ()
    assert _lint(tmp_path, "require ${PN}.inc\n", name="foo_1.0.bb").findings == ()


def test_the_right_checksum_is_told(tmp_path: Path) -> None:
    missing = GOOD.replace(GOOD.splitlines(keepends=True)[1], "")
    assert "GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6" in _only(_lint(tmp_path, missing)).hint
    own = _lint(tmp_path, GOOD + 'LIC_FILES_CHKSUM += "file://foo_bar.c;beginline=1;endline=1;md5=0"\n')
    assert _only(own).hint.endswith("md5=fcab174c20ea2e2bc0be64b493708266")


@pytest.mark.parametrize("data", [b"\0", b"\xff\xfe", b"A = 1\0"])
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.bb"
    path.write_bytes(data)
    with pytest.raises(MalformedError):
        lint(path, NEWEST)


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        lint(tmp_path / "x.bb", NEWEST)
    (tmp_path / "y.bb").mkdir()
    with pytest.raises(UsageError):
        lint(tmp_path / "y.bb", NEWEST)


def test_values_cannot_grow_without_bound(tmp_path: Path) -> None:
    doubled = "".join(f'V{number} = "${{V{number + 1}}}${{V{number + 1}}}"\n' for number in range(60))
    _lint(tmp_path, GOOD + doubled + 'V60 = "x"\nKERNEL_MODULE_AUTOLOAD = "${V0}"\nE = "${E}${E}"\nDEPENDS = "${E}"\n')


def test_thousands_of_mistakes_are_not_all_told(tmp_path: Path) -> None:
    many = 'SRC_URI += "file://nowhere git://h/x"\n' * 5000 + 'S = "${WORKDIR}/x"\n' * 5000
    assert 300 < len(_lint(tmp_path, GOOD + many).findings) < 2000


def test_every_rule_has_words_and_a_test() -> None:
    tested = {row[1] for row in ADDED} | {row[2] for row in (*REPLACED, *MAKEFILES)}
    tested |= {"split-loses-conf", "symbols-provider-name", "symbols-provider-path", "makefile-depmod-elsewhere"}
    assert set(rule_table()) - tested == {"autoload-dash"}
    assert all(Severity(words["severity"]) and words["message"] and words["hint"] for words in rule_table().values())


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.bb")), ids=lambda path: path.stem)
def test_recipes_that_build_have_no_errors(path: Path) -> None:
    old = path.parent.parent.name == "recipes-old" or path.stem == "wlan-git_git"
    wrong = {
        "hello_1.0": {"source-workdir", "old-override"},
        "old-style_1.0": {"old-override", "file-missing"},
        "touch-misnamed_0.3": {"autoload-no-module"},
        "overridden_1.0": {"autoload-no-module"},
        "dual-tiny_1.0": {"licence-checksum"},
    }.get(path.stem, set())
    report = lint(path, Release.SCARTHGAP if old else NEWEST)
    assert {finding.rule for finding in report.findings if finding.severity is Severity.ERROR} == wrong
