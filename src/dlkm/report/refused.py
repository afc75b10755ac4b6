# SPDX-License-Identifier: GPL-2.0-or-later
"""How verbs show the modules that a kernel would refuse; decides nothing."""

from collections.abc import Sequence

from dlkm.report.terminal import Style, Terminal, printable
from dlkm.verdict.verdict import Verdict


def show_verdicts(refused: Sequence[Verdict], terminal: Terminal) -> None:
    """In the kernel's words, with what to do."""
    for verdict in refused:
        what = f"{verdict.path}: will not load on {verdict.kernel}"
        errno = f" ({verdict.errno})" if verdict.errno else ""
        terminal.print(terminal.styled(printable(what + errno), Style.BAD))
        for line in verdict.log:
            terminal.print(f"  {printable(line)}")
        for finding in verdict.findings:
            if not finding.masked and finding.hint:
                terminal.print(f"  ({printable(finding.hint)})")
