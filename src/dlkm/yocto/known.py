# SPDX-License-Identifier: GPL-2.0-or-later
"""Recipes' builds known again: all that decides one as an action, and what its tasks left as that action's outcome.

The key holds the files that bb read for the recipe (classes, includes, bbappends, configuration), every source by
content or revision, what other cells give, kernel, toolchain, environment, and our own classes. Nobody can run such an
action elsewhere: it is only looked up.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlkm
from dlkm.action import wire
from dlkm.action.digest import Digest, digest_of, digest_of_file
from dlkm.action.outcome import Outcome
from dlkm.action.store import walk
from dlkm.action.tree import Blobs, Folder
from dlkm.build.caching import Cache
from dlkm.build.elsewhere import Remote
from dlkm.build.environment import fixed_environment
from dlkm.build.options import BuildOptions
from dlkm.build.place import tools_of
from dlkm.build.request import OUT, SECONDS, Request
from dlkm.yocto.collect import INDEX, place_outside
from dlkm.yocto.confine import package_folder
from dlkm.yocto.evaluation import SourceEntry, outside
from dlkm.yocto.layers import layers_of
from dlkm.yocto.preset import preset
from dlkm.yocto.texts import revision_of

if TYPE_CHECKING:
    from dlkm.yocto.job import RecipeJob

TASK_LOG = "tasks.log"
_ANSWER = "answer"
_OF_THIS_MACHINE = ("DL_DIR", "PARALLEL_MAKE", "BB_NUMBER_THREADS")  # decide no result
_PLACES = ("WORKDIR", "PKGDEST", "D", "SYSROOT_DESTDIR")  # what no delivery does without
_TREES = ("PKGDEST", "SYSROOT_DESTDIR", "DEPLOYDIR")  # kept whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Where builds of recipes are known from: the store of this machine, and what others share."""

    cache: Cache
    remote: Remote | None

    def recall(self, request: Request, scratch: Path) -> dict[str, Any] | None:
        """What the worker answered then, and in `scratch`/driver what its tasks left; None when that is not known."""
        if not self.cache.known:
            return None
        store = self.cache.store
        answer = self._laid_out(store.get(request.digest), scratch)
        if answer is None and self.remote is not None:
            outcome = self.remote.known(request)
            answer = self._laid_out(outcome, scratch)
            if answer is not None and outcome is not None:
                store.keep(request.digest, outcome)
                store.settle()
        return answer

    def _laid_out(self, outcome: Outcome | None, scratch: Path) -> dict[str, Any] | None:
        folder = scratch / "outcome"
        if outcome is None:
            return None
        try:
            if self.cache.store.lay_out(outcome, folder) and (folder / "driver").is_dir():
                answer = json.loads((folder / _ANSWER).read_bytes())
                (scratch / "driver").rmdir()
                (folder / "driver").rename(scratch / "driver")
                return sound(answer)
        except (OSError, ValueError, RecursionError):
            pass  # then it is built
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return None

    def keep(self, request: Request, answer: Mapping[str, Any], scratch: Path) -> None:
        """Remember what the tasks left. StorageError when the store cannot be written."""
        store = self.cache.store
        if not self.cache.known:
            return
        driver = scratch / "driver"
        found = {f"driver/{path.relative_to(driver)}": path for path in _left(answer["facts"], driver)}
        outcome = store.gather(found.items(), {_ANSWER: json.dumps(answer).encode()})
        store.keep(request.digest, outcome)
        store.settle()
        if self.remote is not None:
            self.remote.publish(request, outcome)


def sound(answer: Any) -> dict[str, Any] | None:
    """An answer of the worker after tasks that all went well; None for anything else that a cache may hold."""
    if not isinstance(answer, dict) or answer.get("failed", "") is not None or "error" in answer:
        return None
    facts, told = answer.get("facts"), answer.get("messages")
    if not isinstance(facts, dict) or not all(isinstance(facts.get(name), str) for name in _PLACES):
        return None
    if not isinstance(facts.get("DEPLOYDIR") or "", str) or not isinstance(facts.get("B") or "", str):
        return None
    words = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    messages = [{"level": str(one.get("level")), "text": str(one.get("text"))} for one in words]
    return {"failed": None, "facts": facts, "messages": messages}


def _left(facts: Mapping[str, Any], driver: Path) -> Iterator[Path]:
    """The files, links and directories of a build's scratch directory that a delivery looks at."""
    yield driver / TASK_LOG
    yield place_outside(facts["WORKDIR"], driver) / INDEX
    for name in _TREES:
        folder = place_outside(facts[name], driver) if facts.get(name) else None
        if folder is not None and folder.is_dir() and not folder.is_symlink():
            yield folder
            yield from walk(folder)
    image = place_outside(facts["D"], driver)
    yield from (path for path in walk(image) if path.name == "Module.symvers")


def request_for(job: "RecipeJob", options: BuildOptions, cache: Cache) -> Request | str:
    """The action of a recipe's build; or in words what keeps it from being known again."""
    sources: dict[str, str] = {}
    for entry in job.evaluation.sources:
        known = revision_of(entry, job.fetched) or _content(entry)
        if known is None:
            return f"{entry.url.partition(';')[0]} has neither a checksum nor a revision"
        sources[entry.url] = known
    table = _inputs(job, options, cache) | {"sources": sources}
    blobs, root = Blobs(), Folder()
    root.put_file("dlkm/recipe", blobs.put(json.dumps(table, sort_keys=True).encode()))
    toolchain = cache.toolchain(job.compiler, job.kernel.arch).digest.hash
    properties = {"dlkm-toolchain": toolchain}
    command = blobs.put(wire.command(("dlkm", "build", job.evaluation.recipe.path.name), {}, (OUT,), properties))
    action = blobs.put(wire.action(command, root.digest(blobs.keep), SECONDS, properties))
    return Request(digest=action, blobs=blobs)


def _inputs(job: "RecipeJob", options: BuildOptions, cache: Cache) -> dict[str, Any]:
    one, how = job.evaluation, job.place.options
    before = preset(how, job.kernel, job.tree, job.compiler)
    tools = tools_of(job.kernel, job.compiler)
    return {
        "dlkm": str(_own_code()),
        "recipe": str(one.recipe.path),
        "layers": [str(folder) for folder in layers_of([one.recipe])],
        "read": {name: _of_file(Path(outside(name))) for name in sorted(one.files)},
        "conf": [_of_file(path) for path in how.conf],
        "forced": dict(how.forced),
        "preset": {name: value for name, value in before.items() if name not in _OF_THIS_MACHINE},
        "tasks": one.tasks,
        "environment": fixed_environment(job.kernel, job.compiler, options),
        "tools": [[place, str(digest_of(content))] for place, content, _executable in tools.files],
        "kernel": [[place, str(digest)] for place, digest, _folder in cache.kernel(job.kernel).places],
        "links": sorted(job.tree.links),
        "sysroots": [str(_of_folder(folder)) for folder in job.sysroots],
        "given": [_of_file(given.symvers) for given in job.given],
    }


def _content(entry: SourceEntry) -> str | None:
    path = Path(entry.path)
    if not entry.path or not path.exists():
        return None
    return str(_of_folder(path)) if path.is_dir() else _of_file(path)


def _of_file(path: Path) -> str:
    try:
        return str(digest_of_file(path))
    except OSError:
        return "absent"


def _of_folder(folder: Path) -> Digest:
    root = Folder()
    for path in walk(folder):
        place = str(path.relative_to(folder))
        if path.is_symlink():
            root.put_link(place, str(path.readlink()))
        elif path.is_file():
            root.put_file(place, digest_of_file(path), executable=os.access(path, os.X_OK))
        elif path.is_dir():
            root.put_folder(place)
    return root.digest()


@once
def _own_code() -> Digest:
    """Our classes and what runs the tasks, and bb, which says its version in its first file."""
    here = Path(dlkm.__file__).parent / "yocto"
    parts = [str(_of_code(here / name)) for name in ("worker", "meta", "fallback")]
    return digest_of("\n".join([*parts, _of_file(package_folder("bb") / "__init__.py")]).encode())


def _of_code(folder: Path) -> Digest:
    """Without byte code, which is made on the way."""
    files = sorted(path for path in walk(folder) if path.is_file() and "__pycache__" not in path.parts)
    return digest_of("".join(f"{path.relative_to(folder)} {_of_file(path)}\n" for path in files).encode())
