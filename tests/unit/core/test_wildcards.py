# SPDX-License-Identifier: GPL-2.0-or-later
"""Wildcards as C's fnmatch takes them."""

import pytest

from dlkm.core.wildcards import matches


@pytest.mark.parametrize(
    ("wildcard", "name", "same"),
    [
        ("usb:v04*p*", "usb:v0401p1", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("x[0-9]", "x5", True),
        ("x[!0-9]", "x5", False),
        ("x[^0-9]", "x5", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        (r"\a[", "a[", True),
        ("a.c", "abc", False),
        ("*", "", True),
        ("of:N*T*Cacme,gpu", "of:NgpuT(null)Cacme,gpu", True),
    ],
)
def test_wildcards(wildcard: str, name: str, same: bool) -> None:  # noqa: FBT001
    assert matches(wildcard, name) is same
