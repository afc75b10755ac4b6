# SPDX-License-Identifier: GPL-2.0-only
"""What OpenEmbedded refuses, and what it only mentions, by the words of ERROR_QA and WARN_QA."""

from typing import Any

import bb

ERRORS = "installed-vs-shipped license-checksum packages-list files-invalid patch-fuzz invalid-chars"
WARNINGS = "license-exists license-file-missing"


def handle_error(kind: str, text: str, d: Any, package: str = "") -> bool:
    """Stop for what the recipe's ERROR_QA names, warn for its WARN_QA; whether all is well otherwise."""
    skipped = " ".join(d.getVar(name) or "" for name in ("INSANE_SKIP", f"INSANE_SKIP:{package or d.getVar('PN')}"))
    if kind in skipped.split():
        bb.note(f"QA issue skipped, as the recipe asks: {text} [{kind}]")
        return True
    if kind in (d.getVar("ERROR_QA") or ERRORS).split():
        bb.fatal(f"{text} [{kind}]")
    if kind in (d.getVar("WARN_QA") or WARNINGS).split():
        bb.warn(f"{text} [{kind}]")
    return False
