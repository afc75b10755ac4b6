# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on how a recipe is written."""

from collections.abc import Iterator

from dlkm.yocto.lint import Found, other_classes
from dlkm.yocto.overrides import OPERATORS, translate
from dlkm.yocto.recipetext import Recipe
from dlkm.yocto.releases import Release
from dlkm.yocto.statements import Kind

_SHOWN = 60  # characters of a line that a message repeats


def _not_parsed(recipe: Recipe, _release: Release) -> Iterator[Found]:
    for one in recipe.own:
        if one.kind is Kind.OTHER:
            yield Found(rule="not-parsed", line=one.line, words={"text": one.lines[0].strip()[:_SHOWN]})
        elif one.kind in {Kind.SHELL, Kind.PYTHON} and one.lines[-1].rstrip() != "}":
            yield Found(rule="unclosed-function", line=one.line, words={"name": one.name or "the anonymous function"})


def _old_overrides(recipe: Recipe, _release: Release) -> Iterator[Found]:
    # The edits are left to the translation itself, which knows what is a name and what is not.
    for notice in translate(recipe.text, recipe.path.name)[1]:
        operator = bool(set(notice.new.split(":")) & OPERATORS)
        what = "BitBake ends on it" if operator else "BitBake takes it for a variable that nobody reads"
        words = {"old": notice.old, "new": notice.new, "what": what}
        yield Found(rule="old-override", line=notice.line, words=words, translated=True)


def _tabs(recipe: Recipe, _release: Release) -> Iterator[Found]:
    for one in recipe.own:
        tabbed = any(line.lstrip(" ").startswith("\t") for line in one.body)
        if one.kind in {Kind.PYTHON, Kind.DEFINITION} and tabbed:
            yield Found(rule="python-tabs", line=one.line, words={"name": one.name or "the anonymous function"})


def _inherit(recipe: Recipe, _release: Release) -> Iterator[Found]:
    if not recipe.appends and recipe.complete and recipe.classes <= other_classes():
        yield Found(rule="inherit-missing", line=1)


RULES = (_not_parsed, _old_overrides, _tabs, _inherit)
