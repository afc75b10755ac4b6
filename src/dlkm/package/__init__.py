# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages as values: what a recipe's build makes, and what formats are written from."""
