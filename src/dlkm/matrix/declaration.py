# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm.toml, declared once: reader, JSON schema and reference all follow from these fields. Reads nothing."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from enum import StrEnum
from typing import Any

NAME = "dlkm.toml"
VARIABLE = r"[^\s:#=$-]+"  # a name that can stand before '=' on make's command line
GOAL = r"[^-=\s][^=\s]*"  # what make takes for a goal, not for an option or a variable
SOURCE = r"[A-Za-z0-9_][A-Za-z0-9._+-]*"  # safe in a path, and without the '@' of a cell's id
ERRNO = r"E[A-Z0-9]+"


def key(
    doc: str,
    *,
    default: Any = None,
    required: bool = False,
    pattern: str | None = None,
    name_pattern: str | None = None,
    short: str | None = None,
    positive: bool = False,
) -> Any:
    """One key of a table: what it means, and which texts it takes.

    `pattern` is for a text or each text of a list, `name_pattern` for the names of a mapping; both must match whole.
    `short`: a text in place of a table stands for a table with that key alone. `positive`: a number above 0.
    """
    facts = {
        "doc": doc,
        "required": required,
        "pattern": pattern,
        "name_pattern": name_pattern,
        "short": short,
        "positive": positive,
    }
    if required:
        return field(metadata=facts)
    return field(default_factory=default if callable(default) else lambda: default, metadata=facts)


def spelt(declared: "Field[Any]") -> str:
    """A field's name as the file has it."""
    return declared.name.replace("_", "-")


class Step(StrEnum):
    """What may be expected to fail."""

    BUILD = "build"
    LOAD = "load"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What may be said for all cells, for those of a kernel or a source, and for any chosen ones."""

    variables: Mapping[str, str] = key(
        "On make's command line, as `--var NAME=VALUE`; make expands `$(KERNEL_SRC)` in them. Of several places that "
        "set one, the last in the cascade wins.",
        default=dict,
        name_pattern=VARIABLE,
    )
    targets: tuple[str, ...] | None = key(
        "Make's goals instead of the default one, as `--target`; for a recipe, its `MAKE_TARGETS`.", pattern=GOAL
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable(Settings):
    """One driver, or several by a glob. A text alone stands for its `path`."""

    path: str = key(
        "A directory with a Makefile, Kbuild or dkms.conf, or a `.bb` recipe, seen from the project file; a glob means "
        "all that match and are one.",
        required=True,
        pattern=r".+",
    )
    name: str | None = key(
        "What its cells are called, `NAME@KERNEL`; default: the directory's name, or the recipe's.", pattern=SOURCE
    )
    subdir: str = key("Where in the directory the Makefile lies, as `--subdir`.", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTable(Settings):
    """One kernel, or several by a glob. A text alone stands for its `spec`."""

    spec: str = key(
        "An id, a glob among the kernels present, or a SPEC such as `debian:6.1.0-*-amd64`, as after `-k`; a directory "
        "is seen from the project file.",
        required=True,
        pattern=r".+",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideTable(Settings):
    """Settings of chosen cells; of several overrides that choose a cell the last wins."""

    select: str = key("Which cells: a selector.", required=True, pattern=r".+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureTable:
    """Cells that are known to fail. One that does not fail after all is reported."""

    select: str = key("Which cells: a selector.", required=True, pattern=r".+")
    reason: str = key("Why, in words for whoever reads the report.", required=True, pattern=r"[\s\S]*\S[\s\S]*")
    step: Step = key("What fails: `build`, or `load` (which `check` and `prove` find out).", default=Step.BUILD)
    strict: bool = key(
        "Whether a cell that does not fail after all counts as a failure (exit status 1); otherwise it is a warning.",
        default=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestTestTable:
    """What `dlkm prove` does in the booted kernel after loading, besides comparing with the prediction."""

    name: str = key("What it is called in reports.", required=True, pattern=SOURCE)
    select: str = key("Which cells: a selector.", default="*", pattern=r".+")
    module: str | None = key(
        "Which module of the cell is loaded for it, after all that this one needs; default: the only one.",
        pattern=r"[A-Za-z0-9_-]+",
    )
    parameters: str = key("Given to the module, as to insmod: `whom=me count=3`.", default="")
    errno: str | None = key(
        "Loading must fail with this errno (`EINVAL`); default: loading must succeed.", pattern=ERRNO
    )
    log: tuple[str, ...] = key(
        "Texts that the kernel's log must hold, each within a line that was logged during the test.",
        default=tuple,
        pattern=r".+",
    )
    run: str | None = key(
        "A program to run once the module is loaded, seen from the project file: a C source (compiled for the "
        "kernel's architecture), a static executable, or a `#!/bin/sh` script (run by busybox). Exit status 0 passes, "
        "4 skips (as in the kernel's own selftests), all else fails.",
        pattern=r".+",
    )
    arguments: tuple[str, ...] = key("What the program is called with.", default=tuple)
    timeout: float = key("Seconds that the program may take.", default=60.0, positive=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipesTable:
    """How recipes (.bb) are read; as the flags of the same names."""

    machine: str | None = key("MACHINE.", pattern=r".+")
    distro: str | None = key("DISTRO.", pattern=r".+")
    yocto: str | None = key("The release whose rules hold, such as `scarthgap`.", pattern=r".+")
    layers: tuple[str, ...] = key("More layers, seen from the project file.", default=tuple, pattern=r".+")
    source_mirror: str | None = key("Where sources are looked for before the network.", pattern=r".+")
    offline: bool = key("Fetch nothing from the network.", default=False)
    conf: tuple[str, ...] = key("Files with lines as in local.conf.", default=tuple, pattern=r".+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared(Settings):
    """A whole dlkm.toml. Keys without a table of their own come first in the file, as TOML asks."""

    sources: tuple[SourceTable, ...] = key("The drivers: `[[sources]]` tables, or texts.", default=tuple, short="path")
    kernels: tuple[KernelTable, ...] = key("The kernels: `[[kernels]]` tables, or texts.", default=tuple, short="spec")
    include: tuple[str, ...] = key(
        "Only the cells that one of these selectors chooses; each must choose some.", default=tuple, pattern=r".+"
    )
    exclude: tuple[str, ...] = key("Not the cells that one of these selectors chooses.", default=tuple, pattern=r".+")
    output: str = key("Where results go, seen from the project file; as `-o`.", default="out", pattern=r".+")
    overrides: tuple[OverrideTable, ...] = key("Settings of chosen cells: `[[overrides]]` tables.", default=tuple)
    expected_failures: tuple[FailureTable, ...] = key(
        "Cells that are known to fail: `[[expected-failures]]` tables.", default=tuple
    )
    tests: tuple[GuestTestTable, ...] = key("What is tried in the booted kernel: `[[tests]]` tables.", default=tuple)
    recipes: RecipesTable = key("How recipes are read: the `[recipes]` table.", default=RecipesTable)
