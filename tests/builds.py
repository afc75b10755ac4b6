# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds from the shell as tests ask for them: drivers, a dkms.conf, and the cells that come of `dlkm build --json`."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlkm.core.processes import environment

DLKM = Path(sys.executable).with_name("dlkm")
DRIVERS = Path(__file__).parent / "drivers"
HELLO = Path(__file__).parents[1] / "examples" / "hello"
# For a copy of DRIVERS / "kdir".
DKMS_CONF = """\
PACKAGE_NAME=kdir
PACKAGE_VERSION=1
MAKE="make -j$parallel_jobs KDIR=$kernel_source_dir"
BUILT_MODULE_NAME[0]=kdir
DEST_MODULE_LOCATION[0]=/updates
"""

Cells = dict[str, dict[str, Any]]


def build_cells(
    *words: str | Path, status: int = 0, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> tuple[Cells, str]:
    """Run `dlkm build --json`; the cells by id, and what was said."""
    argv = [str(DLKM), "build", "--json", *map(str, words)]
    done = subprocess.run(argv, env=environment(env), capture_output=True, text=True, check=False, timeout=300, cwd=cwd)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == status, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "dlkm.build/1"
    return {cell["id"]: cell for cell in document["cells"]}, done.stderr
