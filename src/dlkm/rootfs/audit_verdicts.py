# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel will say of the modules that win: the verdicts on a release, and what of them is to be told."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dlkm.core.errors import DlkmError
from dlkm.kernel.image import NOT_KNOWN
from dlkm.kernel.kernel import Kernel
from dlkm.rootfs.audit_files import OTHER_RELEASE
from dlkm.rootfs.auditrules import Found, counted, listed
from dlkm.rootfs.handed import with_options
from dlkm.rootfs.modtree import ModuleFile
from dlkm.rootfs.release import Release
from dlkm.verdict.batch import judge_all
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.digests import digests_of
from dlkm.verdict.kernel_files import IMAGE_UNREADABLE
from dlkm.verdict.parameters import UNKNOWN
from dlkm.verdict.verdict import Finding, Outcome, Severity, Verdict

_MANY = 5  # modules refused for one reason that are told one by one
_LACKING = frozenset({"provider-missing", "unknown-symbol"})  # of data/rules.toml: what a missing dependency comes to
_VALUE = "parameter-own"  # of the same: a value for code of the module's own


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdicts on a release's files, those that could not be read, and why some were not looked at.

    `digests` are those that were taken on the way, by the files' paths on this machine.
    """

    verdicts: tuple[tuple[ModuleFile, Verdict], ...] = ()
    errors: tuple[tuple[ModuleFile, DlkmError], ...] = ()
    not_judged: int = 0
    digests: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def counts(self) -> Counter[Outcome]:
        """How many load, fail, cannot be told."""
        return Counter(verdict.outcome for _, verdict in self.verdicts)


def judge(release: Release, kernel: Kernel, conditions: Conditions, jobs: int) -> Judgement:
    """The verdict on each file that wins; without an image, only on those that were added.

    Nothing says then what the kernel's own modules may use, and it is not them that one wonders about.
    """
    files = tuple(winners(release))
    own = [file for file in files if file.is_own]
    if kernel.image is None and kernel.symvers is None:
        files = tuple(file for file in files if not file.is_own)
    else:
        own = []
    tree, digests = str(release.root.tree), dict[str, str | None]()
    paths = [f"{tree}/{file.real}" for file in files]

    def digested(names: Sequence[str], by: int) -> Sequence[str | None]:
        """Those of the files that lose are taken together with the others: they are few."""
        others = {f"{tree}/{file.real}" for file in release.tree.files}.difference(names)
        asked = [*names, *sorted(others)]
        digests.update(zip(asked, digests_of(asked, by), strict=True))
        return [digests[name] for name in names]

    told = with_options(conditions, release.settings)
    answers = list(judge_all(kernel, paths, told, jobs, digested=digested)) if files else []
    pairs = list(zip(files, answers, strict=True))
    return Judgement(
        verdicts=tuple((file, one) for file, one in pairs if isinstance(one, Verdict)),
        errors=tuple((file, one) for file, one in pairs if isinstance(one, DlkmError)),
        not_judged=len(own),
        digests=digests,
    )


def winners(release: Release) -> Iterator[ModuleFile]:
    """The file of each module that modprobe loads, or would once depmod has run."""
    for name, files in release.tree.by_name.items():
        if len(files) == 1:
            yield files[0]
            continue
        loaded = release.loaded(name)
        chosen = release.precedence.winner([file.path for file in files])
        yield loaded or next((file for file in files if file.path == chosen), files[0])


def verdict_findings(release: Release, judgement: Judgement, lacking: Collection[str]) -> Iterator[Found]:
    """What is to be told; of modules in `lacking` it is known already that they lack another module."""
    if judgement.not_judged:
        why = "no kernel image of this release is in this root filesystem"
        yield _found("not-judged", release, None, {"count": counted(judgement.not_judged, "module"), "why": why})
    yield from _image(release, judgement)
    for file, error in judgement.errors:
        why = error.what.removeprefix(f"{release.root.tree}/{file.real}: ")
        yield _found("module-unreadable", release, file, {"path": file.real, "why": why})
    failing = [(file, one) for file, one in judgement.verdicts if one.outcome is Outcome.FAILS]
    yield from _refused(release, [(file, one) for file, one in failing if not _is_told(file, one, lacking)])
    yield from _untold(release, [(file, one) for file, one in judgement.verdicts if one.outcome is Outcome.CANNOT_TELL])
    for file, verdict in judgement.verdicts:
        if not file.is_own:
            yield from _doubts(release, file, verdict)


def _image(release: Release, judgement: Judgement) -> Iterator[Found]:
    """The kernel's own image, where it is damaged: each verdict says so."""
    told = (finding for _, verdict in judgement.verdicts for finding in verdict.findings)
    unreadable = next((one for one in told if one.rule == IMAGE_UNREADABLE), None)
    if unreadable is not None:
        case = "/format" if NOT_KNOWN in unreadable.message else ""
        why = unreadable.message.replace(f"{release.root.tree}/", "")
        yield _found(f"{IMAGE_UNREADABLE}{case}", release, None, {"release": release.release, "why": why})


def settled(found: Iterable[Found], judgement: Judgement) -> Iterator[Found]:
    """Findings on files, with what the verdict makes of one that was built for another release."""
    verdicts = {file.real: verdict for file, verdict in judgement.verdicts}
    for one in found:
        verdict = verdicts.get(one.path or "")
        if one.rule != OTHER_RELEASE or verdict is None:
            yield one
        elif verdict.outcome is Outcome.LOADS:
            yield replace(one, rule=f"{OTHER_RELEASE}/taken")
        elif not any(str(one.words["built"]) in finding.message for finding in verdict.findings):
            yield one


def _is_told(file: ModuleFile, verdict: Verdict, lacking: Collection[str]) -> bool:
    errors = {finding.rule for finding in verdict.findings if finding.severity is Severity.ERROR}
    return file.name in lacking and errors <= _LACKING


def _refused(release: Release, failing: Sequence[tuple[ModuleFile, Verdict]]) -> Iterator[Found]:
    groups: dict[tuple[str, str | None], list[tuple[ModuleFile, Verdict]]] = {}
    for file, verdict in failing:
        groups.setdefault((_first(verdict).rule, verdict.errno), []).append((file, verdict))
    for group in groups.values():
        file, verdict = group[0]
        words = _words(release, verdict)
        if len(group) > _MANY:
            words |= {"count": len(group), "names": listed(one.name for one, _ in group)}
            yield _found("refused/many", release, None, words)
            continue
        for file, verdict in group:
            yield _found("refused", release, file, _words(release, verdict) | {"path": file.real})


def _untold(release: Release, doubtful: Sequence[tuple[ModuleFile, Verdict]]) -> Iterator[Found]:
    groups: dict[str, list[tuple[ModuleFile, Verdict]]] = {}
    for file, verdict in doubtful:
        if _first(verdict).rule == _VALUE:
            yield _untold_value(release, file, verdict)
        else:
            groups.setdefault(_first(verdict).rule, []).append((file, verdict))
    for group in groups.values():
        words = _words(release, group[0][1])
        words |= {"count": counted(len(group), "module"), "names": listed(file.name for file, _ in group)}
        yield _found("untold", release, None, words)


def _untold_value(release: Release, file: ModuleFile, verdict: Verdict) -> Found:
    """Of a value that modprobe.d gives, and that only a boot tells whether the module takes it."""
    lines = [one for one in release.settings.of_kind("options") if one.name.replace("-", "_") == file.name]
    words = {"name": file.name, "path": file.real, "places": listed(one.place for one in lines)}
    found = _found("untold/value", release, file, _words(release, verdict) | words)
    return replace(found, path=lines[0].file, line=lines[0].line) if lines else found


def _doubts(release: Release, file: ModuleFile, verdict: Verdict) -> Iterator[Found]:
    """Warnings on a module that was added; audit_load tells of parameters that it has not, line by line."""
    if verdict.outcome is not Outcome.LOADS:
        return
    for finding in verdict.findings:
        if finding.severity is Severity.WARNING and not finding.masked and finding.rule != UNKNOWN:
            yield _found("doubtful", release, file, {"path": file.real, "cause": finding.message, "hint": finding.hint})


def _words(release: Release, verdict: Verdict) -> dict[str, object]:
    finding = _first(verdict)
    said = f" ('{verdict.log[0]}')" if verdict.log else ""
    return {
        "release": release.release,
        "errno": f"{verdict.errno or 'no errno'}{said}",
        "cause": finding.message,
        "hint": finding.hint or "see 'dlkm check' on that file",
    }


def _first(verdict: Verdict) -> Finding:
    """The finding that decides."""
    order = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    shown = [one for one in verdict.findings if not one.masked]
    shown.sort(key=lambda one: order.index(one.severity))
    return shown[0] if shown else Finding(rule="silent", severity=Severity.ERROR, message="it says nothing")


def _found(rule: str, release: Release, file: ModuleFile | None, words: dict[str, object]) -> Found:
    path = file.real if file is not None else release.folder
    module = file.name if file is not None else None
    return Found(rule=rule, kernel=release.release, path=path, module=module, words=words)
