# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with a recipe, by line and rule. The rules are functions beside it; their words are data."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from dlkm.core.data import data_table
from dlkm.yocto.recipetext import Recipe, read_recipe
from dlkm.yocto.releases import Release


class Severity(StrEnum):
    """How much it matters; only errors change the exit status."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One safe change: on `line` (from 1) `old` becomes `new` where it first stands; None takes the line away."""

    line: int
    old: str
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a rule saw: on `line` of `file` (None: of the recipe). `words` fill the rule's message."""

    rule: str
    line: int
    words: dict[str, str] = field(default_factory=dict)
    file: Path | None = None
    edits: tuple[Edit, ...] = ()
    translated: bool = False  # the translation to today's syntax mends it


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know about a recipe; `line` counts from 1."""

    file: str
    line: int
    rule: str
    severity: Severity
    message: str
    hint: str
    fixable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings on one recipe, by file and line."""

    path: str
    release: Release
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether there is no error."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


_MOST = 200  # findings of one rule that are told
Rule = Callable[[Recipe, Release], Iterable[Found]]


def lint(path: Path, release: Release) -> Report:
    """All findings on the recipe in a file; raises what `read_recipe` raises."""
    recipe = read_recipe(path)
    findings = sorted(
        (_finding(one, path) for one in findings_of(recipe, release)), key=lambda one: (one.file != str(path), one.line)
    )
    return Report(path=str(path), release=release, findings=tuple(findings))


def findings_of(recipe: Recipe, release: Release) -> Iterator[Found]:
    """What all rules see in a recipe, for a release."""
    from dlkm.yocto import lint_licence, lint_makefile, lint_module, lint_packages, lint_sources, lint_syntax

    for room in (lint_syntax, lint_sources, lint_licence, lint_module, lint_packages, lint_makefile):
        rules: tuple[Rule, ...] = room.RULES
        for rule in rules:
            yield from islice(rule(recipe, release), _MOST)


def _table() -> dict[str, Any]:
    return data_table("recipe-rules.toml")


def rule_table() -> dict[str, dict[str, str]]:
    """Rule → severity, message, hint."""
    return {rule: words for rule, words in _table().items() if "severity" in words}


def other_classes() -> frozenset[str]:
    """Classes of OpenEmbedded-Core that drivers inherit and that do not bring the module class."""
    return frozenset(_table()["other_classes"])


def _finding(found: Found, path: Path) -> Finding:
    rule = rule_table()[found.rule]
    return Finding(
        file=str(found.file or path),
        line=found.line,
        rule=found.rule,
        severity=Severity(rule["severity"]),
        message=rule["message"].format(**found.words),
        hint=rule["hint"].format(**found.words),
        fixable=found.translated or bool(found.edits),
    )
