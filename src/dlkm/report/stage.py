# SPDX-License-Identifier: GPL-2.0-or-later
"""How `dlkm stage` shows what it does or would do to a root filesystem; decides nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlkm.report.audit import show_aliases, show_finding
from dlkm.report.document import document, plain, printable_parts
from dlkm.report.refused import show_verdicts
from dlkm.report.terminal import Style, Terminal, printable
from dlkm.rootfs.modtree import OWN
from dlkm.rootfs.plan import Action, Operation
from dlkm.rootfs.stage import StagedModule, Staging
from dlkm.rootfs.target import Undone
from dlkm.verdict.verdict import Severity, Verdict

STYLES = {
    Action.MKDIR: Style.FAINT,
    Action.WRITE: Style.GOOD,
    Action.REPLACE: Style.DOUBTFUL,
    Action.REMOVE: Style.BAD,
}


# What takes an operation back.
INVERSE = {Action.MKDIR: "rmdir", Action.WRITE: "remove", Action.REPLACE: "restore", Action.REMOVE: "restore"}


def to_document(
    rootfs: Path,
    staging: Staging,
    refused: Sequence[Verdict],
    warnings: Sequence[str],
    record: Path | None = None,
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """The document `dlkm.stage/1`; paths of operations and modules are relative to the root, none goes through a link.

    `refused` holds the verdicts (as in dlkm.check/1) for which nothing was staged, `findings` those of an audit
    (dlkm.audit/1) of what is touched; `record` is what --undo reads.
    """
    whole = document(
        "stage",
        rootfs=rootfs,
        dry_run=dry_run,
        operations=[_operation(operation) for operation in staging.plan.operations],
        modules=[_module(module) for module in staging.modules],
        findings=staging.findings,
        refused=list(refused),
        warnings=list(warnings),
        record=record,
    )
    return printable_parts(whole)


def undone_document(rootfs: Path, undone: Undone, *, dry_run: bool) -> dict[str, Any]:
    """The same for --undo: `operations` are what takes the staging back, in that order.

    `changed` says why nothing was done; `remaining` counts the stagings that came before and can be undone next.
    """
    whole = document(
        "stage",
        rootfs=rootfs,
        dry_run=dry_run,
        undone=undone.record,
        operations=[{"action": INVERSE[step.action], "path": step.path} for step in reversed(undone.steps)],
        changed=undone.changed,
        remaining=undone.remaining,
    )
    return printable_parts(whole)


def show_undone(undone: Undone, terminal: Terminal, *, dry_run: bool) -> None:
    """What was taken back, or would be; that nothing was, where the target has changed."""
    if undone.changed:
        terminal.print("nothing was undone: the root filesystem has changed since")
        return
    for step in reversed(undone.steps):
        word = terminal.styled(f"{INVERSE[step.action]:<8}", STYLES[step.action])
        terminal.print(f"{word} {printable(step.path)}")
    would = "would be undone (--dry-run)" if dry_run else "undone"
    rest = f"; {undone.remaining} before it can be" if undone.remaining else ""
    terminal.print(f"staging {undone.record.name} {would}{rest}")


def show(staging: Staging, record: Path | None, terminal: Terminal, *, dry_run: bool, whole: bool) -> None:
    """What is done, or would be. Without `whole`, what goes along is only counted: directories, depmod's files, the
    kernel's own modules.
    """
    operations = staging.plan.operations
    shown = [operation for operation in operations if whole or not _is_by_the_way(operation)]
    for operation in shown:
        word = terminal.styled(f"{operation.action:<8}", STYLES[operation.action])
        terminal.print(f"{word} {printable(operation.path)}")
    rest = len(operations) - len(shown)
    if rest:
        own = ", modules of the kernel itself" if any(_is_own(operation.path) for operation in operations) else ""
        terminal.print(terminal.styled(f"and {rest} directories, files of depmod{own}", Style.FAINT))
    _show_winners(staging.modules, terminal, whole=whole)
    for finding in staging.findings:
        if whole or finding.severity is not Severity.NOTE:
            show_finding(finding, terminal)
    terminal.print(_ending(len(operations), record, dry_run=dry_run))


def _show_winners(modules: Sequence[StagedModule], terminal: Terminal, *, whole: bool) -> None:
    told = [one for one in modules if whole or one.missing or one.wins != one.path or not _is_own(one.path)]
    for module in told:
        terminal.print(_winner(module))
        show_aliases(module.choice, terminal, whole=False)
    rest = len(modules) - len(told)
    if rest:
        terminal.print(f"{rest} modules of the kernel itself load by their names from where they lie")


def show_refused(refused: Sequence[Verdict], terminal: Terminal) -> None:
    """The modules that their kernels would not take, in the kernel's words."""
    show_verdicts(refused, terminal)
    terminal.print("nothing was changed; --force stages it all the same")


def _module(module: StagedModule) -> dict[str, Any]:
    """With what `modprobe NAME` and its aliases will do, in the words of `dlkm audit`."""
    own = {"name": module.name, "path": module.path, "release": module.release}
    told: dict[str, Any] = plain(module.choice)
    del told["kernel"]
    return own | told | {"missing": list(module.missing)}


def _operation(operation: Operation) -> dict[str, Any]:
    parts: dict[str, Any] = {"action": plain(operation.action), "path": operation.path}
    if operation.sha256 is not None:
        parts["sha256"] = operation.sha256
    if operation.before is not None:
        parts["before"] = operation.before
    return parts


def _is_by_the_way(operation: Operation) -> bool:
    name = operation.path.rpartition("/")[2]
    is_table = name.startswith("modules.") and "/modules/" in operation.path
    return operation.action is Action.MKDIR or is_table or _is_own(operation.path)


def _is_own(path: str) -> bool:
    """Whether a file is one of the kernel's own modules, as its package brings them."""
    release_and_place = f"/{path}".partition("/lib/modules/")[2]
    return release_and_place.partition("/")[2].startswith(OWN)


def _winner(module: StagedModule) -> str:
    asked = f"on {module.release}, 'modprobe {printable(module.name)}'"
    if module.wins is None:
        return f"{asked} loads no file: {printable(module.choice.why)}"
    if module.missing:
        absent = ", ".join(printable(name) for name in module.missing)
        are = "is" if len(module.missing) == 1 else "are"
        return f"{asked} will load {printable(module.wins)} once {absent} {are} installed; until then it fails"
    return f"{asked} loads {printable(module.wins)}"


def _ending(count: int, record: Path | None, *, dry_run: bool) -> str:
    if count == 0:
        return "nothing to change: the root filesystem is as wanted"
    if dry_run:
        return f"{count} operations would be done (--dry-run)"
    return f"{count} operations done; --undo takes them back (by {printable(str(record))})"
