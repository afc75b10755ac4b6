# SPDX-License-Identifier: GPL-2.0-or-later
"""Our layouts and our bytes against the definitions that a real service was generated with."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dlkm.action import wire
from dlkm.action.digest import Digest, digest_of
from dlkm.remote.messages import classes, messages, table
from tests.services.real import SERVICES

pytestmark = pytest.mark.contract

# What is nested in another message there is called by a name of its own here.
NESTED = {
    "BlobToUpdate": "BatchUpdateBlobsRequest.Request",
    "BlobUpdated": "BatchUpdateBlobsResponse.Response",
    "BlobRead": "BatchReadBlobsResponse.Response",
}


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    script = Path(__file__).with_name("reapi_layouts.py")
    assert SERVICES.exists(), "no services to compare with: run `make services`"
    done = subprocess.run([SERVICES / "bin" / "python", script], capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _same_type(ours: str, theirs: str) -> bool:
    word = ours.removeprefix("repeated ")
    if theirs.startswith("repeated ") is not ours.startswith("repeated "):
        return False
    theirs = theirs.removeprefix("repeated ")
    return NESTED.get(word, word).rpartition(".")[2] == theirs or (word, theirs) == ("int32", "enum")


@pytest.mark.parametrize("name", table()["messages"])
def test_every_layout_is_theirs(real: dict[str, Any], name: str) -> None:
    theirs = real["messages"][NESTED.get(name, name)]
    for field, (number, type_) in table()["messages"][name].items():
        assert field in theirs
        assert theirs[field][0] == number
        assert _same_type(type_, theirs[field][1]), (field, type_, theirs[field])


@pytest.mark.parametrize("name", table()["calls"])
def test_every_call_is_theirs(real: dict[str, Any], name: str) -> None:
    service, request, answer, _kind = table()["calls"][name]
    assert real["calls"][name] == [service, request, answer]


A, B = digest_of(b"a"), Digest("0" * 64, 0)


def test_the_bytes_of_a_directory_are_those_of_protobuf() -> None:
    kinds = messages()
    names = ["zebra", "Apple", "apple", "ä", "a.c", "a", "_"]
    message = kinds.Directory()
    for name in sorted(names, key=str.encode):
        message.files.add(name=name, digest=kinds.Digest(hash=A.hash, size_bytes=1), is_executable=name == "a")
        message.directories.add(name=f"d{name}", digest=kinds.Digest(hash=B.hash))
        message.symlinks.add(name=f"l{name}", target="../x")
    ours = wire.directory(
        {name: (A, name == "a") for name in names},
        {f"d{name}": B for name in names},
        {f"l{name}": "../x" for name in names},
    )
    assert ours == message.SerializeToString(deterministic=True)
    tree = kinds.Tree(root=message, children=[kinds.Directory(), message])
    assert wire.tree(ours, [b"", ours]) == tree.SerializeToString(deterministic=True)


def test_the_bytes_of_an_action_are_those_of_protobuf(real: dict[str, Any]) -> None:
    """With the real layouts: ours never read these messages."""
    wanted = ("Digest", "Command", "Action", "Platform")
    layouts = {name: dict(real["messages"][name]) for name in wanted}
    layouts |= {"EnvironmentVariable": real["messages"]["Command.EnvironmentVariable"]}
    layouts |= {
        "Property": real["messages"]["Platform.Property"],
        "Duration": {"seconds": [1, "int64"], "nanos": [2, "int32"]},
    }
    layouts["Command"].pop("output_directory_format", None)
    kinds = classes(layouts)
    properties = [kinds.Property(name="a", value="1"), kinds.Property(name="b", value="")]
    command = kinds.Command(
        arguments=["/bin/sh", "", "x y"],
        environment_variables=[kinds.EnvironmentVariable(name="A", value="1"), kinds.EnvironmentVariable(name="B")],
        output_paths=["out", "out2"],
        platform=kinds.Platform(properties=properties),
    )
    assert wire.command(["/bin/sh", "", "x y"], {"B": "", "A": "1"}, ["out2", "out"], {"b": "", "a": "1"}) == (
        command.SerializeToString(deterministic=True)
    )
    action = kinds.Action(
        command_digest=kinds.Digest(hash=A.hash, size_bytes=1),
        input_root_digest=kinds.Digest(hash=B.hash),
        timeout=kinds.Duration(seconds=300),
        platform=kinds.Platform(properties=properties),
    )
    assert wire.action(A, B, 300, {"b": "", "a": "1"}) == action.SerializeToString(deterministic=True)
