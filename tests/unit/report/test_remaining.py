# SPDX-License-Identifier: GPL-2.0-or-later
"""How much longer it takes, in words that promise no more than is known."""

import pytest

from dlkm.report.remaining import shown_time


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "any moment"),
        (9.4, "9 s left"),
        (14.0, "about 10 s left"),
        (89.0, "about 90 s left"),
        (91.0, "about 2 min left"),
        (3000.0, "about 50 min left"),
        (5400.0, "about 1.5 h left"),
    ],
)
def test_in_words(seconds: float, shown: str) -> None:
    assert shown_time(seconds) == shown
