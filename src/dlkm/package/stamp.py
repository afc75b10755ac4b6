# SPDX-License-Identifier: GPL-2.0-or-later
"""The time that packages bear. Only a value."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime


@dataclass(frozen=True, slots=True)
class Stamp:
    """`epoch` is SOURCE_DATE_EPOCH: the time of every file and of the package, in seconds."""

    epoch: int

    @property
    def date(self) -> str:
        """As a Debian changelog has it (RFC 5322)."""
        return format_datetime(datetime.fromtimestamp(self.epoch, UTC))
