# SPDX-License-Identifier: GPL-2.0-or-later
"""The column of a progress bar that says how long it will still take. Loads rich, so only terminals load it."""

import time

from rich.progress import ProgressColumn, Task
from rich.text import Text


class RemainingColumn(ProgressColumn):
    """Counts down to the field `ends`, a moment of the monotonic clock; empty where that is None."""

    def render(self, task: Task) -> Text:
        """As rich asks for it, several times a second."""
        ends = task.fields.get("ends")
        return Text("" if ends is None else shown_time(max(0.0, ends - time.monotonic())))


def shown_time(seconds: float) -> str:
    """As nobody should read more into it than is known: to the second only near the end."""
    if seconds < 0.5:
        return "any moment"
    if seconds < 90:
        return f"{seconds:.0f} s left" if seconds < 10 else f"about {round(seconds, -1):.0f} s left"
    minutes = seconds / 60
    return f"about {minutes:.0f} min left" if minutes < 90 else f"about {minutes / 60:.1f} h left"
