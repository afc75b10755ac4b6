# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the cases of a kernel and a condition against one boot: prediction, observation, how they compare."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.installed import module_files
from dlkm.kernel.kernel import Kernel
from dlkm.prove.agreement import Agreement, compare
from dlkm.prove.attempt import Attempt, Observed, ProveOptions
from dlkm.prove.run import prove
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.session import Session
from dlkm.verdict.verdict import Verdict
from tests.judge import early, finish, signatures, symbols, validity
from tests.judge.elf import LackingSectionError
from tests.judge.pair import CONDITIONS, Case, Load, Tells
from tests.judge.shop import Shop

OF_VERSIONS = {"__versions", "__kcrctab", "__kcrctab_gpl"}  # sections that CONFIG_MODVERSIONS makes
UNTRACED = "UKN"  # taint letters that the trace of a load does not show (include/trace/events/module.h)


def all_cases() -> tuple[Case, ...]:
    """Every case of the judge."""
    rooms = (signatures, validity, early, symbols, finish)
    return tuple(case for room in rooms for case in room.cases())


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One case before one kernel."""

    case: Case
    predicted: Verdict
    observed: Observed

    @property
    def agreement(self) -> Agreement:
        """Outcome, errno and log compared; where the module loads, the taint letters too."""
        found = compare(self.predicted, self.observed) if self.observed.trouble is None else Agreement.DIFFERS
        taint = "".join(letter for letter in self.predicted.taint if letter not in UNTRACED)
        if found is Agreement.AGREES and self.observed.accepted and taint != self.observed.taint:
            return Agreement.DIFFERS
        return found

    @property
    def tripped(self) -> bool:
        """Whether the case's rule is among the findings that no earlier failure masks."""
        rule = self.case.rule.partition("/")[0]
        return any(finding.rule == rule and not finding.masked for finding in self.predicted.findings)

    def complaint(self) -> str | None:
        """What is wrong, for the reader of a failed test; None when all is right."""
        if self.agreement is Agreement.DIFFERS:
            return f"{self.case.id}: predicted {self._shown(self.predicted)}, observed {self._shown(self.observed)}"
        if self.agreement is Agreement.OPEN and self.case.tells is Tells.ALWAYS:
            return f"{self.case.id}: nothing was predicted; observed {self._shown(self.observed)}"
        if self.agreement is Agreement.AGREES and self.case.tells is Tells.NOT:
            return f"{self.case.id}: it was foretold: {self._shown(self.predicted)}"
        if self.case.rule and self.tripped is not self.case.trips:
            return f"{self.case.id}: the rule is {'not ' * self.case.trips}among {self.predicted.findings}"
        return None

    @staticmethod
    def _shown(answer: Verdict | Observed) -> str:
        trouble = getattr(answer, "trouble", None)
        return f"{answer.outcome} {answer.errno} {answer.log} {answer.taint} {trouble or ''}"


def unreachable() -> dict[str, str]:
    """Rules that no load in these kernels can trip, with the reasons."""
    return tomllib.loads(Path(__file__).with_name("unreachable.toml").read_text("utf-8"))


def judge(shop: Shop, condition: str, cases: Sequence[Case], folder: Path) -> list[Judged]:
    """Predict, boot, load, compare."""
    meant = [case for case in cases if case.condition == condition and case.where.holds(shop.kernel)]
    made = [(case, contents) for case in meant if (contents := _made(shop, case.load)) is not None]
    chosen = [case for case, _ in made]
    files = [_written(contents, folder / str(number)) for number, (_, contents) in enumerate(made)]
    cmdline = CONDITIONS[condition]
    predicted = [_predict(shop, case, paths, cmdline, folder) for case, paths in zip(chosen, files, strict=True)]
    _hold_the_quick_look(shop, cmdline, chosen, files, predicted)
    attempts = [
        Attempt(files=tuple(paths), parameters=" ".join(case.load.params))
        for case, paths in zip(chosen, files, strict=True)
    ]
    options = ProveOptions(cmdline=cmdline)
    observed = prove(shop.kernel, attempts, options, Processes(), Events()).observed
    triples = zip(chosen, predicted, observed, strict=True)
    return [Judged(case=case, predicted=one, observed=other) for case, one, other in triples]


def _made(shop: Shop, load: Load) -> list[tuple[str, bytes]] | None:
    """The files by module name; None where what they doctor is not there, as the kernel has no versions."""
    try:
        return [(name, maker(shop)) for name, maker in load.files]
    except LackingSectionError as lacking:
        if shop.facts.option("MODVERSIONS") is not True and lacking.args[0] in OF_VERSIONS:
            return None
        raise


def _written(contents: Sequence[tuple[str, bytes]], folder: Path) -> list[Path]:
    paths = []
    for number, (name, data) in enumerate(contents):
        path = folder / str(number) / f"{name}.ko"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        paths.append(path)
    return paths


def _predict(shop: Shop, case: Case, paths: Sequence[Path], cmdline: str, folder: Path) -> Verdict:
    """As `dlkm check` does it, with the facts of a kernel read once for all cases."""
    keys = None if case.load.keys_unknown else ()
    conditions = Conditions(cmdline=cmdline, params=case.load.params, loaded=case.load.loaded, trusted_certs=keys)
    if case.load.hidden:
        hiding = replace(shop.kernel, modules=_without(shop.kernel, case.load.hidden, folder / "installed"))
        return Session(hiding, conditions, paths).verdict(paths[-1])
    return Session(shop.kernel, conditions, paths, facts=shop.facts).verdict(paths[-1])


def _hold_the_quick_look(
    shop: Shop, cmdline: str, cases: Sequence[Case], files: Sequence[Sequence[Path]], predicted: Sequence[Verdict]
) -> None:
    """What lets most modules pass without a closer look lets none pass that has a finding."""
    session = Session(shop.kernel, Conditions(cmdline=cmdline, trusted_certs=()), facts=shop.facts)
    for case, paths, verdict in zip(cases, files, predicted, strict=True):
        if len(paths) == 1 and case.load == Load(files=case.load.files):
            plain = session.plain(paths[0])
            assert plain is None or (plain == (verdict.module, verdict.taint) and not verdict.findings), case.id


def _without(kernel: Kernel, hidden: frozenset[str], folder: Path) -> Path:
    """A directory of installed modules like the kernel's, without some: links to some others are enough."""
    assert kernel.modules is not None
    target = folder / kernel.release
    (target / "kernel").mkdir(parents=True)
    for path in kernel.modules.glob("modules.*"):
        (target / path.name).symlink_to(path)
    for path in _some(kernel.modules):
        if path.name.partition(".")[0] not in hidden:
            (target / "kernel" / path.name).symlink_to(path)
    return target


def _some(modules: Path) -> Iterator[Path]:
    return (path for number, path in enumerate(sorted(module_files(modules))) if number % 100 == 0)
