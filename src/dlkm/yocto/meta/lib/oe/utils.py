# SPDX-License-Identifier: GPL-2.0-only
"""Small questions that recipes ask in `${@…}`. Changes nothing."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bb

# What Yocto's kernel leaves in its build directory and the headers of distributions lack, by path.
TOLD: dict[str, str] = {}


def read_file(filename: str) -> str:
    """A file's text without the blanks around it; empty when it cannot be read."""
    try:
        return Path(filename).read_text("utf-8", "replace").strip()
    except OSError:
        return TOLD.get(os.path.normpath(filename), "")


def conditional(variable: str, checkvalue: str, truevalue: Any, falsevalue: Any, d: Any) -> Any:
    """One of two values, by what a variable is."""
    return truevalue if d.getVar(variable) == checkvalue else falsevalue


def vartrue(var: str, iftrue: Any, iffalse: Any, d: Any) -> Any:
    """One of two values, by whether a variable says yes."""
    return iftrue if bb.utils.to_boolean(d.getVar(var)) else iffalse


def ifelse(condition: Any, iftrue: Any = True, iffalse: Any = False) -> Any:
    """One of two values; a text is true by its first letter, as `bb.utils.to_boolean` has it."""
    return iftrue if (bb.utils.to_boolean(condition) if isinstance(condition, str) else condition) else iffalse


def less_or_equal(variable: str, checkvalue: str, truevalue: Any, falsevalue: Any, d: Any) -> Any:
    """One of two values, by comparing a variable as a number."""
    return truevalue if float(d.getVar(variable)) <= float(checkvalue) else falsevalue


def version_less_or_equal(variable: str, checkvalue: str, truevalue: Any, falsevalue: Any, d: Any) -> Any:
    """One of two values, by comparing a variable as a version."""
    return truevalue if bb.utils.vercmp_string(d.getVar(variable), checkvalue) <= 0 else falsevalue


def both_contain(variable1: str, variable2: str, checkvalue: Any, d: Any) -> str:
    """The words looked for, when both variables hold them all."""
    wanted = set(checkvalue.split()) if isinstance(checkvalue, str) else set(checkvalue)
    held = (set((d.getVar(name) or "").split()) for name in (variable1, variable2))
    return (
        " ".join(checkvalue if not isinstance(checkvalue, str) else [checkvalue])
        if all(map(wanted.issubset, held))
        else ""
    )


def set_intersect(variable1: str, variable2: str, d: Any) -> str:
    """The words of both variables, sorted."""
    return " ".join(sorted(set((d.getVar(variable1) or "").split()) & set((d.getVar(variable2) or "").split())))


def str_filter(f: str, text: str, d: Any) -> str:
    """The words that match an expression from their start."""
    import re

    return " ".join(word for word in text.split() if re.match(f, word))


def str_filter_out(f: str, text: str, d: Any) -> str:
    """The other words."""
    import re

    return " ".join(word for word in text.split() if not re.match(f, word))


def build_depends_string(depends: str, task: str) -> str:
    """`NAME:TASK` for each name."""
    return " ".join(f"{name}:{task}" for name in depends.split())


def inherits(d: Any, *classes: str) -> bool:
    """Whether any of the classes is inherited."""
    return any(bb.data.inherits_class(name, d) for name in classes)


def prune_suffix(var: str, suffixes: Sequence[str], d: Any) -> str:
    """A recipe's name without the suffixes and the prefix that variants of it have."""
    for suffix in suffixes:
        if suffix and var.endswith(suffix):
            var = var[: -len(suffix)]
    return var.removeprefix(d.getVar("MLPREFIX") or "")


def filespath(folders: Sequence[str], d: Any) -> str:
    """FILESPATH: by override, the strongest first and none last; for each, FILESEXTRAPATHS in front.

    Source: meta/classes-global/utils.bbclass: base_set_filespath.
    """
    extra = (d.getVar("FILESEXTRAPATHS") or "").replace("__default:", "").split(":")
    overrides = [*reversed((d.getVar("FILESOVERRIDES") or "").split(":")), ""]
    return ":".join(os.path.join(base, override) for override in overrides for base in (*extra, *folders) if base)


def trim_version(version: str, num_parts: int = 2) -> str:
    """The first parts of a version."""
    return ".".join(version.split(".")[:num_parts])


def squashspaces(string: str) -> str:
    """Single blanks."""
    return " ".join(string.split())


def any_distro_features(d: Any, features: str, truevalue: Any = "1", falsevalue: Any = "") -> Any:
    """Whether the distro has one of the features."""
    return bb.utils.contains_any("DISTRO_FEATURES", features, truevalue, falsevalue, d)


def all_distro_features(d: Any, features: str, truevalue: Any = "1", falsevalue: Any = "") -> Any:
    """Whether the distro has all of the features."""
    return bb.utils.contains("DISTRO_FEATURES", features, truevalue, falsevalue, d)


def cpu_count(at_least: int = 1, at_most: int = 64) -> int:
    """How many processors there are."""
    return max(min(len(os.sched_getaffinity(0)), at_most), at_least)


def get_multilib_datastore(_variant: str, d: Any) -> Any:
    """There are no variants here."""
    return d
