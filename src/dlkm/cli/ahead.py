# SPDX-License-Identifier: GPL-2.0-or-later
"""Work that a command line will probably ask for, begun before its verb is loaded. Loads little; says nothing."""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise

from dlkm.core.kept import base


def look_ahead(argv: Sequence[str]) -> None:
    """Digest the modules of directories that are to be checked for a kernel whose modules are known (verdict/known.py).

    No more than a guess: what is wrong with the command line, or asks for something else, is seen to later.
    """
    alone = (os.cpu_count() or 1) == 1 or _value(argv, "-j") == "1"
    if argv[:1] != ["check"] or alone or None in {sys.stdin, sys.stdout, sys.stderr}:
        return
    kernel = _value(argv, "-k")
    known = f"{base('XDG_CACHE_HOME', '.cache')}/dlkm/kernels/{kernel}/known"
    if not kernel or not os.path.isfile(known):  # noqa: PTH113 — pathlib takes longer to load than all of this
        return
    folders = [word.rstrip("/") for word in argv[1:] if _is_folder(word)]
    if folders:
        from dlkm.verdict.digests import begin

        begin(folders)


def _is_folder(word: str) -> bool:
    return word[:1] != "-" and os.path.isdir(word)  # noqa: PTH112 — as above


def _value(argv: Sequence[str], flag: str) -> str:
    return next((value for name, value in pairwise(argv) if name == flag), "")
