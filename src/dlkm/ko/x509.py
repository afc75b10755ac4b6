# SPDX-License-Identifier: GPL-2.0-or-later
"""An X.509 certificate taken apart as far as the kernel uses it to know a signer by. Verifies nothing."""

from dataclasses import dataclass

from dlkm.core.errors import MalformedError
from dlkm.ko.der import INTEGER, OCTETS, OID, SEQUENCE, Node, Reader, dotted, read

_BITS, _BOOLEAN = 0x03, 0x01
_COUNTED = 0xA0
_SUBJECT_KEY, _AUTHORITY_KEY = "2.5.29.14", "2.5.29.35"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate. `identity` (serial number and issuer) and `key_id` (subject key identifier, b"" without one) are
    what the kernel looks it up by, `authority` the same two of whoever signed it, b"" where it does not say.

    `key` is the SubjectPublicKeyInfo in DER, `key_algo` the number of its algorithm and of its curve, if any.
    `signature` covers `signed`, by the algorithm of that number.
    Source: crypto/asymmetric_keys/x509_cert_parser.c.
    """

    whole: bytes
    identity: bytes
    key_id: bytes
    authority: tuple[bytes, bytes]
    self_signed: bool
    key: bytes
    key_algo: tuple[str, ...]
    signed: bytes
    signature_algo: str
    signature: bytes


def read_certificate(raw: bytes) -> Certificate:
    """From DER; MalformedError when it is no certificate."""
    outer = Reader(_of(read(raw), SEQUENCE))
    body = outer.take(SEQUENCE)
    algorithm = Reader(outer.take(SEQUENCE)).take(OID)
    signature = outer.take(_BITS)
    outer.finish()
    reader = Reader(body)
    reader.maybe(_COUNTED)
    serial = reader.take(INTEGER)
    reader.take(SEQUENCE)
    issuer = reader.take(SEQUENCE)
    _times(reader.take(SEQUENCE))
    subject, key = reader.take(SEQUENCE), reader.take(SEQUENCE)
    key_algo = _key(key)
    for number in (0x81, 0x82):
        reader.maybe(number, number | 0x20)
    extensions = reader.maybe(_COUNTED + 3)
    reader.finish()
    key_id, authority = _key_ids(extensions)
    return Certificate(
        whole=read(raw).whole,
        identity=serial.value + issuer.value,
        key_id=key_id,
        authority=authority,
        self_signed=subject.value == issuer.value,
        key=key.whole,
        key_algo=key_algo,
        signed=body.whole,
        signature_algo=dotted(algorithm.value),
        signature=signature.value[1:],
    )


def _of(node: Node, tag: int) -> Node:
    if node.tag != tag:
        raise MalformedError("no certificate", offset=node.start)
    return node


def _times(validity: Node) -> None:
    """Two times, UTCTime or GeneralizedTime."""
    reader = Reader(validity)
    reader.take(0x17, 0x18)
    reader.take(0x17, 0x18)
    reader.finish()


def _key(info: Node) -> tuple[str, ...]:
    """An algorithm and a key; the numbers that say which."""
    reader = Reader(info)
    algorithm = Reader(reader.take(SEQUENCE))
    number, curve = algorithm.take(OID), algorithm.maybe(OID)
    reader.take(_BITS)
    reader.finish()
    return tuple(dotted(one.value) for one in (number, curve) if one is not None)


def _key_ids(extensions: Node | None) -> tuple[bytes, tuple[bytes, bytes]]:
    """The subject's key identifier, and the authority's identity and key identifier."""
    key_id, authority = b"", (b"", b"")
    for one in Reader(extensions).take(SEQUENCE).children() if extensions is not None else ():
        reader = Reader(one)
        kind = dotted(reader.take(OID).value)
        reader.maybe(_BOOLEAN)
        value = reader.take(OCTETS).value
        if kind == _SUBJECT_KEY:
            key_id = _of(read(value), OCTETS).value
        elif kind == _AUTHORITY_KEY:
            authority = _authority(_of(read(value), SEQUENCE))
    return key_id, authority


def _authority(value: Node) -> tuple[bytes, bytes]:
    """AuthorityKeyIdentifier: [0] key identifier, [1] names with the issuer's as [4], [2] serial number."""
    parts = {child.tag: child for child in value.children()}
    key_id = parts[0x80].value if 0x80 in parts else b""
    if 0x82 not in parts or _COUNTED + 1 not in parts:
        return b"", key_id
    names = (name for name in parts[_COUNTED + 1].children() if name.tag == _COUNTED + 4)
    issuer = next((Reader(name).take(SEQUENCE).value for name in names), b"")
    return parts[0x82].value + issuer, key_id
