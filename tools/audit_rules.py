# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference page on what an audit finds, from src/dlkm/data/audit.toml."""

from collections.abc import Iterator

from dlkm.rootfs.auditrules import table

INTRODUCTION = """
# What an audit finds

The rules of [`dlkm audit`](../how-to/audit.md). An *error* makes the exit status 1, a *warning* is probably not
meant, a *note* is good to know and shown with `-v`. Names stay; `--json` and SARIF have them as `rule`. Words in
braces are filled in. A rule with several rows has several cases.
"""
_HEAD = "\n| rule | weight | says | what to do |\n|---|---|---|---|\n"


def page() -> str:
    """The whole page, without the mark that it is made."""
    return "".join([INTRODUCTION, _HEAD, *_rows(), *_readers()])


def _rows() -> Iterator[str]:
    told = set()
    for name, rule in table()["rules"].items():
        plain = name.partition("/")[0]
        shown = "" if plain in told else f"`{plain}`"
        told.add(plain)
        cells = (shown, rule["severity"], rule["message"], rule["hint"])
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _readers() -> Iterator[str]:
    yield "\n## Who loads what modules-load.d names\n\nThe first of these that is in the root filesystem:\n\n"
    yield "| program | by its file | reads |\n|---|---|---|\n"
    for loader in table()["loaders"]:
        files = ", ".join(f"`{path}`" for path in loader["files"])
        reads = ", ".join(f"`{path}`" for path in loader.get("directories", ())) or "all directories"
        yield f"| {loader['name']} | {files} | {reads} |\n"
