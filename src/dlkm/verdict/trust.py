# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a module's signature is good and by whom, as the kernel decides it (crypto/asymmetric_keys/pkcs7_*.c)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import MalformedError
from dlkm.kernel.facts import Facts
from dlkm.ko.pkcs7 import Message, MessageReader, Signer
from dlkm.ko.signature import PKCS7, Signature
from dlkm.ko.x509 import Certificate, read_certificate
from dlkm.verdict.algorithms import Support, digest
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.era import Era
from dlkm.verdict.faults import Trust, first_fault, message_number
from dlkm.verdict.keyring import Keyring, digest_of, issued, keyring, verify, wrong_errno


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The decision. `unless`: the kernel module without which the signature is of an unsupported algorithm, if any.

    `errno` is what a wrong signature is refused with; `number` what the kernel calls a content that it does not know.
    """

    trust: Trust
    unless: str = ""
    errno: str | None = None
    number: int | None = None


_LARGEST = 65535  # bytes (lib/asn1_decoder.c)
_MESSAGES = MessageReader()
_USUAL: list[tuple[Message, Facts, Era, bytes | None]] = []  # the last message, and the key that decides it


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
        if not extra and _is_usual(message, value, body, facts, era):
            return Answer(trust=Trust.TRUSTED)
        fault = first_fault(message, era, facts)
        if fault is Trust.KEY_IN_MODULE:
            return Answer(trust=Trust.WRONG, unless="ecdsa")
        if fault is not None:
            return Answer(trust=fault, number=message_number(message, era) if fault is Trust.CONTENT else None)
        return _Check(message, value, body, facts, era, keyring(facts.certificates or (), extra)).answer()
    except MalformedError:
        return Answer(trust=Trust.MALFORMED)


def _is_usual(message: Message, value: bytes, body: bytes | memoryview, facts: Facts, era: Era) -> bool:
    """Whether it is what a kernel's own build makes, and good: then nothing else need be asked.

    Thousands of files differ in the value alone: all that their common message decides is decided once.
    """
    if not (_USUAL and _USUAL[0][0] is message and _USUAL[0][1] is facts and _USUAL[0][2] is era):
        _USUAL[:] = [(message, facts, era, _usual_key(message, facts, era))]
    key_of = _USUAL[0][3]
    if key_of is None:
        return False
    algo = message.signers[0].hash_algo
    computed = digest_of(algo, body)
    return computed is not None and verify(key_of, algo, computed, value) is True


def _usual_key(message: Message, facts: Facts, era: Era) -> bytes | None:
    """The key of the kernel's own certificate that alone decides; None for a message that needs a closer look."""
    if first_fault(message, era, facts) is not None or len(message.signers) != 1 or message.certificates:
        return None
    (signer,) = message.signers
    trusted = keyring(facts.certificates or (), ()).find(signer.identity)
    computes = digest(signer.hash_algo, era, facts).support is Support.YES
    return trusted.key if trusted is not None and computes and signer.by_serial == (signer.version == 1) else None


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
        if not signer.identity:
            return Trust.NAMELESS  # asymmetric_type.c: asymmetric_key_hex_to_key_id
        enclosed = [read_certificate(raw) for raw in self._message.certificates]
        chain = _chain(signer, enclosed)
        trusted = self._known.find(signer.identity)
        if not chain and trusted is None:
            return Trust.UNKNOWN_KEY if self._facts.certificates is not None else self._by_sample(signer)
        by = chain[0] if chain else trusted
        assert by is not None
        trust = self._by(by, signer, value, enclosed=bool(chain))
        if trust is not Trust.TRUSTED or not chain:
            return trust
        return _vouched(chain, self._known, lambda one: self._verified(one, signer, value))

    def _by(self, by: Certificate, signer: Signer, value: bytes, *, enclosed: bool) -> Trust:
        """Whether the signature is this certificate's, never mind whose that is.

        That of a trusted one is refused with one errno whatever is wrong (pkcs7_validate_trust_one).
        """
        verified = self._verified(by, signer, value)
        if verified is None:
            return Trust.UNDECIDED
        if verified:
            return Trust.TRUSTED
        if enclosed:
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
