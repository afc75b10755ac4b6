# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel module as a value: everything a .ko says of itself, read when it is asked for. Judges nothing."""

import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from dlkm.core.errors import UsageError
from dlkm.core.files import open_regular
from dlkm.core.names import module_name
from dlkm.ko.bounds import hold_within
from dlkm.ko.decompress import Compression, compression_of, compression_of_name, decompress, unpack_file
from dlkm.ko.elf import STB_WEAK, Elf, text
from dlkm.ko.exports import Export, exports_of
from dlkm.ko.modinfo import Parameter, parameters_of, parse_modinfo
from dlkm.ko.signature import Signature, signature_of
from dlkm.ko.versions import extended_versions_of, versions_of

_READ_WHOLE = 64 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Undefined:
    """A symbol that the module needs; a weak one may stay unresolved."""

    name: str
    weak: bool


@dataclass(frozen=True, kw_only=True)
class Module:
    """One module file. Each property may raise MalformedError when what it needs lies outside the file.

    `data` are the plain bytes, `compression` is how the file itself was packed.
    """

    path: Path
    data: bytes | mmap.mmap
    compression: Compression
    elf: Elf

    @property
    def misnamed(self) -> bool:
        """Whether the file's suffix tells another compression than its first bytes do."""
        return compression_of_name(self.path.name) is not self.compression

    @cached_property
    def name(self) -> str:
        """As the kernel calls it: the field `name`, else from the file's name."""
        return self.field("name") or module_name(self.path.name)

    @cached_property
    def modinfo_bytes(self) -> bytes | None:
        """The raw `.modinfo` section; None without one."""
        return self.elf.bytes_named(".modinfo")

    @cached_property
    def modinfo(self) -> tuple[tuple[str, str], ...]:
        """Keys and values in file order."""
        return parse_modinfo(self.modinfo_bytes or b"")

    def field(self, name: str) -> str | None:
        """The first value of a key."""
        return next((value for key, value in self.modinfo if key == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a key, in file order."""
        return tuple(value for key, value in self.modinfo if key == name)

    @property
    def vermagic(self) -> str | None:
        """The string the kernel compares with its own; a blank at its end counts."""
        return self.field("vermagic")

    @property
    def license(self) -> str | None:
        """The licence by which the kernel decides on GPL-only symbols."""
        return self.field("license")

    @property
    def depends(self) -> tuple[str, ...]:
        """Names of the modules whose symbols it uses, as modpost found them."""
        return tuple(name for name in (self.field("depends") or "").split(",") if name)

    @property
    def import_ns(self) -> tuple[str, ...]:
        """The symbol namespaces it imports."""
        return self.all("import_ns")

    @property
    def intree(self) -> bool:
        """Whether it says that it was built as part of the kernel; the kernel is tainted when it does not."""
        return self.field("intree") is not None

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters, in the order in which the file first names them."""
        return parameters_of(self.modinfo)

    @cached_property
    def versions_bytes(self) -> bytes | None:
        """The raw `__versions` section: rows of `versions.ENTRY_SIZE` bytes; None without one."""
        return self.elf.bytes_named("__versions")

    @cached_property
    def versions(self) -> Mapping[str, int] | None:
        """The CRC it expects of each symbol; None without a `__versions` section."""
        return versions_of(self.elf)

    @cached_property
    def extended_versions(self) -> Mapping[str, int] | None:
        """The same from the extended tables (kernels since 6.14); None without them."""
        return extended_versions_of(self.elf)

    @cached_property
    def undefined(self) -> tuple[Undefined, ...]:
        """The symbols that others must give, in the order of its symbol table."""
        return tuple(Undefined(name=text(name), weak=bind == STB_WEAK) for name, bind in self.elf.undefined())

    @cached_property
    def exports(self) -> tuple[Export, ...]:
        """The symbols it gives to others."""
        return exports_of(self.elf)

    @cached_property
    def compiler(self) -> str | None:
        """The first note in `.comment`: "GCC: (Debian 12.2.0-14) 12.2.0"."""
        notes = (self.elf.bytes_named(".comment") or b"").split(b"\0")
        return next((text(note) for note in notes if note), None)

    @cached_property
    def signature(self) -> Signature | None:
        """What is appended as its signature; None when nothing is."""
        return signature_of(self.data)

    @property
    def struct_module_size(self) -> int | None:
        """Bytes of `.gnu.linkonce.this_module`: the size of `struct module` it was built with."""
        section = self.elf.section(".gnu.linkonce.this_module")
        return None if section is None else section.size


def read_module(path: Path) -> Module:
    """A module from its file, unpacked when it is compressed (decided by its first bytes, not by its name).

    UsageError when there is no such file or it cannot be read; MalformedError when it is no ELF file, or has tables out
    of proportion.
    """
    try:
        with open_regular(path) as stream:
            compression = compression_of(os.pread(stream.fileno(), 6, 0))
            plain = _content(stream) if compression is Compression.NONE else unpack_file(stream, str(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    return _module(path, plain, compression)


def module_of(data: bytes, path: Path) -> Module:
    """A module from its bytes, as they stand in the file `path`; errors as read_module."""
    return _module(path, decompress(data, str(path)), compression_of(data))


def _module(path: Path, plain: bytes | mmap.mmap, compression: Compression) -> Module:
    elf = Elf.parse(plain, str(path))
    hold_within(elf)
    return Module(path=path, data=plain, compression=compression, elf=elf)


def _content(file: BinaryIO) -> bytes | mmap.mmap:
    """Reading is as quick as mapping, and a file that shrinks meanwhile does no harm; only giants are mapped."""
    if os.fstat(file.fileno()).st_size <= _READ_WHOLE:
        return file.read()
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
