# SPDX-License-Identifier: GPL-2.0-or-later
"""Events reach whoever listens, in their order, and a task always ends."""

import pytest

from dlkm.core.events import Event, EventKind, Events


def test_each_kind_of_message() -> None:
    heard: list[Event] = []
    events = Events(heard.append)
    events.detail("d")
    events.info("i")
    events.warning("w")
    assert [(event.kind, event.text) for event in heard] == [
        (EventKind.DETAIL, "d"),
        (EventKind.INFO, "i"),
        (EventKind.WARNING, "w"),
    ]


def test_a_task_from_start_to_end() -> None:
    heard: list[Event] = []
    with Events(heard.append).task("fetching", 100) as task:
        task.advance(30)
        task.advance(40, 200)
    assert [(event.kind, event.done, event.total) for event in heard] == [
        (EventKind.STARTED, 0, 100),
        (EventKind.ADVANCED, 30, 100),
        (EventKind.ADVANCED, 40, 200),
        (EventKind.FINISHED, 0, 100),
    ]
    assert len({event.task for event in heard}) == 1


def test_tasks_are_told_apart_and_end_when_they_fail() -> None:
    heard: list[Event] = []
    events = Events(heard.append)
    with events.task("one") as one, pytest.raises(ZeroDivisionError), events.task("two") as two:
        _ = (one.number - two.number) // 0
    assert len({event.task for event in heard}) == 2
    ended = [event.text for event in heard if event.kind is EventKind.FINISHED]
    assert ended == ["two", "one"]


def test_nobody_needs_to_listen() -> None:
    with Events().task("quiet") as task:
        task.advance(1)
    Events().warning("unheard")
