# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes docs/reference/ from the code: the command line from its parsers, tables from src/dlkm/data."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from dlkm.cli.common import add_common_flags
from dlkm.cli.main import VERBS, parser_of
from dlkm.core.arch import all_archs
from dlkm.core.errors import ExitStatus
from dlkm.matrix.schema import schema
from tools import audit_rules, load_rules, project_file

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Made by tools/reference.py from the code; change the code, then run it again. -->\n"

STATUS_WORDS = {
    ExitStatus.OK: "yes, done",
    ExitStatus.NO: "the answer is no: does not load, build failed, proof failed",
    ExitStatus.USAGE: "usage or configuration",
    ExitStatus.MALFORMED: "input malformed or not supported",
    ExitStatus.MISSING_TOOL: "a tool or permission is missing on this machine",
    ExitStatus.FETCH: "fetch or integrity",
    ExitStatus.NOTHING_SELECTED: "nothing selected",
    ExitStatus.WORKER_LOST: "a worker was lost",
    ExitStatus.CANNOT_TELL: "cannot tell (`--strict`)",
    ExitStatus.DEFECT: "a defect in dlkm",
    ExitStatus.INTERRUPTED: "interrupted",
}


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 — argparse offers its declared arguments in no other way


def _argument(action: argparse.Action) -> str:
    choices = "|".join(map(str, action.choices or ()))
    metavar = action.metavar if isinstance(action.metavar, str) else choices or action.dest.upper()
    if not action.option_strings:
        return metavar
    value = "" if action.nargs == 0 else f" {metavar}"
    return ", ".join(f"{option}{value}" for option in action.option_strings)


def _common() -> set[str]:
    """The names of the flags that every verb has."""
    parser = argparse.ArgumentParser()
    add_common_flags(parser)
    return {action.dest for action in _actions(parser)}


def _table(actions: list[argparse.Action]) -> Iterator[str]:
    if actions:
        yield "\n| argument | meaning |\n|---|---|\n"
    for action in actions:
        # A bar ends a cell, in code as well.
        argument, meaning = (text.replace("|", "\\|") for text in (_argument(action), action.help or ""))
        yield f"| `{argument}` | {meaning} |\n"


def _verb_lines(title: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"\n## {title}\n"
    if parser.description:
        yield f"\n{parser.description}\n"
    nested = [action for action in _actions(parser) if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001 — as above
    common = _common()
    yield from _table([action for action in _actions(parser) if action not in nested and action.dest not in common])
    if parser.epilog:
        yield f"\n```\n{parser.epilog.strip()}\n```\n"
    for group in nested:
        for name, inner in group.choices.items():
            yield from _verb_lines(f"{title} {name}", inner)


def command_line() -> str:
    """The page on the verbs."""
    lines = [MADE, "\n# The command line\n", "\n`dlkm VERB …`; `dlkm VERB --help` says the same.\n"]
    every = argparse.ArgumentParser(add_help=False)
    add_common_flags(every)
    lines.append("\n## Every verb\n")
    lines.extend(_table(_actions(every)))
    for verb in VERBS:
        lines.extend(_verb_lines(f"dlkm {verb}", parser_of(verb)))
    return "".join(lines)


def exit_statuses() -> str:
    """The page on exit statuses."""
    rows = "".join(f"| {int(status)} | {STATUS_WORDS[status]} |\n" for status in ExitStatus)
    return f"{MADE}\n# Exit statuses\n\n| status | meaning |\n|---|---|\n{rows}"


def architectures() -> str:
    """The page on architectures."""
    rows = "".join(
        f"| {arch.name} | {arch.debian} | {arch.rpm} | {arch.oe} | {arch.triplet} | "
        f"{arch.machine.program if arch.machine else '—'} |\n"
        for arch in all_archs()
    )
    heads = "| `ARCH=` | Debian | RPM | OpenEmbedded | cross tools | QEMU |\n|---|---|---|---|---|---|\n"
    return f"{MADE}\n# Architectures\n\n{heads}{rows}"


PAGES: dict[str, Callable[[], str]] = {
    "command-line.md": command_line,
    "exit-statuses.md": exit_statuses,
    "architectures.md": architectures,
    "dlkm-toml.md": lambda: MADE + project_file.page(),
    "dlkm.schema.json": lambda: json.dumps(schema(), indent=1) + "\n",
    "load-rules.md": lambda: MADE + load_rules.page(),
    "audit-rules.md": lambda: MADE + audit_rules.page(),
}


def main() -> int:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
