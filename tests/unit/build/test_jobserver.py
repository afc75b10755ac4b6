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
