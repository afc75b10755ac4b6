# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference page on dlkm.toml, from its declaration."""

from collections.abc import Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from enum import StrEnum
from typing import Any, get_args, get_origin

from dlkm.matrix.declaration import Declared, Settings, spelt
from dlkm.matrix.reader import hints_of, without_none
from dlkm.matrix.schema import default_of

INTRODUCTION = """
# dlkm.toml

The project file: which drivers are built for which kernels, and how. `dlkm build`, `check` and `prove` without a file
or SOURCE run what the `dlkm.toml` of the current directory says, and `dlkm matrix` lists it
([how to](../how-to/matrix.md)). Paths are seen from that directory.

**Selectors** choose cells by their ids, `SOURCE@KERNEL`: a glob (`*`, `?`, `[…]`) with braces (`{a,b}`, `{1..9}`) over
the whole id, or, without an `@`, over the source's name or the kernel's id alone: `hello@6.1*`, `hello`, `*-rt-amd64`.
One in `include` (or `--only`) that chooses nothing is an error, exit status 6; one anywhere else a warning.

**The cascade** of `variables` and `targets`, from the weakest: what holds without this file, the top of the file,
`kernels`, `sources`, `overrides` in their order, flags. `dlkm matrix -v` shows what holds for each cell and where it
was said. Variables are merged by name, `targets` replaced as a whole.

The JSON schema for editors is [dlkm.schema.json](dlkm.schema.json); `dlkm matrix --schema` prints it. An editor with
Taplo takes it from a first line `#:schema PATH`.
"""


def page() -> str:
    """The whole page, without the mark that it is made."""
    return "".join([INTRODUCTION, *_table("The file", Declared)])


def _table(title: str, kind: type) -> Iterator[str]:
    assert is_dataclass(kind)
    yield f"\n## {title}\n"
    yield f"\n{_words(kind)}\n"
    yield "\n| key | type | default | meaning |\n|---|---|---|---|\n"
    shared = {one.name for one in fields(Settings)} if kind is not Declared else set()
    for one in fields(kind):
        meaning = "As in [the file](#the-file)." if one.name in shared else one.metadata["doc"]
        cells = (f"`{spelt(one)}`", _type(hints_of(kind)[one.name]), _default(one), meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
    for one in fields(kind):
        inner = _tables_in(hints_of(kind)[one.name])
        if inner is not None:
            yield from _table(f"[[{spelt(one)}]]" if inner[1] else f"[{spelt(one)}]", inner[0])


def _words(kind: type) -> str:
    return (kind.__doc__ or "").strip()


def _tables_in(kind: Any) -> tuple[type, bool] | None:
    """The table in a key's type, and whether there may be several."""
    several = get_origin(kind) is tuple
    inner = get_args(kind)[0] if several else kind
    return (inner, several) if isinstance(inner, type) and is_dataclass(inner) else None


def _type(kind: Any) -> str:
    kind = without_none(kind)
    if get_origin(kind) is Mapping:
        return "table of texts"
    if get_origin(kind) is tuple:
        return f"list of {'tables' if is_dataclass(get_args(kind)[0]) else 'texts'}"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return " or ".join(f"`{one.value}`" for one in kind)
    return "table" if is_dataclass(kind) else {str: "text", bool: "boolean", float: "number"}[kind]


def _default(declared: "Field[Any]") -> str:
    if declared.metadata["required"]:
        return "required"
    default = default_of(declared)
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if isinstance(default, str | float) and default != "" else ""
