# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps a PKCS#7 message from being a module's signature, in the order in which the kernel comes upon it.

Source: crypto/asymmetric_keys/pkcs7_parser.c, pkcs7_verify.c: pkcs7_verify; certs/system_keyring.c.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto

from dlkm.core.errors import MalformedError
from dlkm.kernel.facts import Facts
from dlkm.ko.der import OCTETS, SEQUENCE, dotted
from dlkm.ko.pkcs7 import CONTENT_TYPE, DATA, MESSAGE_DIGEST, SIGNED_DATA, Kind, Message, Step
from dlkm.ko.pkcs7 import HASHES as _HASHES
from dlkm.ko.x509 import read_certificate
from dlkm.verdict.algorithms import Algorithm, Support, digest, digest_of_certificate, is_key, is_registered, key
from dlkm.verdict.era import Era


class Trust(Enum):
    """What comes of a signature check."""

    TRUSTED = auto()
    NONE = auto()  # there is no signature
    UNKNOWN_KEY = auto()  # nobody whom the kernel knows
    KEY_IN_MODULE = auto()  # it holds a certificate that cannot be read without a module of the kernel's
    KEY_NOT_BUILT = auto()  # or cannot be read at all
    UNSUPPORTED = auto()  # an algorithm or a kind of block that the kernel cannot take
    WRONG = auto()  # a known key, and the file is not what was signed
    TOO_LARGE = auto()  # more than the kernel's reader takes
    MALFORMED = auto()
    NOT_SIGNED_DATA = auto()
    VERSION = auto()
    SIGNER_VERSION = auto()
    VERSIONS_DIFFER = auto()
    NOBODY = auto()  # signed by some with attributes and some without
    NAMELESS = auto()  # it names its signer otherwise than its version says, so that the kernel looks for no name
    ATTRIBUTES = auto()  # signed with authenticated attributes, which a module must not have
    ATTRIBUTE_REPEATED = auto()
    ATTRIBUTE_OF_MAIL = auto()  # capabilities of a mail program, as openssl adds
    ATTRIBUTE_OF_PROGRAMS = auto()  # such as only Windows programs have
    ATTRIBUTES_LACK = auto()  # with some of them, and not those that belong to them
    AUTHENTICODE = auto()
    NOT_DATA = auto()  # of a kind that only other signatures may have
    CONTENT = auto()  # of a kind that the kernel does not know
    ENCLOSED = auto()  # it holds the content itself
    UNDECIDED = auto()  # the kernel's certificates are not at hand, or the algorithm is none that is computed here


_VERSIONS = {b"\1": 1, b"\3": 3}
_SPC_INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
_SIGNING_TIME, _MAIL_CAPABILITIES = "1.2.840.113549.1.9.5", "1.2.840.113549.1.9.15"
_OF_PROGRAMS = frozenset({"1.3.6.1.4.1.311.2.1.11", "1.3.6.1.4.1.311.2.1.12"})
_NOTED = frozenset({CONTENT_TYPE, MESSAGE_DIGEST, _SIGNING_TIME, _MAIL_CAPABILITIES}) | _OF_PROGRAMS
_TIMES = {0x17: re.compile(rb"\d{12}Z"), 0x18: re.compile(rb"\d{14}Z")}


def first_fault(message: Message, era: Era, facts: Facts) -> Trust | None:
    """The first; None for a message that can be verified."""
    return next((fault for fault in _faults(message, era, facts) if fault is not None), None)


def message_number(message: Message, era: Era) -> int | None:
    """The number that the kernel prints for a kind of content that is none of its registry; None where it is not known.

    Source: include/linux/oid_registry.h: OID__NR.
    """
    unknown = not is_registered(message.content)
    return next(iter(era.words("registered-numbers")), None) if unknown else None


def _faults(message: Message, era: Era, facts: Facts) -> Iterator[Trust | None]:
    seen: set[str] = set()  # attributes of the signer that is being read
    for step in message.steps:
        if step.kind is Kind.SIGNER_VERSION:
            seen.clear()
        if step.kind is Kind.ATTRIBUTE:
            yield _attribute(step, message, seen)
        elif step.kind is Kind.ATTRIBUTES:
            yield None if {CONTENT_TYPE, MESSAGE_DIGEST} <= seen else Trust.ATTRIBUTES_LACK
        else:
            yield _of_step(step, message, era, facts)
    yield Trust.MALFORMED if message.fault is not None else None
    yield Trust.NOBODY if len({bool(one.attributes) for one in message.signers}) != 1 else None
    yield Trust.ENCLOSED if not message.detached else None
    yield Trust.NOT_DATA if message.content != DATA else None
    yield Trust.ATTRIBUTES if message.signers[0].attributes else None


def _of_step(step: Step, message: Message, era: Era, facts: Facts) -> Trust | None:
    """What is wrong with one part, if anything."""
    match step.kind:
        case Kind.TYPE:
            wrong = Trust.NOT_SIGNED_DATA if step.number != SIGNED_DATA else None
        case Kind.VERSION:
            wrong = Trust.VERSION if step.value.content not in _VERSIONS else None
        case Kind.CONTENT:
            wrong = Trust.CONTENT if step.number not in {DATA, _SPC_INDIRECT_DATA} else None
        case Kind.CERTIFICATE:
            wrong = _certificate(step, era, facts)
        case Kind.SIGNER_VERSION:
            wrong = _signer_version(step, message)
        case Kind.DIGEST:
            wrong = _unknown(digest(_HASHES.get(step.number, step.number), era, facts))
        case Kind.KEY:
            wrong = _unknown(key(step.number, era, facts))
        case _:
            wrong = _windows(message)
    return wrong


def _unknown(algorithm: Algorithm) -> Trust | None:
    return Trust.UNSUPPORTED if algorithm.support is Support.UNKNOWN else None


def _certificate(step: Step, era: Era, facts: Facts) -> Trust | None:
    """One that is enclosed is read at once, whoever signed, and one that signs itself is verified (x509_cert_parse)."""
    if step.value.tag != SEQUENCE:
        return Trust.MALFORMED
    try:
        one = read_certificate(step.value.whole)
    except MalformedError:
        return Trust.MALFORMED
    hashed, verifies = digest_of_certificate(one.signature_algo), key(one.signature_algo, era, facts).support
    if hashed is None and verifies is not Support.UNKNOWN:
        return None  # such as ML-DSA, which takes no digest apart
    used = digest(hashed or "", era, facts)
    if used.support is Support.UNKNOWN or not is_key(one.key_algo):  # x509_note_sig_algo, x509_extract_key_data
        return Trust.UNSUPPORTED
    if not one.self_signed or used.support is Support.NOT_BUILT:
        return None
    return {Support.IF_LOADED: Trust.KEY_IN_MODULE, Support.NOT_BUILT: Trust.KEY_NOT_BUILT}.get(verifies)


def _signer_version(step: Step, message: Message) -> Trust | None:
    """pkcs7_note_signerinfo_version."""
    version = _VERSIONS.get(step.value.content)
    if version is None:
        return Trust.SIGNER_VERSION
    return Trust.VERSIONS_DIFFER if (version == 1) != (message.version == 1) else None


def _windows(message: Message) -> Trust | None:
    """A signer is complete (pkcs7_note_signed_info)."""
    plain = message.content == _SPC_INDIRECT_DATA and not all(one.attributes for one in message.signers)
    return Trust.AUTHENTICODE if plain else None


def _attribute(step: Step, message: Message, seen: set[str]) -> Trust | None:
    """pkcs7_sig_note_authenticated_attr: one value of an attribute that is signed, too."""
    kind, value = step.number, step.value
    if kind not in _NOTED:
        return None
    if kind in seen:
        return Trust.ATTRIBUTE_REPEATED
    seen.add(kind)
    if kind in _OF_PROGRAMS | {_MAIL_CAPABILITIES} and message.content != _SPC_INDIRECT_DATA:
        return Trust.ATTRIBUTE_OF_MAIL if kind == _MAIL_CAPABILITIES else Trust.ATTRIBUTE_OF_PROGRAMS
    good = {
        CONTENT_TYPE: dotted(value.content) == message.content,
        MESSAGE_DIGEST: value.tag == OCTETS,
        _SIGNING_TIME: value.tag in _TIMES and _TIMES[value.tag].fullmatch(value.content) is not None,
    }
    return None if good.get(kind, True) else Trust.MALFORMED
