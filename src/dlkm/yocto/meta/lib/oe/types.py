# SPDX-License-Identifier: GPL-2.0-only
"""Variables that hold a truth value. Changes nothing."""

from typing import Any

import bb


def boolean(value: Any) -> bool:
    """What a text says: yes or no."""
    return bool(bb.utils.to_boolean(value))
