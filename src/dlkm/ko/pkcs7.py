# SPDX-License-Identifier: GPL-2.0-or-later
"""A PKCS#7 message taken apart as far as module signatures use it. Verifies nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Names as sign-file and modinfo write them, where asn1crypto has another or none.
_HASHES = {"1.2.840.113549.2.4": "md4", "1.3.36.3.2.1": "rmd160", "1.2.156.10197.1.401": "sm3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The first signer of a signature.

    `key_id` is the serial number of the certificate, or its subject key identifier where `by_serial` is false and
    `name`, the issuer's, is empty. `attributes`: the signature covers signed attributes and not the content itself.
    """

    name: str
    key_id: bytes
    hash_algo: str
    value: bytes
    by_serial: bool = True
    attributes: bool = False


def first_signer(block: bytes) -> Signer | str:
    """The first signer of a DER-encoded message, or why it cannot be read."""
    from asn1crypto import cms

    load: Callable[[bytes], Any] = cms.ContentInfo.load
    try:
        message = load(block)
        if message["content_type"].native != "signed_data":
            return "not a signed message"
        signers = message["content"]["signer_infos"]
        return _signer(signers[0]) if len(signers) else "nobody signed"
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        # asn1crypto tells wrong bytes in many ways; its texts go on with the bytes themselves.
        return str(error).partition("\n")[0] or type(error).__name__


def _signer(info: Any) -> Signer:
    identifier = info["sid"].chosen
    by_serial = info["sid"].name == "issuer_and_serial_number"
    algorithm = info["digest_algorithm"]["algorithm"].native
    return Signer(
        name=_name(identifier["issuer"]) if by_serial else "",
        key_id=_magnitude(identifier["serial_number"].native) if by_serial else identifier.native,
        hash_algo=_HASHES.get(algorithm, algorithm.replace("_", "-")),
        value=info["signature"].native,
        by_serial=by_serial,
        attributes=bool(info["signed_attrs"].native),
    )


def _magnitude(serial: int) -> bytes:
    """A serial number as openssl's BN_bn2bin writes it: no sign, no leading zero, nothing for zero."""
    return abs(serial).to_bytes((abs(serial).bit_length() + 7) // 8, "big")


def _name(issuer: Any) -> str:
    """The first common name, else whatever comes last (kmod: libkmod-signature.c, x509_name_to_str)."""
    pairs = [(pair["type"].native, pair["value"].contents) for part in issuer.chosen for pair in part]
    last = pairs[-1][1] if pairs else b""
    raw: bytes = next((value for kind, value in pairs if kind == "common_name"), last)
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
