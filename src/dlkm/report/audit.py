# SPDX-License-Identifier: GPL-2.0-or-later
"""How `dlkm audit` shows what it found: a document, a table, SARIF. Decides nothing."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dlkm.report.document import document, printable_parts
from dlkm.report.terminal import Style, Terminal, printable
from dlkm.rootfs.audit import Audit, KernelFound
from dlkm.rootfs.auditrules import Finding, counted, listed
from dlkm.rootfs.choices import AliasChoice, Choice, How
from dlkm.rootfs.lookup import By
from dlkm.verdict.verdict import Outcome, Severity

_STYLES = {Severity.ERROR: Style.BAD, Severity.WARNING: Style.DOUBTFUL, Severity.NOTE: Style.FAINT}
_HOW = {
    How.BUILT_IN: "(built in)",
    How.COMMAND: "(a command)",
    How.NOTHING: "(nothing)",
    How.MISSING: "(a file that is not there)",
}
_WORDS = {Outcome.LOADS: "load", Outcome.FAILS: "are refused", Outcome.CANNOT_TELL: "cannot be told"}
_MANY = 40  # modules shown without -v


def audit_document(audit: Audit) -> dict[str, Any]:
    """The document `dlkm.audit/1`; paths but `root` are relative to the root."""
    whole = document(
        "audit",
        root=audit.root,
        form=audit.form,
        kmod=audit.kmod,
        right=audit.is_right,
        kernels=audit.kernels,
        modules=audit.modules,
        queries=audit.queries,
        findings=audit.findings,
    )
    return printable_parts(whole)


def show(audit: Audit, terminal: Terminal, *, whole: bool) -> None:
    """Kernels, which file wins, what is wrong; with `whole` all modules and the notes too."""
    for kernel in audit.kernels:
        _show_kernel(kernel, terminal)
    _show_choices(audit, terminal, whole=whole)
    shown = [one for one in audit.findings if whole or one.severity is not Severity.NOTE]
    for one in shown:
        show_finding(one, terminal)
    terminal.print(_ending(audit, len(audit.findings) - len(shown)))


def _show_kernel(kernel: KernelFound, terminal: Terminal) -> None:
    told = [f"{kernel.verdicts[one]} {_WORDS[one]}" for one in Outcome if kernel.verdicts.get(one)]
    if kernel.not_judged:
        told.append(f"{kernel.not_judged} not judged")
    count = counted(kernel.modules, "module")
    parts = [count + (f" ({', '.join(told)})" if told else "")]
    parts += [printable(kernel.image)] if kernel.image is not None else []
    parts += map(printable, kernel.initramfs)
    terminal.print(f"{terminal.styled(kernel.release, Style.STRONG)}: {', '.join(parts)}")


def _show_choices(audit: Audit, terminal: Terminal, *, whole: bool) -> None:
    asked = {(query.kernel, name) for query in audit.queries for name in query.modules}
    for query in audit.queries:
        if query.by is By.NOTHING:
            terminal.print(f"{printable(query.asked)} on {query.kernel}: nothing")
        elif query.by is not By.NAME:
            names = listed(query.modules) + f" (by {query.by})"
            terminal.print(f"{printable(query.asked)} on {query.kernel}: {printable(names)}")
    if asked:
        for one in audit.modules:
            if (one.kernel, one.name) in asked:
                _show_choice(one, terminal, whole=whole)
        return
    rows = [[printable(one.name), one.kernel, _what(one), printable(one.why)] for one in audit.modules]
    if rows:
        terminal.table(["MODULE", "KERNEL", "modprobe LOADS", "BECAUSE"], rows if whole else rows[:_MANY])
    if len(rows) > _MANY and not whole:
        terminal.print(f"… and {len(rows) - _MANY} more (-v shows all, --module NAME one)")


def _show_choice(one: Choice, terminal: Terminal, *, whole: bool) -> None:
    terminal.print(f"'modprobe {printable(one.name)}' on {one.kernel}: {_what(one)} ({printable(one.why)})")
    for other in one.shadowed:
        terminal.print(f"  shadowed: {printable(other)}")
    if one.command is not None:
        terminal.print(f"  command: {printable(one.command)}")
    if one.blacklist is not None:
        terminal.print(f"  blacklisted in {printable(one.blacklist)}: neither its aliases nor modules-load.d load it")
    for place in one.autoload:
        terminal.print(f"  to load at boot: {printable(place)}")
    show_aliases(one, terminal, whole=whole)


def show_aliases(one: Choice, terminal: Terminal, *, whole: bool) -> None:
    """What the aliases of a module load, those alike together."""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[AliasChoice]] = {}
    for alias in one.aliases:
        groups.setdefault((alias.loads, alias.blacklisted), []).append(alias)
    for (loads, kept_out), aliases in groups.items():
        _show_aliases(loads, kept_out, aliases, terminal, whole=whole)


def _show_aliases(
    loads: Sequence[str], kept_out: Sequence[str], aliases: Sequence[AliasChoice], terminal: Terminal, *, whole: bool
) -> None:
    names = [printable(alias.alias) for alias in aliases]
    what = ", ".join(loads) or "nothing"
    blocked = f", {', '.join(kept_out)} blacklisted" if kept_out else ""
    shown = listed(names, len(names) if whole else 3)
    count = "1 alias loads" if len(names) == 1 else f"{len(names)} aliases load"
    terminal.print(f"  {count} {printable(what + blocked)}: {shown}")


def _what(one: Choice) -> str:
    blocked = " (blacklisted)" if one.blacklist is not None else ""
    if one.wins is None:
        return _HOW.get(one.how, "") + blocked
    below = one.wins.partition(f"/modules/{one.kernel}/")[2]
    return printable(below or one.wins) + blocked


def show_finding(one: Finding, terminal: Terminal) -> None:
    """One line, and what to do."""
    place = f"{one.path}:{one.line}: " if one.path is not None and one.line else ""
    where = f" [{one.kernel}]" if one.kernel is not None else ""
    word = terminal.styled(one.severity, _STYLES[one.severity])
    terminal.print(f"{word}: {printable(place + one.message)}{where} ({one.rule})")
    if one.hint:
        terminal.print(f"  what to do: {printable(one.hint)}")


def _ending(audit: Audit, hidden: int) -> str:
    counts = Counter(one.severity for one in audit.findings)
    told = ", ".join(counted(counts[one], one) for one in Severity if counts[one])
    rest = f" ({counted(hidden, Severity.NOTE)} not shown, -v shows all)" if hidden else ""
    return f"{told or 'nothing wrong'}{rest}"
