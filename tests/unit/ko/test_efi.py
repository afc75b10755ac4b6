# SPDX-License-Identifier: GPL-2.0-or-later
"""Firmware's lists of signatures: certificates are found among digests, and nothing that does not add up is taken."""

import random
import struct
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest

from dlkm.core.errors import MalformedError
from dlkm.ko.efi import certificates_in
from dlkm.verdict.keyring import certificates_at
from tests.unit.verdict.signing import certificate

CERTIFICATE, DIGEST = UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072"), UUID("c1c41626-504c-4092-aca9-41f936934328")
ATTRIBUTES = struct.pack("<I", 0x27)


def signatures(kind: UUID, *data: bytes, header: bytes = b"") -> bytes:
    """An EFI_SIGNATURE_LIST of data of one size, each with its owner."""
    body = b"".join(bytes(16) + one for one in data)
    return (
        kind.bytes_le
        + struct.pack("<III", 28 + len(header) + len(body), len(header), 16 + len(data[0]))
        + header
        + body
    )


GOOD = ATTRIBUTES + b"".join(
    (
        signatures(CERTIFICATE, b"first"),
        signatures(DIGEST, bytes(32), bytes(32)),
        signatures(CERTIFICATE, b"second", b"third!", header=b"head"),
    )
)


def test_certificates_are_found() -> None:
    assert list(certificates_in(GOOD)) == [b"first", b"second", b"third!"]
    assert list(certificates_in(ATTRIBUTES)) == []


@pytest.mark.parametrize(
    "lists",
    [
        b"short",
        signatures(CERTIFICATE, b"first")[:-1],
        CERTIFICATE.bytes_le + struct.pack("<III", 0, 0, 20),
        CERTIFICATE.bytes_le + struct.pack("<III", 28, 0, 0),
        CERTIFICATE.bytes_le + struct.pack("<III", 28, 1 << 31, 20),
        CERTIFICATE.bytes_le + struct.pack("<III", 30, 0, 17) + bytes(2),
    ],
)
def test_what_does_not_add_up(lists: bytes) -> None:
    with pytest.raises(MalformedError):
        list(certificates_in(ATTRIBUTES + lists))


def test_changed_bytes_end() -> None:
    numbers = random.Random(4)
    for _ in range(2000):
        changed = bytearray(GOOD)
        changed[numbers.randrange(len(GOOD))] = numbers.randrange(256)
        with suppress(MalformedError):
            list(certificates_in(bytes(changed)))


def test_a_variable_is_a_file_of_certificates(tmp_path: Path) -> None:
    variable = tmp_path / "MokListRT"
    variable.write_bytes(
        ATTRIBUTES + signatures(CERTIFICATE, certificate(1)) + signatures(CERTIFICATE, b"no certificate")
    )
    (found,) = certificates_at(variable)
    (tmp_path / "der").write_bytes(certificate(1))
    assert (found,) == certificates_at(tmp_path / "der")
