# SPDX-License-Identifier: GPL-2.0-or-later
"""What modprobe does with modules in a root filesystem: `options` and `install` of modprobe.d. Reads only."""

from collections.abc import Iterator
from pathlib import Path

from dlkm.core.errors import DlkmError, MalformedError
from dlkm.core.files import open_regular
from dlkm.core.names import normalise_module_name
from dlkm.verdict.candidate import Candidate
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
    """A command that stands for the module, or for one that it needs: the kernel is not asked at all."""
    name = normalise_module_name(case.struct_name)
    command = case.conditions.command_of(name)
    if command is not None:
        yield case.trip("install-command", subject=name, command=command)
    for needed in _needed(case.candidate) if case.conditions.commands else ():
        command = case.conditions.command_of(normalise_module_name(needed))
        if command is not None:
            yield case.trip("install-command/needed", subject=needed, command=command)


def _needed(candidate: Candidate) -> list[str]:
    """The modules that modprobe loads before it, none for what is no module."""
    try:
        return [name for name in (candidate.field("depends") or "").split(",") if name]
    except MalformedError:
        return []
