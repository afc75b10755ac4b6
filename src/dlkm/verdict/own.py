# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures like those of the kernel's own modules, verified with little ado. Any other is left to the rules."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dlkm.kernel.facts import Facts
from dlkm.ko.pkcs7 import Signer
from dlkm.ko.signature import MARKER
from dlkm.verdict.era import Era
from dlkm.verdict.keyring import digest_of, keyring, verify
from dlkm.verdict.trust import Answer, Trust, judge

TAIL = 12 + len(MARKER)  # bytes of the trailer and the marker


@dataclass(frozen=True, slots=True)
class OwnSignature:
    """What one of the kernel's own modules ends with: the block up to the value, `value` bytes of that, the tail.

    `genuine` verifies a body and a value; None where the kernel's certificates are not at hand, so that whoever signed
    like the kernel's own modules is trusted unseen, as the rules do.
    """

    head: bytes
    value: int
    tail: bytes
    genuine: Callable[[memoryview, bytes], bool] | None

    def body(self, data: bytes) -> int | None:
        """Where the signed part of a file with such a signature ends; None for any other file."""
        start = len(data) - len(self.tail) - self.value - len(self.head)
        return start if start > 0 and data.endswith(self.tail) and data.startswith(self.head, start) else None

    def is_genuine(self, data: bytes, end: int) -> bool:
        """Whether the signature of such a file is the kernel's on its body."""
        start = end + len(self.head)
        return self.genuine is not None and self.genuine(memoryview(data)[:end], data[start : start + self.value])


def own_signature(facts: Facts, era: Era) -> OwnSignature | None:
    """As the kernel's own modules have it; None where they are not signed, or not at hand, or not trusted."""
    module, sample = facts.own_module, facts.own_signature
    signer = sample.signer if sample is not None else None
    if module is None or sample is None or not isinstance(signer, Signer) or not sample.block.endswith(signer.value):
        return None
    head, tail = sample.block[: len(sample.block) - len(signer.value)], module.data[-TAIL:]
    if facts.certificates is None:
        return OwnSignature(head, len(signer.value), tail, None)
    by = keyring(facts.certificates, ()).find(signer.identity)
    body = memoryview(module.data)[: sample.body_size]
    if by is None or judge(sample, body, facts, era) != Answer(trust=Trust.TRUSTED):
        return None
    return OwnSignature(head, len(signer.value), tail, partial(_is_signed, by.key, signer.hash_algo))


def _is_signed(key: bytes, digest_name: str, body: memoryview, value: bytes) -> bool:
    digest = digest_of(digest_name, body)
    return digest is not None and verify(key, digest_name, digest, value) is True
