# SPDX-License-Identifier: GPL-2.0-only
"""The process that runs BitBake's `bb`: started confined, asked in JSON, never imported by the rest of dlkm."""
