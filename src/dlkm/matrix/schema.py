# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON schema of dlkm.toml, from its declaration, for editors and for whoever writes such files. Reads nothing."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from typing import Any, get_args, get_origin

from dlkm.matrix.declaration import NAME, Declared, spelt
from dlkm.matrix.reader import hints_of, without_none

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The whole schema."""
    return {
        "$schema": DIALECT,
        "title": NAME,
        "description": "A project of out-of-tree kernel modules: which drivers are built for which kernels.",
        **_table(Declared),
    }


def _table(kind: type) -> dict[str, Any]:
    assert is_dataclass(kind)
    hints = hints_of(kind)
    required = [spelt(one) for one in fields(kind) if one.metadata["required"]]
    return {
        "type": "object",
        "properties": {spelt(one): _property(hints[one.name], one) for one in fields(kind)},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _property(kind: Any, declared: "Field[Any]") -> dict[str, Any]:
    default = default_of(declared)
    plain = isinstance(default, str | bool | float) and not isinstance(default, StrEnum)
    shown = default.value if isinstance(default, StrEnum) else default
    return {
        "description": declared.metadata["doc"],
        **_value(without_none(kind), declared),
        **({"default": shown} if plain or isinstance(default, StrEnum) else {}),
    }


def default_of(declared: "Field[Any]") -> Any:
    """What holds where a key is left out; None where nothing does."""
    return None if declared.default_factory is MISSING else declared.default_factory()


def _value(kind: Any, declared: "Field[Any]") -> dict[str, Any]:
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _value(get_args(kind)[0], declared)}
    if get_origin(kind) is Mapping:
        names = declared.metadata["name_pattern"]
        only = {} if names is None else {"propertyNames": {"pattern": _whole(names)}}
        return {"type": "object", "additionalProperties": _text(None)} | only
    if is_dataclass(kind):
        assert isinstance(kind, type)
        table, short = _table(kind), declared.metadata["short"]
        if short is None:
            return table
        return {"anyOf": [{k: v for k, v in table["properties"][short].items() if k != "description"}, table]}
    return _scalar(kind, declared)


def _scalar(kind: Any, declared: "Field[Any]") -> dict[str, Any]:
    if kind is bool:
        return {"type": "boolean"}
    if kind is float:
        return {"type": "number"} | ({"exclusiveMinimum": 0} if declared.metadata["positive"] else {})
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [one.value for one in kind]}
    return _text(declared.metadata["pattern"])


def _text(pattern: str | None) -> dict[str, Any]:
    return {"type": "string"} | ({"pattern": _whole(pattern)} if pattern is not None else {})


def _whole(pattern: str) -> str:
    """As a schema's regular expressions have it, which look anywhere in a text."""
    return f"^(?:{pattern})$"
