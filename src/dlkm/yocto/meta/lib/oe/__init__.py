# SPDX-License-Identifier: GPL-2.0-only
"""What recipes and our classes call as `oe.…`: what recipes use of OpenEmbedded's library, stated anew."""
