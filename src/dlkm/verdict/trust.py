# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a module's signature is good and by whom, as the kernel decides it (crypto/asymmetric_keys/pkcs7_*.c)."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from functools import lru_cache
from pathlib import Path
from typing import Any

from dlkm.core.errors import MalformedError, UsageError
from dlkm.kernel.facts import Facts
from dlkm.ko.pkcs7 import Signer
from dlkm.ko.signature import PKCS7
from dlkm.verdict.candidate import Candidate


class Trust(Enum):
    """What comes of a signature check."""

    TRUSTED = auto()
    NONE = auto()  # there is no signature
    UNKNOWN_KEY = auto()  # nobody whom the kernel knows
    UNSUPPORTED = auto()  # an algorithm or a kind of block that the kernel cannot take
    WRONG = auto()  # a known key, and the file is not what was signed
    MALFORMED = auto()
    ATTRIBUTES = auto()  # signed with authenticated attributes, which a module must not have
    ATTRIBUTES_LACK = auto()  # with some of them, and not those that belong to them
    AUTHENTICODE = auto()
    NOT_DATA = auto()  # of a kind that only other signatures may have
    CONTENT = auto()  # of a kind that the kernel does not know
    UNDECIDED = auto()  # the kernel's certificates are not at hand


# asn1crypto tells wrong bytes in many ways.
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)

_SPC_INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"

# DigestInfo before the digest (RFC 8017, 9.2); the digests that kernels take
_PREFIX = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha224": bytes.fromhex("302d300d06096086480165030402040500041c"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


def trust_of(candidate: Candidate, facts: Facts, extra: Sequence[Path]) -> Trust:
    """The decision for one file. `extra` are certificates that the machine trusts besides the kernel's own."""
    signature = candidate.signature
    if signature is None:
        return Trust.NONE
    if signature.trailer is not None and signature.trailer.id_type != PKCS7:
        return Trust.UNSUPPORTED
    message = _parse(signature.block)
    if isinstance(message, Trust):
        return message
    known = [*map(_certificate, facts.certificates or ()), *(certificate_at(path) for path in extra)]
    body = candidate.data[: signature.body_size]
    trust = _judge(message, body, [one for one in known if one is not None])
    if trust is Trust.UNKNOWN_KEY and facts.certificates is None:
        signer = signature.signer
        own = isinstance(signer, Signer) and signer.key_id == facts.signer
        return Trust.TRUSTED if own else Trust.UNDECIDED
    return trust


def _parse(block: bytes) -> Any:
    """The SignedData of a message, or the Trust that its faults deserve."""
    from asn1crypto import cms

    load: Callable[..., Any] = cms.ContentInfo.load
    try:
        content = load(block, strict=True)
        return _fault(content) or content["content"]
    except _UNREADABLE:
        return Trust.MALFORMED


def _fault(content: Any) -> Trust | None:
    """What keeps a message from being a module's signature (pkcs7_parser.c, pkcs7_verify)."""
    if content["content_type"].native != "signed_data":
        return Trust.MALFORMED
    signed = content["content"]
    enclosed, signers = signed["encap_content_info"], signed["signer_infos"]
    if enclosed["content"].native is not None or not len(signers):
        return Trust.MALFORMED
    kind = enclosed["content_type"].native
    if kind not in {"data", _SPC_INDIRECT_DATA}:
        return Trust.CONTENT
    attributes = {one["type"].native for one in signers[0]["signed_attrs"]}
    if attributes and not attributes >= {"content_type", "message_digest"}:
        return Trust.ATTRIBUTES_LACK
    if kind != "data":
        return Trust.NOT_DATA if attributes else Trust.AUTHENTICODE
    return Trust.ATTRIBUTES if attributes else None


def _judge(signed: Any, body: bytes, known: Iterable[Any]) -> Trust:
    """pkcs7_verify, then pkcs7_validate_trust: a certificate within the message proves the file, not the trust."""
    try:
        info = signed["signer_infos"][0]
        digest_name = info["digest_algorithm"]["algorithm"].native
        if digest_name not in _PREFIX:
            return Trust.UNSUPPORTED
        enclosed = [one.chosen for one in signed["certificates"] or ()]
        signer = next((one for one in [*known, *enclosed] if _is_signer(one, info["sid"])), None)
        if signer is None:
            return Trust.UNKNOWN_KEY
        verified = _verify(signer, digest_name, body, info["signature"].native)
        if verified is None:
            return Trust.UNDECIDED
        if not verified:
            return Trust.WRONG
        return Trust.UNKNOWN_KEY if signer in enclosed and not _vouched(signer, known) else Trust.TRUSTED
    except _UNREADABLE:
        return Trust.MALFORMED


def _vouched(certificate: Any, known: Iterable[Any]) -> bool:
    """Whether a known certificate is this one or issued it."""
    return any(one.dump() == certificate.dump() or one.subject == certificate.issuer for one in known)


def _is_signer(certificate: Any, sid: Any) -> bool:
    chosen = sid.chosen
    if sid.name == "issuer_and_serial_number":
        same_issuer = certificate.issuer.dump() == chosen["issuer"].dump()
        return bool(same_issuer and certificate.serial_number == chosen["serial_number"].native)
    return bool(certificate.key_identifier == chosen.native)


def _verify(certificate: Any, digest_name: str, body: bytes, value: bytes) -> bool | None:
    """Whether the signature over the body is the certificate's; None for a kind of key that is not computed here."""
    key = certificate["tbs_certificate"]["subject_public_key_info"]
    if key.algorithm != "rsa":
        return None
    numbers = key["public_key"].parsed
    modulus, exponent = numbers["modulus"].native, numbers["public_exponent"].native
    length = (modulus.bit_length() + 7) // 8
    opened = pow(int.from_bytes(value, "big"), exponent, modulus).to_bytes(length, "big")
    info = _PREFIX[digest_name] + hashlib.new(digest_name, body).digest()
    padding = length - len(info) - 3
    expected: bytes = b"\0\1" + b"\xff" * padding + b"\0" + info
    return bool(opened == expected)


@lru_cache(maxsize=64)
def _certificate(der: bytes) -> Any:
    from asn1crypto import x509

    load: Callable[..., Any] = x509.Certificate.load
    try:
        certificate = load(der, strict=True)
        _ = certificate.serial_number, certificate.issuer.dump(), certificate.key_identifier
    except _UNREADABLE:
        return None
    return certificate


@lru_cache(maxsize=64)
def certificate_at(path: Path) -> Any:
    """A certificate in DER or PEM; UsageError or MalformedError when it is none."""
    from asn1crypto import pem

    try:
        raw = path.read_bytes()[: 1 << 20]
        is_pem: Callable[[bytes], bool] = pem.detect
        unarmor: Callable[[bytes], Any] = pem.unarmor
        der = unarmor(raw)[2] if is_pem(raw) else raw
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise MalformedError(f"{path}: not a certificate: {error}") from error
    certificate = _certificate(der)
    if certificate is None:
        raise MalformedError(f"{path}: not an X.509 certificate in DER or PEM")
    return certificate
