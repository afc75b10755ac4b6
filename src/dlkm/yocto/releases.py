# SPDX-License-Identifier: GPL-2.0-or-later
"""Yocto's releases by name and in order. What each of them does lies in the classes and configuration beside it."""

from enum import StrEnum


class Release(StrEnum):
    """A release whose recipes are understood; the oldest first."""

    KIRKSTONE = "kirkstone"  # 4.0
    SCARTHGAP = "scarthgap"  # 5.0
    STYHEAD = "styhead"  # 5.1
    WALNASCAR = "walnascar"  # 5.2
    WHINLATTER = "whinlatter"  # 5.3
    WRYNOSE = "wrynose"  # 6.0
    MASTER = "master"

    def since(self, other: "Release") -> bool:
        """Whether it is `other` or came after it."""
        return list(Release).index(self) >= list(Release).index(other)


NEWEST = Release.WRYNOSE  # the newest that is released
