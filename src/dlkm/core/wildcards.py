# SPDX-License-Identifier: GPL-2.0-or-later
"""Names against wildcards as fnmatch(3) without flags does it, which kmod asks. Reads nothing."""

import re
from fnmatch import translate
from functools import lru_cache

_WILD = "*?["


def matches(wildcard: str, name: str) -> bool:
    """Whether a name matches."""
    return _pattern(wildcard).match(name) is not None


@lru_cache(maxsize=65536)
def _pattern(wildcard: str) -> re.Pattern[str]:
    # C's fnmatch takes a backslash for a quote, Python's for a letter; C's knows '^' for '!' in brackets, Python's not.
    quoted = re.sub(r"\\(.)", _quoted, wildcard, flags=re.DOTALL)
    return re.compile(translate(quoted.replace("[^", "[!")))


def _quoted(match: re.Match[str]) -> str:
    return f"[{match[1]}]" if match[1] in _WILD else match[1]
