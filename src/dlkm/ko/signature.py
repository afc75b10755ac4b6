# SPDX-License-Identifier: GPL-2.0-or-later
"""The signature at the end of a module, taken apart. Verifies nothing: a malformed one is a value with its reason."""

from dataclasses import dataclass
from functools import cached_property
from mmap import mmap
from struct import Struct

MARKER = b"~Module signature appended~\n"
ID_PKCS7 = 2
_TRAILER = Struct(">8BI")  # struct module_signature: algo, hash, id_type, signer_len, key_id_len, 3 of padding, sig_len
_ID_TYPES = ("PGP", "X509", "PKCS#7")
_HASHES = ("md4", "md5", "sha1", "rmd160", "sha256", "sha384", "sha512", "sha224")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The first signer of a signature. `key_id` is the certificate's serial number, or its subject key identifier."""

    name: str
    key_id: bytes
    hash_algo: str
    value: bytes


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What stands after the module's `body_size` bytes: the block of the signature and its trailer.

    `trailer` holds the numbers before sig_len (algo, hash, id_type, signer_len, key_id_len and the padding);
    `defect` says why the trailer makes no sense, None when it does.
    """

    body_size: int
    block: bytes
    trailer: tuple[int, ...]
    declared_size: int
    defect: str | None = None

    @property
    def id_type(self) -> int:
        """The kind of the block by number; ID_PKCS7 is the one kernels take."""
        return self.trailer[2] if self.trailer else -1

    @property
    def kind(self) -> str:
        """The kind of the block by name, as modinfo writes it."""
        return _ID_TYPES[self.id_type] if 0 <= self.id_type < len(_ID_TYPES) else "unknown"

    @cached_property
    def signer(self) -> Signer | None:
        """Who signed; None when the block cannot be read."""
        from dlkm.ko.pkcs7 import first_signer

        return first_signer(self.block) if self.id_type == ID_PKCS7 and self.defect is None else self._plain_signer()

    def _plain_signer(self) -> Signer | None:
        """Of the old form, where name and key id stand before the block (kernels before 4.3)."""
        return None


def signature_of(data: bytes | mmap) -> Signature | None:
    """The signature of a module's whole (plain) bytes; None when there is no marker at the end.

    Source: kernel/module/signing.c: module_sig_check, kernel/module_signature.c: mod_check_sig.
    """
    end = len(data) - len(MARKER)
    if end < 0 or data[end:] != MARKER:
        return None
    if end < _TRAILER.size:
        return Signature(body_size=end, block=b"", trailer=(), declared_size=0, defect="the trailer is cut off")
    *trailer, size = _TRAILER.unpack_from(data, end - _TRAILER.size)
    end -= _TRAILER.size
    defect = None
    if size >= end + _TRAILER.size:
        defect = f"the signature says {size} bytes, the file has {end} before it"
    elif any((*trailer[:2], *trailer[3:])) and trailer[2] == ID_PKCS7:
        defect = "the trailer has parameters that PKCS#7 does not use"
    start = end - size if end - size >= 0 else end
    return Signature(body_size=start, block=data[start:end], trailer=tuple(trailer), declared_size=size, defect=defect)
