# SPDX-License-Identifier: GPL-2.0-or-later
"""What all documents have in common: the schema's name and the way values become JSON."""

from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from dlkm.core.text import utf8


def plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses become objects, tuples and sets lists, paths and enums strings."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def document(verb: str, version: int = 1, **parts: Any) -> dict[str, Any]:
    """The document of a command: `{"schema": "dlkm.VERB/VERSION", …}`."""
    return {"schema": f"dlkm.{verb}/{version}"} | {name: plain(part) for name, part in parts.items()}


def printable_parts(whole: dict[str, Any]) -> dict[str, Any]:
    """A document that any reader takes: what is no UTF-8 in a file's name is shown by its number."""
    return {key: _printable(item) for key, item in whole.items()}


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return printable_parts(value)
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return utf8(value) if isinstance(value, str) else value
