# SPDX-License-Identifier: GPL-2.0-only
"""The configuration that recipes start from: our bitbake.conf, the layers', and the classes that all inherit."""

from pathlib import Path
from typing import Any

import bb
import bb.data
import bb.data_smart
import bb.parse

from dlkm.yocto.worker.stand_ins import lazily

META = "/build/lib/dlkm/yocto/meta"
FALLBACK = "/build/lib/dlkm/yocto/fallback"  # classes of other layers, where those layers are not given


def configured(request: dict[str, Any], *, tracking: bool) -> Any:
    """A datastore after all configuration; raises what bb raises on a configuration that it cannot read."""
    _give_library()
    d = bb.data_smart.DataSmart()
    if tracking:
        d.enableTracking()
    layers = list(request.get("layers", ()))
    for name, value in request["preset"].items():
        d.setVar(name, value, op="preset", file="dlkm", line=0)
    d.setVar("BBPATH", ":".join([META, *layers, FALLBACK]), op="preset", file="dlkm", line=0)
    d.setVar("__bbclasstype", "global")
    for layer in layers:
        d = _read_layer(d, layer)
    # The layers may add to BBPATH; ours stays first, so that nobody's copy of a core class takes its place.
    d.setVar("BBPATH", ":".join(dict.fromkeys([META, *(d.getVar("BBPATH") or "").split(":"), FALLBACK])))
    d = bb.parse.handle("conf/bitbake.conf", d, True)
    for file in request.get("conf", ()):
        d = bb.parse.handle(file, d, True)
    for name, value in request.get("forced", {}).items():
        d.setVar(name, value, op="set", file="command line", line=0)
    for name in ["base", *(d.getVar("INHERIT") or "").split()]:
        bb.parse.BBHandler.inherit(name, "configuration INHERITs", 0, d)
    d.setVar("__bbclasstype", "recipe")
    return d


def _give_library() -> None:
    """The modules of `oe`, each loaded when something of it is first used: reading a recipe needs few of them."""
    import oe

    for path in Path(oe.__path__[0]).glob("[a-z]*.py"):
        lazily(f"oe.{path.stem}")
    bb.utils.get_context()["oe"] = oe


def _read_layer(d: Any, layer: str) -> Any:
    conf = Path(layer) / "conf" / "layer.conf"
    if not conf.is_file():
        return d
    d.setVar("LAYERDIR", layer)
    d.setVar("LAYERDIR_RE", layer)
    d = bb.parse.handle(str(conf), d, True, True)
    d.expandVarref("LAYERDIR")
    d.expandVarref("LAYERDIR_RE")
    d.delVar("LAYERDIR")
    d.delVar("LAYERDIR_RE")
    return d
