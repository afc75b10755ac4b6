# SPDX-License-Identifier: GPL-2.0-or-later
"""Module.symvers as a value: what a kernel and its modules export. Reads the file and compares nothing."""

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from struct import Struct
from typing import NamedTuple, Self

from dlkm.core.errors import MalformedError, UsageError
from dlkm.ko.decompress import decompress

LIMIT = 16 << 20  # bytes, which become fifteen times as many; a distribution's kernel has two million
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


class _Columns(NamedTuple):
    """The rows of a file, column by column; no name comes twice."""

    crcs: list[int]
    names: list[str]
    providers: list[str]
    gpl: list[bool]
    namespaces: list[str]


class Symvers:
    """All exports of a kernel by name. Who only compares whole rows never makes an object of each."""

    def __init__(self, columns: _Columns) -> None:
        self._columns = columns

    @cached_property
    def symbols(self) -> Mapping[str, KernelSymbol]:
        """Each export by its name."""
        crcs, names, providers, gpl, namespaces = self._columns
        return dict(zip(names, map(KernelSymbol, names, crcs, providers, gpl, namespaces), strict=True))

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
        plain = decompress(data, str(path), LIMIT)  # as RPM distributions install it: symvers.gz, symvers.xz
        return cls.parse(plain.decode("utf-8", "surrogateescape"), str(path))

    @classmethod
    def parse(cls, text: str, where: str = "Module.symvers") -> Self:
        """From the text: `CRC TAB symbol TAB module TAB EXPORT_SYMBOL… [TAB namespace]` (scripts/mod/modpost.c).

        Kernels before 5.6 wrote the namespace third. Of two rows with one name the first counts. Empty lines and
        further columns are passed over; any other line is a MalformedError that names it.
        """
        if "\r" in text:
            text = text.replace("\r\n", "\n").removesuffix("\r")
        return cls(_quick(text) or _slowly(text, where))

    @classmethod
    def of(cls, symbols: Iterable[KernelSymbol]) -> Self:
        """From exports that are known one by one; of two with one name the first counts."""
        distinct: dict[str, KernelSymbol] = {}
        for symbol in symbols:
            distinct.setdefault(symbol.name, symbol)
        return cls(_columns(distinct.values()))

    def with_given(self, other: Self, but: frozenset[str] = frozenset()) -> Self:
        """These, and of another table what has a provider, none of `but`, and is not among them."""
        mine, known = self._columns, set(self._columns.names)
        rows = zip(*other._columns, strict=True)
        more = [row for row in rows if row[2] and row[1] not in known and row[2] not in but]
        crcs, names, providers, gpl, namespaces = map(list, zip(*more, strict=True)) if more else ([],) * 5
        return type(self)(
            _Columns(
                mine.crcs + crcs,
                mine.names + names,
                mine.providers + providers,
                mine.gpl + gpl,
                mine.namespaces + namespaces,
            )
        )

    @cached_property
    def providers(self) -> frozenset[str]:
        """Every provider that exports something."""
        return frozenset(self._columns.providers)

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """The provider of each export."""
        return dict(zip(self._columns.names, self._columns.providers, strict=True))

    @property
    def namespaces(self) -> Iterable[tuple[str, str]]:
        """The exports that are in a namespace, each with it."""
        return ((name, one) for name, one in zip(self._columns.names, self._columns.namespaces, strict=True) if one)

    def rows(self, bits: int, *, big_endian: bool, providers: frozenset[str] | None = None) -> dict[bytes, bytes]:
        """By name, the row of `__versions` that agrees with an export (struct modversion_info, 64 bytes).

        With `providers`, only those of their exports; a name that is too long for a row has none.
        """
        row = Struct((">" if big_endian else "<") + ("Q56s" if bits == 64 else "I60s"))
        pack, longest = row.pack, row.size - bits // 8 - 1
        crcs, names, owners, _, _ = self._columns
        return {
            raw: pack(crc, raw)
            for crc, name, owner in zip(crcs, names, owners, strict=True)
            if (providers is None or owner in providers)
            and len(raw := name.encode("utf-8", "surrogateescape")) <= longest
        }

    def __len__(self) -> int:
        return len(self._columns.names)


def _quick(text: str) -> _Columns | None:
    """The rows when all of them have today's five columns; None when any needs a closer look.

    Cut at the tabulators alone: where a row ends, one cell holds its namespace, a line's end and the next row's CRC.
    """
    cells = text.removesuffix("\n").split("\t")
    seams = cells[4:-1:4]
    whole = len(cells) % 4 == 1 and text.removesuffix("\n").count("\n") == len(seams) and len(cells) > 1
    if not whole or not all("\n" in seam for seam in seams):
        return None
    parts = "\n".join(seams).split("\n") if seams else []
    names, kinds = cells[1::4], cells[3::4]
    distinct = set(names)
    if len(distinct) != len(names) or "" in distinct or not all(kind.startswith("EXPORT_") for kind in set(kinds)):
        return None
    try:
        crcs = [int(crc, 16) for crc in (cells[0], *parts[1::2])]
    except ValueError:
        return None
    if not 0 <= min(crcs) <= max(crcs) <= MAX_CRC:
        return None
    gpl = {kind: "GPL" in kind for kind in set(kinds)}
    return _Columns(crcs, names, cells[2::4], [gpl[kind] for kind in kinds], [*parts[0::2], cells[-1]])


def _slowly(text: str, where: str) -> _Columns:
    symbols: dict[str, KernelSymbol] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        symbol = _symbol(line.split("\t"))
        if symbol is None:
            raise MalformedError(f"{where}: line {number} is no row of a Module.symvers: {ascii(line)[:80]}")
        symbols.setdefault(symbol.name, symbol)
    return _columns(symbols.values())


def _columns(symbols: Collection[KernelSymbol]) -> _Columns:
    names, crcs, providers, gpl, namespaces = map(list, zip(*symbols, strict=True)) if symbols else ([],) * 5
    return _Columns(crcs, names, providers, gpl, namespaces)


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
