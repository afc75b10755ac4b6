# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures taken apart; whether openssl and sign-file agree is a contract test."""

from importlib import import_module
from typing import Any

import pytest

from dlkm.ko.pkcs7 import Signer, first_signer
from dlkm.ko.signature import signature_of
from tests.unit.ko.elf_builder import MARKER, tiny_module, trailer

# asn1crypto has no types.
cms: Any = import_module("asn1crypto.cms")
core: Any = import_module("asn1crypto.core")
x509: Any = import_module("asn1crypto.x509")
BODY = tiny_module().build()


def message(*, serial: int = 0x66F5, name: dict[str, str] | None = None, key_id: bytes | None = None) -> bytes:
    """A message as sign-file writes it: no certificates, no attributes. Key identifiers are of version 3."""
    version = "v1" if key_id is None else "v3"
    issuer = x509.Name.build(name or {"common_name": "Builder"})
    by_serial = cms.IssuerAndSerialNumber({"issuer": issuer, "serial_number": serial})
    sid = ("issuer_and_serial_number", by_serial) if key_id is None else ("subject_key_identifier", key_id)
    signer = cms.SignerInfo(
        {
            "version": version,
            "sid": cms.SignerIdentifier(*sid),
            "digest_algorithm": {"algorithm": "sha256"},
            "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
            "signature": b"\1\2\3",
        }
    )
    content = {
        "version": version,
        "digest_algorithms": [{"algorithm": "sha256"}],
        "encap_content_info": {"content_type": "data"},
        "signer_infos": [signer],
    }
    raw: bytes = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(content)}).dump()
    return raw


def test_a_signed_module() -> None:
    block = message()
    found = signature_of(BODY + block + trailer(len(block)))
    assert found is not None
    assert (found.body_size, found.block, found.kind, found.defect) == (len(BODY), block, "PKCS#7", None)
    assert found.trailer is not None
    assert found.trailer.unused_are_zero
    issuer = x509.Name.build({"common_name": "Builder"}).chosen.contents
    assert found.signer == Signer(
        name="Builder",
        key_id=b"\x66\xf5",
        hash_algo="sha256",
        value=b"\1\2\3",
        identity=b"\x66\xf5" + issuer,
        key_algo="1.2.840.113549.1.1.1",
    )


def test_no_marker_no_signature() -> None:
    assert signature_of(BODY) is None
    assert signature_of(b"") is None
    assert signature_of(BODY + MARKER + b"x") is None


@pytest.mark.parametrize(("serial", "key_id"), [(0, b""), (-5, b"\5"), (0x80, b"\x80"), (1 << 64, b"\1" + bytes(8))])
def test_serial_numbers_as_openssl_writes_them(serial: int, key_id: bytes) -> None:
    signer = first_signer(message(serial=serial))
    assert isinstance(signer, Signer)
    assert signer.key_id == key_id


def test_without_a_common_name_the_last_part_names_the_signer() -> None:
    signer = first_signer(message(name={"country_name": "DE", "organization_name": "Org"}))
    assert isinstance(signer, Signer)
    assert signer.name == "Org"


def test_a_signer_named_by_key_identifier() -> None:
    signer = first_signer(message(key_id=b"\xab\xcd"))
    assert signer == Signer(
        name="",
        key_id=b"\xab\xcd",
        hash_algo="sha256",
        value=b"\1\2\3",
        by_serial=False,
        identity=b"\xab\xcd",
        key_algo="1.2.840.113549.1.1.1",
        version=3,
    )


@pytest.mark.parametrize("size", [0, len(BODY) + 1, 0xFFFFFFFF])
def test_a_size_that_makes_no_sense_is_a_defect(size: int) -> None:
    found = signature_of(BODY + trailer(size))
    assert found is not None
    assert found.defect == f"the trailer says {size} bytes of signature where {len(BODY)} are"
    assert (found.block, found.body_size, found.signer) == (b"", len(BODY), found.defect)


def test_a_marker_alone_is_a_defect() -> None:
    found = signature_of(b"short" + MARKER)
    assert found is not None
    assert (found.trailer, found.defect) == (None, "the file is too short for a trailer")
    assert found.kind == "-1"


def test_parameters_that_pkcs7_does_not_use_are_told() -> None:
    block = message()
    found = signature_of(BODY + block + trailer(len(block), algo=1))
    assert found is not None
    assert found.trailer is not None
    assert not found.trailer.unused_are_zero


def test_the_old_form() -> None:
    data = BODY + b"Signer\1\2\3\4RSA" + trailer(3, algo=1, digest=4, id_type=1, lengths=(6, 4))
    found = signature_of(data)
    assert found is not None
    assert (found.kind, found.body_size) == ("X509", len(BODY))
    assert found.signer == Signer(name="Signer", key_id=b"\1\2\3\4", hash_algo="sha256", value=b"RSA")


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\x30",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x80" * 400,
        message()[:-20],
        core.Integer(5).dump(),
        cms.ContentInfo({"content_type": "data", "content": b"x"}).dump(),
        b"\x00" * 100,
    ],
)
def test_a_block_that_cannot_be_read_gives_its_reason(block: bytes) -> None:
    reason = first_signer(block)
    assert isinstance(reason, str)
    assert reason


def test_a_kind_that_nobody_knows() -> None:
    found = signature_of(BODY + b"block" + trailer(5, id_type=9))
    assert found is not None
    assert (found.kind, found.signer) == ("9", "algorithm 0, hash 0 or kind 9 is not known")
