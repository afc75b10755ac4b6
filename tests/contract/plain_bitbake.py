# SPDX-License-Identifier: GPL-2.0-only
"""Reads recipes with BitBake's library as it is, none of dlkm's worker around it; run as a program, JSON in and out.

Only what its wheel leaves out (hashserv, prserv) is stood in for. Prints every variable of each recipe, expanded.
"""

import json
import os
import re
import sys
import types
from importlib import import_module
from pathlib import Path
from typing import Any


def _prepare(request: dict[str, Any]) -> Any:
    client = types.ModuleType("hashserv.client")
    hashserv = types.ModuleType("hashserv")
    hashserv.__dict__.update(client=client, is_valid_unihash=bool)
    prserv = types.ModuleType("prserv")
    prserv.__dict__.update(serv=types.ModuleType("prserv.serv"))
    sys.modules |= {"hashserv": hashserv, "hashserv.client": client, "prserv": prserv, "prserv.serv": prserv.serv}
    sys.path.insert(0, f"{request['meta']}/lib")
    import bb
    import bb.cookerdata
    import bb.parse
    import oe

    for path in Path(oe.__path__[0]).glob("[a-z]*.py"):
        import_module(f"oe.{path.stem}")
    bb.utils.get_context()["oe"] = oe
    d = bb.data_smart.DataSmart()
    for name, value in request["preset"].items():
        d.setVar(name, value)
    d.setVar("BB_SIGNATURE_HANDLER", "noop")
    d.setVar("BBPATH", ":".join([request["meta"], *request["layers"]]))
    d.setVar("__bbclasstype", "global")
    bb.parse.init_parser(d)
    # As bb.cookerdata does with the layers of bblayers.conf.
    for layer in [name for name in request["layers"] if Path(name, "conf", "layer.conf").exists()]:
        d.setVar("LAYERDIR", layer)
        d = bb.cookerdata.parse_config_file(f"{layer}/conf/layer.conf", d)
        d.expandVarref("LAYERDIR")
        d.delVar("LAYERDIR")
    d = bb.cookerdata.parse_config_file("conf/bitbake.conf", d)
    for name in ["base", *(d.getVar("INHERIT") or "").split()]:
        d = bb.cookerdata._inherit(name, d)
    d.setVar("__bbclasstype", "recipe")
    return d


def _values(path: str, appends: list[str], base: Any) -> dict[str, str | None]:
    import bb

    d = bb.data.createCopy(base)
    d.setVar("FILE_LAYERNAME", _layer(path, d) or "")
    if appends:
        d.setVar("__BBAPPEND", " ".join(appends))
    d = bb.parse.handle(path, d)[""]
    plain = (name for name in d.keys() if not name.startswith("_") and not d.getVarFlag(name, "func", False))  # noqa: SIM118
    return {name: _value(d, name) for name in sorted(plain)}


def _layer(path: str, d: Any) -> str | None:
    """As bb.cooker's own collection of files tells which layer a recipe belongs to."""
    from bb.cooker import CookerCollectFiles

    patterns = {name: d.getVar(f"BBFILE_PATTERN_{name}") for name in (d.getVar("BBFILE_COLLECTIONS") or "").split()}
    rows = [(name, pattern, re.compile(pattern), 0) for name, pattern in patterns.items()]
    name: str | None = CookerCollectFiles(rows).calc_bbfile_priority(path)[2]
    return name


def _value(d: Any, name: str) -> str | None:
    import bb

    try:
        value = d.getVar(name)
    except bb.data_smart.ExpansionError:  # what asks for a kernel's version where there is none
        return None
    return None if value is None else str(value)


def main() -> None:
    """Answer."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    base = _prepare(request)
    for recipe in request["recipes"]:
        out.write(json.dumps(_values(recipe["path"], recipe["appends"], base)) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
