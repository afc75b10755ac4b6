# SPDX-License-Identifier: GPL-2.0-or-later
"""The loader's texts against the kernels that say them: each is in the image, with its place-holders as formats."""

import re
from functools import cache
from typing import Any

import pytest

from dlkm.core.data import data_table
from dlkm.kernel.image import read_image
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.era import Era, era_of, rules

pytestmark = pytest.mark.contract

# What a format fills in although it is the same every time.
FIXED = {
    "(err -2)": "(err {})",
    "(err -22)": "(err {})",
    "!= 1": "!= {}",
    "\x7fELF": "{}",
    "module_layout": "{}",
    "module: not signed": "{}: not signed",
    "module: PKCS#7": "{}: PKCS#7",
    "unsigned module loading": "{}",
    "unsafe module parameters": "{}",
    "/module/{mod}/sections/{subject}": "{}/{}",
    "atomic=0, alloc from reserved chunk failed": "atomic={}, {}",
}
PLACE = re.compile(r"\{\w*\}|<\w+>")
FORMAT = rb"%[-#0-9.*]*(?:hh|h|ll|l|L|z)?[a-zA-Z]+"
# printk's level (include/linux/kern_levels.h), or none for what WARN says; the text, and perhaps a newline.
LOGGED = re.compile(rb"(?:\x01[0-7]|(?<=\x00)(?=illegal ))([^\x00]+?)\n?\x00")
# Texts of code that these kernels are built without, by the option that it needs.
NEEDS = {
    "livepatch": "!LIVEPATCH",  # said by kernels that cannot
    "livepatch-section": "LIVEPATCH",
    "constructors": "CONSTRUCTORS",
    "btf": "!MODULE_ALLOW_BTF_MISMATCH",
}


@cache
def _logged(kernel: Kernel) -> frozenset[bytes]:
    assert kernel.image is not None
    return frozenset(LOGGED.findall(read_image(kernel.image).data))


def _needs(era: Era, rule: str, kernel: Kernel) -> bool:
    """Whether the kernel is built with what says the rule's text."""
    option = NEEDS.get(rule, "")
    if not option:
        return True
    return kernel.config.on(option.removeprefix("!")) is not option.startswith("!")


def _pattern(line: str) -> re.Pattern[bytes]:
    for words, form in FIXED.items():
        line = line.replace(words, form)
    pieces = [re.escape(piece.encode()) for piece in PLACE.split(line.replace("{part}", "PART"))]
    return re.compile(FORMAT.join(pieces).replace(b"PART", b"[A-Z.]+"))


def _steps_rules(kernel: Kernel) -> list[str]:
    """Rules whose text this kernel's era has."""
    era = era_of(kernel)
    table: dict[str, Any] = data_table("messages.toml")
    return [rule for rule in table if era.message(rule) and rule in rules()]


@pytest.mark.parametrize("name", ["kernel_61", "kernel_612", "kernel_61_arm64"])
def test_every_text_is_in_the_kernel(name: str, request: pytest.FixtureRequest) -> None:
    kernel: Kernel = request.getfixturevalue(name)
    era, logged = era_of(kernel), _logged(kernel)
    lines = {(rule, line) for rule in _steps_rules(kernel) if _needs(era, rule, kernel) for line in era.message(rule)}
    missing = [f"{rule}: {line}" for rule, line in sorted(lines) if not any(map(_pattern(line).fullmatch, logged))]
    assert len(lines) > 40
    assert not missing, "\n".join(missing)
