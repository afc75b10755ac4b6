# SPDX-License-Identifier: GPL-2.0-or-later
"""libarchive, found without running ldconfig. Reads nothing itself."""

import logging
import os
from functools import cache
from importlib import import_module
from typing import Any

from dlkm.core.tools import all_tools, missing


@cache
def libarchive() -> Any:
    """The library's Python face; MissingToolError without it. Told where it lies, it need not ask where that is."""
    found = next(tool for tool in all_tools() if tool.name == "libarchive").find()
    if found is None:
        raise missing("libarchive")
    os.environ.setdefault("LIBARCHIVE", str(found))
    logging.getLogger("libarchive").addHandler(logging.NullHandler())  # what it warns of goes to nobody's terminal
    try:
        return import_module("libarchive")
    except (OSError, AttributeError) as error:  # what ctypes says of a library of another kind
        raise missing("libarchive") from error
