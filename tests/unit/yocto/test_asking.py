# SPDX-License-Identifier: GPL-2.0-or-later
"""The worker's answers are looked at before they are believed."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dlkm.core.errors import WorkerLostError
from dlkm.core.processes import Completed
from dlkm.yocto.asking import ask


class _Worker:
    """Answers always the same."""

    def __init__(self, output: bytes = b"", status: int = 0, *, timed_out: bool = False) -> None:
        self._done = Completed(argv=("worker",), status=status, output=output, errors=b"why\n", timed_out=timed_out)
        self.asked: bytes | None = None

    def run(self, *_argv: Sequence[str | Path], stdin: bytes | None = None, **_keywords: object) -> Completed:
        self.asked = stdin
        return self._done

    def find(self, _program: str, /) -> Path | None:
        return None


def test_a_line_is_an_answer() -> None:
    worker = _Worker(b'{"a": 1}\n{"b": null}\n')
    assert ask(worker, ["worker"], {"mode": "x"}, seconds=1) == ({"a": 1}, {"b": None})
    assert json.loads(worker.asked or b"") == {"mode": "x"}


@pytest.mark.parametrize(
    "worker",
    [
        _Worker(b"", status=1),
        _Worker(b"", status=-9),
        _Worker(b"{}", timed_out=True),
        _Worker(b"no json\n"),
        _Worker(b"[1]\n"),
        _Worker(b'{"defect": "Traceback"}\n'),
        _Worker(b"[" * 100_000),
    ],
)
def test_anything_else_is_a_lost_worker(worker: _Worker) -> None:
    with pytest.raises(WorkerLostError):
        ask(worker, ["worker"], {}, seconds=1)
