# SPDX-License-Identifier: GPL-2.0-or-later
"""What other kernel a failed build looked for, and the line of a helper script that names it. Judges nothing."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from dlkm.kernel.kernel import Kernel
from dlkm.source.makelines import Line
from dlkm.source.mentions import find_mention

# GNU make on `-C`, dash and bash on `cd`.
_MISSING = re.compile(
    r"(?:make(?:\[\d+\])?: \*\*\* |can't cd to |\bcd: )(?P<path>/[^\s:]+)(?:: No such file or directory|$)"
)
_RELEASE = re.compile(r"(?:/lib/modules/|/linux-(?:headers-)?)(?P<release>[0-9]+\.[0-9][\w.+~-]*)")


def missing_directory(line: str) -> str | None:
    """The absolute directory that a line of a log says is not there."""
    match = _MISSING.search(line)
    return None if match is None else match["path"]


def other_release(path: str, kernel: Kernel) -> str | None:
    """The release in a path, when it is not that of the kernel asked for."""
    releases: list[str] = _RELEASE.findall(path)
    return next((release for release in releases if release != kernel.release), None)


def mention_of_missing(root: Path, log: Iterable[str], kernel: Kernel) -> Line | None:
    """The line below `root` with a kernel's directory, or a release, that the log says is not there."""
    texts = list(dict.fromkeys(_foreign_texts(log, kernel)))
    return find_mention(root, texts) if texts else None


def _foreign_texts(log: Iterable[str], kernel: Kernel) -> Iterator[str]:
    for line in log:
        path = missing_directory(line)
        release = None if path is None else other_release(path, kernel)
        if path is not None and release is not None:
            yield from (path, release)


def accusation(line: Line, kernel: Kernel) -> str:
    """What is wrong with a line that names another kernel, and what helps."""
    return (
        f"{line.shown}: another kernel than {kernel.release} is written in:"
        " use $KERNEL_SRC (the kernel's directory) or $KVER (its release) there, which dlkm sets"
    )
