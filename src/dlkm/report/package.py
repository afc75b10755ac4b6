# SPDX-License-Identifier: GPL-2.0-or-later
"""How `dlkm package` shows what it wrote, or why it wrote nothing; decides nothing."""

from collections.abc import Sequence
from typing import Any

from dlkm.core.names import module_name
from dlkm.package.contents import module_files
from dlkm.package.names import Version
from dlkm.package.relations import for_control
from dlkm.package.writing import Written
from dlkm.report.document import document
from dlkm.report.refused import show_verdicts
from dlkm.report.terminal import Style, Terminal, printable
from dlkm.verdict.verdict import Verdict


def to_document(
    written: Sequence[Written], refused: Sequence[Verdict], failed: Sequence[str], warnings: Sequence[str]
) -> dict[str, Any]:
    """The document `dlkm.package/1`; for the verdicts in `refused` (as in dlkm.check/1) nothing was written."""
    return document(
        "package",
        packages=[_described(one) for one in written],
        refused=list(refused),
        failed=list(failed),
        warnings=list(warnings),
    )


def show(written: Sequence[Written], warnings: Sequence[str], terminal: Terminal, *, as_document: bool) -> None:
    """The packages that were written."""
    if as_document:
        terminal.document(to_document(written, (), (), warnings))
        return
    for one in written:
        package = one.job.ready.package
        shown = terminal.styled(printable(str(one.path)), Style.GOOD)
        needs = ", ".join(for_control(package.depends, one.job.form))
        terminal.print(f"{shown}: {one.job.ready.role}" + (f", needs {printable(needs)}" if needs else ""))


def show_refusal(refused: Sequence[Verdict], failed: Sequence[str], terminal: Terminal, *, as_document: bool) -> None:
    """The modules that their kernels would not take, in the kernel's words."""
    if as_document:
        terminal.document(to_document((), refused, failed, ()))
        return
    show_verdicts(refused, terminal)
    terminal.print("nothing was written" + ("; --force packages it all the same" if refused else ""))


def _described(one: Written) -> dict[str, Any]:
    ready, form = one.job.ready, one.job.form
    package = ready.package
    return {
        "path": one.path,
        "format": form,
        "system": one.job.system,
        "role": ready.role,
        "name": package.name,
        "version": str(Version.parse(package.version, form)),
        "arch": package.arch,
        "release": ready.release,
        "modules": sorted({module_name(file.path) for file in module_files(package)}),
        **{
            kind: for_control(getattr(package, kind), form)
            for kind in ("depends", "recommends", "provides", "conflicts")
        },
        "conffiles": package.conffiles,
        "size": one.size,
        "sha256": one.sha256,
    }
