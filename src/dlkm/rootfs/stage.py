# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules and their configuration into a root filesystem: draws up the plan and says what will be so afterwards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.core.events import Events
from dlkm.core.names import is_module_file, module_name
from dlkm.core.processes import Runner
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import Module
from dlkm.rootfs.conf import ConfDir, Wanted, load_dir, modprobe_dir
from dlkm.rootfs.depmod import depmod, modules_dir
from dlkm.rootfs.judge import Situation, Tree, builtin_modules, warnings_of
from dlkm.rootfs.packaged import Extra
from dlkm.rootfs.plan import Content, Plan, Planner, digest_of
from dlkm.rootfs.root import Kind, Place, Root
from dlkm.rootfs.settings import Settings
from dlkm.rootfs.statements import kmod_lines

UPDATES = "updates"  # depmod's default order is "updates built-in": what lies here wins (depmod.d(5))


@dataclass(frozen=True, kw_only=True)
class Given:
    """A module to be staged, the release it is staged for, and that kernel where it is known."""

    module: Module
    release: str
    kernel: Kernel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedModule:
    """Where a module will lie, and which file `modprobe NAME` will load then; paths are relative to the root.

    `wins` is None where it will load no file: depmod lists none, or the kernel has it built in. `missing` are modules
    that it needs and that will not be there: until they are installed, modprobe fails.
    """

    name: str
    path: str
    release: str
    wins: str | None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """A plan, with what will be so once it is applied."""

    plan: Plan
    modules: tuple[StagedModule, ...]
    warnings: tuple[str, ...]


def stage(
    root: Root,
    given: Sequence[Given],
    wanted: Wanted,
    *,
    extras: Sequence[Extra] = (),
    conf_dir: ConfDir = ConfDir.ETC,
    runner: Runner,
    events: Events,
) -> Staging:
    """The plan that puts modules below `updates/`, with depmod's files and the configuration; nothing is changed yet.

    `extras` are what packages hold beside modules; configuration that is asked for takes the place of theirs.

    UsageError when two modules would be one file; MalformedError when the root has something else where a file or a
    directory must go; MissingToolError without depmod.
    """
    planner = Planner(root)
    trees = []
    staged: list[StagedModule] = []
    for release in dict.fromkeys(item.release for item in given):
        mine = [item.module for item in given if item.release == release]
        tree = _stage_release(root, planner, release, mine, runner=runner, events=events)
        trees.append(tree)
        staged += _staged(root, tree)
    for extra in extras:
        planner.write(extra.path, extra.content)
    before = Settings.of(root)
    files = _conf_files(root, wanted, conf_dir)
    lost = list(_lost_lines(root, files))
    for path, data in files.items():
        planner.write(path, Content.of(data))
    situation = Situation(wanted=wanted, present=before, trees=tuple(trees), files=tuple(files))
    warnings = (*planner.warnings, *(text for tree in trees for text in tree.depmod.warnings), *lost,
                *warnings_of(situation, root))  # fmt: skip
    return Staging(plan=planner.plan(), modules=tuple(staged), warnings=tuple(dict.fromkeys(warnings)))


def _stage_release(
    root: Root, planner: Planner, release: str, modules: Sequence[Module], *, runner: Runner, events: Events
) -> Tree:
    base = modules_dir(release)
    added = _added(modules)
    stale = list(_stale(root, f"{base}/{UPDATES}", frozenset(Path(path).name for path in added)))
    for place in stale:
        planner.remove(place)
    removed = frozenset(f"{UPDATES}/{place.path.rpartition('/')[2]}" for place in stale)
    for path, source in added.items():
        planner.write(f"{base}/{path}", Content.of(source))
    made = depmod(root, release, added, removed, runner=runner, events=events)
    for name, data in made.files.items():
        planner.write(f"{base}/{name}", Content.of(data))
    return Tree(release=release, given=tuple(modules), depmod=made, builtin=builtin_modules(root, release))


def _added(modules: Sequence[Module]) -> dict[str, Path]:
    """Paths below the modules directory → the files that will lie there; one file a module."""
    added: dict[str, Path] = {}
    names: dict[str, Path] = {}
    for module in modules:
        other = names.setdefault(module_name(module.path.name), module.path)
        if other != module.path and digest_of(other) != digest_of(module.path):
            raise UsageError(f"{other} and {module.path} are different modules of one name and one release")
        if other == module.path:
            added[f"{UPDATES}/{module.path.name}"] = module.path
    return added


def _stale(root: Root, folder: str, file_names: frozenset[str]) -> Iterator[Place]:
    """Other files of the same modules beside them (hello.ko.xz beside hello.ko): depmod might choose one of those."""
    modules = {module_name(name) for name in file_names}
    for entry in root.entries(folder):
        name = entry.path.rpartition("/")[2]
        is_twin = is_module_file(name) and module_name(name) in modules and name not in file_names
        if is_twin and entry.kind in {Kind.FILE, Kind.LINK}:
            yield entry


def _staged(root: Root, tree: Tree) -> Iterator[StagedModule]:
    base = modules_dir(tree.release)
    modules = {module.path: module for module in tree.given}
    for path, source in _added(tree.given).items():
        name = module_name(path)
        winner = tree.wins(name)
        yield StagedModule(
            name=name,
            path=_real(root, f"{base}/{path}"),
            release=tree.release,
            wins=None if winner is None else _real(root, f"{base}/{winner}"),
            missing=tree.missing(modules[source]),
        )


def _real(root: Root, path: str) -> str:
    """Where a file lies, the links on the way followed and one in its own place not."""
    folder, _, name = path.rpartition("/")
    return f"{root.place(folder).path}/{name}"


def _conf_files(root: Root, wanted: Wanted, conf_dir: ConfDir) -> dict[str, bytes]:
    loads = {f"{load_dir(conf_dir)}/{name}": data for name, data in wanted.load_files().items()}
    probes = {f"{modprobe_dir(root, conf_dir)}/{name}": data for name, data in wanted.modprobe_files().items()}
    return loads | probes


def _lost_lines(root: Root, files: Mapping[str, bytes]) -> Iterator[str]:
    for path, data in files.items():
        had = root.read(path)
        gone = _lines(had) - _lines(data) if had else set()
        if gone:
            yield f"{path}: its lines {', '.join(repr(line) for line in sorted(gone))} are replaced"


def _lines(data: bytes) -> set[str]:
    return {line.text.strip() for line in kmod_lines(data)}
