# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases of the signature check: none, good, of another body, by a stranger, malformed; enforced and locked down."""

import struct
from collections.abc import Callable, Iterator

from tests.judge.pair import AS_IT_IS, Case, Load, Tells, Where, also, load, pair
from tests.judge.shop import Maker, Shop, raw
from tests.unit.ko.elf_builder import trailer
from tests.unit.verdict.signing import RSA_PSS, RSA_SHA256, block, certificate, on_a_curve, sign

MARKER = b"~Module signature appended~\n"
ATTRIBUTES = ("content_type", "message_digest")
AUTHENTICODE = "1.3.6.1.4.1.311.2.1.4"
OWN = "dummy"  # a module of every kernel that is tried; it needs no other and no hardware
# What RSA makes of a signature's number (crypto/rsa-pkcs1pad.c: pkcs1pad_verify_complete).
OPENED = {
    "no padding": b"\1" + bytes(127),
    "another block type": b"\0\2" + b"\xff" * 126,
    "endless padding": b"\0\1" + b"\xff" * 126,
    "short padding": b"\0\1" + b"\xff" * 7 + b"\0" + bytes(118),
    "nothing": bytes(128),
}
DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


def trailed(junk: bytes, *head: int, size: int | None = None) -> Maker:
    """`judge` with bytes, a trailer (algorithm, hash, kind, lengths) and the marker behind it."""
    end = struct.pack(">5B3xI", *(head or (0, 0, 2, 0, 0)), len(junk) if size is None else size)
    return raw(lambda data: data + junk + end + MARKER)


def stranger(seed: int = 1, **how: object) -> Maker:
    """`judge` signed by a key that no kernel knows."""
    return raw(lambda data: sign(data, seed, **how))


ENCLOSED = stranger(2, enclose=True)


def changed(data: bytes) -> bytes:
    """Another licence, after signing."""
    assert b"license=GPL\0" in data
    return data.replace(b"license=GPL\0", b"license=GPl\0")


def own_opening(value: Callable[[bytes], bytes]) -> Load:
    """The same with its signature's value, the message's last bytes, changed."""

    def make(shop: Shop) -> bytes:
        data = shop.own(OWN)
        end = len(data) - len(MARKER) - 12
        return data[: end - 8] + value(data[end - 8 : end]) + data[end:]

    return Load(files=((OWN, make),))


def own() -> Load:
    """One of the kernel's own modules: its signature is good."""
    return Load(files=((OWN, lambda shop: shop.own(OWN)),))


def own_changed() -> Load:
    """The same, changed after signing."""
    return Load(files=((OWN, lambda shop: changed(shop.own(OWN))),))


def own_unsigned() -> Load:
    """The same, its signature cut off."""
    return Load(files=((OWN, lambda shop: shop.own_body(OWN)),))


def own_twice_signed() -> Load:
    """The same with its own signature, and a stranger's behind it."""
    return Load(files=((OWN, lambda shop: sign(shop.own(OWN), 1)),))


def faults() -> Iterator[Case]:
    """What is refused whether signatures are enforced or not."""
    yield from pair("signature-size", trailed(b"junk", size=1 << 30), stranger())
    yield from pair("signature-size", raw(lambda _: b"x" * 11 + MARKER), stranger(), label="short")
    yield also("a marker alone", raw(lambda data: data + MARKER))
    yield from pair("signature-kind", trailed(b"junk", 0, 0, 1, 0, 0), stranger())
    yield from pair("signature-parameters", trailed(b"junk", 1, 0, 2, 0, 0), stranger())
    yield from pair("signature-parameters", trailed(b"junk", 0, 0, 2, 0, 9), stranger(), label="length")
    yield from pair("signature-malformed", trailed(b"junk"), stranger())
    yield from pair("signature-malformed", trailed(b""), stranger(), label="empty")
    yield from pair("signature-attributes", stranger(attributes=ATTRIBUTES), stranger())
    yield from pair("signature-malformed/attributes", stranger(attributes=ATTRIBUTES[:1]), stranger())
    yield from pair("signature-not-data", stranger(content=AUTHENTICODE, attributes=ATTRIBUTES), stranger())
    yield from pair("signature-malformed/authenticode", stranger(content=AUTHENTICODE), stranger())
    yield from pair("signature-malformed/content", stranger(content="enveloped_data"), stranger())
    yield from pair("signature-content", stranger(content="signed_data"), stranger(), tells=Tells.NOT)
    yield from pair("signature-wrong", raw(lambda data: changed(sign(data, 2, enclose=True))), ENCLOSED)
    yield from pair("signature-wrong", own_changed(), own(), label="own")
    yield from pair("signature-wrong", own_opening(lambda last: last[:7] + bytes([last[7] ^ 1])), own(), label="a bit")
    yield also("own, another end", own_opening(lambda last: last[::-1]))
    yield also("signed twice", own_twice_signed())
    for digest in DIGESTS:
        yield also(f"signed over {digest}", stranger(digest=digest))
        # Whether a digest that is in a module can be computed, the machine's modprobe decides.
        yield also(f"signed over {digest}, enclosed", stranger(digest=digest, enclose=True), tells=Tells.PERHAPS)
        wrong = raw(lambda data, digest=digest: changed(sign(data, 2, enclose=True, digest=digest)))  # type: ignore[misc]
        yield also(f"signed over {digest}, changed", wrong, tells=Tells.PERHAPS)
    late = raw(lambda data: changed(sign(data, 2, enclose=True, digest="sha512")))
    yield from pair("signature-algorithm", late, ENCLOSED, where=Where(until=(6, 12)), tells=Tells.NOT)
    for label, opens in OPENED.items():
        yield also(f"signature that opens as {label}", stranger(2, enclose=True, opens=opens))
    yield also("signature that names another digest", stranger(2, enclose=True, named="sha1"))


ONE = b"\2\1\1"  # version 1: of the message first, then of its signer
DIGEST, CAPABILITIES = bytes.fromhex("2a864886f70d010904"), bytes.fromhex("2a864886f70d01090f")
PROGRAM = "1.3.6.1.4.1.311.2.1.12"
SIGNED_DATA, DATA = bytes.fromhex("2a864886f70d010702"), bytes.fromhex("2a864886f70d010701")


def _appended(change: Callable[[bytes], bytes], **how: object) -> Maker:
    """`judge` with a stranger's PKCS#7 message, its bytes changed."""

    def make(data: bytes) -> bytes:
        message = change(block(data, 1, **how))  # type: ignore[arg-type]
        return data + message + trailer(len(message))

    return raw(make)


def _versions(whole: int, signer: int) -> Maker:
    """The message with other version numbers."""

    def change(message: bytes) -> bytes:
        first = message.index(ONE)
        second = message.index(ONE, first + 1)
        return bytes(
            whole if place == first + 2 else signer if place == second + 2 else byte
            for place, byte in enumerate(message)
        )

    return _appended(change)


def shifted() -> Iterator[Case]:
    """Lengths and tags of the message and of its first parts changed: what the kernel comes upon first is told."""
    for place in range(64):
        for by in (1, 0x20):
            yield also(f"byte {place} changed by {by}", _appended(_changed_at(place, by)))


def _changed_at(place: int, by: int) -> Callable[[bytes], bytes]:
    return lambda one: one[:place] + bytes([one[place] ^ by]) + one[place + 1 :]


def messages() -> Iterator[Case]:
    """What is wrong with a PKCS#7 message as such (crypto/asymmetric_keys/pkcs7_parser.c)."""
    yield from pair("signature-malformed/type", _appended(lambda one: one.replace(SIGNED_DATA, DATA)), stranger())
    yield from pair("signature-malformed/version", _versions(2, 1), stranger())
    yield from pair("signature-malformed/signer-version", _versions(1, 2), stranger())
    yield from pair("signature-malformed/versions-differ", _versions(1, 3), stranger())
    both, repeated = ("content_type", "message_digest"), ("content_type", "content_type")
    mail = _appended(lambda one: one.replace(DIGEST, CAPABILITIES), attributes=both)
    yield from pair("signature-attributes/mail", mail, stranger())
    yield from pair("signature-attributes/repeated", stranger(attributes=repeated), stranger())
    yield from pair("signature-attributes/programs", stranger(attributes=("content_type", PROGRAM)), stranger())
    yield from shifted()
    mixed = stranger(attributes=ATTRIBUTES, bare_second=True)
    yield from pair("signature-malformed/nobody", mixed, stranger())
    yield from pair("signature-malformed", stranger(signers=0), stranger(), label="no signer")
    yield from pair("signature-malformed/nameless", _versions(3, 3), stranger())
    yield from pair("signature-malformed/enclosed", stranger(holds=b"content"), stranger())
    yield from pair("signature-too-large", _appended(lambda one: one + bytes(70000)), stranger())
    yield from pair("signature-enrolled-note", load(stranger(), keys_unknown=True), stranger())
    yield also("two signers", stranger(signers=2))
    yield also("a message with something behind", _appended(lambda one: one + b"\0\0"))
    yield also("a message cut off", _appended(lambda one: one[:-1]))


RSA, ML_DSA = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("608648016503040312")
POST_QUANTUM = _appended(lambda one: one.replace(RSA, ML_DSA))
ODD_CERTIFICATE = certificate(3).replace(RSA_SHA256, RSA_PSS)


def certificates() -> Iterator[Case]:
    """Those in the message, which are read first whosever they are (x509_cert_parser.c)."""
    odd = stranger(beside=ODD_CERTIFICATE)
    yield also("a certificate of another kind", odd)
    yield also("a certificate of another kind, enforced", odd, condition="enforced")
    curve = stranger(beside=on_a_curve())
    yield from pair("signature-certificate", curve, stranger(beside=certificate(3)), where=Where(until=(6, 2)))
    yield also("a certificate on a curve", curve)
    yield also("a certificate on a curve, enforced", curve, condition="enforced")


def demanded() -> Iterator[Case]:
    """Where only trusted modules load."""
    for condition, rule in (("enforced", "signature-enforced"), ("locked", "signature-lockdown")):
        yield from pair(rule, AS_IT_IS, own(), label=f"unsigned, {condition}", condition=condition)
        yield from pair(rule, own_unsigned(), own(), label=f"own without it, {condition}", condition=condition)
        yield from pair(rule, stranger(), own(), label=f"stranger, {condition}", condition=condition)
        yield from pair(rule, ENCLOSED, own(), label=f"enclosed, {condition}", condition=condition)
        yield from pair(
            rule, trailed(b"junk", 0, 0, 1, 0, 0), own(), label=f"another kind, {condition}", condition=condition
        )
        unknown = load(stranger(), keys_unknown=True)
        yield from pair(
            "signature-enrolled", unknown, stranger(), label=condition, condition=condition, tells=Tells.NOT
        )
        yield also(f"own changed, {condition}", own_changed(), condition=condition)
        yield also(f"ML-DSA, {condition}", POST_QUANTUM, condition=condition)
        yield also(f"junk, {condition}", trailed(b"junk"), condition=condition)


def listed() -> Iterator[Case]:
    """`module_blacklist=`."""
    yield from pair(
        "blacklisted", AS_IT_IS, load(lambda shop: shop.built["judge_answer"], name="judge_answer"), condition="listed"
    )
    yield also("another of ours, listed", load(lambda shop: shop.built["judge_giver"], name="x"), condition="listed")


def cases() -> Iterator[Case]:
    """All of them."""
    yield from faults()
    yield from messages()
    yield from certificates()
    yield from demanded()
    yield from listed()
