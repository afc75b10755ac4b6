# SPDX-License-Identifier: GPL-2.0-or-later
"""Who signed a PKCS#7 message. Verifies nothing."""

from collections.abc import Callable
from typing import Any

from dlkm.ko.signature import Signer


def first_signer(block: bytes) -> Signer | None:
    """The first signer of a DER-encoded message; None when it cannot be read."""
    from asn1crypto import cms

    load: Callable[[bytes], Any] = cms.ContentInfo.load
    try:
        content = load(block)["content"]
        info = content["signer_infos"][0]
        sid = info["sid"].chosen
        name, key = "", b""
        if isinstance(sid, cms.IssuerAndSerialNumber):
            serial = sid["serial_number"].native
            key = serial.to_bytes((serial.bit_length() + 7) // 8, "big")
            name = sid["issuer"].native.get("common_name", "")
        else:
            key = sid.native
        return Signer(
            name=name,
            key_id=key,
            hash_algo=info["digest_algorithm"]["algorithm"].native,
            value=info["signature"].native,
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
        return None
