# SPDX-License-Identifier: GPL-2.0-or-later
"""A minimal Debian root filesystem with systemd, udev and kmod, made from packages without root."""
