# SPDX-License-Identifier: GPL-2.0-or-later
"""A PKCS#7 message taken apart as the kernel takes it (crypto/asymmetric_keys/pkcs7.asn1). Verifies nothing."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from dlkm.core.errors import MalformedError
from dlkm.ko.ber import Choice, One, Value, decode
from dlkm.ko.der import INTEGER, OCTETS, OID, SEQUENCE, SET, Node, Reader, dotted

SIGNED_DATA = "1.2.840.113549.1.7.2"
DATA = "1.2.840.113549.1.7.1"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_COMMON_NAME = "2.5.4.3"
_COUNTED, _KEY_ID = 0xA0, 0x80  # [0], [1] …, constructed; [0] as it is

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


class Kind(Enum):
    """What a note is of; in this order the kernel meets them, those of signers once for each."""

    TYPE = auto()  # the kind of message, by number
    VERSION = auto()
    CONTENT = auto()  # the kind of what is signed, by number
    CERTIFICATE = auto()  # one that is enclosed, in DER
    SIGNER_VERSION = auto()
    DIGEST = auto()  # its number
    ATTRIBUTE = auto()  # its number
    ATTRIBUTES = auto()  # all were seen
    KEY = auto()  # the number of the key's algorithm
    SIGNER = auto()


class Step(NamedTuple):
    """One note: the number where it is of an algorithm or a kind; the value as it stands."""

    kind: Kind
    number: str
    value: Value


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
    """A signed message. `content` is the kind of what is signed, by number; `certificates` are whole, in DER.

    `steps` are what was noted, in order; `fault` is why it could not be read to its end, None where it was.
    """

    kind: str = ""
    version: int = -1
    content: str = ""
    detached: bool = True
    certificates: tuple[bytes, ...] = ()
    signers: tuple[Signer, ...] = ()
    steps: tuple[Step, ...] = ()
    fault: str | None = None


def read_message(block: bytes) -> Message:
    """A message from its bytes as far as it can be read, what follows it ignored as the kernel does."""
    notes = _Notes()
    try:
        decode(block, _pattern(notes))
    except MalformedError as error:
        return notes.message(error.what)
    return notes.message(None)


class MessageReader:
    """Reads many messages: what begins alike, as the signatures of one key do, is taken apart once."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[bytes, Message]] = {}

    def read(self, block: bytes) -> tuple[Message, bytes]:
        """The message and the value of its first signature; the message's own value may be another's."""
        known = self._seen.get(len(block))
        if known is not None and block.startswith(known[0]):
            return known[1], block[len(known[0]) :]
        message = read_message(block)
        value = message.signers[0].value if message.signers else b""
        if message.fault is None and len(message.signers) == 1 and value and block.endswith(value):
            # All lengths stand before it, so that whatever follows the same beginning is the value alone.
            self._seen[len(block)] = block[: -len(value)], message
        return message, value


def first_signer(block: bytes) -> Signer | str:
    """The first signer of a message, or why it cannot be read."""
    message = read_message(block)
    if message.kind and message.kind != SIGNED_DATA:
        return "not a signed message"
    if message.fault is not None:
        return message.fault
    return message.signers[0] if message.signers else "nobody signed"


@dataclass(slots=True)
class _Notes:
    """What was noted so far: some of it the kernel keeps from one signer to the next."""

    last_oid: str = ""
    detached: bool = True
    serial: Value | None = None
    issuer: Value | None = None
    key_id: Value | None = None
    signature: Value | None = None
    steps: list[Step] = field(default_factory=list)
    signers: list[Signer] = field(default_factory=list)
    first: int = 0  # step of the signer that is being read
    by_serial: bool = True

    def oid(self, value: Value) -> None:
        self.last_oid = dotted(value.content)

    def step(self, kind: Kind) -> Callable[[Value], None]:
        def note(value: Value) -> None:
            if kind is Kind.SIGNER_VERSION:
                self.first = len(self.steps)
            self.steps.append(Step(kind, self.last_oid, value))

        return note

    def data(self, _value: Value) -> None:
        self.detached = False

    def named(self, value: Value) -> None:
        self.serial, self.by_serial = value, True

    def keyed(self, value: Value) -> None:
        self.key_id, self.by_serial = value, False

    def issued(self, value: Value) -> None:
        self.issuer = value

    def signed(self, value: Value) -> None:
        self.signature = value

    def signer(self, value: Value) -> None:
        """One signer is complete."""
        self.step(Kind.SIGNER)(value)
        steps = self.steps[self.first :]
        found = {one.kind: one for one in steps}
        digest = found[Kind.DIGEST].number
        version = _small(found[Kind.SIGNER_VERSION].value)
        serial, issuer, key_id = map(_content, (self.serial, self.issuer, self.key_id))
        attributes = [one.number for one in steps if one.kind is Kind.ATTRIBUTE] if Kind.ATTRIBUTES in found else []
        self.signers.append(
            Signer(
                name=_name(issuer) if self.by_serial else "",
                key_id=_magnitude(int.from_bytes(serial, "big", signed=True)) if self.by_serial else key_id,
                hash_algo=HASHES.get(digest, digest),
                value=_content(self.signature),
                by_serial=self.by_serial,
                identity=serial + issuer if version == 1 else key_id,
                key_algo=found[Kind.KEY].number,
                version=version,
                attributes=tuple(attributes),
            )
        )

    def message(self, fault: str | None) -> Message:
        """All of it."""
        found = {one.kind: one for one in reversed(self.steps)}
        known = found.keys()
        return Message(
            kind=found[Kind.TYPE].number if Kind.TYPE in known else "",
            version=_small(found[Kind.VERSION].value) if Kind.VERSION in known else -1,
            content=found[Kind.CONTENT].number if Kind.CONTENT in known else "",
            detached=self.detached,
            certificates=tuple(one.value.whole for one in self.steps if one.kind is Kind.CERTIFICATE),
            signers=tuple(self.signers),
            steps=tuple(self.steps),
            fault=fault,
        )


def _pattern(notes: _Notes) -> One:
    """crypto/asymmetric_keys/pkcs7.asn1."""
    certificate = One(None, after=notes.step(Kind.CERTIFICATE))
    lists = One(SEQUENCE, [certificate], many=True)
    algorithm = _algorithm(notes, None)
    content = One(_COUNTED, [One(None, after=notes.data)], optional=True)
    signer = _signer_pattern(notes)
    signed = One(
        SEQUENCE,
        [
            One(INTEGER, after=notes.step(Kind.VERSION)),
            Choice([One(tag, [algorithm], many=True) for tag in (SET, SEQUENCE)]),
            One(SEQUENCE, [One(OID, after=notes.oid), content], after=notes.step(Kind.CONTENT)),
            Choice(
                [One(_COUNTED, [Choice([certificate])], many=True), One(_COUNTED + 2, [certificate], many=True)],
                optional=True,
            ),
            Choice([One(_COUNTED + number, [lists], many=True) for number in (1, 3)], optional=True),
            Choice([One(tag, [signer], many=True) for tag in (SET, SEQUENCE)]),
        ],
    )

    def kind(value: Value) -> None:
        notes.oid(value)
        notes.step(Kind.TYPE)(value)

    return One(SEQUENCE, [One(OID, after=kind), One(_COUNTED, [signed], optional=True)])


def _algorithm(notes: _Notes, kind: Kind | None) -> One:
    """An algorithm with its parameters."""
    parts = [One(OID, after=notes.oid), One(None, optional=True)]
    return One(SEQUENCE, parts, after=notes.step(kind) if kind is not None else None)


def _signer_pattern(notes: _Notes) -> One:
    part = One(SEQUENCE, [One(OID, after=notes.oid), One(None)])
    issuer = One(SEQUENCE, [One(SET, [part], many=True)], many=True, after=notes.issued)
    values = One(SET, [One(None, after=notes.step(Kind.ATTRIBUTE))], many=True)
    attribute = One(SEQUENCE, [One(OID, after=notes.oid), values])
    more = One(SEQUENCE, [One(OID), One(SET, [One(None)], many=True)])
    return One(
        SEQUENCE,
        [
            One(INTEGER, after=notes.step(Kind.SIGNER_VERSION)),
            Choice([One(SEQUENCE, [issuer, One(INTEGER, after=notes.named)]), One(_KEY_ID, after=notes.keyed)]),
            _algorithm(notes, Kind.DIGEST),
            Choice(
                [
                    One(_COUNTED, [attribute], many=True, after=notes.step(Kind.ATTRIBUTES)),
                    One(_COUNTED + 2, [One(SEQUENCE, [attribute], many=True)]),
                ],
                optional=True,
            ),
            _algorithm(notes, Kind.KEY),
            One(OCTETS, after=notes.signed),
            Choice([One(_COUNTED + number, [more], many=True) for number in (1, 3)], optional=True),
        ],
        after=notes.signer,
    )


def _content(value: Value | None) -> bytes:
    return value.content if value is not None else b""


def _small(value: Value) -> int:
    """A version's number; -1 for one of several bytes, which the kernel takes for none."""
    return value.content[0] if len(value.content) == 1 else -1


def _magnitude(serial: int) -> bytes:
    """A serial number as openssl's BN_bn2bin writes it: no sign, no leading zero, nothing for zero."""
    return abs(serial).to_bytes((abs(serial).bit_length() + 7) // 8, "big")


def _name(issuer: bytes) -> str:
    """The first common name, else whatever comes last (kmod: libkmod-signature.c, x509_name_to_str)."""
    values = []
    with suppress(MalformedError):
        for part in Node(issuer, SEQUENCE, 0, 0, len(issuer), len(issuer)).children():
            values += [(dotted(pair.take(OID).value), pair.take().value) for pair in map(Reader, part.children())]
    last = values[-1][1] if values else b""
    raw = next((value for kind, value in values if kind == _COMMON_NAME), last)
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
