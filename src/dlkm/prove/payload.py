# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest is to try, as the bytes it reads (guest/payload.c), and how many attempts go into one boot."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.prove.attempt import Attempt
from dlkm.verdict.reading import plain_bytes

MAX_PIECES = 512
PAGE = 4096
BATCH = 48 << 20  # bytes of modules in one boot; the guest's memory holds them
MAX_FILES = 4096  # guest/payload.c
MAX_PARAMETERS = 4096  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The bytes for one boot."""

    data: bytes

    @property
    def memory(self) -> int:
        """MiB that the guest needs beyond those of a small payload: the copies of it and the kernel's of a module."""
        return math.ceil(max(0, len(self.data) - BATCH) * 4 / (256 << 20)) * 256

    def pieces(self) -> tuple[bytes, ...]:
        """As fw_cfg items: pages where there are few, since the kernel's driver reads an item anew for each page."""
        size = max(1, math.ceil(len(self.data) / MAX_PIECES / PAGE)) * PAGE
        return tuple(self.data[start : start + size] for start in range(0, len(self.data), size))


def build(attempts: Mapping[int, Attempt]) -> Payload:
    """The payload of these attempts, by number; UsageError or MalformedError when a file cannot be read or unpacked."""
    contents: dict[Path | bytes, bytes] = {}
    for item in (item for attempt in attempts.values() for item in _items(attempt)):
        if item not in contents:
            contents[item] = bytes(plain_bytes(item)) if isinstance(item, Path) else item
    numbers = {item: number for number, item in enumerate(contents)}
    tries = (line for key, attempt in attempts.items() for line in _lines(key, attempt, numbers))
    index = b"".join([*_file_lines(contents.values()), *tries])
    return Payload(data=b"dlkm1 %d\n" % len(index) + index + b"".join(contents.values()))


def _items(attempt: Attempt) -> Iterator[Path | bytes]:
    """What an attempt needs in the guest: files, and a program's own bytes."""
    yield from attempt.files
    if attempt.program is not None:
        yield attempt.program.data
        if attempt.program.shell is not None:
            yield attempt.program.shell


def batches(attempts: Mapping[int, Attempt]) -> Iterator[Mapping[int, Attempt]]:
    """The attempts in groups that fit into one boot, in their order; a giant goes alone."""
    group: dict[int, Attempt] = {}
    held: dict[Path | bytes, int] = {}
    for number, attempt in attempts.items():
        new = {item: _size(item) for item in _items(attempt) if item not in held}
        if group and (sum(held.values()) + sum(new.values()) > BATCH or len(held) + len(new) > MAX_FILES):
            yield group
            group, held, new = {}, {}, {item: _size(item) for item in _items(attempt)}
        group[number] = attempt
        held |= new
    if group:
        yield group


def validate(attempt: Attempt) -> None:
    """UsageError for parameters that cannot be handed to a system call."""
    if "\0" in attempt.parameters or len(attempt.parameters.encode("utf-8", "surrogateescape")) > MAX_PARAMETERS:
        raise UsageError(f"the parameters for {attempt.module} hold a NUL or more than {MAX_PARAMETERS} bytes")


def _file_lines(contents: Iterable[bytes]) -> Iterator[bytes]:
    offset = 0
    for data in contents:
        yield b"file %d %d\n" % (offset, len(data))
        offset += len(data)


def _lines(number: int, attempt: Attempt, numbers: Mapping[Path | bytes, int]) -> Iterator[bytes]:
    """What guest/init.c reads of an attempt: its program first, if it has one."""
    program = attempt.program
    if program is not None:
        shell = "-" if program.shell is None else str(numbers[program.shell])
        words = (f"={_hex(argument)}" for argument in program.arguments)
        head = ("run", number, math.ceil(program.seconds), numbers[program.data], shell)
        yield f"{' '.join([*map(str, head), *words])}\n".encode()
    files = " ".join(str(numbers[path]) for path in attempt.files)
    yield f"try {number} {attempt.flags} ={_hex(attempt.parameters)} {files}\n".encode()


def _hex(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").hex()


def _size(item: Path | bytes) -> int:
    if isinstance(item, bytes):
        return len(item)
    try:
        return item.stat().st_size
    except OSError as error:
        raise UsageError(f"cannot read {item}: {error.strerror}") from error
