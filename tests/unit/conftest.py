# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests cannot start a process or open a socket: what needs one is a contract or an integration test."""

import socket
import subprocess
from typing import NoReturn

import pytest


class ForbiddenError(AssertionError):
    """A unit test reached outside its process."""


def _forbid(*_args: object, **_kwargs: object) -> NoReturn:
    raise ForbiddenError("a unit test may start no process and open no socket")


@pytest.fixture(autouse=True)
def _inside_only(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(subprocess, "Popen", _forbid)
    monkeypatch.setattr("os.system", _forbid)
    monkeypatch.setattr("os.posix_spawn", _forbid)
    monkeypatch.setattr("os.fork", _forbid)
    monkeypatch.setattr(socket, "socket", _forbid)
