# SPDX-License-Identifier: GPL-2.0-or-later
"""A PKCS#7 message taken apart as the kernel takes it (crypto/asymmetric_keys/pkcs7.asn1). Verifies nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

from dlkm.core.errors import MalformedError
from dlkm.ko.der import INTEGER, OCTETS, OID, SEQUENCE, SET, Node, Reader, dotted, read

SIGNED_DATA = "1.2.840.113549.1.7.2"
DATA = "1.2.840.113549.1.7.1"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_COMMON_NAME = "2.5.4.3"
_COUNTED = 0xA0  # [0], [1] …, constructed

# Names as sign-file and modinfo write them; of any other the numbers stand.
HASHES = {
    "1.2.840.113549.2.2": "md2",
    "1.2.840.113549.2.4": "md4",
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "1.3.36.3.2.1": "rmd160",
    "1.2.156.10197.1.401": "sm3",
    "1.2.643.7.1.1.2.2": "streebog256",
    "1.2.643.7.1.1.2.3": "streebog512",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.5": "sha512-224",
    "2.16.840.1.101.3.4.2.6": "sha512-256",
    "2.16.840.1.101.3.4.2.7": "sha3-224",
    "2.16.840.1.101.3.4.2.8": "sha3-256",
    "2.16.840.1.101.3.4.2.9": "sha3-384",
    "2.16.840.1.101.3.4.2.10": "sha3-512",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A signer of a message.

    `key_id` is the serial number of the certificate, or its subject key identifier where `by_serial` is false and
    `name`, the issuer's, is empty. `identity` is what the kernel looks a key up by. `attributes` are the kinds of what
    is signed beside the content, by number; `key_algo` is the number of the key's algorithm.
    """

    name: str
    key_id: bytes
    hash_algo: str
    value: bytes
    by_serial: bool = True
    identity: bytes = b""
    key_algo: str = ""
    version: int = 1
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A signed message. `content` is the kind of what is signed, by number; `certificates` are whole, in DER."""

    kind: str
    version: int = 1
    content: str = DATA
    detached: bool = True
    certificates: tuple[bytes, ...] = ()
    signers: tuple[Signer, ...] = ()


def read_message(block: bytes) -> Message:
    """A message from its bytes, what follows it ignored as the kernel does; MalformedError when it is none."""
    outer = Reader(_sequence(block))
    kind = _identifier(outer.take(OID))
    body = outer.maybe(_COUNTED)
    if kind != SIGNED_DATA or body is None:
        return Message(kind=kind)
    signed = Reader(Reader(body).take(SEQUENCE))
    outer.finish()
    version = signed.take(INTEGER)
    signed.take(SET, SEQUENCE)
    enclosed = Reader(signed.take(SEQUENCE))
    content, inner = _identifier(enclosed.take(OID)), enclosed.maybe(_COUNTED)
    certificates = signed.maybe(_COUNTED, _COUNTED + 2)
    signed.maybe(_COUNTED + 1, _COUNTED + 3)
    signers = signed.take(SET, SEQUENCE)
    enclosed.finish()
    signed.finish()
    return Message(
        kind=kind,
        version=_small(version),
        content=content,
        detached=inner is None,
        certificates=tuple(one.whole for one in certificates.children()) if certificates is not None else (),
        signers=tuple(_signer(Reader(one)) for one in signers.children()),
    )


class MessageReader:
    """Reads many messages: what begins alike, as the signatures of one key do, is taken apart once."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[bytes, Message]] = {}

    def read(self, block: bytes) -> tuple[Message, bytes]:
        """The message and the value of its first signature; the message's own value may be another's.

        MalformedError as read_message.
        """
        known = self._seen.get(len(block))
        if known is not None and block.startswith(known[0]):
            return known[1], block[len(known[0]) :]
        message = read_message(block)
        value = message.signers[0].value if message.signers else b""
        if len(message.signers) == 1 and value and block.endswith(value):
            # All lengths stand before it, so that whatever follows the same beginning is the value alone.
            self._seen[len(block)] = block[: -len(value)], message
        return message, value


def first_signer(block: bytes) -> Signer | str:
    """The first signer of a message, or why it cannot be read."""
    try:
        message = read_message(block)
    except MalformedError as error:
        return error.what
    if message.kind != SIGNED_DATA:
        return "not a signed message"
    return message.signers[0] if message.signers else "nobody signed"


def _sequence(block: bytes) -> Node:
    node = read(block)
    if node.tag != SEQUENCE:
        raise MalformedError("no PKCS#7 message", offset=0)
    return node


def _identifier(node: Node) -> str:
    return dotted(node.value)


def _small(node: Node) -> int:
    """A version's number; -1 for one of several bytes, which the kernel takes for none."""
    return node.value[0] if node.end - node.content == 1 else -1


def _signer(info: Reader) -> Signer:
    version = _small(info.take(INTEGER))
    sid = info.take(SEQUENCE, 0x80, _COUNTED)
    digest = _identifier(Reader(info.take(SEQUENCE)).take(OID))
    attributes = info.maybe(_COUNTED, _COUNTED + 2)
    algorithm = _identifier(Reader(info.take(SEQUENCE)).take(OID))
    value = info.take(OCTETS).value
    info.maybe(_COUNTED + 1, _COUNTED + 3)
    info.finish()
    name, key_id, identity = _identity(sid)
    return Signer(
        name=name,
        key_id=key_id,
        hash_algo=HASHES.get(digest, digest),
        value=value,
        by_serial=sid.tag == SEQUENCE,
        identity=identity,
        key_algo=algorithm,
        version=version,
        attributes=tuple(_attributes(attributes)) if attributes is not None else (),
    )


def _identity(sid: Node) -> tuple[str, bytes, bytes]:
    """Name, key id, and what the kernel makes of both (asymmetric_key_generate_id: serial number, then issuer)."""
    if sid.tag != SEQUENCE:
        return "", sid.value, sid.value
    reader = Reader(sid)
    issuer, serial = reader.take(SEQUENCE), reader.take(INTEGER)
    number = int.from_bytes(serial.value, "big", signed=True)
    return _name(issuer), _magnitude(number), serial.value + issuer.value


def _attributes(attributes: Node) -> Iterator[str]:
    for one in attributes.children():
        yield _identifier(Reader(one).take(OID))


def _magnitude(serial: int) -> bytes:
    """A serial number as openssl's BN_bn2bin writes it: no sign, no leading zero, nothing for zero."""
    return abs(serial).to_bytes((abs(serial).bit_length() + 7) // 8, "big")


def _name(issuer: Node) -> str:
    """The first common name, else whatever comes last (kmod: libkmod-signature.c, x509_name_to_str)."""
    pairs = [Reader(pair) for part in issuer.children() for pair in part.children()]
    values = [(_identifier(pair.take(OID)), pair.take().value) for pair in pairs]
    last = values[-1][1] if values else b""
    raw = next((value for kind, value in values if kind == _COMMON_NAME), last)
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
