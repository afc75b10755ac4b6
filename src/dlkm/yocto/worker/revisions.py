# SPDX-License-Identifier: GPL-2.0-only
"""AUTOREV without a network: which revision a branch has is asked in the fetch phase, and known everywhere else."""

from collections.abc import Mapping
from typing import Any

import bb.fetch2

UNKNOWN = "0" * 40  # before the fetch phase


def settle(known: Mapping[str, str]) -> None:
    """From now on bb takes the newest revisions from this table."""

    def latest_revision(method: Any, data: Any, d: Any, name: str) -> str:
        return known.get(method.generate_revision_key(data, d, name), UNKNOWN)

    bb.fetch2.FetchMethod.latest_revision = latest_revision
