# SPDX-License-Identifier: GPL-2.0-or-later
"""Maintainer scripts in Yocto's words made safe for a system: see data/maintainer.sh. Runs none."""

import re
import shlex
from dataclasses import fields, replace
from functools import cache

from dlkm.core.data import data_text
from dlkm.package.names import Format
from dlkm.package.package import Scripts
from dlkm.package.systems import root_word

_SHELL = re.compile(r"#!\s*(/usr)?/bin/(env\s+)?(ba|da)?sh\b[^\n]*\n")


def is_for_shell(script: str) -> bool:
    """Whether a script is one that words of ours can be put into."""
    return _SHELL.match(script) is not None


def guarded(scripts: Scripts, release: str, form: Format) -> Scripts:
    """The scripts with the guards in front, where they are for a shell; others as they are."""
    texts = {field.name: _guarded(getattr(scripts, field.name), release, form) for field in fields(scripts)}
    return Scripts(**texts)


def renewing_initramfs(scripts: Scripts) -> Scripts:
    """Scripts that have the guards, and renew the initramfs of their kernel after all else."""
    texts = {
        name: f"{text}dlkm_initramfs\n"
        for name in ("postinst", "postrm")
        if is_for_shell(text := getattr(scripts, name))
    }
    return replace(scripts, **texts)


def _guarded(script: str, release: str, form: Format) -> str:
    match = _SHELL.match(script)
    if match is None:
        return script
    words = {"@ROOT@": root_word(form), "@RELEASE@": shlex.quote(release)}
    prologue = _prologue()
    for mark, value in words.items():
        prologue = prologue.replace(mark, value)
    return f"{match[0]}{prologue}{script[match.end() :]}"


@cache
def _prologue() -> str:
    return data_text("maintainer.sh").partition("#---\n")[2]
