# SPDX-License-Identifier: GPL-2.0-or-later
"""What verbs share that take recipes: their flags."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.core.errors import UsageError

if TYPE_CHECKING:
    from dlkm.yocto.options import RecipeOptions

_RELEASES = "kirkstone|scarthgap|styhead|walnascar|whinlatter|wrynose|master"


def add_recipe_flags(parser: argparse.ArgumentParser) -> None:
    """What chooses how a recipe is read and where its sources come from."""
    add = parser.add_argument_group("recipes (.bb)").add_argument
    add("--machine", metavar="NAME", help="MACHINE (default: by the kernel's architecture, e.g. qemux86-64)")
    add("--distro", metavar="NAME", help="DISTRO (default: nodistro)")
    add("--yocto", metavar=_RELEASES, help="the release whose rules hold (default: whinlatter)")
    add("--layer", dest="layers", action="append", type=Path, default=[], metavar="DIR", help="one more layer")
    add("--source-mirror", metavar="URL|DIR", help="where sources are looked for before the network")
    add("--offline", action="store_true", help="fetch nothing from the network")
    add("--task-timeout", type=float, metavar="SECONDS", help="for all tasks of one recipe (default: 3600)")
    add("--conf", action="append", type=Path, default=[], metavar="FILE", help="lines as in local.conf")


def recipe_options_of(arguments: argparse.Namespace) -> "RecipeOptions":
    """What the flags ask for; UsageError for a release that is not known, or a file that is not there."""
    from dlkm.yocto.options import DEFAULT_RELEASE, DEFAULT_SECONDS, RecipeOptions
    from dlkm.yocto.releases import Release

    word = arguments.yocto or DEFAULT_RELEASE.value
    if word not in set(Release):
        raise UsageError(f"--yocto {word}: no such release", hint=f"known are: {', '.join(Release)}")
    for path in arguments.conf:
        if not path.is_file():
            raise UsageError(f"--conf {path}: no such file")
    mirror = arguments.source_mirror
    if mirror and "://" not in mirror and not Path(mirror).is_dir():
        raise UsageError(f"--source-mirror {mirror}: no such directory, and no URL")
    return RecipeOptions(
        release=Release(word),
        machine=arguments.machine,
        distro=arguments.distro,
        layers=tuple(arguments.layers),
        mirror=mirror,
        offline=arguments.offline,
        conf=tuple(arguments.conf),
        jobs=arguments.jobs,
        seconds=DEFAULT_SECONDS if arguments.task_timeout is None else arguments.task_timeout,
    )
