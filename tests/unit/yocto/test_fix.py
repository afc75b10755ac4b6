# SPDX-License-Identifier: GPL-2.0-or-later
"""What is safe is mended, everything else stays byte for byte, and a second time there is nothing to do."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlkm.yocto.fix import mend
from dlkm.yocto.lint import lint
from dlkm.yocto.releases import NEWEST, Release

RECIPES = Path(__file__).parents[2] / "recipes"

BEFORE = """# kept:   as it is, SRC_URI_append\t
LICENSE = "GPLv2 & GPL-2.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0;md5=0123456789abcdef0123456789abcdef"
inherit module
SRC_URI = "file://Makefile  \\
    file://foo_bar.c \\
    git://github.com/a/b.git;branch=main"
SRCREV = "0000000000000000000000000000000000000000"
S = "${WORKDIR}"
EXTRA_OEMAKE = "V=1"
KERNEL_MODULE_AUTOLOAD += "foo-bar  foo-bar-baz"
FILES_${PN} += "${sysconfdir}"
do_install_append() {
    install -Dm0644 ${WORKDIR}/foo_bar.c ${D}${sysconfdir}/foo_bar.c   # ${WORKDIR}/foo_bar.c
}
"""

AFTER = """# kept:   as it is, SRC_URI_append\t
LICENSE = "GPL-2.0-only & GPL-2.0-only"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"
inherit module
SRC_URI = "file://Makefile  \\
    file://foo_bar.c \\
    git://github.com/a/b.git;protocol=https;branch=main"
SRCREV = "0000000000000000000000000000000000000000"
S = "${UNPACKDIR}"
EXTRA_OEMAKE += "V=1"
KERNEL_MODULE_AUTOLOAD += "foo-bar  foo-bar-baz"
FILES:${PN} += "${sysconfdir}"
do_install:append() {
    install -Dm0644 ${UNPACKDIR}/foo_bar.c ${D}${sysconfdir}/foo_bar.c   # ${UNPACKDIR}/foo_bar.c
}
"""


def _mended(folder: Path, text: str, release: Release = NEWEST) -> str:
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files" / "Makefile").write_text("obj-m := foo_bar.o\n")
    (folder / "files" / "foo_bar.c").touch()
    path = folder / "foo_1.0.bb"
    path.write_bytes(text.encode())
    return mend(path, release).after


def test_all_that_is_safe(tmp_path: Path) -> None:
    assert _mended(tmp_path, BEFORE) == AFTER
    assert _mended(tmp_path, AFTER) == AFTER


def test_a_name_is_mended_where_the_file_is_known(tmp_path: Path) -> None:
    text = 'inherit module\nSRC_URI = "file://Makefile"\nKERNEL_MODULE_AUTOLOAD = "foo-bar-baz foo-bar"\n'
    assert _mended(tmp_path, text) == text.replace(' foo-bar"', ' foo_bar"')


def test_the_directory_that_git_no_longer_has_goes(tmp_path: Path) -> None:
    text = 'inherit module\nSRC_URI = "git://h/a;branch=b"\nS = "${WORKDIR}/git"\n# end'
    assert _mended(tmp_path, text) == 'inherit module\nSRC_URI = "git://h/a;branch=b"\n# end'
    assert _mended(tmp_path, text, Release.WALNASCAR) == text
    named = text.replace("branch=b", "branch=b;destsuffix=git")
    assert _mended(tmp_path, named) == named


@pytest.mark.parametrize(
    ("extra", "old", "new"),
    [
        ("", "${WORKDIR}/git/driver", "${UNPACKDIR}/${BP}/driver"),
        (";destsuffix=git", "${WORKDIR}/git/driver", "${UNPACKDIR}/git/driver"),
        ("", "${WORKDIR}/src", "${UNPACKDIR}/src"),
        ("", "${WORKDIR}/${BPN}-${PV}", "${UNPACKDIR}/${BPN}-${PV}"),
        ("", "${WORKDIR}/sources/x", "${WORKDIR}/sources/x"),
    ],
)
def test_where_sources_are_today(tmp_path: Path, extra: str, old: str, new: str) -> None:
    text = f'inherit module\nSRC_URI = "git://h/a;branch=b{extra}"\nS = "{old}"\n'
    assert _mended(tmp_path, text) == text.replace(old, new)
    assert _mended(tmp_path, text, Release.WALNASCAR) == text


def test_line_ends_and_the_last_line_stay(tmp_path: Path) -> None:
    text = 'inherit module\r\nS = "${WORKDIR}"\r\nA_append = "x"'
    assert _mended(tmp_path, text) == 'inherit module\r\nS = "${UNPACKDIR}"\r\nA:append = "x"'


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.bb")), ids=lambda path: path.stem)
def test_a_second_time_there_is_nothing_to_do(path: Path, tmp_path: Path) -> None:
    for release in (Release.KIRKSTONE, NEWEST):
        once = mend(path, release).after
        again = path.with_name(path.name)
        assert mend(again, release).after == once
        copy = tmp_path / path.name
        copy.write_text(once)
        assert not mend(copy, release).changed or "file-missing" in {one.rule for one in lint(copy, release).findings}


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*BEFORE.splitlines(), "}", '"', "\\", "\r", 'S = "${WORKDIR}/git"']), max_size=12))
def test_any_lines_are_mended_once_and_for_all(tmp_path: Path, lines: list[str]) -> None:
    once = _mended(tmp_path, "\n".join(lines))
    assert _mended(tmp_path, once) == once


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('DEPENDS:append = "x \\\n   y"\n', 'DEPENDS:append = " x \\\n   y"\n'),
        ("EXTRA_OEMAKE:append = 'A=\"b c\"'\n", "EXTRA_OEMAKE:append = ' A=\"b c\"'\n"),
        ('DEPENDS:prepend = "x"\n', 'DEPENDS:prepend = "x "\n'),
        (
            'RDEPENDS:kernel-module-foo-bar = "x"\n',
            'RDEPENDS:kernel-module-foo-bar-${KERNEL_VERSION} = "x"\n',
        ),
        ('module_conf_a = "options a"\n', 'KERNEL_MODULE_PROBECONF += "a"\nmodule_conf_a = "options a"\n'),
        (
            'KERNEL_MODULE_PROBECONF = "foo-bar"\nmodule_conf_foo-bar = "options foo_bar x=1"\n',
            'KERNEL_MODULE_PROBECONF = "foo_bar"\nmodule_conf_foo_bar = "options foo_bar x=1"\n',
        ),
    ],
)
def test_further_changes(tmp_path: Path, old: str, new: str) -> None:
    head = 'LICENSE = "CLOSED"\ninherit module\nSRC_URI = "file://Makefile"\nS = "${UNPACKDIR}"\n'
    (tmp_path / "files").mkdir()
    goals = "obj-m := foo_bar.o\nall modules modules_install:\n\t$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) $@\n"
    (tmp_path / "files" / "Makefile").write_text(goals)
    path = tmp_path / "foo_1.0.bb"
    path.write_text(head + old)
    mended = mend(path, NEWEST)
    assert mended.after == head + new
    path.write_text(mended.after)
    assert mend(path, NEWEST).after == mended.after


def test_a_licence_checksum_is_added_where_it_is_certain(tmp_path: Path) -> None:
    path = tmp_path / "foo_1.0.bb"
    text = 'SUMMARY = "x"\nLICENSE = "{}"\ninherit module\nSRC_URI = "git://h/x;branch=m"\nSRCREV = "{}"\n'
    path.write_text(text.format("GPLv2", "0" * 40))
    line = 'LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"\n'
    wanted = text.format("GPL-2.0-only", "0" * 40).replace("inherit", f"{line}inherit")
    assert mend(path, NEWEST).after == wanted
    path.write_text(text.format("GPL-2.0-only & MIT", "0" * 40))
    assert not mend(path, NEWEST).changed
