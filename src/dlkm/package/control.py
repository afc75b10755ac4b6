# SPDX-License-Identifier: GPL-2.0-or-later
"""The control file of a .deb or .ipk: fields and relations, read and written. Source: deb-control(5)."""

import re
from collections.abc import Mapping, Sequence

_FIELD = re.compile(r"([!-9;-~]+):[ \t]*(.*)")


def parse_control(text: str) -> Mapping[str, str]:
    """Field → value, its further lines joined by newlines with the leading blank taken off; ValueError for no control.

    Field names are compared without regard to case by all that read them; here they come as "Pre-Depends".
    """
    fields: dict[str, str] = {}
    name = ""
    for line in text.split("\n"):
        if not line.strip():
            if fields:
                break
            continue
        if line[0] in " \t" and name:
            fields[name] += "\n" + line[1:].rstrip()
            continue
        match = _FIELD.fullmatch(line)
        if match is None:
            raise ValueError(line[:80])
        name = "-".join(word.capitalize() for word in match[1].split("-"))
        fields[name] = match[2].rstrip()
    return fields


def relations(value: str) -> tuple[str, ...]:
    """The parts of a Depends or the like, blanks evened out: `a`, `b (>= 1)`, `c | d`."""
    parts = (" ".join(part.split()) for part in value.replace("\n", " ").split(","))
    return tuple(part for part in parts if part)


def write_control(fields: Mapping[str, str | Sequence[str]]) -> str:
    """A control file, fields in their order, empty ones left out; relations are joined by commas."""
    lines = []
    for name, value in fields.items():
        text = value if isinstance(value, str) else ", ".join(value)
        if text:
            lines.append(f"{name}: {text}\n")
    return "".join(lines)


def described(summary: str, description: str) -> str:
    """The value of Description: a line that sums up, then the text, its lines set in and blank ones as a dot."""
    lines = [
        " ".join(summary.split()),
        *(f" {line.rstrip()}" if line.strip() else " ." for line in _lines(description)),
    ]
    return "\n".join(lines)


def _lines(text: str) -> list[str]:
    return [re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", " ", line) for line in text.strip().split("\n")] if text.strip() else []
