# SPDX-License-Identifier: GPL-2.0-or-later
"""What this program's own rooms hold: for what is kept of its answers only as long as these are what they were."""

import hashlib
import os
from functools import cache
from pathlib import Path

import dlkm


@cache
def digest_of_rooms(*rooms: str) -> str:
    """The SHA-256 of the names and contents of all files of these directories of the program, not below them."""
    told = hashlib.sha256()
    for room in rooms:
        folder = Path(dlkm.__file__).parent / room
        for entry in sorted(os.scandir(folder), key=lambda one: one.name):
            if entry.is_file():
                with open(entry.path, "rb") as stream:  # noqa: PTH123 — a hundred files before anything else
                    told.update(entry.name.encode() + b"\0" + hashlib.sha256(stream.read()).digest())
    return told.hexdigest()
