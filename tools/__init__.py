# SPDX-License-Identifier: GPL-2.0-or-later
"""The project's own tools: the demo, the reference's maker."""
