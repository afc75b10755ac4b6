# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures made by openssl, as scripts/sign-file makes them, and the kernel's own on its modules."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dlkm.core.arch import arch_named
from dlkm.kernel.facts import Facts
from dlkm.kernel.installed import module_files
from dlkm.kernel.kernel import Kernel
from dlkm.ko.signature import signature_of
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.era import era_of
from dlkm.verdict.faults import Trust
from dlkm.verdict.keyring import certificates_at, swift_key, verify
from dlkm.verdict.reading import plain_bytes
from dlkm.verdict.trust import trust_of
from tests.unit.ko.elf_builder import tiny_module, trailer

pytestmark = pytest.mark.contract
BODY = tiny_module().build()
KEYS = {
    "rsa": ("-newkey", "rsa:2048"),
    "p256": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    "p384": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"),
}


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module", params=KEYS)
def owner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with key.pem, cert.pem, cert.der and the body of a module."""
    folder = tmp_path_factory.mktemp(request.param)
    subject = ("-subj", "/O=Org/CN=Owner of modules")
    _openssl(folder, "req", "-x509", "-nodes", *KEYS[request.param], *subject, "-keyout", "key.pem", "-out", "cert.pem")
    _openssl(folder, "x509", "-in", "cert.pem", "-outform", "DER", "-out", "cert.der")
    (folder / "body").write_bytes(BODY)
    return folder


def _sign(owner: Path, digest: str, *flags: str) -> bytes:
    words = (
        "-sign",
        "-binary",
        "-noattr",
        "-md",
        digest,
        "-signer",
        "cert.pem",
        "-inkey",
        "key.pem",
        "-outform",
        "DER",
    )
    _openssl(owner, "cms", *words, *flags, "-in", "body", "-out", "signature")
    block = (owner / "signature").read_bytes()
    return BODY + block + trailer(len(block))


def _facts(certificates: tuple[bytes, ...] | None, release: str = "6.12.1") -> Facts:
    facts = Facts(Kernel(id=release, release=release, arch=arch_named("x86_64"), origin=""))
    facts.__dict__["certificates"] = certificates
    return facts


def _trust(data: bytes, facts: Facts, *extra: Path) -> Trust:
    candidate = Candidate(Path("tiny.ko"), data, facts.kernel.arch)
    return trust_of(candidate, facts, era_of(facts.kernel), extra).trust


SHA2 = ("sha1", "sha224", "sha256", "sha384", "sha512")
WAYS = {"issuer": ("-nocerts",), "keyid": ("-nocerts", "-keyid"), "enclosed": ()}


def _digests(owner: Path) -> tuple[str, ...]:
    """openssl has no number for SHA-3 with a curve."""
    return (*SHA2, "sha3-256", "sha3-384", "sha3-512") if owner.name.startswith("rsa") else SHA2


@pytest.mark.parametrize("way", WAYS)
def test_signatures_of_openssl(owner: Path, way: str) -> None:
    facts = _facts(((owner / "cert.der").read_bytes(),))
    for digest in _digests(owner):
        data = _sign(owner, digest, *WAYS[way])
        assert _trust(data, facts) is Trust.TRUSTED
        assert _trust(data, _facts(()), owner / "cert.pem") is Trust.TRUSTED
        assert _trust(data.replace(b"license=GPL", b"license=GPl"), facts) is Trust.WRONG
        assert _trust(data, _facts(())) is Trust.UNKNOWN_KEY


def test_what_each_era_reads(owner: Path) -> None:
    rsa, certificate = owner.name.startswith("rsa"), (owner / "cert.der").read_bytes()

    def found(digest: str, *releases: str) -> list[Trust]:
        data = _sign(owner, digest, "-nocerts")
        return [_trust(data, _facts((certificate,), release)) for release in releases]

    old = Trust.TRUSTED if rsa else Trust.UNSUPPORTED
    assert found("sha256", "5.10.1", "6.1.1", "6.8.1") == [old, Trust.TRUSTED, Trust.TRUSTED]
    assert found("sha1", "5.10.1", "6.1.1", "6.8.1", "6.9.1") == [
        old,
        Trust.TRUSTED,
        Trust.UNSUPPORTED,
        Trust.TRUSTED,
    ]
    if rsa:
        assert found("sha3-256", "6.6.1", "6.7.1") == [Trust.UNSUPPORTED, Trust.TRUSTED]


def test_files_of_certificates(owner: Path) -> None:
    pem, der = certificates_at(owner / "cert.pem"), certificates_at(owner / "cert.der")
    assert pem == der
    (owner / "both.pem").write_bytes((owner / "cert.pem").read_bytes() * 2)
    assert certificates_at(owner / "both.pem") == pem * 2


@pytest.mark.parametrize("name", ["kernel_61", "kernel_61_arm64", "kernel_612"])
def test_the_kernels_own_modules(name: str, request: pytest.FixtureRequest) -> None:
    kernel: Kernel = request.getfixturevalue(name)
    facts = Facts(kernel)
    assert facts.certificates
    assert kernel.modules is not None
    for path in list(module_files(kernel.modules))[::400]:
        data = bytes(plain_bytes(path))
        signature = signature_of(data)
        assert signature is not None
        assert _trust(data, facts) is Trust.TRUSTED
        for place in (100, signature.body_size - 1, len(data) - 60):
            changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            assert _trust(changed, facts) is Trust.WRONG
        assert _trust(data, _facts((), kernel.release)) is Trust.UNKNOWN_KEY


def test_both_libraries_decide_alike_on_p384() -> None:
    private = ec.generate_private_key(ec.SECP384R1())
    key = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = bytes(range(64))
    value = private.sign(digest, ec.ECDSA(Prehashed(SHA512())))
    swift = swift_key(key)
    assert swift is not None
    for other in (value, value[:-1], value + b"\0", bytes(len(value)), b"", value[:40] + b"\1" + value[41:]):
        assert swift.verify(digest, other) is (other == value) is verify(key, "sha512", digest, other)
    assert not swift.verify(digest[::-1], value)
    assert verify(key, "sha512", digest[::-1], value) is False
