# SPDX-License-Identifier: GPL-2.0-or-later
"""How long reading recipes takes: one from the shell against BitBake's library alone, a further one, a directory."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, alone, pair
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.yocto import preset as presets
from dlkm.yocto.evaluation import Asked, evaluate, setting
from dlkm.yocto.layers import find_recipes
from dlkm.yocto.options import RecipeOptions

DLKM = Path(sys.executable).with_name("dlkm")
TESTS = Path(__file__).parents[1] / "tests"
LAYER = TESTS / "recipes"
RECIPE = LAYER / "recipes-bsp" / "udev-tiny" / "udev-tiny_1.0.bb"
COUNT = 40
META = Path(presets.__file__).parent / "meta"


def figures() -> Iterator[Figure]:
    """One recipe, one more, all of them."""
    yield _one()
    recipes = find_recipes([LAYER])[:COUNT]
    place = setting(Processes(), Events(), RecipeOptions(jobs=2), None)
    one = recipes[:1]
    yield alone(
        f"{len(recipes)} recipes read in one run, every value (s)",
        lambda: evaluate(place, recipes, Asked(variables=True)),
        aim=5.0,
    )
    alike = pair("", lambda: evaluate(place, recipes), lambda: evaluate(place, one), aim=0)
    further = (alike.ours - (alike.peer or 0)) / (len(recipes) - 1)
    yield Figure(claim="a further recipe in the same run (s)", ours=further, peer=None, aim=0.05)


def _one() -> Figure:
    """`dlkm recipe show` against a script that imports bb and parses the same."""
    request = json.dumps(
        {
            "meta": str(META),
            "layers": [str(LAYER)],
            "preset": presets.preset(RecipeOptions(), None, None, None),
            "recipes": [{"path": str(RECIPE), "appends": []}],
        }
    ).encode()
    bare = [sys.executable, str(TESTS / "contract" / "plain_bitbake.py")]
    return pair(
        "dlkm recipe show of one recipe, from the shell",
        lambda: subprocess.run([DLKM, "recipe", "show", RECIPE], check=True, capture_output=True),
        lambda: subprocess.run(bare, input=request, check=True, capture_output=True),
        aim=1.3,
        runs=15,
        note="peer: a bare script that imports bb and parses the same",
    )
