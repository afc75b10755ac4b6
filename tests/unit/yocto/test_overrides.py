# SPDX-License-Identifier: GPL-2.0-or-later
"""The override syntax before Yocto 3.4 becomes today's; whatever only looks like it stays.

The expected spellings are those of the migration guide of release 3.4 and of BitBake's manual, "Conditional Syntax".
"""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlkm.yocto.overrides import modern_name, translate

RENAMED = {
    "SRC_URI_append": "SRC_URI:append",
    "SRC_URI_append_arm": "SRC_URI:append:arm",
    "SRC_URI_append_my-machine": "SRC_URI:append:my-machine",
    "SRC_URI_append_${MACHINE}": "SRC_URI:append:${MACHINE}",
    "SRC_URI_arm_append": "SRC_URI:arm:append",
    "SRC_URI_append_class-target_arm": "SRC_URI:append:class-target:arm",
    "SRC_URI_mymachine": "SRC_URI:mymachine",
    "COMPATIBLE_MACHINE_mx8mp": "COMPATIBLE_MACHINE:mx8mp",
    "EXTRA_OEMAKE_remove": "EXTRA_OEMAKE:remove",
    "EXTRA_OEMAKE_class-target": "EXTRA_OEMAKE:class-target",
    "EXTRA_OEMAKE_append_task-compile": "EXTRA_OEMAKE:append:task-compile",
    "FOO_pn-hello": "FOO:pn-hello",
    "MY_OWN_aarch64": "MY_OWN:aarch64",
    "FILES_${PN}": "FILES:${PN}",
    "FILES_${PN}-dev": "FILES:${PN}-dev",
    "FILES_${PN}-dev_append_arm": "FILES:${PN}-dev:append:arm",
    "FILES_append_${PN}": "FILES:append:${PN}",
    "RDEPENDS_${PN}_class-target": "RDEPENDS:${PN}:class-target",
    "RDEPENDS_${PN}_mymachine": "RDEPENDS:${PN}:mymachine",
    "RDEPENDS_kernel-module-x": "RDEPENDS:kernel-module-x",
    "RPROVIDES_kernel-module-my_x": "RPROVIDES:kernel-module-my_x",
    "RPROVIDES_${PN}": "RPROVIDES:${PN}",
    "RRECOMMENDS_${PN}_remove": "RRECOMMENDS:${PN}:remove",
    "SYSTEMD_SERVICE_${PN}": "SYSTEMD_SERVICE:${PN}",
    "SYSTEMD_AUTO_ENABLE_${PN}": "SYSTEMD_AUTO_ENABLE:${PN}",
    "LICENSE_${PN}-firmware": "LICENSE:${PN}-firmware",
    "KERNEL_MODULE_AUTOLOAD_append": "KERNEL_MODULE_AUTOLOAD:append",
    "KERNEL_MODULE_PROBECONF_rpi": "KERNEL_MODULE_PROBECONF:rpi",
    "module_conf_foo_append": "module_conf_foo:append",
    "SRCREV_pn-hello": "SRCREV:pn-hello",
    "SRCREV_machine_qemuarm": "SRCREV_machine:qemuarm",
    "FILES:${PN}_append": "FILES:${PN}:append",
    "FILES_kernel-module-x-${KERNEL_VERSION}": "FILES:kernel-module-x-${KERNEL_VERSION}",
    "INSANE_SKIP_${PN}_append": "INSANE_SKIP:${PN}:append",
    "pkg_postinst_${PN}_class-target": "pkg_postinst:${PN}:class-target",
    "S_class-devupstream": "S:class-devupstream",
    "do_install_append": "do_install:append",
    "do_install_prepend_mx6": "do_install:prepend:mx6",
    "do_compile_class-native": "do_compile:class-native",
    "pkg_postinst_${PN}": "pkg_postinst:${PN}",
    "pkg_postinst_ontarget_${PN}": "pkg_postinst_ontarget:${PN}",
    "pkg_postinst_${PN}_append": "pkg_postinst:${PN}:append",
    "populate_packages_prepend": "populate_packages:prepend",
}

PLAIN = [
    "SRC_URI",
    "KERNEL_MODULE_AUTOLOAD",
    "KERNEL_MODULE_PACKAGE_PREFIX",
    "MACHINE_FEATURES",
    "SRCREV_FORMAT",
    "SRCREV_driver",
    "EXTRA_OEMAKE",
    "module_conf_x",
    "module_conf_my_driver_arm",
    "module_autoload_x",
    "do_install",
    "do_compile_kernelmodules",
    "do_configure",
    "pkg_postinst_ontarget",
    "FOO_append_BAR",
    "FOO_appendix",
    "MY_VALUE_of_mine",
    "LICENSE_FLAGS",
    "FILES_SOLIBSDEV",
    "PREFERRED_PROVIDER_virtual/kernel",
    "nonarch_base_libdir",
    "ALTERNATIVE_PRIORITY_arm",
    "SRC_URI:append:arm",
    "FILES:${PN}-dev",
    "do_install:append",
]


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_name_in_the_old_syntax(old: str, new: str) -> None:
    assert modern_name(old) == new
    assert modern_name(new) == new


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_that_only_looks_like_it(name: str) -> None:
    assert modern_name(name) == name
    assert translate(f'{name} = "x"\n', "x.bb") == (f'{name} = "x"\n', ())


def test_statements_of_every_kind_and_their_lines() -> None:
    text = (
        'SRC_URI_append = " \\\n    file://a_append.patch \\\n"\n'
        "# SRC_URI_append in a comment\n"
        "do_install_append() {\n    echo FILES_${PN} SRC_URI_append\n}\n"
        "python do_x_append () {\n    d.setVar('EXTRA_OEMAKE_append', ' -j1')\n    d.getVar('RDEPENDS_' + pn)\n}\n"
        "def list_append(d):\n    return d.getVar('FILES_%s' % 'x')\n"
        'export FOO_append = "${FILES_${PN}}"\n'
        'SRC_URI[sha256sum] = "0"\ndo_compile_append[vardeps] = "A_append"\n'
    )
    modern, notices = translate(text, "x.bb")
    assert modern == (
        'SRC_URI:append = " \\\n    file://a_append.patch \\\n"\n'
        "# SRC_URI_append in a comment\n"
        "do_install:append() {\n    echo FILES_${PN} SRC_URI_append\n}\n"
        "python do_x:append () {\n    d.setVar('EXTRA_OEMAKE:append', ' -j1')\n    d.getVar('RDEPENDS:' + pn)\n}\n"
        "def list_append(d):\n    return d.getVar('FILES:%s' % 'x')\n"
        'export FOO:append = "${FILES:${PN}}"\n'
        'SRC_URI[sha256sum] = "0"\ndo_compile:append[vardeps] = "A_append"\n'
    )
    assert [notice.line for notice in notices] == [1, 5, 8, 9, 10, 13, 14, 14, 16]
    assert (notices[0].old, notices[0].new) == ("SRC_URI_append", "SRC_URI:append")
    assert notices[0].message.startswith("x.bb:1: SRC_URI_append ")


def test_a_name_that_the_recipe_refers_to_is_a_plain_one() -> None:
    for use in ('A = "${SRC_URI_extra}"', "A = \"${@d.getVar('SRC_URI_extra')}\"", 'A = "${SRC_URI_arm}"'):
        for name in ("SRC_URI_extra", "SRC_URI_arm"):
            text = f'{name} = "x"\n{use}\n'
            assert (translate(text, "x.bb")[0] == text) == (name in use)


def test_a_named_source_is_no_override() -> None:
    text = 'SRC_URI = "git://h/a.git;name=arm;branch=b"\nSRCREV_arm = "0"\n'
    assert translate(text, "x.bb") == (text, ())


def test_a_task_that_is_ordered_by_its_name_is_no_override() -> None:
    text = "do_install_arm() {\n    :\n}\naddtask do_install_arm after do_install\n"
    assert translate(text, "x.bb") == (text, ())


def test_text_in_todays_syntax_keeps_what_may_be_plain() -> None:
    text = 'FILES:${PN} += "/x"\nSRC_URI_extra = "file://x"\n'
    assert translate(text, "x.bb") == (text, ())
    assert translate('FILES_${PN} += "/x"\n' + text, "x.bb")[0] == 'FILES:${PN} += "/x"\n' + text


def test_what_is_no_name_takes_no_time() -> None:
    for text in ("A_" * 500_000 + ' = "x"\n', "python x() {\n d.getVar('" + "A_" * 500_000 + "')\n}\n"):
        assert translate(text, "x.bb") == (text, ())


def test_line_ends_stay() -> None:
    assert translate('A_append = "x"\r\n\r\nB = "y"', "x.bb")[0] == 'A:append = "x"\r\n\r\nB = "y"'


_PIECES = st.sampled_from(
    ["_append", "FILES_${PN}", "SRC_URI", "_", "${", "}", "() {\n", "\n}\n", ' = "', '"\n', "\\\n", "d.getVar('", "')"]
) | st.sampled_from(
    ["python ", "def f():\n", "    ", "# ", "arm", ":", "[flag]", " += '", "'\n", "unset ", "\r", "\0", "é"]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(_PIECES, max_size=30).map("".join)))
@example("FILES_")
@example("_append = 'x'")
def test_any_text_keeps_its_lines_and_settles_at_once(text: str) -> None:
    modern, notices = translate(text, "x.bb")
    assert modern.count("\n") == text.count("\n")
    assert all(1 <= notice.line <= text.count("\n") + 1 for notice in notices)
    assert translate(modern, "x.bb") == (modern, ())
    assert (modern == text) == (not notices)


_NEW_NAMES = st.lists(st.sampled_from(["append", "prepend", "remove", "arm", "${PN}", "class-target"]), max_size=3).map(
    lambda overrides: ":".join(["VALUE", *overrides])
)


@settings(deadline=None)
@given(st.lists(st.tuples(_NEW_NAMES, st.text("abc _${}:", max_size=9)), min_size=1, max_size=9))
def test_todays_syntax_is_left_alone(lines: list[tuple[str, str]]) -> None:
    text = "".join(f'{name} = "{value}"\n' for name, value in lines)
    assert translate(text, "x.bb") == (text, ())
