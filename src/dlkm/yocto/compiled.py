# SPDX-License-Identifier: GPL-2.0-or-later
"""The worker's own modules as byte code: it cannot write any itself. Runs nothing of them."""

from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

_FOLDERS = ("worker", "meta/lib/oe", ".")


def compile_worker() -> None:
    """Make what is missing or old, where that may be written; an installed package has it all."""
    here = Path(__file__).parent
    for folder in _FOLDERS:
        for path in (here / folder).glob("*.py"):
            compiled = Path(cache_from_source(str(path)))
            with suppress(OSError):
                if not compiled.exists() or compiled.stat().st_mtime < path.stat().st_mtime:
                    _compile(path)


def _compile(path: Path) -> None:
    import py_compile

    with suppress(py_compile.PyCompileError):
        py_compile.compile(str(path), doraise=True)
