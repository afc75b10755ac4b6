# SPDX-License-Identifier: GPL-2.0-or-later
"""Actions by content: what a build is made of and what came of it, as the Remote Execution API v2 defines them."""
