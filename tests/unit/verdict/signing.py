# SPDX-License-Identifier: GPL-2.0-or-later
"""Signs modules as scripts/sign-file does, with keys made here. Shares no code with what it tests."""

import hashlib
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import asn1crypto.algos
import asn1crypto.cms
import asn1crypto.core
import asn1crypto.keys
import asn1crypto.x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateBuilder, Name, NameAttribute, NameOID

from tests.unit.ko.elf_builder import trailer

algos: Any = asn1crypto.algos  # it has no types
cms: Any = asn1crypto.cms
core: Any = asn1crypto.core
keys: Any = asn1crypto.keys
x509: Any = asn1crypto.x509

RSA_SHA256, RSA_PSS = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d01010a")  # in a certificate
# A private key as any other. The kernel's sum of two points fails where they are one (crypto/ecc.c: xycz_add), which a
# small key makes them in one verification of thirty.
_SCALAR = int.from_bytes(hashlib.sha256(b"curve").digest(), "big")
# DigestInfo up to the digest (RFC 8017, 9.2, notes)
_INFO = {
    "md5": "3020300c06082a864886f70d020505000410",
    "sha1": "3021300906052b0e03021a05000414",
    "sha224": "302d300d06096086480165030402040500041c",
    "sha256": "3031300d060960864801650304020105000420",
    "sha384": "3041300d060960864801650304020205000430",
    "sha512": "3051300d060960864801650304020305000440",
}


@cache
def key(seed: int) -> tuple[int, int]:
    """A modulus of 1024 bits and the private exponent for 65537; the same for the same seed."""
    numbers = random.Random(seed)
    first, second = _prime(numbers), _prime(numbers)
    return first * second, pow(65537, -1, (first - 1) * (second - 1))


def _prime(numbers: random.Random) -> int:
    while True:
        candidate = numbers.getrandbits(512) | 1 | 3 << 510
        if candidate % 65537 != 1 and all(pow(base, candidate - 1, candidate) == 1 for base in (2, 3, 5, 7)):
            return candidate


@cache
def certificate(seed: int) -> bytes:
    """A self-signed certificate of the key in DER."""
    name = x509.Name.build({"common_name": f"key {seed}"})
    modulus, _ = key(seed)
    info = keys.PublicKeyInfo.wrap(keys.RSAPublicKey({"modulus": modulus, "public_exponent": 65537}), "rsa")
    body = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": 1000 + seed,
            "signature": {"algorithm": "sha256_rsa"},
            "issuer": name,
            "validity": {
                "not_before": x509.Time({"utc_time": datetime(2020, 1, 1, tzinfo=UTC)}),
                "not_after": x509.Time({"utc_time": datetime(2049, 1, 1, tzinfo=UTC)}),
            },
            "subject": name,
            "subject_public_key_info": info,
        }
    )
    value = _value(body.dump(), seed)
    whole: bytes = x509.Certificate(
        {"tbs_certificate": body, "signature_algorithm": {"algorithm": "sha256_rsa"}, "signature_value": value}
    ).dump()
    return whole


def on_a_curve() -> bytes:
    """A certificate that signs itself with a key on P-256."""
    one = ec.derive_private_key(_SCALAR, ec.SECP256R1())
    name = Name([NameAttribute(NameOID.COMMON_NAME, "curve")])
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 1, 1, tzinfo=UTC)
    builder = CertificateBuilder(name, name, one.public_key(), 7, start, end)
    return builder.sign(one, SHA256()).public_bytes(Encoding.DER)


def _value(body: bytes, seed: int, digest: str = "sha256", named: str | None = None) -> bytes:
    """The signature alone: RSASSA-PKCS1-v1_5; `named` is the digest that it says it is of."""
    info = bytes.fromhex(_INFO[named or digest])
    told = hashlib.new(digest, body).digest()
    return _closed(b"\0\1" + b"\xff" * (125 - len(info) - len(told)) + b"\0" + info + told, seed)


def _closed(raw: bytes, seed: int) -> bytes:
    """What opens as these bytes."""
    modulus, private = key(seed)
    return pow(int.from_bytes(raw, "big"), private, modulus).to_bytes(128, "big")


def block(
    body: bytes,
    seed: int,
    *,
    digest: str = "sha256",
    attributes: Sequence[str] = (),
    content: str = "data",
    enclose: bool = False,
    beside: bytes = b"",
    holds: bytes | None = None,
    signers: int = 1,
    bare_second: bool = False,
    named: str | None = None,
    opens: bytes | None = None,
) -> bytes:
    """The PKCS#7 message over a body. `enclose` puts the certificate in, `beside` another, `holds` some content.

    `bare_second` adds a signer like the first, without attributes. `named` is the digest that the signature itself
    names, `opens` what it opens as, where that is wrong.
    """
    value = _value(body, seed, digest, named) if opens is None else _closed(opens, seed)
    owner = x509.Certificate.load(certificate(seed))
    signer: dict[str, Any] = {
        "version": "v1",
        "sid": cms.IssuerAndSerialNumber({"issuer": owner.issuer, "serial_number": owner.serial_number}),
        "digest_algorithm": algos.DigestAlgorithm({"algorithm": digest}),
        "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
        "signature": value,
    }
    bare = dict(signer)
    if attributes:
        values = defaultdict(core.Null, content_type=content, message_digest=hashlib.sha256(body).digest())
        signer["signed_attrs"] = [{"type": name, "values": [values[name]]} for name in attributes]
    signed: dict[str, Any] = {
        "version": "v1",
        "digest_algorithms": [{"algorithm": digest}],
        "encap_content_info": {"content_type": content},
        "signer_infos": [cms.SignerInfo(signer)] * signers + [cms.SignerInfo(bare)] * bare_second,
    }
    if holds is not None:
        signed["encap_content_info"]["content"] = holds
    if enclose:
        signed["certificates"] = [owner]
    if beside:
        signed["certificates"] = [x509.Certificate.load(beside)]
    message: bytes = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)}).dump()
    return message


def sign(body: bytes, seed: int, **how: Any) -> bytes:
    """The body with its signature behind it."""
    message = block(body, seed, **how)
    return body + message + trailer(len(message))
