# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables and texts that come with the program (src/dlkm/data): where they lie and how they are read. Knows none."""

from functools import cache
from pathlib import Path
from typing import Any

# importlib.resources would load zipfile and a dozen other modules on the way to a directory beside this one.
_HOME = Path(__file__).parent.with_name("data")


def data_path(*parts: str) -> Path:
    """Where a file lies, or a directory of them."""
    return _HOME.joinpath(*parts)


@cache
def data_text(*parts: str) -> str:
    """A text, a script for one."""
    return data_path(*parts).read_text("utf-8")


@cache
def data_table(name: str) -> dict[str, Any]:
    """A TOML file, read once: nobody may change what is given."""
    import tomllib  # loaded with a table: some runs read none

    return tomllib.loads(data_text(name))
