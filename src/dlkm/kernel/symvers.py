# SPDX-License-Identifier: GPL-2.0-or-later
"""Module.symvers as a value: what a kernel and its modules export. Reads the file and compares nothing."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from struct import Struct
from typing import NamedTuple, Self

from dlkm.core.errors import MalformedError, UsageError
from dlkm.ko.versions import ENTRY_SIZE

LIMIT = 64 << 20  # bytes; a distribution's kernel has two million
MAX_CRC = 0xFFFFFFFF
KERNEL = "vmlinux"  # the provider of what the kernel itself exports


class KernelSymbol(NamedTuple):
    """One export. `provider` is "vmlinux" or a module's path without suffix ("drivers/net/dummy").

    A named tuple, not a dataclass: twenty-four thousand of them are made from one file.
    """

    name: str
    crc: int
    provider: str
    gpl: bool
    namespace: str

    @property
    def from_kernel(self) -> bool:
        """Whether the kernel image itself exports it."""
        return self.provider == KERNEL


class Symvers:
    """All exports of a kernel by name."""

    def __init__(self, symbols: Mapping[str, KernelSymbol]) -> None:
        self.symbols = symbols

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file; UsageError when it cannot be read, MalformedError with the line when it is none."""
        try:
            with path.open("rb") as stream:
                data = stream.read(LIMIT + 1)
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
        if len(data) > LIMIT:
            raise MalformedError(f"{path}: larger than any Module.symvers ({LIMIT} bytes)")
        return cls.parse(data.decode("utf-8", "surrogateescape"), str(path))

    @classmethod
    def parse(cls, text: str, where: str = "Module.symvers") -> Self:
        """From the text: `CRC TAB symbol TAB module TAB EXPORT_SYMBOL… [TAB namespace]` (scripts/mod/modpost.c).

        Kernels before 5.6 wrote the namespace third. Of two rows with one name the first counts. Empty lines and
        further columns are passed over; any other line is a MalformedError that names it.
        """
        if "\r" in text:
            text = text.replace("\r\n", "\n").removesuffix("\r")
        rows = [line.split("\t") for line in text.split("\n")]
        quick = _quick(rows)
        return cls(quick if quick is not None else _slowly(rows, where))

    @cached_property
    def providers(self) -> frozenset[str]:
        """Every provider that exports something."""
        return frozenset(symbol.provider for symbol in self.symbols.values())

    def rows(self, bits: int, *, big_endian: bool, providers: frozenset[str] | None = None) -> dict[bytes, bytes]:
        """By name, the row of `__versions` that agrees with an export (struct modversion_info, 64 bytes).

        With `providers`, only those of their exports; a name that is too long for a row has none.
        """
        pack = Struct((">" if big_endian else "<") + ("Q56s" if bits == 64 else "I60s")).pack
        longest = ENTRY_SIZE - bits // 8 - 1
        return {
            raw: pack(symbol.crc, raw)
            for symbol in self.symbols.values()
            if (providers is None or symbol.provider in providers)
            and len(raw := symbol.name.encode("utf-8", "surrogateescape")) <= longest
        }

    def __len__(self) -> int:
        return len(self.symbols)


def _quick(rows: list[list[str]]) -> dict[str, KernelSymbol] | None:
    """The rows when all of them have today's five columns; None when any needs a closer look."""
    if rows and rows[-1] == [""]:
        rows.pop()
    if not all(len(row) == 5 and row[3].startswith("EXPORT_") for row in rows):
        return None
    # A name that comes twice keeps its first row: written last, it wins.
    crcs, names, providers, kinds, namespaces = zip(*reversed(rows), strict=True) if rows else ((),) * 5
    try:
        numbers = [int(crc, 16) for crc in crcs]
    except ValueError:
        return None
    if numbers and not 0 <= min(numbers) <= max(numbers) <= MAX_CRC:
        return None
    gpl = ["GPL" in kind for kind in kinds]
    return dict(zip(names, map(KernelSymbol, names, numbers, providers, gpl, namespaces), strict=True))


def _slowly(rows: Iterable[list[str]], where: str) -> dict[str, KernelSymbol]:
    symbols: dict[str, KernelSymbol] = {}
    for number, row in enumerate(rows, 1):
        if row == [""]:
            continue
        symbol = _symbol(row)
        if symbol is None:
            raise MalformedError(f"{where}: line {number} is no row of a Module.symvers: {ascii(row)[:80]}")
        symbols.setdefault(symbol.name, symbol)
    return symbols


def _symbol(cells: list[str]) -> KernelSymbol | None:
    """One row in any of the file's forms; None when it is none."""
    if len(cells) < 3 or not cells[1]:
        return None
    try:
        crc = int(cells[0], 16)
    except ValueError:
        return None
    if not 0 <= crc <= MAX_CRC:
        return None
    cells += [""] * (5 - len(cells))
    if cells[4].startswith("EXPORT_"):  # kernel 5.4 and 5.5: CRC, symbol, namespace, module, export
        return KernelSymbol(cells[1], crc, cells[3], "GPL" in cells[4], cells[2])
    return KernelSymbol(cells[1], crc, cells[2], "GPL" in cells[3], cells[4])
