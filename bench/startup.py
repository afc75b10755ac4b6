# SPDX-License-Identifier: GPL-2.0-or-later
"""How long `dlkm --version` takes from the shell."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, alone

DLKM = Path(sys.executable).with_name("dlkm")


def figures() -> Iterator[Figure]:
    """The start-up."""
    command = [str(DLKM), "--version"]
    yield alone(
        "dlkm --version, from the shell (s)",
        lambda: subprocess.run(command, check=True, capture_output=True),
        aim=0.1,
        runs=15,
    )
