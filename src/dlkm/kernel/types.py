# SPDX-License-Identifier: GPL-2.0-or-later
"""The structs, unions and enums of a kernel by name, with their members, as its type information (BTF) has them.

Source: Documentation/bpf/btf.rst. What was read once is kept in the cache: it takes seconds, and stays the same.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from struct import Struct, error, unpack_from

from dlkm.core.errors import DlkmError
from dlkm.core.files import sha256_file
from dlkm.kernel.image_btf import KernelBtf, Types, find_btf
from dlkm.kernel.image_record import recorded_types
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.readings import asked_for, folder, keep
from dlkm.ko.elf import MAGIC, Elf

LIMIT = 768 << 20  # bytes of a vmlinux; with all debug information some have 700 million
CACHE_LIMIT = 64 << 20
_DEPTH = 12  # of pointers, arrays and qualifiers around a named type
_INNER = 200  # members of a struct without a name that are shown
_STRUCTS = {4: "struct", 5: "union"}
_ENUMS = {6: 8, 19: 12}  # bytes a value
_NAMED = {1: "", 4: "struct ", 5: "union ", 6: "enum ", 7: "", 8: "", 16: "", 19: "enum "}
_QUALIFIERS = {9: "volatile ", 10: "const ", 11: "restrict ", 18: ""}


def types_of(kernel: Kernel) -> Types | None:
    """Each named type ("struct page") with its size and members, one a line; None for a kernel without BTF at hand."""
    path = _source(kernel)
    if path is None:
        return None
    if path == kernel.image:
        return recorded_types(kernel) or None
    kept = folder("types") / f"{sha256_file(path)}.json"
    if (found := _kept(kept)) is not None:
        asked_for(kept)
        return found
    try:
        btf = _btf(path)
    except DlkmError:
        return None
    found = {} if btf is None else types_in(btf)
    if found:
        keep(kept, json.dumps(found))
    return found or None


def types_in(btf: KernelBtf) -> dict[str, str]:
    """The same from type information, which may be anything: what makes no sense is left out."""
    reader = _Reader(btf)
    found: dict[str, str] = {}
    for number, (kind, _) in enumerate(reader.entries[1:], 1):
        if kind in _STRUCTS or kind in _ENUMS:
            name = reader.name(number)
            if name:
                found.setdefault(f"{_NAMED[kind]}{name}", "\n".join(reader.lines(number)))
    return found


def _source(kernel: Kernel) -> Path | None:
    """Where a kernel's type information lies: raw, in a vmlinux beside the headers, or in the image."""
    places = (
        kernel.tree / "sys/kernel/btf/vmlinux" if kernel.tree is not None else None,
        kernel.headers / "vmlinux" if kernel.headers is not None else None,
        kernel.image,
    )
    return next((path for path in places if path is not None and path.is_file()), None)


def _btf(path: Path) -> KernelBtf | None:
    """Raw, or that of a vmlinux."""
    with path.open("rb") as stream:
        start = stream.read(4)
        if start[:2] in {b"\x9f\xeb", b"\xeb\x9f"}:
            return find_btf(start + stream.read(CACHE_LIMIT), None)
        if start == MAGIC:
            data = start + stream.read(LIMIT)
            return find_btf(data, Elf.parse(data, str(path)).bytes_named(".BTF"))
    return None


def _kept(path: Path) -> Types | None:
    try:
        with path.open("rb") as stream:
            table = json.loads(stream.read(CACHE_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None
    good = isinstance(table, dict) and all(isinstance(text, str) for text in table.values())
    return table if good else None


class _Reader:
    """Types by their number."""

    def __init__(self, btf: KernelBtf) -> None:
        self._btf = btf
        self._head = Struct(f"{btf.order}III").unpack_from
        self.entries: list[tuple[int, int]] = [(0, 0), *btf.walk()]
        self._texts: dict[int, str] = {0: "void"}

    def name(self, number: int) -> str:
        """The name of a type; "" for one that has none."""
        return self._string(self._head(self._btf.raw, self.entries[number][1])[0])

    def _string(self, start: int) -> str:
        names = self._btf.names
        end = names.find(b"\0", start, start + 512)
        return names[start:end].decode("utf-8", "replace") if 0 < start < len(names) and end > start else ""

    def lines(self, number: int) -> Iterator[str]:
        """Size and members of a struct, union or enum."""
        kind, place = self.entries[number]
        _, info, size = self._head(self._btf.raw, place)
        yield f"{size} bytes"
        with suppress(error):
            yield from self._values(kind, place, info) if kind in _ENUMS else self._members(place, info)

    def _members(self, place: int, info: int, depth: int = 0) -> Iterator[str]:
        """struct btf_member: name, type, offset in bits (with a width in the top byte when kind_flag is set)."""
        for at in range(place + 12, place + 12 + 12 * (info & 0xFFFF), 12):
            name, type_, offset = self._head(self._btf.raw, at)
            width = offset >> 24 if info >> 31 else 0
            bits = offset & 0xFFFFFF if info >> 31 else offset
            bit = f".{bits % 8}" if bits % 8 or width else ""
            yield f"+{bits // 8}{bit} {self.text(type_, depth)} {self._string(name)}{f':{width}' if width else ''}"

    def _values(self, kind: int, place: int, info: int) -> Iterator[str]:
        step = _ENUMS[kind]
        for at in range(place + 12, place + 12 + step * (info & 0xFFFF), step):
            name, value = unpack_from(f"{self._btf.order}Ii", self._btf.raw, at)
            yield f"{self._string(name)} = {value}"

    def text(self, number: int, depth: int = 0) -> str:
        """A type as C names it, as far as it has a name."""
        if number in self._texts:
            return self._texts[number]
        if number >= len(self.entries) or depth > _DEPTH:
            return "?"
        kind, place = self.entries[number]
        name, _, target = self._head(self._btf.raw, place)
        text = self._text(kind, place, self._string(name), target, depth)
        self._texts[number] = text
        return text

    def _text(self, kind: int, place: int, name: str, target: int, depth: int) -> str:
        if kind in _STRUCTS and not name:  # what it holds is all that tells it from others
            info = self._head(self._btf.raw, place)[1]
            with suppress(error):
                return f"{_STRUCTS[kind]} {{ {'; '.join(islice(self._members(place, info, depth + 1), _INNER))} }}"
        if kind in _NAMED:
            return f"{_NAMED[kind]}{name or '(anonymous)'}"
        if kind == 2:  # BTF_KIND_PTR
            return f"{self.text(target, depth + 1)} *"
        if kind == 3:  # BTF_KIND_ARRAY: element, index, number
            element, _, count = self._head(self._btf.raw, place + 12)
            return f"{self.text(element, depth + 1)}[{count}]"
        if kind in _QUALIFIERS:
            return f"{_QUALIFIERS[kind]}{self.text(target, depth + 1)}"
        return "function" if kind == 13 else "?"
