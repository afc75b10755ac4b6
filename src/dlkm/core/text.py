# SPDX-License-Identifier: GPL-2.0-or-later
"""Text that any document can hold, whatever bytes a name was made of. Loads nothing."""


def utf8(text: str) -> str:
    """The text with every byte that is no UTF-8 written as an escape."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
