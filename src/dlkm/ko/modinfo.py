# SPDX-License-Identifier: GPL-2.0-or-later
"""The `.modinfo` section as keys and values. Only takes it apart."""

from dlkm.ko.elf import text


def parse_modinfo(raw: bytes) -> tuple[tuple[str, str], ...]:
    """`key=value` strings in file order; one without '=' has an empty value, empty ones (padding) are left out.

    Any bytes parse; what is not UTF-8 is kept as surrogates.
    """
    pairs = (item.partition(b"=") for item in raw.split(b"\0") if item)
    return tuple((text(key), text(value)) for key, _, value in pairs)
