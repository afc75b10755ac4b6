# SPDX-License-Identifier: GPL-2.0-or-later
"""The keys that a kernel trusts: found as it finds them, signatures verified by AWS-LC or OpenSSL. Judges no module."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from typing import Any

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.files import open_regular
from dlkm.ko.efi import certificates_in
from dlkm.ko.x509 import Certificate, read_certificate
from dlkm.verdict.algorithms import digest_info, digest_of_certificate

LIMIT = 1 << 20  # bytes of a file with certificates
_PEM = b"-----BEGIN CERTIFICATE-----"
# Attributes of the variables db and MokListRT (EFI_VARIABLE_…): kept, for boot services, at run time; authenticated
_FIRMWARE = frozenset(number.to_bytes(4, "little") for number in (0x06, 0x07, 0x26, 0x27))
_DIFFERS = "EKEYREJECTED"  # it is a signature, of something else
_PIECE = 16 << 20  # bytes that are digested at a time
_P384 = bytes.fromhex("06052b81040022")  # secp384r1 (RFC 5480, 2.1.1.1)
_PADDING = 8  # bytes of 0xff at least


class Keyring:
    """Certificates by what the kernel looks them up by: issuer and serial number, or the key identifier."""

    def __init__(self, certificates: Iterable[Certificate]) -> None:
        self._known: dict[bytes, Certificate] = {}
        for one in certificates:
            self._known.setdefault(one.identity, one)
            if one.key_id:
                self._known.setdefault(one.key_id, one)

    def find(self, *identities: bytes) -> Certificate | None:
        """The first that is known by one of these (find_asymmetric_key); an empty one finds nothing."""
        return next((self._known[one] for one in identities if one and one in self._known), None)


@lru_cache(maxsize=8)
def keyring(raw: tuple[bytes, ...], extra: tuple[Path, ...]) -> Keyring:
    """Of certificates in DER, those that cannot be read left out as the kernel does, and of files."""
    return Keyring([*_readable(raw), *(one for path in extra for one in certificates_at(path))])


def _readable(raw: Iterable[bytes]) -> Iterator[Certificate]:
    for one in raw:
        try:
            yield read_certificate(one)
        except MalformedError:
            continue


@lru_cache(maxsize=64)
def certificates_at(path: Path) -> tuple[Certificate, ...]:
    """The certificates of a file: one in DER, some in PEM, or those that firmware keeps, as efivarfs shows them.

    UsageError or MalformedError when there are none, but for firmware's list, which may be empty.
    """
    with open_regular(path) as stream:
        try:
            raw = stream.read(LIMIT)
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        if raw[:4] in _FIRMWARE:
            return tuple(_readable(certificates_in(raw)))
        return tuple(read_certificate(der) for der in (_unarmoured(raw) if _PEM in raw else [raw]))
    except (MalformedError, ValueError) as error:
        why = error.what if isinstance(error, MalformedError) else str(error)
        raise MalformedError(f"{path}: not an X.509 certificate in DER or PEM: {why}") from error


def _unarmoured(raw: bytes) -> Iterator[bytes]:
    """Every certificate of a PEM file (RFC 7468); ValueError where the text is none."""
    import base64

    for part in raw.split(_PEM)[1:]:
        text, end, _ = part.partition(b"-----END CERTIFICATE-----")
        if not end:
            raise ValueError("a PEM block without its end")
        yield base64.b64decode(b"".join(text.split()), validate=True)


def issued(certificate: Certificate, issuer: Certificate) -> bool | None:
    """Whether `issuer` signed a certificate; None when that cannot be computed here."""
    name = digest_of_certificate(certificate.signature_algo)
    digest = None if name is None else digest_of(name, certificate.signed)
    if name is None or digest is None:
        return None
    return verify(issuer.key, name, digest, certificate.signature)


def digest_of(name: str, data: bytes | memoryview) -> bytes | None:
    """The digest of a name as the kernel has it; None when it cannot be computed here."""
    try:
        told = hashlib.new(name.replace("-", "_"), usedforsecurity=False)
    except ValueError:
        return None
    whole = memoryview(data)
    for start in range(0, len(whole), _PIECE):
        told.update(whole[start : start + _PIECE])
        if isinstance(whole.obj, mmap):
            whole.obj.madvise(MADV_DONTNEED, start, _PIECE)  # of a map nothing need stay in memory
    return told.digest()


def verify(key: bytes, digest_name: str, digest: bytes, value: bytes) -> bool | None:
    """Whether `value` is a public key's signature on a digest; None when that cannot be computed here.

    `key` is a SubjectPublicKeyInfo in DER. What AWS-LC says yes to is good; anything else is OpenSSL's to decide.
    """
    swift = swift_key(key)
    if swift is not None and swift.verify(digest, value):
        return True
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    check = _verifier(key, digest_name)
    if check is None:
        return None
    try:
        check(value, digest)
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, ValueError):
        return None
    return True


def wrong_errno(key: bytes, digest_name: str, value: bytes, *, bounded: bool) -> str:
    """With what a wrong signature is refused: by how far it opens as one (crypto/rsa-pkcs1pad.c, rsassa-pkcs1.c).

    `bounded`: this kernel opens no number that opens as itself (crypto/rsa.c: rsa_check_payload).
    """
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    public = load_der_public_key(key)
    if not isinstance(public, rsa.RSAPublicKey):
        return _DIFFERS
    numbers = public.public_numbers()
    size = (numbers.n.bit_length() + 7) // 8
    number = int.from_bytes(value, "big")
    opened = pow(number, numbers.e, numbers.n).to_bytes(size, "big") if number < numbers.n else b""
    itself = bounded and (number <= 1 or number == numbers.n - 1)
    if itself or len(value) != size or not opened.startswith(b"\0"):
        return "EINVAL"
    padding, end, rest = opened[2:].partition(b"\0")
    if opened[1] != 1 or len(padding) < _PADDING or padding.strip(b"\xff") or not end:
        return "EBADMSG"
    return _DIFFERS if rest.startswith(digest_info(digest_name)) else "EBADMSG"


@cache
def swift_key(key: bytes) -> Any:
    """A key on the curve P-384 for AWS-LC, which takes less than half of OpenSSL's time there; None for any other."""
    if _P384 not in key:
        return None
    try:
        from awscrt.crypto import EC

        return EC.new_key_from_der_data(key)
    except (ImportError, RuntimeError, ValueError):  # there is none for this machine, or it takes no such key
        return None


@cache
def _verifier(key: bytes, digest_name: str) -> Any:
    """A function of signature and digest that raises InvalidSignature; None for a key or a digest that is not known."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    kind = getattr(hashes, digest_name.upper().replace("-", "_"), None)
    try:
        public = load_der_public_key(key)
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return None
    if kind is None:
        return None
    prehashed = utils.Prehashed(kind())
    if isinstance(public, rsa.RSAPublicKey):
        scheme = padding.PKCS1v15()
        return lambda value, digest: public.verify(value, digest, scheme, prehashed)
    if isinstance(public, ec.EllipticCurvePublicKey):
        algorithm = ec.ECDSA(prehashed)
        return lambda value, digest: public.verify(value, digest, algorithm)
    return None
