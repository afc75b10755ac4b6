# SPDX-License-Identifier: GPL-2.0-or-later
"""The messages of the Remote Execution API as classes, made from data/reapi.toml. Loads protobuf; sends nothing."""

from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from dlkm.action.digest import Digest
from dlkm.core.data import data_table

_PACKAGE = "dlkm.reapi"
_FIELD = descriptor_pb2.FieldDescriptorProto


def table() -> dict[str, Any]:
    """The whole table."""
    return data_table("reapi.toml")


@cache
def messages() -> SimpleNamespace:
    """The classes, by the messages' names."""
    return classes(table()["messages"])


def classes(layouts: Mapping[str, Mapping[str, Any]]) -> SimpleNamespace:
    """Classes of messages from such a table; in a pool of their own, as others may load the real definitions."""
    file = descriptor_pb2.FileDescriptorProto(name="dlkm/reapi.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in layouts.items():
        message = file.message_type.add(name=name)
        for field, (number, type_) in fields.items():
            _add_field(message, field, number, type_, layouts)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in layouts
    }
    return SimpleNamespace(**found)


def _add_field(message: Any, name: str, number: int, type_: str, layouts: Mapping[str, Any]) -> None:
    field = message.field.add(name=name, number=number)
    word = type_.removeprefix("repeated ")
    field.label = _FIELD.LABEL_OPTIONAL if word == type_ else _FIELD.LABEL_REPEATED
    if word in layouts:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{word}"
    else:
        field.type = getattr(_FIELD, f"TYPE_{word.upper()}")


def to_wire(digest: Digest) -> Any:
    """A digest as a message."""
    return messages().Digest(hash=digest.hash, size_bytes=digest.size)


def from_wire(message: Any) -> Digest:
    """A digest from a message of anybody's; ValueError when it is none of SHA-256."""
    return Digest.parse(f"{message.hash}/{message.size_bytes}")
