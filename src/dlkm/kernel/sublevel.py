# SPDX-License-Identifier: GPL-2.0-or-later
"""The third number of a kernel's version, which some distributions keep out of its release."""

import re
from pathlib import Path

from dlkm.kernel.kernel import Kernel

# "6.1.0-56-amd64", "5.15.0-91-generic": the 0 says nothing, the number behind it counts the distribution's own changes.
_HIDDEN = re.compile(r"\d+\.\d+\.0-\d")
_DEFINED = re.compile(r"^#define LINUX_VERSION_SUBLEVEL (\d+)$", re.MULTILINE)
_VERSION_HEADER = "include/generated/uapi/linux/version.h"
# Taken where nothing tells: a distribution's kernel has the fixes of its branch.
NEWEST = 9999


def full_version(kernel: Kernel) -> tuple[int, ...]:
    """The kernel's version as numbers, three where the release has three; never raises."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", kernel.release)[:3])
    if not _HIDDEN.match(kernel.release):
        return numbers
    third = _of_packages(kernel, numbers[:2]) or _of_headers(kernel.headers)
    return (*numbers[:2], NEWEST if third is None else third)


def _of_packages(kernel: Kernel, branch: tuple[int, ...]) -> int | None:
    """From the version of a package that it was unpacked from ("6.1.192-2"); None where none tells."""
    start = ".".join(map(str, branch))
    for package in kernel.packages:
        match = re.fullmatch(rf"linux-(?:image|headers)-[^=]*={re.escape(start)}\.(\d+)[-+~].*", package)
        if match is not None and int(match[1]):
            return int(match[1])
    return None


def _of_headers(headers: Path | None) -> int | None:
    """From the headers' own record of the version (the kernel's top Makefile: filechk_version.h)."""
    if headers is None:
        return None
    try:
        match = _DEFINED.search((headers / _VERSION_HEADER).read_text("utf-8", "replace"))
    except OSError:
        return None
    return int(match[1]) if match is not None else None
