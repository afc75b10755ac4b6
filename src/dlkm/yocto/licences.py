# SPDX-License-Identifier: GPL-2.0-or-later
"""Licence names and the checksums of licence texts that recipes state. Reads tables and one file; judges no recipe."""

import hashlib
import io
import re
from functools import cache
from pathlib import Path

from dlkm.core.data import data_table, data_text
from dlkm.core.errors import UsageError
from dlkm.core.files import open_regular

_LIMIT = 16 << 20  # bytes of a file whose checksum is taken
_OPERATORS = re.compile(r"[&|()\s]+")
# Names that stand for no text of a licence.
CLOSED = "CLOSED"
_WITHOUT_TEXT = frozenset({CLOSED, "Proprietary"})


@cache
def common_licences() -> dict[str, str]:
    """SPDX name → MD5 of the text below COMMON_LICENSE_DIR (OpenEmbedded-Core, meta/files/common-licenses)."""
    table = data_text("common-licences.tsv")
    return dict(line.split("\t")[:2] for line in table.splitlines() if line and not line.startswith("#"))


@cache
def former_names() -> dict[str, str]:
    """Licence names that OpenEmbedded gave up with kirkstone → today's SPDX name."""
    table: dict[str, str] = data_table("recipe-rules.toml")["former-licence-names"]
    return table


def names_in(expression: str) -> tuple[str, ...]:
    """The names in a LICENSE value such as `GPL-2.0-only & (MIT | BSD-3-Clause)`."""
    return tuple(name for name in _OPERATORS.split(expression) if name)


def is_known(name: str) -> bool:
    """Whether OpenEmbedded has a text for the name, or none is needed."""
    return name in common_licences() or name in _WITHOUT_TEXT or name.startswith("LicenseRef-")


def checksum(path: Path, first: int = 0, last: int = 0) -> str | None:
    """The MD5 that `LIC_FILES_CHKSUM` states: of all bytes, or of lines first…last as they are; None: no such file.

    Lines count from 1, both ends belong to it; 0 stands for the beginning or the end (insane.bbclass, bb.utils).
    """
    try:
        with open_regular(path) as stream:
            data = stream.read(_LIMIT)
    except UsageError:
        return None
    if first or last:
        data = b"".join(io.BytesIO(data).readlines()[max(first, 1) - 1 : last or None])
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
