# SPDX-License-Identifier: GPL-2.0-or-later
"""No more turns at once than there are jobs, and nobody waits for ever."""

import os
import select
from threading import Event, Thread

import pytest

from dlkm.build.jobserver import JobServer
from dlkm.build.work import Workshop
from dlkm.core.events import Events
from tests.unit.build.fakes import FakeRunner


def _tokens(server: JobServer) -> int:
    """How many could be taken now."""
    reader, writer = server.descriptors
    taken = b""
    while select.select([reader], [], [], 0)[0]:
        taken += os.read(reader, 1)
    os.write(writer, taken)
    return len(taken)


def test_a_turn_takes_a_token_and_gives_it_back() -> None:
    server = JobServer(3)
    with server.slot():
        assert _tokens(server) == 2
    assert _tokens(server) == 3


def test_a_turn_that_fails_gives_it_back_too() -> None:
    server = JobServer(2)
    with pytest.raises(ValueError, match="x"), server.slot():
        raise ValueError("x")
    assert _tokens(server) == 2


def test_the_flags_name_the_pipe() -> None:
    server = JobServer(2)
    reader, writer = server.descriptors
    assert server.flags.split() == ["-j2", f"--jobserver-auth={reader},{writer}"]


def _workshop(jobs: int) -> Workshop:
    runner = FakeRunner({})
    return Workshop(runner=runner, events=Events(), bubblewrap=None, jobs=JobServer(jobs) if jobs > 1 else None)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_was_cut_short_is_no_result(jobs: int) -> None:
    workshop = _workshop(jobs)
    with pytest.raises(KeyboardInterrupt), workshop.turn():
        workshop.stop()


def test_who_waits_when_the_run_is_stopped_does_not_begin() -> None:
    workshop, begun, ended = _workshop(2), [], []
    assert workshop.jobs is not None
    os.read(workshop.jobs.descriptors[0], 2)  # somebody has them all

    def wait() -> None:
        try:
            with workshop.turn():
                begun.append(True)
        except KeyboardInterrupt:
            ended.append(True)

    threads = [Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    workshop.stop()
    for thread in threads:
        thread.join(10)
    assert (begun, len(ended)) == ([], 3)


def test_a_pipe_that_make_set_to_not_blocking_is_waited_for() -> None:
    server, entered = JobServer(1), Event()
    os.set_blocking(server.descriptors[0], False)

    def enter() -> None:
        with server.slot():
            entered.set()

    with server.slot():
        thread = Thread(target=enter)
        thread.start()
        assert not entered.wait(0.2)
    thread.join(10)
    assert entered.is_set()


def test_a_share_takes_what_is_free_up_to_its_part() -> None:
    server = JobServer(8)
    with server.share(5) as first:
        assert (first, _tokens(server)) == (5, 3)
        with server.share(5) as second:
            assert (second, _tokens(server)) == (3, 0)
        assert _tokens(server) == 3
    assert _tokens(server) == 8


def test_a_share_of_one_waits_like_a_turn() -> None:
    server = JobServer(1)
    with server.share(4) as tokens:
        assert (tokens, _tokens(server)) == (1, 0)
    assert _tokens(server) == 1


@pytest.mark.parametrize(
    ("jobs", "most", "cells", "tokens"),
    [(8, 8, 1, 8), (8, 8, 3, 2), (8, 8, 100, 1), (8, 4, 1, 4), (8, 8, 0, 8), (1, 3, 5, 3)],
)
def test_each_cell_gets_its_part(jobs: int, most: int, cells: int, tokens: int) -> None:
    with _workshop(jobs).share(most, cells) as found:
        assert found == tokens


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_share_that_was_cut_short_is_no_result(jobs: int) -> None:
    workshop = _workshop(jobs)
    with pytest.raises(KeyboardInterrupt), workshop.share(2, 1):
        workshop.stop()
    with pytest.raises(KeyboardInterrupt), workshop.share(2, 1):
        raise AssertionError
    with pytest.raises(KeyboardInterrupt):
        workshop.go_on()


def test_without_a_job_server_one_runs_at_a_time() -> None:
    workshop = _workshop(1)
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with workshop.turn():
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    workers = [Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(most) == {1}
