# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules and their configuration into a root filesystem: draws up the plan and says what will be so afterwards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.core.events import Events
from dlkm.core.names import is_module_file, module_name
from dlkm.core.processes import Runner
from dlkm.filesystem.place import joined
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import Module
from dlkm.rootfs.auditrules import Finding
from dlkm.rootfs.choices import Choice
from dlkm.rootfs.conf import ConfDir, Wanted, is_split, load_dir, looked_for, modprobe_dir
from dlkm.rootfs.depmod import depmod, modules_dir
from dlkm.rootfs.opened import opened
from dlkm.rootfs.outlook import Outlook, Touched
from dlkm.rootfs.packaged import Extra
from dlkm.rootfs.plan import Content, Plan, digest_of
from dlkm.rootfs.planner import Planner
from dlkm.rootfs.root import CONF_LIMIT, Kind, Place, Root
from dlkm.rootfs.statements import kmod_lines

UPDATES = "updates"  # depmod's default order is "updates built-in": what lies here wins (depmod.d(5))


@dataclass(frozen=True, kw_only=True)
class Given:
    """A module to be staged, the release it is staged for, and that kernel where it is known.

    `place` is its path below the modules directory; empty for `updates/`.
    """

    module: Module
    release: str
    kernel: Kernel | None = None
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedModule:
    """Where a module will lie, and what `modprobe NAME` and its aliases will do then; paths are relative to the root.

    `missing` are modules that it needs and that will not be there: until they are installed, modprobe fails.
    """

    name: str
    path: str
    release: str
    choice: Choice
    missing: tuple[str, ...] = ()

    @property
    def wins(self) -> str | None:
        """The file that will be loaded; None where none will: the kernel has it built in, depmod lists none."""
        return self.choice.wins


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """A plan, with what will be so once it is applied: `findings` are those of an audit, of what it touches."""

    plan: Plan
    modules: tuple[StagedModule, ...] = ()
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def stage(
    root: Root,
    given: Sequence[Given],
    wanted: Wanted,
    *,
    extras: Sequence[Extra] = (),
    folders: Sequence[str] = (),
    conf_dir: ConfDir = ConfDir.ETC,
    runner: Runner,
    events: Events,
) -> Staging:
    """The plan that puts modules in their places, with depmod's files and the configuration; nothing is changed yet.

    `extras` and `folders` are what packages hold beside modules, and what is given by name: firmware, rules. Where /lib
    is no link to /usr/lib they go where the target looks. Configuration that is asked for takes the place of theirs.

    UsageError when two modules would be one file; MalformedError when the root has something else where a file or a
    directory must go; MissingToolError without depmod.
    """
    planner = Planner(root)
    split = is_split(root)
    for folder in folders:
        planner.make_folder(looked_for(folder, split=split))
    for extra in extras:
        planner.write(looked_for(extra.path, split=split), extra.content)
    by_release = {release: [item for item in given if item.release == release] for release in _releases(given)}
    for release, items in by_release.items():
        _plan_modules(root, planner, release, items)
    files = _conf_files(root, wanted, conf_dir)
    configuration = {extra.path: _data(extra.content) for extra in extras if extra.is_configuration} | files
    lost = list(_lost_lines(root, configuration))
    for path, data in files.items():
        planner.write(path, Content.of(data))
    complaints: list[str] = []
    for release in by_release:
        complaints += _plan_tables(planner, release, runner=runner, events=events)
    modules = {release: tuple(item.module for item in items) for release, items in by_release.items()}
    touched = Touched(modules=modules, wanted=wanted, paths=planner.wanted)
    outlook = Outlook(planner.after, touched, lambda path: opened(path, runner, events))
    staged = (one for release, items in by_release.items() for one in _staged(planner.after, outlook, release, items))
    return Staging(
        plan=planner.plan(),
        modules=tuple(staged),
        warnings=tuple(dict.fromkeys((*planner.warnings, *complaints, *lost))),
        findings=outlook.findings(),
    )


def _releases(given: Sequence[Given]) -> list[str]:
    return list(dict.fromkeys(item.release for item in given))


def _plan_modules(root: Root, planner: Planner, release: str, items: Sequence[Given]) -> None:
    """The files of a release; others of the same modules beside them go, as depmod might choose one of those."""
    base = modules_dir(release)
    added = _added(items)
    by_folder: dict[str, set[str]] = {}
    for path in added:
        folder, _, name = path.rpartition("/")
        by_folder.setdefault(folder, set()).add(name)
    for folder, names in by_folder.items():
        for place in _stale(root, joined(base, folder), names):
            planner.remove(place)
    for path, item in added.items():
        planner.write(f"{base}/{path}", Content.of(item.module.path))


def _plan_tables(planner: Planner, release: str, *, runner: Runner, events: Events) -> tuple[str, ...]:
    """depmod's files, as it makes them of the root as it will be; its complaints."""
    made = depmod(planner.after, release, runner=runner, events=events)
    for name, data in made.files.items():
        planner.write(f"{modules_dir(release)}/{name}", Content.of(data))
    return made.warnings


def _added(items: Sequence[Given]) -> dict[str, Given]:
    """Paths below the modules directory → the modules whose files will lie there; one file a module."""
    added: dict[str, Given] = {}
    names: dict[str, Path] = {}
    for item in items:
        path = item.module.path
        other = names.setdefault(module_name(path.name), path)
        if other != path and digest_of(other) != digest_of(path):
            raise UsageError(f"{other} and {path} are different modules of one name and one release")
        if other == path:
            added[item.place or f"{UPDATES}/{path.name}"] = item
    return added


def _stale(root: Root, folder: str, file_names: set[str]) -> Iterator[Place]:
    """Other files of the same modules in a directory: hello.ko.xz beside hello.ko."""
    modules = {module_name(name) for name in file_names}
    for entry in root.entries(folder):
        name = entry.path.rpartition("/")[2]
        is_twin = is_module_file(name) and module_name(name) in modules and name not in file_names
        if is_twin and entry.kind in {Kind.FILE, Kind.LINK}:
            yield entry


def _staged(root: Root, outlook: Outlook, release: str, items: Sequence[Given]) -> Iterator[StagedModule]:
    for path, item in _added(items).items():
        name = module_name(path)
        yield StagedModule(
            name=name,
            path=_real(root, f"{modules_dir(release)}/{path}"),
            release=release,
            choice=outlook.choice(release, name),
            missing=outlook.missing(release, item.module),
        )


def _real(root: Root, path: str) -> str:
    """Where a file lies, the links on the way followed and one in its own place not."""
    folder, _, name = path.rpartition("/")
    return f"{root.place(folder).path}/{name}"


def _data(content: Content) -> bytes:
    """What a configuration file will say; nothing for a link."""
    if content.source is None:
        return content.data
    with content.source.open("rb") as stream:
        return stream.read(CONF_LIMIT)


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
