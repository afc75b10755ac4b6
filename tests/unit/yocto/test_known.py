# SPDX-License-Identifier: GPL-2.0-or-later
"""Of what a cache holds only the answer of tasks that went well is taken."""

from typing import Any

import pytest

from dlkm.yocto.known import sound

FACTS = {"WORKDIR": "/build/driver/w", "PKGDEST": "/build/driver/p", "D": "/build/driver/d", "SYSROOT_DESTDIR": "/s"}


def test_an_answer_is_taken_as_it_was() -> None:
    answer = {"failed": None, "facts": FACTS | {"DEPLOYDIR": None}, "messages": [{"level": "warning", "text": "x"}]}
    assert sound(answer) == answer


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"failed": None},
        {"facts": FACTS},
        {"failed": "do_compile", "facts": FACTS},
        {"failed": None, "facts": {**FACTS, "D": None}},
        {"failed": None, "facts": {**FACTS, "DEPLOYDIR": 3}},
        {"failed": None, "facts": FACTS, "error": {"text": "x"}},
    ],
)
def test_anything_else_is_not(answer: Any) -> None:
    assert sound(answer) is None
