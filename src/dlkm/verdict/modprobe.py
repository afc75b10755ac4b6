# SPDX-License-Identifier: GPL-2.0-or-later
"""What modprobe would hand to modules in a root filesystem: `options` of modprobe.d. Reads only."""

from collections.abc import Iterator
from pathlib import Path

# man modprobe.d: later directories lose; a file of the same name in an earlier one hides the other
_DIRECTORIES = ("etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d")
_LIMIT = 1 << 20  # bytes of one file


def options_in(root: Path) -> tuple[tuple[str, str], ...]:
    """(module, word) of every `options MODULE WORD…` line, in the order modprobe reads them."""
    files: dict[str, Path] = {}
    for folder in _DIRECTORIES:
        for path in sorted((root / folder).glob("*.conf")):
            files.setdefault(path.name, path)
    return tuple(pair for name in sorted(files) for pair in _options(files[name]))


def _options(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open("rb") as stream:
            text = stream.read(_LIMIT).decode("utf-8", "surrogateescape")
    except OSError:
        return
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        if len(words) > 2 and words[0] == "options":
            yield from ((words[1].replace("-", "_"), word) for word in words[2:])
