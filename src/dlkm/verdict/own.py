# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a file carries a signature that the kernel trusts, told in one call. Any other is left to the rules."""

from dlkm.kernel.facts import Facts
from dlkm.ko.signature import PKCS7, signature_of
from dlkm.verdict.era import Era
from dlkm.verdict.faults import Trust
from dlkm.verdict.trust import Answer, judge

_TRUSTED = Answer(trust=Trust.TRUSTED)


def trusted_body(data: bytes, facts: Facts, era: Era) -> int | None:
    """Where the signed part ends; None for a file whose signature is not trusted, or not without a word more."""
    signature = signature_of(data)
    if signature is None or signature.trailer is None or signature.defect is not None:
        return None
    trailer = signature.trailer
    if trailer.id_type != PKCS7 or not trailer.unused_are_zero:
        return None
    body = memoryview(data)[: signature.body_size]
    return signature.body_size if judge(signature, body, facts, era) == _TRUSTED else None
