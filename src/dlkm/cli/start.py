# SPDX-License-Identifier: GPL-2.0-or-later
"""The console script's first steps: an answer that is known already needs no more than these. Loads little."""

import os
import sys

from dlkm.cli.ahead import look_ahead
from dlkm.cli.recall import recalled


def entry() -> None:
    """The console script."""
    known = recalled(sys.argv[1:])
    if known is None:
        look_ahead(sys.argv[1:])
        from dlkm.cli.main import entry as whole

        whole()
        return
    try:
        sys.stdout.buffer.write(known)
        sys.stdout.flush()
        os._exit(0)  # nothing is left to do, and taking an interpreter apart takes a tenth of all this
    except OSError:  # a full disk, a reader that left: said as after any other answer
        from dlkm.cli.main import flushed

        raise SystemExit(flushed(0)) from None
