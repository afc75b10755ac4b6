# SPDX-License-Identifier: GPL-2.0-or-later
"""Is a finished root filesystem right? Looks at every kernel in it, and puts together what the checks find."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.core.errors import InputError
from dlkm.core.events import Events
from dlkm.core.names import is_release
from dlkm.core.processes import Runner
from dlkm.filesystem.members import Form
from dlkm.kernel import rooted
from dlkm.kernel.kernel import Kernel
from dlkm.rootfs.audit_boot import boot_findings
from dlkm.rootfs.audit_conf import conf_findings, depmod_lines
from dlkm.rootfs.audit_files import file_findings
from dlkm.rootfs.audit_initramfs import Initramfs, initramfs_findings, initramfs_of, own_wishes
from dlkm.rootfs.audit_load import load_findings
from dlkm.rootfs.audit_verdicts import Judgement, judge, settled, verdict_findings
from dlkm.rootfs.auditrules import Finding, Found, about, finding
from dlkm.rootfs.begun import Begun, unusable
from dlkm.rootfs.choices import Choice, Query, choice, interesting, queries
from dlkm.rootfs.glance import Glance
from dlkm.rootfs.installed import kernel_of
from dlkm.rootfs.opened import opened
from dlkm.rootfs.release import Release
from dlkm.rootfs.root import Kind, Root
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.verdict import Outcome, Severity

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFound:
    """A kernel of the root. Paths are relative to it; `verdicts` counts the modules by what the kernel will say.

    `modules` is how many module files there are, `not_judged` how many of those that win nobody could be asked about.
    """

    release: str
    arch: str | None
    image: str | None
    initramfs: tuple[str, ...]
    modules: int
    verdicts: dict[Outcome, int]
    not_judged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The answer. `kmod` is the program that loads modules there; `modules` are those worth a line."""

    root: Path
    form: Form
    kmod: str
    kernels: tuple[KernelFound, ...]
    modules: tuple[Choice, ...]
    queries: tuple[Query, ...]
    findings: tuple[Finding, ...]

    @property
    def is_right(self) -> bool:
        """Whether nothing that was found is an error."""
        return not any(one.severity is Severity.ERROR for one in self.findings)

    @property
    def is_certain(self) -> bool:
        """Whether all could be told."""
        judged = all(one.not_judged + one.verdicts.get(Outcome.CANNOT_TELL, 0) == 0 for one in self.kernels)
        return judged and not any(one.rule == "no-permission" for one in self.findings)


@dataclass(frozen=True, kw_only=True)
class Auditor:
    """What an audit needs beside the root. `asked` are names, aliases and patterns to be answered too.

    `idle` is what else the caller has to do: it is done while depmod is waited for.
    """

    runner: Runner
    events: Events
    conditions: Conditions = field(default_factory=Conditions)
    asked: tuple[str, ...] = ()
    jobs: int = 1
    idle: Callable[[], None] = lambda: None

    def audit(self, start: Begun) -> Audit:
        """Look at all of a root; changes nothing. MissingToolError without kmod on this machine."""
        seen, settings, releases = start.seen, start.settings, start.releases
        found = [*conf_findings(seen, settings), *_kernels_without_modules(seen, releases)]
        kernels, choices, answers = [], [], []
        for release in releases:
            with self.events.task(f"looking at {release.release}"):
                kernel, one_found = self._release(release, start)
            found += one_found
            kernels.append(kernel)
            asked = list(queries(release, self.asked))
            answers += asked
            names = [name for query in asked for name in query.modules]
            choices += [choice(release, name) for name in interesting(release, names)]
        return Audit(
            root=seen.path,
            form=seen.form,
            kmod=str(settings.kmod),
            kernels=tuple(kernels),
            modules=tuple(choices),
            queries=tuple(answers),
            findings=_sorted([*found, *_unreadable(seen)]),
        )

    def _release(self, release: Release, start: Begun) -> tuple[KernelFound, list[Found]]:
        """One kernel, and all that is found of it."""
        useless = unusable(release)
        if useless is not None:
            return _kernel_found(release, None, (), Judgement()), [useless, *_damaged(release)]
        remaking = start.remaking(release)
        files = [*file_findings(release), *load_findings(release), *boot_findings(release, self.conditions.cmdline)]
        files += own_wishes(release) if release.root.form is Form.CPIO else ()
        lacking = {one.module for one in files if one.rule == "dependency-missing" and one.module is not None}
        found = [*depmod_lines(release)]
        kernel, judgement = None, Judgement()
        try:
            kernel = kernel_of(release.root, release.release)
            judgement = judge(release, kernel, self.conditions, self.jobs)
        except InputError as error:
            why = error.what.removeprefix(f"rootfs:{release.root.path}: ").replace(f"{release.root.tree}/", "")
            found.append(about("kernel-unreadable", release, why=why))
        found += settled(files, judgement)
        found += verdict_findings(release, judgement, lacking)
        held = initramfs_of(release.root, release.release)
        for one in held:
            found += initramfs_findings(release, one, self._open)
        self.idle()
        found += remaking.findings(judgement.digests)
        return _kernel_found(release, kernel, held, judgement), found

    def _open(self, path: Path) -> AbstractContextManager[Root]:
        return opened(path, self.runner, self.events)


def _unreadable(seen: Glance) -> Iterator[Found]:
    for path, why in seen.unreadable.items():
        yield Found(rule="no-permission", path=path, words={"path": path, "why": why})


def _kernels_without_modules(root: Root, releases: Sequence[Release]) -> Iterator[Found]:
    known = {release.release for release in releases}
    for entry in root.entries("boot"):
        name = entry.path.rpartition("/")[2]
        for pattern in rooted.IMAGES:
            start = pattern.removeprefix("boot/").removesuffix("{R}")
            release = name.removeprefix(start)
            if name.startswith(start) and is_release(release) and release not in known and entry.kind is Kind.FILE:
                words = {"path": entry.path, "release": release}
                yield Found(rule="no-modules", kernel=release, path=entry.path, words=words)


def _damaged(release: Release) -> Iterator[Found]:
    """Files that no kernel takes, of modules that none is there to judge."""
    for file in release.tree.files:
        if not file.path.startswith("/") and release.module(file) is None:
            words: dict[str, object] = {"path": file.real, "why": "it is cut off, or holds no module"}
            yield Found(rule="module-unreadable", kernel=release.release, path=file.real, module=file.name, words=words)


def _kernel_found(
    release: Release, kernel: Kernel | None, held: Sequence[Initramfs], judgement: Judgement
) -> KernelFound:
    image = kernel.image if kernel is not None else None
    return KernelFound(
        release=release.release,
        arch=kernel.arch.name if kernel is not None else None,
        image=str(image.relative_to(release.root.tree)) if image is not None else None,
        initramfs=tuple(one.path for one in held),
        modules=len(release.tree.files),
        verdicts=dict(judgement.counts),
        not_judged=judgement.not_judged,
    )


def _sorted(found: Sequence[Found]) -> tuple[Finding, ...]:
    """Each once, the gravest first, otherwise in the order of the checks."""
    told = dict.fromkeys(map(finding, found))
    return tuple(sorted(told, key=lambda one: _ORDER.index(one.severity)))
