# SPDX-License-Identifier: GPL-2.0-or-later
"""What modprobe does with modules in a root filesystem: `options` and `install` of modprobe.d. Reads only."""

from collections.abc import Iterator
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.files import open_regular
from dlkm.core.names import normalise_module_name
from dlkm.verdict.case import Case, Trip

# man modprobe.d: later directories lose; a file of the same name in an earlier one hides the other
_DIRECTORIES = ("etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d")
_LIMIT = 1 << 20  # bytes of one file


def options_in(root: Path) -> tuple[tuple[str, str], ...]:
    """(module, word) of every `options MODULE WORD…` line, in the order modprobe reads them."""
    return tuple((name, word) for name, words in _lines_of(root, "options") for word in words)


def commands_in(root: Path) -> tuple[tuple[str, str], ...]:
    """(module, command) of every `install MODULE COMMAND…` line, the same way; a module may be a wildcard."""
    return tuple((name, " ".join(words)) for name, words in _lines_of(root, "install"))


def _lines_of(root: Path, kind: str) -> Iterator[tuple[str, list[str]]]:
    """The module and the words behind it of every line of a kind."""
    files: dict[str, Path] = {}
    for folder in _DIRECTORIES:
        for path in sorted((root / folder).glob("*.conf")):
            files.setdefault(path.name, path)
    for name in sorted(files):
        yield from _of_file(files[name], kind)


def _of_file(path: Path, kind: str) -> Iterator[tuple[str, list[str]]]:
    try:
        with open_regular(path) as stream:
            text = stream.read(_LIMIT).decode("utf-8", "surrogateescape")
    except (OSError, DlkmError):
        return
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        if len(words) > 2 and words[0] == kind:
            yield words[1].replace("-", "_"), words[2:]


def install_command(case: Case) -> Iterator[Trip]:
    """A command that stands for the module: the kernel is not asked at all."""
    name = normalise_module_name(case.struct_name)
    command = case.conditions.command_of(name)
    if command is not None:
        yield case.trip("install-command", subject=name, command=command)
