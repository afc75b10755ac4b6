# SPDX-License-Identifier: GPL-2.0-or-later
"""Many files, as quickly as may be: shared among processes, in the order given."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.session import Session
from dlkm.verdict.verdict import Verdict


def judge_all(
    kernel: Kernel, files: Sequence[Path], conditions: Conditions, jobs: int = 1
) -> Iterator[Verdict | DlkmError]:
    """A verdict, or why there can be none, for each file."""
    session = Session(kernel, conditions, files)
    for path in files:
        try:
            yield session.verdict(path)
        except DlkmError as error:
            yield error
