# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a module's signature is good and by whom, as the kernel decides it (crypto/asymmetric_keys/pkcs7_*.c)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from dlkm.core.errors import MalformedError
from dlkm.kernel.facts import Facts
from dlkm.ko.pkcs7 import CONTENT_TYPE, DATA, MESSAGE_DIGEST, SIGNED_DATA, Message, MessageReader, Signer
from dlkm.ko.signature import PKCS7, Signature
from dlkm.ko.x509 import Certificate, read_certificate
from dlkm.verdict.algorithms import Support, digest, key
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.era import Era
from dlkm.verdict.keyring import Keyring, digest_of, issued, keyring, verify, wrong_errno


class Trust(Enum):
    """What comes of a signature check."""

    TRUSTED = auto()
    NONE = auto()  # there is no signature
    UNKNOWN_KEY = auto()  # nobody whom the kernel knows
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
    ATTRIBUTES_LACK = auto()  # with some of them, and not those that belong to them
    AUTHENTICODE = auto()
    NOT_DATA = auto()  # of a kind that only other signatures may have
    CONTENT = auto()  # of a kind that the kernel does not know
    ENCLOSED = auto()  # it holds the content itself
    UNDECIDED = auto()  # the kernel's certificates are not at hand, or the algorithm is none that is computed here


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The decision. `unless`: the kernel module without which the signature is of an unsupported algorithm, if any.

    `errno` is what a wrong signature is refused with.
    """

    trust: Trust
    unless: str = ""
    errno: str | None = None


_SPC_INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
_LARGEST = 65535  # bytes (lib/asn1_decoder.c)
_VERSIONS = {1: 1, 3: 3}  # of a message, and of its signers with it (pkcs7_note_signerinfo_version)
_MESSAGES = MessageReader()


def trust_of(candidate: Candidate, facts: Facts, era: Era, extra: tuple[Path, ...] = ()) -> Answer:
    """The decision for one file. `extra` are certificates that the machine trusts besides the kernel's own."""
    signature = candidate.signature
    if signature is None:
        return Answer(trust=Trust.NONE)
    body = memoryview(candidate.data)[: signature.body_size]
    return judge(signature, body, facts, era, extra)


def judge(
    signature: Signature, body: bytes | memoryview, facts: Facts, era: Era, extra: tuple[Path, ...] = ()
) -> Answer:
    """The same for a signature and what it is to sign."""
    if signature.trailer is not None and signature.trailer.id_type != PKCS7:
        return Answer(trust=Trust.UNSUPPORTED)
    return _judge(signature.block, body, facts, era, extra)


def is_trusted(block: bytes, body: bytes | memoryview, facts: Facts, era: Era) -> bool:
    """Whether a PKCS#7 message is a good signature of `body` by one of the kernel's own keys, beyond all doubt."""
    return _judge(block, body, facts, era, ()) == Answer(trust=Trust.TRUSTED)


def _judge(block: bytes, body: bytes | memoryview, facts: Facts, era: Era, extra: tuple[Path, ...]) -> Answer:
    if len(block) > _LARGEST:
        return Answer(trust=Trust.TOO_LARGE)
    try:
        message, value = _MESSAGES.read(block)
        fault = _fault(message, era, facts)
        if fault is not None:
            return Answer(trust=fault)
        return _Check(message, value, body, facts, era, keyring(facts.certificates or (), extra)).answer()
    except MalformedError:
        return Answer(trust=Trust.MALFORMED)


def _fault(message: Message, era: Era, facts: Facts) -> Trust | None:
    """What keeps a message from being a module's signature, in the kernel's order (pkcs7_parser.c, pkcs7_verify)."""
    return next((fault for fault in _faults(message, era, facts) if fault is not None), None)


def _faults(message: Message, era: Era, facts: Facts) -> Iterator[Trust | None]:
    yield Trust.NOT_SIGNED_DATA if message.kind != SIGNED_DATA else None
    yield Trust.VERSION if message.version not in _VERSIONS else None
    yield Trust.CONTENT if message.content not in {DATA, _SPC_INDIRECT_DATA} else None
    yield Trust.MALFORMED if not message.signers else None
    for signer in message.signers:
        yield from _signer_faults(message, signer, era, facts)
    yield Trust.NOBODY if len({bool(one.attributes) for one in message.signers}) != 1 else None
    yield Trust.ENCLOSED if not message.detached else None
    yield Trust.NOT_DATA if message.content != DATA else None
    yield Trust.ATTRIBUTES if message.signers[0].attributes else None


def _signer_faults(message: Message, signer: Signer, era: Era, facts: Facts) -> Iterator[Trust | None]:
    yield Trust.SIGNER_VERSION if signer.version not in _VERSIONS.values() else None
    yield Trust.VERSIONS_DIFFER if signer.version != _VERSIONS[message.version] else None
    yield Trust.UNSUPPORTED if digest(signer.hash_algo, era, facts).support is Support.UNKNOWN else None
    lacking = signer.attributes and not {CONTENT_TYPE, MESSAGE_DIGEST} <= set(signer.attributes)
    yield Trust.ATTRIBUTES_LACK if lacking else None
    yield Trust.UNSUPPORTED if key(signer.key_algo, era, facts).support is Support.UNKNOWN else None
    yield Trust.AUTHENTICODE if message.content == _SPC_INDIRECT_DATA and not signer.attributes else None


class _Check:
    """pkcs7_verify, then pkcs7_validate_trust, for one file."""

    def __init__(
        self, message: Message, value: bytes, body: bytes | memoryview, facts: Facts, era: Era, known: Keyring
    ) -> None:
        self._message = message
        self._value = value
        self._body = body
        self._facts = facts
        self._era = era
        self._known = known
        self._unless = ""
        self._errno: str | None = None

    def answer(self) -> Answer:
        """One signer whom the kernel trusts is enough; one that is wrong is too much."""
        message = self._message
        first = [(message.signers[0], self._value)]
        signers = first if len(message.signers) == 1 else [(one, one.value) for one in message.signers]
        found = [self._of(signer, value) for signer, value in signers]
        for trust in (Trust.WRONG, Trust.NAMELESS, Trust.TRUSTED, Trust.UNDECIDED, Trust.UNSUPPORTED):
            if trust in found:
                return Answer(trust=trust, unless=self._unless, errno=self._errno if trust is Trust.WRONG else None)
        return Answer(trust=Trust.UNKNOWN_KEY, unless=self._unless)

    def _of(self, signer: Signer, value: bytes) -> Trust:
        if not self._computes(signer):
            return Trust.UNSUPPORTED
        if signer.by_serial != (signer.version == 1):
            return Trust.NAMELESS  # asymmetric_type.c: asymmetric_key_hex_to_key_id
        enclosed = [read_certificate(raw) for raw in self._message.certificates]
        chain = _chain(signer, enclosed)
        trusted = self._known.find(signer.identity)
        if not chain and trusted is None:
            return Trust.UNKNOWN_KEY if self._facts.certificates is not None else self._by_sample(signer)
        by = chain[0] if chain else trusted
        assert by is not None
        trust = self._by(by, signer, value)
        if trust is not Trust.TRUSTED or not chain:
            return trust
        return _vouched(chain, self._known, lambda one: self._verified(one, signer, value))

    def _by(self, by: Certificate, signer: Signer, value: bytes) -> Trust:
        """Whether the signature is this certificate's, never mind whose that is."""
        verified = self._verified(by, signer, value)
        if verified is None:
            return Trust.UNDECIDED
        if verified:
            return Trust.TRUSTED
        self._errno = self._errno or wrong_errno(
            by.key, signer.hash_algo, value, bounded="bounded-rsa" in self._era.features
        )
        return Trust.WRONG

    def _by_sample(self, signer: Signer) -> Trust:
        """Without the kernel's certificates, its own modules tell whose key it trusts."""
        return Trust.TRUSTED if signer.key_id == self._facts.signer else Trust.UNDECIDED

    def _computes(self, signer: Signer) -> bool:
        """Whether the kernel can compute the digest, and if a module of its must be loaded for it."""
        used = digest(signer.hash_algo, self._era, self._facts)
        if used.support is Support.IF_LOADED:
            self._unless = used.name
        return used.support in {Support.YES, Support.IF_LOADED}

    def _verified(self, by: Certificate, signer: Signer, value: bytes) -> bool | None:
        computed = digest_of(signer.hash_algo, self._body)
        return None if computed is None else verify(by.key, signer.hash_algo, computed, value)


def _chain(signer: Signer, enclosed: list[Certificate]) -> list[Certificate]:
    """The certificates within the message from the signer's up (pkcs7_verify_sig_chain)."""
    chain: list[Certificate] = []
    found = next((one for one in enclosed if one.identity == signer.identity), None)
    while found is not None and found not in chain:
        chain.append(found)
        if found.self_signed:
            break
        identity, key_id = found.authority
        found = next(
            (one for one in enclosed if (one.identity == identity if identity else key_id and one.key_id == key_id)),
            None,
        )
    return chain


def _vouched(chain: list[Certificate], known: Keyring, signed_by: Callable[[Certificate], bool | None]) -> Trust:
    """What a message's own certificates are worth: as much as the trusted one that they lead to.

    The trusted one must have made the signature below it, even where it looks like the message's own.
    """
    for below, one in zip([None, *chain], [*chain, None], strict=True):
        trusted = known.find(one.identity, one.key_id) if one is not None else known.find(*chain[-1].authority)
        maker = trusted or (one if below is not None else None)
        genuine = maker is None or (signed_by(maker) if below is None else issued(below, maker))
        if not genuine:
            return Trust.UNDECIDED if genuine is None else Trust.WRONG
        if trusted is not None:
            return Trust.TRUSTED
        if one is not None and one.self_signed:
            return Trust.UNKNOWN_KEY
    return Trust.UNKNOWN_KEY
