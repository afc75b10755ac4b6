# SPDX-License-Identifier: GPL-2.0-or-later
"""Run by BuildGrid's Python: the layouts of the messages that it was generated with, as JSON on standard output."""

import json
import sys
from importlib import import_module
from typing import Any

_MODULES = (
    "buildgrid._protos.build.bazel.remote.execution.v2.remote_execution_pb2",
    "buildgrid._protos.google.bytestream.bytestream_pb2",
    "buildgrid._protos.google.longrunning.operations_pb2",
    "buildgrid._protos.google.rpc.status_pb2",
    "google.protobuf.any_pb2",
)
_FIELD = import_module("google.protobuf.descriptor").FieldDescriptor
_NAMES = {value: name.removeprefix("TYPE_").lower() for name, value in vars(_FIELD).items() if name.startswith("TYPE_")}


def _fields(message: Any) -> dict[str, list[object]]:
    found = {}
    for field in message.fields:
        word = field.message_type.name if field.message_type is not None else _NAMES[field.type]
        found[field.name] = [field.number, f"repeated {word}" if field.is_repeated else word]
    return found


def _walk(messages: dict[str, Any], outer: str = "") -> dict[str, dict[str, list[object]]]:
    found = {}
    for name, message in messages.items():
        found[f"{outer}{name}"] = _fields(message)
        found |= _walk(message.nested_types_by_name, f"{outer}{name}.")
    return found


_FILES = [import_module(name).DESCRIPTOR for name in _MODULES]
_CALLS = {
    method.name: [service.full_name, method.input_type.name, method.output_type.name]
    for file in _FILES
    for service in file.services_by_name.values()
    for method in service.methods
}
_MESSAGES = {name: fields for file in _FILES for name, fields in _walk(file.message_types_by_name).items()}
sys.stdout.write(json.dumps({"messages": _MESSAGES, "calls": _CALLS}))
