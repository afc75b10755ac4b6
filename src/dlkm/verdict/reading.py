# SPDX-License-Identifier: GPL-2.0-or-later
"""Files to the plain bytes that a kernel gets: unpacked as insmod and modprobe do. Looks at nothing in them."""

from mmap import ACCESS_READ, mmap
from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.core.files import open_regular
from dlkm.ko.decompress import Compression, compression_of, unpack_file


def plain_bytes(path: Path) -> bytes | mmap:
    """The bytes of the whole file.

    UsageError when the file cannot be read, MalformedError when it cannot be unpacked, StorageError when there is no
    place for what comes out.
    """
    try:
        with open_regular(path) as stream:
            start = stream.read(6)
            if not start:
                return b""
            if compression_of(start) is not Compression.NONE:
                return unpack_file(stream, str(path))
            return mmap(stream.fileno(), 0, access=ACCESS_READ)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
