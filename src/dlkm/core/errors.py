# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit statuses and the one family of exceptions; a negative answer is a value, not an exception."""

from enum import IntEnum
from typing import ClassVar


class ExitStatus(IntEnum):
    """What a `dlkm` process returns; the numbers never change meaning."""

    OK = 0
    NO = 1
    USAGE = 2
    MALFORMED = 3
    MISSING_TOOL = 4
    FETCH = 5
    NOTHING_SELECTED = 6
    WORKER_LOST = 7
    CANNOT_TELL = 8
    DEFECT = 70
    INTERRUPTED = 130


class DlkmError(Exception):
    """The answer could not be given. `what` says what failed and where; `hint` says what to do."""

    status: ClassVar[ExitStatus]

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class InputError(DlkmError):
    """The fault lies in what the user gave."""


class SurroundingsError(DlkmError):
    """The fault lies in the machine or the network."""


class UsageError(InputError):
    """An argument or a setting makes no sense, or names something that does not exist."""

    status = ExitStatus.USAGE


class MalformedError(InputError):
    """A file is not what it should be, or is of a kind that is not supported."""

    status = ExitStatus.MALFORMED

    def __init__(self, what: str, *, offset: int | None = None, hint: str | None = None) -> None:
        super().__init__(what if offset is None else f"{what} (at offset {offset:#x})", hint=hint)
        self.offset = offset


class NothingSelectedError(InputError):
    """A pattern matched nothing."""

    status = ExitStatus.NOTHING_SELECTED


class MissingToolError(SurroundingsError):
    """A program, a package or a permission is missing on this machine."""

    status = ExitStatus.MISSING_TOOL


class FetchError(SurroundingsError):
    """Something could not be fetched, or its content is not what it should be."""

    status = ExitStatus.FETCH


class WorkerLostError(SurroundingsError):
    """A helper process or a machine went away before it answered."""

    status = ExitStatus.WORKER_LOST
