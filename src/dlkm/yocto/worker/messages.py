# SPDX-License-Identifier: GPL-2.0-only
"""What bb and the recipe say while they are at work: kept, for the program outside to tell."""

import logging
from typing import Any

_KEPT = 500
_LONGEST = 4000


class Ear(logging.Handler):
    """Keeps warnings and errors; each one once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING - 1)
        self.heard: list[dict[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """One record."""
        level = "error" if record.levelno >= logging.ERROR - 1 else "warning"
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = str(record.msg)
        entry = {"level": level, "text": text[:_LONGEST]}
        if entry not in self.heard and len(self.heard) < _KEPT:
            self.heard.append(entry)

    def errors(self) -> list[str]:
        """The texts of the errors."""
        return [entry["text"] for entry in self.heard if entry["level"] == "error"]


def listen() -> Ear:
    """Begin to keep what is said."""
    ear = Ear()
    logger: Any = logging.getLogger("BitBake")
    for old in list(logger.handlers):
        if isinstance(old, Ear):
            logger.removeHandler(old)
    logger.addHandler(ear)
    return ear
