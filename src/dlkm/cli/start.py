# SPDX-License-Identifier: GPL-2.0-or-later
"""The console script's first steps: an answer that is known already needs no more than these. Loads little."""

import os
import sys

from dlkm.cli.ahead import look_ahead
from dlkm.cli.recall import recalled

TYPE_CHECKING = False  # typing's own takes as long to load as the rest of this
if TYPE_CHECKING:
    from typing import NoReturn

_LARGE = (["audit"], ["check"])  # verbs that hold thousands of values, and start nothing that they do not end


def entry() -> None:
    """The console script."""
    argv = sys.argv[1:]
    known = recalled(argv)
    if known is None:
        look_ahead(argv)
        from dlkm.cli.main import whole

        status = whole(argv)
        if argv[:1] in _LARGE:
            _leave(status)
        raise SystemExit(status)
    try:
        sys.stdout.buffer.write(known)
        sys.stdout.flush()
        os._exit(0)  # nothing is left to do, and taking an interpreter apart takes a tenth of all this
    except OSError as error:  # a full disk, a reader that left: said as after any other answer
        from dlkm.cli.main import unwritten

        raise SystemExit(unwritten(error, 0)) from None


def _leave(status: int) -> "NoReturn":
    """At once: nothing is left to do, and taking thousands of values apart takes a twentieth of a second."""
    try:  # noqa: SIM105 — contextlib takes longer to load than the rest of this
        sys.stderr.flush()
    except OSError:
        pass  # nobody can be told
    os._exit(status)
