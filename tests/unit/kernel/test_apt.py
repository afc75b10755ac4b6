# SPDX-License-Identifier: GPL-2.0-or-later
"""What apt prints, read: packages and their dependencies."""

from hypothesis import given
from hypothesis import strategies as st

from dlkm.kernel.apt import parse_depends, parse_packages


def test_depends_keeps_alternatives_and_drops_versions() -> None:
    # Debian policy 7.1: name, version in parentheses, architectures in brackets, ':any', alternatives with '|'.
    assert parse_depends("a (= 1), b | c (>= 2:3~), python3:any, d [amd64]") == (
        ("a",),
        ("b", "c"),
        ("python3",),
        ("d",),
    )
    assert parse_depends("") == ()


def test_entries_without_what_is_needed_are_passed_over() -> None:
    text = "Package: a\nVersion: 1\nArchitecture: all\nSize: 5\nSHA256: ff\nInstalled-Size: 3\n\nPackage: virtual\n"
    (package,) = parse_packages(text)
    assert (package.name, package.size, package.installed_size, package.depends) == ("a", 5, 3072, ())


@given(st.text())
def test_any_text_gives_packages_or_none(text: str) -> None:
    list(parse_packages(f"Package: x\n{text}"))
    parse_depends(text)
