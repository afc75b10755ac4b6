# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and versions: what each format takes, and in which order versions come."""

import pytest

from dlkm.core.errors import UsageError
from dlkm.package.names import (
    Format,
    Version,
    check_epoch,
    check_name,
    legitimised,
    module_package,
    order,
    package_name,
    upstream_version,
)


def test_modules_are_called_as_in_yocto() -> None:
    assert legitimised("Foo_Bar@1,2/x") == "foo-bar+1+2-x"
    assert module_package("msm_kgsl", "6.6.54-Q_1") == "kernel-module-msm-kgsl-6.6.54-Q_1"


@pytest.mark.parametrize(
    ("name", "deb", "ipk", "rpm"),
    [
        ("kernel-module-x-6.12.117+deb12-amd64",) * 4,
        ("a-6.6.54-Q_1", "a-6.6.54-q-1", "a-6.6.54-Q_1", "a-6.6.54-Q_1"),
        ("a-6.13~rc1", "a-6.13-rc1", "a-6.13~rc1", "a-6.13-rc1"),
        ("a b/c$(id)", "a-b-c--id-", "a-b-c--id-", "a-b-c--id-"),
        ("-+.x", "x", "x", "x"),
        ("", "package", "package", "package"),
    ],
)
def test_names(name: str, deb: str, ipk: str, rpm: str) -> None:
    assert [package_name(name, form) for form in Format] == [deb, ipk, rpm]


@pytest.mark.parametrize(
    ("text", "deb", "ipk", "rpm"),
    [
        ("1.0-r0", "1.0-r0", "1.0-r0", "1.0-r0"),
        ("2:1.0+git0+abc-r0.1", "2:1.0+git0+abc-r0.1", "2:1.0+git0+abc-r0.1", "2:1.0+git0+abc-r0.1"),
        ("1.0-rc1-r0", "1.0-rc1-r0", "1.0-rc1-r0", "1.0+rc1-r0"),
        ("0:1.0-1", "1.0-1", "1.0-1", "1.0-1"),
        ("1_2-r_1", "1.2-r.1", "1_2-r_1", "1_2-r_1"),
        ("next-1", "0.next-1", "0.next-1", "0.next-1"),
        ("1.0", "1.0", "1.0", "1.0"),
        ("", "0", "0", "0"),
    ],
)
def test_versions(text: str, deb: str, ipk: str, rpm: str) -> None:
    assert [str(Version.parse(text, form)) for form in Format] == [deb, ipk, rpm]


@pytest.mark.parametrize(
    ("stated", "version"),
    [
        ("v5.6.4.2_35491.20191025 (beta)", "5.6.4.2.35491.20191025.beta"),
        ("1.0-rc1", "1.0.rc1"),
        ("$Revision: 1.7 $", "0.Revision.1.7"),
        ("V2", "2"),
        ("\u00e4", "0"),
    ],
)
def test_a_drivers_own_version(stated: str, version: str) -> None:
    assert upstream_version(stated) == version


def test_the_order_of_versions_is_dpkgs() -> None:
    ordered = [
        *("1.0~~", "1.0~~a", "1.0~", "1.0", "1.0a", "1.0+b", "1.0.1", "1.2", "1.10", "6.1.0-9", "6.1.0-56"),
        *("6.12.9", "6.12.117+deb12", "6.13-rc2", "6.13-rc10", "6.13"),
    ]
    shuffled = [*ordered[1::2], *ordered[::2]]
    assert sorted(shuffled, key=order) == ordered


def test_what_a_user_may_call_them() -> None:
    assert [check_name("hello-modules"), check_name(""), check_epoch("007"), check_epoch("")] == [
        *("hello-modules", "", "7", "")
    ]
    for name in ("Hello", "a_b", "a b", "-a", "ä"):
        with pytest.raises(UsageError):
            check_name(name)
    for text in ("-1", "x", "1.0", str(1 << 31), "²"):
        with pytest.raises(UsageError):
            check_epoch(text)
