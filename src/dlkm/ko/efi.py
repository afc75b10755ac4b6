# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists of signatures as firmware keeps them (UEFI 2.10, 32.4.1: EFI_SIGNATURE_LIST), in a variable of efivarfs."""

from collections.abc import Iterator
from struct import Struct
from uuid import UUID

from dlkm.core.errors import MalformedError

_ATTRIBUTES = 4  # bytes that efivarfs puts before a variable's content
_LIST = Struct("<16sIII")  # type, bytes of the list, of its header, of each signature with its owner
_OWNER = 16  # bytes
_CERTIFICATE = UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le  # EFI_CERT_X509_GUID


def certificates_in(raw: bytes) -> Iterator[bytes]:
    """The certificates in DER of a variable such as db or MokListRT; MalformedError where the lists do not add up."""
    at = _ATTRIBUTES
    while at < len(raw):
        if at + _LIST.size > len(raw):
            raise MalformedError("a list of signatures is cut off", offset=at)
        kind, size, header, each = _LIST.unpack_from(raw, at)
        start, end = at + _LIST.size + header, at + size
        if each <= _OWNER or not start <= end <= len(raw) or (end - start) % each:
            raise MalformedError("a list of signatures does not add up", offset=at)
        if kind == _CERTIFICATE:
            yield from (raw[one + _OWNER : one + each] for one in range(start, end, each))
        at = end
