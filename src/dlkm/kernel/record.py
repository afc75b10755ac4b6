# SPDX-License-Identifier: GPL-2.0-or-later
"""What the pool knows of a kernel (kernel.json), written last: who has a record is whole. Fetches nothing."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from dlkm.core.arch import arch_named
from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.files import inside
from dlkm.core.names import is_release
from dlkm.kernel.kernel import Kernel, Packed

FORMAT = 1
NAME = "kernel.json"
PACK = "rest.zst"  # modules that are packed (rest.py)
LIMIT = 1 << 20  # bytes; a real one has about two thousand
PARTS = ("headers", "source", "image", "modules", "symvers", "config_file", "tree")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """A package that a kernel was unpacked from; `sha256` is that of the .deb, as the signed archive lists it."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One kernel of the pool. `parts` and `digests` (SHA-256 by file) hold paths relative to the record's directory.

    A kernel that lies elsewhere ("a directory", registered by path) has no parts, digests and manifest: `origin` is its
    path. `manifest` is the digest of the file that lists all files.
    """

    id: str
    release: str
    arch: str
    origin: str
    size: int = 0
    vermagic: str | None = None
    compiler: str | None = None
    exports: int | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[Unpacked, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    manifest: str | None = None
    lacks: tuple[str, ...] = ()
    packed: Packed | None = None  # when it was added; `size` is what is unpacked then

    def to_json(self) -> str:
        """As it is written; `parse` reads it back."""
        return json.dumps({"format": FORMAT} | asdict(self), indent=1)

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file; MalformedError for whatever is no record, OSError when there is none."""
        with path.open("rb") as stream:
            data = stream.read(LIMIT + 1)
        if len(data) > LIMIT:
            raise MalformedError(f"{path}: larger than any record ({LIMIT} bytes)")
        return cls.parse(data, str(path))

    @classmethod
    def parse(cls, data: bytes, where: str) -> Self:
        """From its bytes, which may be anything."""
        try:
            table = json.loads(data)
            return cls._from(table)
        except (ValueError, KeyError, TypeError, RecursionError, UsageError) as error:
            raise MalformedError(f"{where}: is no kernel record of format {FORMAT}") from error

    @classmethod
    def _from(cls, table: Any) -> Self:
        if not isinstance(table, dict) or table["format"] != FORMAT or not is_release(table["release"]):
            raise ValueError(FORMAT)
        arch_named(_text(table["arch"]))
        return cls(
            id=_text(table["id"]),
            release=table["release"],
            arch=table["arch"],
            origin=_text(table["origin"]),
            size=_number(table["size"]) or 0,
            vermagic=_text_or_none(table["vermagic"]),
            compiler=_text_or_none(table["compiler"]),
            exports=_number(table["exports"]),
            parts={name: inside(_text(path)) for name, path in _items(table["parts"]) if name in PARTS},
            packages=tuple(Unpacked(**{key: _text(entry[key]) for key in _PACKAGE}) for entry in table["packages"]),
            digests={inside(_text(path)): _text(digest) for path, digest in _items(table["digests"])},
            manifest=_text_or_none(table["manifest"]),
            lacks=tuple(_text(word) for word in table.get("lacks", [])),
            packed=_packed(table.get("packed")),
        )

    def kernel(self, home: Path) -> Kernel:
        """The kernel as a value; `home` is the record's directory."""
        packed = self.packed if (home / PACK).exists() else None
        further = 0 if self.packed is None else self.packed.size if packed is None else packed.taken
        return Kernel(
            id=self.id,
            release=self.release,
            arch=arch_named(self.arch),
            origin=self.origin,
            vermagic=self.vermagic,
            compiler=self.compiler,
            exports=self.exports,
            size=self.size + further,
            lacks=self.lacks,
            packed=packed,
            packages=tuple(f"{package.name}={package.version}" for package in self.packages),
            **{name: home / path for name, path in self.parts.items()},
        )


_PACKAGE = ("name", "version", "sha256")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _number(value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or value < 0):
        raise TypeError(value)
    return value


def _packed(table: Any) -> Packed | None:
    if table is None:
        return None
    numbers = {name: _number(table[name]) or 0 for name in ("files", "size", "taken")}
    return Packed(**numbers)


def _items(table: Any) -> list[tuple[str, Any]]:
    if not isinstance(table, dict):
        raise TypeError(table)
    return list(table.items())
