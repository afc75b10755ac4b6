# SPDX-License-Identifier: GPL-2.0-or-later
"""Work that a command line will probably ask for, begun before its verb is loaded. Loads little; says nothing."""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise

from dlkm.core.kept import base


def look_ahead(argv: Sequence[str]) -> None:
    """Digest the modules that are to be judged for a kernel whose modules are known (verdict/known.py).

    No more than a guess: what is wrong with the command line, or asks for something else, is seen to later.
    """
    alone = (os.cpu_count() or 1) == 1 or _value(argv, "-j") == "1"
    guess = {"check": _to_check, "audit": _to_audit}.get(argv[0] if argv else "")
    if guess is None or alone or None in {sys.stdin, sys.stdout, sys.stderr}:
        return
    folders = guess(argv[1:])
    if folders:
        from dlkm.verdict.digests import begin

        begin(folders)


def _to_check(words: Sequence[str]) -> list[str]:
    """The directories that are given."""
    return [word.rstrip("/") for word in words if _is_folder(word)] if _is_known(_value(words, "-k")) else []


def _to_audit(words: Sequence[str]) -> list[str]:
    """The modules of a root filesystem's first kernel, where no link leads out of it."""
    for root in map(os.path.abspath, filter(_is_folder, words)):
        top = os.path.realpath(root).rstrip("/")
        try:
            release = min(os.listdir(f"{root}/lib/modules"))  # noqa: PTH208 — pathlib takes longer to load
        except (OSError, ValueError):
            return []
        folder = os.path.realpath(f"{root}/lib/modules/{release}")
        inside = folder.startswith(f"{top}/") and _is_known(release)
        return [root.rstrip("/") + folder[len(top) :]] if inside else []
    return []


def _is_known(kernel: str) -> bool:
    known = f"{base('XDG_CACHE_HOME', '.cache')}/dlkm/kernels/{kernel}/known"
    return bool(kernel) and os.path.isfile(known)  # noqa: PTH113 — pathlib takes longer to load than all of this


def _is_folder(word: str) -> bool:
    return word[:1] != "-" and os.path.isdir(word)  # noqa: PTH112 — as above


def _value(argv: Sequence[str], flag: str) -> str:
    return next((value for name, value in pairwise(argv) if name == flag), "")
