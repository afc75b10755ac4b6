# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel image as a value: unpacked whatever its wrapping, its version, vermagic and certificates. Judges nothing."""

import bz2
import lzma
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import islice
from pathlib import Path
from struct import unpack_from

from dlkm.core.errors import MalformedError, UsageError
from dlkm.kernel.image_btf import KernelBtf, find_btf
from dlkm.ko.decompress import LIMIT, Compression, Limited, compression_of, decompress, decompress_by
from dlkm.ko.elf import MAGIC, Elf
from dlkm.ko.lz import LZ4_MAGIC, LZO_MAGIC, unlz4, unlzo
from dlkm.ko.x509 import read_certificate

NOT_KNOWN = "no kernel image that is known here"
_LZMA_MEMORY = 256 << 20  # bytes for its dictionary
_WRAPPINGS = 4  # one inside the other; an Image in a zboot in a gzip is three
_VERMAGIC_WORDS = re.compile(rb" (?:SMP|preempt|preempt_rt|mod_unload|modversions) ")
_CANDIDATES = 1000  # places that look like a certificate; a real kernel has a handful
# A certificate of version 3: SEQUENCE { SEQUENCE { [0] { INTEGER 2 } INTEGER …, with lengths of two bytes.
_CERTIFICATE = re.compile(rb"\x30\x82(..)\x30\x82..\xa0\x03\x02\x01\x02\x02", re.DOTALL)


class Form(StrEnum):
    """What an image is inside its wrapping."""

    ELF = "vmlinux"
    RAW = "Image"  # arm64, riscv: the kernel as it lies in memory, without section headers


@dataclass(frozen=True, kw_only=True)
class KernelImage:
    """One kernel's code and data. `wrappings` tells what it was packed in, the outermost first."""

    path: Path
    data: bytes
    form: Form
    wrappings: tuple[str, ...]

    @cached_property
    def elf(self) -> Elf:
        """Its sections; MalformedError when it has none (`form` is RAW)."""
        return Elf.parse(self.data, str(self.path))

    @cached_property
    def big_endian(self) -> bool:
        """The byte order of its data; a raw image says so in bit 0 of its flags (Documentation/arch/arm64/booting)."""
        return self.elf.big_endian if self.form is Form.ELF else bool(self.data[0x18] & 1)

    @cached_property
    def banner(self) -> str | None:
        """As it is logged at boot, "Linux version 6.1.0-56-amd64 (…) …"; None where there is none."""
        match = re.search(rb"Linux version [0-9][ -~]{1,512}", self.data)
        return None if match is None else match[0].decode("ascii")

    @property
    def release(self) -> str | None:
        """`uname -r` of this kernel."""
        return None if self.banner is None else self.banner.split(" ")[2]

    @cached_property
    def vermagic(self) -> str | None:
        """The string that modules are compared with, its trailing blank included; None where it is not found."""
        if self.release is None:
            return None
        # The banners hold the release as well, but behind other words.
        words = re.compile(re.escape(self.release.encode()) + rb" [ -~]{0,256}\0")
        matches = (match for match in words.finditer(self.data) if self.data[match.start() - 1] != 0x20)
        likely = (match[0][:-1].decode("ascii") for match in matches if _VERMAGIC_WORDS.search(match[0]))
        return next(likely, None)

    @cached_property
    def certificates(self) -> tuple[bytes, ...]:
        """Each X.509 certificate built in, in DER: the keys whose signatures the kernel trusts from the start."""
        found = (self.data[match.start() : match.start() + 4 + int.from_bytes(match[1], "big")]
                 for match in islice(_CERTIFICATE.finditer(self.data), _CANDIDATES))  # fmt: skip
        return tuple(dict.fromkeys(raw for raw in found if _is_certificate(raw)))

    @cached_property
    def btf(self) -> KernelBtf | None:
        """Its type information; None where there is none that can be read."""
        return find_btf(self.data, self.elf.bytes_named(".BTF") if self.form is Form.ELF else None)

    @property
    def struct_module_size(self) -> int | None:
        """Bytes of `struct module`, from its type information; None where that does not tell."""
        return self.btf.struct_size(b"module") if self.btf is not None else None

    @property
    def btf_extent(self) -> tuple[int, int] | None:
        """The number of its types and the bytes of their names."""
        return (self.btf.types, len(self.btf.names)) if self.btf is not None else None


def read_image(path: Path) -> KernelImage:
    """A kernel from a bzImage, an Image (also in gzip or an EFI zboot) or a vmlinux.

    UsageError when the file cannot be read; MalformedError when it is none of these, is damaged, or is packed in a way
    that is not known here.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > LIMIT:
        raise MalformedError(f"{path}: larger than any kernel image ({LIMIT} bytes)")
    return image_of(data, path)


def image_of(data: bytes, path: Path) -> KernelImage:
    """A kernel from its image's bytes; errors as read_image."""
    wrappings: list[str] = []
    for _ in range(_WRAPPINGS):
        form = _form(data)
        if form is not None:
            inner = data if form is Form.ELF else _without_signature(data)
            return KernelImage(path=path, data=inner, form=form, wrappings=tuple(wrappings))
        name, data = _unwrap(data, str(path))
        wrappings.append(name)
    raise MalformedError(f"{path}: wrapped more than {_WRAPPINGS} times: {', '.join(wrappings)}")


def _form(data: bytes) -> Form | None:
    if data.startswith(MAGIC):
        return Form.ELF
    # Documentation/arch/arm64/booting.rst, Documentation/arch/riscv/boot-image-header.rst: magic at 56.
    return Form.RAW if data[0x38:0x3C] in {b"ARM\x64", b"RSC\x05"} else None


def _without_signature(data: bytes) -> bytes:
    """A raw image is a PE file too; the certificates that signed it for secure boot are not the kernel's own."""
    header = int.from_bytes(data[0x3C:0x40], "little")
    directory = header + 24 + 112 + 4 * 8  # the fifth data directory of a PE32+ file: the certificate table
    if data[header : header + 4] != b"PE\0\0" or len(data) < directory + 8:
        return data
    start, size = unpack_from("<II", data, directory)
    return data[:start] if size and directory < start < len(data) else data


def _unwrap(data: bytes, where: str) -> tuple[str, bytes]:
    """One wrapping less, and its name."""
    if data[0x202:0x206] == b"HdrS" and len(data) >= 0x250:
        return "bzImage", _payload(data, _bzimage_payload(data), where)
    if data[:2] == b"MZ" and data[4:8] == b"zimg" and len(data) >= 0x20:
        return "zboot", _payload(data, unpack_from("<II", data, 8), where)
    kind = compression_of(data)
    if kind is Compression.NONE:
        raise MalformedError(f"{where}: {NOT_KNOWN}: bzImage, Image, zboot or vmlinux", offset=0)
    return str(kind), decompress(data, where)


def _bzimage_payload(data: bytes) -> tuple[int, int]:
    """Offset and size (Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length)."""
    offset, size = unpack_from("<II", data, 0x248)
    # Zero stands for four, as boot loaders of old were told.
    return ((data[0x1F1] or 4) + 1) * 512 + offset, size


def _payload(data: bytes, place: tuple[int, ...], where: str) -> bytes:
    """The unpacked payload at `place`: offset and size."""
    offset, size = place
    if not size or offset + size > len(data):
        raise MalformedError(f"{where}: its payload of {size} bytes does not lie within the file", offset=offset)
    payload = data[offset : offset + size]
    for magic, unpack in _UNPACKERS.items():
        if payload.startswith(magic):
            return unpack(payload, where)
    raise MalformedError(f"{where}: its payload is packed in a way that is not known here", offset=offset)


def _with_size(payload: bytes, where: str) -> bytes:
    """xz, zstd: x86 appends the unpacked size as four bytes (scripts/Makefile.lib: size_append), a zboot does not."""
    size = int.from_bytes(payload[-4:], "little")
    likely = len(payload) < size < LIMIT
    try:
        return decompress(payload[:-4] if likely else payload, where)
    except MalformedError:
        return decompress(payload if likely else payload[:-4], where)


def _old_lzma(payload: bytes, where: str) -> bytes:
    return decompress_by(Limited(lzma.LZMADecompressor(lzma.FORMAT_ALONE, _LZMA_MEMORY)), payload, where)


def _bzip2(payload: bytes, where: str) -> bytes:
    return decompress_by(Limited(bz2.BZ2Decompressor()), payload, where)


def _lz4(payload: bytes, where: str) -> bytes:
    """x86 appends the unpacked size; four bytes alone are no block."""
    return unlz4(payload, where, LIMIT)


def _lzo(payload: bytes, where: str) -> bytes:
    return unlzo(payload, where, LIMIT)


_UNPACKERS: dict[bytes, Callable[[bytes, str], bytes]] = {
    MAGIC: lambda payload, _where: payload,
    b"\x1f\x8b": decompress,
    b"\xfd7zXZ\0": _with_size,
    b"\x28\xb5\x2f\xfd": _with_size,
    b"\x5d\0\0": _old_lzma,
    b"BZh": _bzip2,
    LZ4_MAGIC: _lz4,
    LZO_MAGIC: _lzo,
}


def _is_certificate(raw: bytes) -> bool:
    try:
        return bool(read_certificate(raw).key)
    except MalformedError:
        return False
