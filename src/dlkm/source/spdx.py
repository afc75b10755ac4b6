# SPDX-License-Identifier: GPL-2.0-or-later
"""Licences by name, as data/licences.toml has them: MODULE_LICENSE, SPDX, Debian's texts. Reads no source."""

import re
from collections.abc import Mapping

from dlkm.core.data import data_table


def by_module_licence() -> Mapping[str, str]:
    """MODULE_LICENSE → LICENSE, for those that say enough."""
    return _table()["module"]


def common_texts(expression: str) -> tuple[str, ...]:
    """The files in Debian's /usr/share/common-licenses that an expression's licences have, each once."""
    names = re.findall(r"[A-Za-z0-9.+-]+", expression)
    plain = (re.sub(r"(-only|-or-later|\+)$", "", name) for name in names)
    found = _table()["common"]
    return tuple(dict.fromkeys(found[name] for name in plain if name in found))


def spdx(expression: str) -> str:
    """LICENSE of a recipe (`A & (B | C)`, CLOSED) as an SPDX expression."""
    words = expression.replace("&", " AND ").replace("|", " OR ").split()
    return " ".join("LicenseRef-Proprietary" if word == "CLOSED" else word for word in words)


def _table() -> Mapping[str, Mapping[str, str]]:
    table: Mapping[str, Mapping[str, str]] = data_table("licences.toml")
    return table
