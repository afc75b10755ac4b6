# SPDX-License-Identifier: GPL-2.0-or-later
"""The signature at the end of a module, taken apart. Verifies nothing: a malformed one is a value with its reason."""

from dataclasses import dataclass
from functools import cached_property
from mmap import mmap
from struct import Struct

from dlkm.ko.pkcs7 import Signer, first_signer

MARKER = b"~Module signature appended~\n"
PKCS7 = 2
_TRAILER = Struct(">5B3sI")
_ALGORITHMS = 2  # DSA, RSA
_KINDS = ("PGP", "X509", "PKCS#7")
_HASHES = ("md4", "md5", "sha1", "rmd160", "sha256", "sha384", "sha512", "sha224", "sm3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """`struct module_signature`: what stands between the signature and the marker; sizes in bytes."""

    algo: int
    hash: int
    id_type: int
    signer_len: int
    key_id_len: int
    padding: bytes
    sig_len: int

    @property
    def unused_are_zero(self) -> bool:
        """Whether all that PKCS#7 does not use is zero, as the kernel asks (kernel/module_signature.c)."""
        return not any((self.algo, self.hash, self.signer_len, self.key_id_len, *self.padding))


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What follows the marker's place backwards: trailer, signature, and the `body_size` bytes that are signed.

    `trailer` is None when the file is too short to hold one. `block` is the signature itself, in the old form with
    the signer's name and key id before it; it is empty when its size makes no sense, and `defect` then says why.
    """

    body_size: int
    block: bytes
    trailer: Trailer | None
    defect: str | None = None

    @property
    def kind(self) -> str:
        """As modinfo writes it: "PKCS#7", of old "X509" or "PGP"; the number where it is none of these."""
        number = -1 if self.trailer is None else self.trailer.id_type
        return _KINDS[number] if 0 <= number < len(_KINDS) else str(number)

    @cached_property
    def signer(self) -> Signer | str:
        """Who signed, or why that cannot be read."""
        trailer = self.trailer
        if self.defect is not None or trailer is None:
            return self.defect or "it has no trailer"
        if trailer.algo >= _ALGORITHMS or trailer.hash >= len(_HASHES) or trailer.id_type >= len(_KINDS):
            return f"algorithm {trailer.algo}, hash {trailer.hash} or kind {trailer.id_type} is not known"
        return first_signer(self.block) if trailer.id_type == PKCS7 else _old_signer(self.block, trailer)


def signature_of(data: bytes | mmap) -> Signature | None:
    """The signature of a module's whole (plain) bytes; None when there is no marker at the end.

    Source: kernel/module/signing.c (module_sig_check), kernel/module_signature.c (mod_check_sig).
    """
    end = len(data) - len(MARKER)
    if end < 0 or data[end:] != MARKER:
        return None
    start = end - _TRAILER.size
    if start < 0:
        return Signature(body_size=end, block=b"", trailer=None, defect="the file is too short for a trailer")
    algo, digest, id_type, signer_len, key_id_len, padding, sig_len = _TRAILER.unpack_from(data, start)
    trailer = Trailer(
        algo=algo,
        hash=digest,
        id_type=id_type,
        signer_len=signer_len,
        key_id_len=key_id_len,
        padding=padding,
        sig_len=sig_len,
    )
    body = start - sig_len - (0 if id_type == PKCS7 else signer_len + key_id_len)
    if sig_len == 0 or body < 0:
        defect = f"the trailer says {sig_len} bytes of signature where {start} are"
        return Signature(body_size=start, block=b"", trailer=trailer, defect=defect)
    return Signature(body_size=body, block=data[body:start], trailer=trailer)


def _old_signer(block: bytes, trailer: Trailer) -> Signer:
    """Of the form before Linux 4.3: signer's name, key id, signature, with the algorithms in the trailer."""
    key, value = trailer.signer_len, trailer.signer_len + trailer.key_id_len
    return Signer(
        name=block[:key].partition(b"\0")[0].decode("utf-8", "surrogateescape"),
        key_id=block[key:value],
        hash_algo=_HASHES[trailer.hash],
        value=block[value:],
    )
