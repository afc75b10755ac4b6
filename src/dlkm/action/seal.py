# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes behind their own digest, so that damage is seen. Keeps out accidents, not people."""

import hashlib

_LENGTH = 65  # hexadecimal SHA-256 and a line feed


def sealed(data: bytes) -> bytes:
    """The bytes with their digest in front."""
    return hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def unsealed(raw: bytes) -> bytes | None:
    """The bytes; None when they are not what was sealed."""
    data = raw[_LENGTH:]
    return data if raw[:_LENGTH] == sealed(data)[:_LENGTH] else None
