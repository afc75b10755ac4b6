# SPDX-License-Identifier: GPL-2.0-or-later
"""What earlier runs say of the time that is left."""

from pathlib import Path

import pytest

from dlkm.build.durations import Durations, Estimate, Subject

A1, A2, B1, C1 = Subject("/a", "6.1"), Subject("/a", "6.12"), Subject("/b", "6.1"), Subject("/c", "6.1")


def test_they_are_kept_between_runs(tmp_path: Path) -> None:
    first = Durations.load(tmp_path / "durations.json")
    first.note(A1, 3.0)
    first.note(B1, 1.0)
    first.note(A1, 4.0)
    first.save()
    assert Durations.load(tmp_path / "durations.json").seconds == {B1: 1.0, A1: 4.0}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"format": 9, "cells": []}', b'{"format": 1, "cells": [[1]]}'])
def test_anything_else_is_no_memory(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "durations.json").write_bytes(data)
    assert Durations.load(tmp_path / "durations.json").seconds == {}
    assert Durations.load(tmp_path / "missing.json").seconds == {}


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Durations.load(tmp_path / "file" / "durations.json").save()


def test_other_kernels_tell_of_a_new_one() -> None:
    known = Durations(Path("x"), {A1: 2.0, Subject("/a", "5.10"): 4.0, Subject("/a", "6.6"): 30.0})
    assert known.expected([A1, A2, B1]) == {A1: 2.0, A2: 4.0, B1: None}


def test_nothing_is_said_before_anything_is_known() -> None:
    estimate = Estimate({A1: None, B1: None}, workers=2)
    estimate.start(A1, 0.0)
    assert estimate.left(5.0) is None
    estimate.finish(A1, 6.0)
    assert estimate.left(6.0) == 6.0


def test_the_longest_cell_or_the_sum_decides() -> None:
    assert Estimate({A1: 10.0, B1: 4.0, C1: 4.0}, workers=2).left(0.0) == 10.0
    assert Estimate({A1: 10.0, B1: 8.0, C1: 8.0}, workers=2).left(0.0) == 13.0
    assert Estimate({A1: 10.0, B1: 8.0, C1: 8.0}, workers=1).left(0.0) == 26.0
    assert Estimate({A1: 10.0, B1: None}, workers=1).left(0.0) == 20.0


def test_what_runs_counts_only_with_its_rest() -> None:
    estimate = Estimate({A1: 10.0, B1: 4.0}, workers=2)
    estimate.start(A1, 0.0)
    assert estimate.left(7.0) == 4.0
    assert estimate.left(20.0) == 4.0


def test_the_pace_of_this_run_counts() -> None:
    estimate = Estimate({A1: 10.0, A2: 10.0}, workers=1)
    estimate.start(A1, 100.0)
    estimate.finish(A1, 120.0)
    assert estimate.left(120.0) == 20.0
    estimate.start(A2, 120.0)
    estimate.finish(A2, 121.0)
    assert estimate.left(121.0) == 0.0
