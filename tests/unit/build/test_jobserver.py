# SPDX-License-Identifier: GPL-2.0-or-later
"""No more turns at once than there are jobs, and nobody waits for ever."""

import os
import select
from threading import Thread

import pytest

from dlkm.build.jobserver import JobServer


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


def test_what_was_cut_short_is_no_result() -> None:
    server = JobServer(1)
    with pytest.raises(KeyboardInterrupt), server.slot():
        server.stop()


def test_who_waits_when_the_run_is_stopped_does_not_begin() -> None:
    server, begun, ended = JobServer(1), [], []

    def wait() -> None:
        try:
            with server.slot():
                begun.append(True)
        except KeyboardInterrupt:
            ended.append(True)

    threads = [Thread(target=wait) for _ in range(3)]
    os.read(server.descriptors[0], 1)  # somebody has the only one
    for thread in threads:
        thread.start()
    server.stop()
    for thread in threads:
        thread.join(10)
    assert (begun, len(ended)) == ([], 3)
