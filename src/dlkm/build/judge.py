# SPDX-License-Identifier: GPL-2.0-or-later
"""Did the build give what was asked for, and if not, which line is at fault? Reads the log and the Makefile's text."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkm.build.blame import accusation, mention_of_missing, missing_directory, other_release
from dlkm.build.diagnostics import Diagnostic, Teller, first_cause, lines_of, read_diagnostics
from dlkm.build.harvest import Product
from dlkm.build.kerneltree import KernelTree
from dlkm.kernel.kernel import Kernel
from dlkm.source.driver import Driver
from dlkm.source.makefile import Suspect, SuspectKind
from dlkm.source.mentions import find_mention

_GOALS_SHOWN = 12
_LINES = 20_000  # of the log's end, in which a missing directory is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What happened: make's last exit status, its log, and the directory it ran in, as the log names it."""

    status: int
    log: Path
    folder: str
    sandboxed: bool


_ONLY_OWN = "without the sandbox only this machine's own kernels are found there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`reason` is empty when the build gave what was asked for."""

    reason: str
    diagnostics: tuple[Diagnostic, ...]


def judge(driver: Driver, kernel: Kernel, tree: KernelTree, run: Run, found: tuple[Product, ...]) -> Judgement:
    """The judgement on one build."""
    diagnostics = read_diagnostics(run.log, run.folder)
    wrong = next((product for product in found if product.wrong is not None), None)
    if run.status != 0:
        reason = _why_failed(driver, kernel, tree, run, diagnostics)
    elif wrong is not None:
        reason = _why_wrong(driver, kernel, tree, wrong)
    elif not found:
        reason = _why_nothing(driver, kernel, tree, run)
    else:
        reason = ""
    return Judgement(reason=reason, diagnostics=diagnostics)


def _why_failed(driver: Driver, kernel: Kernel, tree: KernelTree, run: Run, diagnostics: tuple[Diagnostic, ...]) -> str:
    cause = first_cause(diagnostics)
    said = cause.shown if cause is not None else f"make ended with status {run.status}"
    if cause is None or not _is_drivers_own(cause, run):
        accused = _accused_by_log(driver, kernel, tree, run)
        if accused is not None:
            return f"{accused} ({said})"
    if not run.sandboxed and "/lib/modules/" in said and "No such file" in said:
        return f"{said}: {_ONLY_OWN}"  # whichever of its Makefiles looks there
    return said


def _is_drivers_own(cause: Diagnostic, run: Run) -> bool:
    """Whether no path in a Makefile explains it: in the sandbox there are no other kernel's headers to misread."""
    understood = cause.teller is Teller.COMPILER and "No such file" not in cause.shown
    return cause.teller is Teller.MODPOST or (run.sandboxed and understood)


def _why_wrong(driver: Driver, kernel: Kernel, tree: KernelTree, product: Product) -> str:
    said = f"{product.path.name} {product.wrong}, not for {kernel.release} ({kernel.arch.name})"
    suspects = [suspect for suspect in driver.makefile.suspects if not _is_right(suspect, kernel, tree)]
    naming = [suspect for suspect in suspects if product.release and product.release in suspect.line.text]
    if not naming and product.release not in {"", kernel.release}:
        mention = find_mention(driver.path, [product.release])
        if mention is not None:
            return f"{accusation(mention, kernel)} ({said})"
    guilty = next(iter(naming or suspects), None)
    if guilty is None:
        return f"{said}; nothing in {driver.makefile.path.name} says why"
    return f"{guilty.line.shown}: {said}: {_remedy(guilty, kernel)}"


def _why_nothing(driver: Driver, kernel: Kernel, tree: KernelTree, run: Run) -> str:
    accused = _accused_by_log(driver, kernel, tree, run)
    if accused is not None:
        return f"{accused} (make succeeded, but no module was made)"
    goals = driver.makefile.goals
    known = (
        f"its goals are {', '.join(goals[:_GOALS_SHOWN])}: choose with --target GOAL" if goals else "it has no goals"
    )
    return f"make succeeded, but no module was made: {known}"


def _accusation(suspect: Suspect, kernel: Kernel, run: Run) -> str:
    why = {
        SuspectKind.PATH: f"this path is written in, and it is not that of {kernel.release}",
        SuspectKind.RELEASE: f"this release is written in, and it is not {kernel.release}",
        SuspectKind.RUNNING: (
            f"the kernel that it finds to be running is not {kernel.release}" if run.sandboxed else _ONLY_OWN
        ),
    }[suspect.kind]
    return f"{suspect.line.shown}: {why}: {_remedy(suspect, kernel)}"


def _remedy(suspect: Suspect, kernel: Kernel) -> str:
    asks_release = suspect.kind is SuspectKind.RUNNING and "/lib/modules" not in suspect.line.text
    asks_release = asks_release and "/usr/src" not in suspect.line.text and suspect.variable is not None
    if suspect.kind is SuspectKind.RELEASE or asks_release:
        return f"use $(KVER) there, or give --var {suspect.variable}={kernel.release}"
    if suspect.variable is None:
        return "use $(KERNEL_SRC) there"
    return f"use $(KERNEL_SRC) there, or give --var '{suspect.variable}=$(KERNEL_SRC)'"


def _accused_by_log(driver: Driver, kernel: Kernel, tree: KernelTree, run: Run) -> str | None:
    """The line whose path or release the log complains of: what is written in is surer than what is asked for."""
    log = deque((line for line in lines_of(run.log) if not line.startswith("+ ")), maxlen=_LINES)
    suspects = [suspect for suspect in driver.makefile.suspects if not _is_right(suspect, kernel, tree)]
    met = [suspect for suspect in suspects if any(_meets(suspect, line, kernel, run) for line in log)]
    if not met or met[0].kind is SuspectKind.RUNNING:
        mention = mention_of_missing(driver.path, log, kernel)
        if mention is not None:
            return accusation(mention, kernel)
    return _accusation(met[0], kernel, run) if met else None


def _meets(suspect: Suspect, line: str, kernel: Kernel, run: Run) -> bool:
    if suspect.kind is not SuspectKind.RUNNING:
        return suspect.value in line
    # What came of `uname -r` is not known here; that a kernel directory is missing is.
    if not run.sandboxed:
        return "/lib/modules/" in line and "No such file" in line
    path = missing_directory(line)
    return path is not None and other_release(path, kernel) is not None


def _is_right(suspect: Suspect, kernel: Kernel, tree: KernelTree) -> bool:
    """Whether the line happens to name the kernel asked for."""
    if suspect.kind is SuspectKind.RELEASE:
        return suspect.value == kernel.release
    if suspect.kind is SuspectKind.PATH:
        return any(f"{suspect.value}/".startswith(f"{place}/") for place in _places(kernel, tree))
    return False


def _places(kernel: Kernel, tree: KernelTree) -> Iterator[str]:
    yield from (tree.directory, tree.source, f"/lib/modules/{kernel.release}")
    yield from (place for _path, place in tree.binds)
    yield from (place for _text, place in tree.links)
