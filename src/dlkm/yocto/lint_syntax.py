# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on how a recipe is written."""

import re
from collections.abc import Iterator

from dlkm.yocto.lint import Edit, Found, other_classes
from dlkm.yocto.overrides import OPERATORS, translate
from dlkm.yocto.recipetext import Recipe
from dlkm.yocto.releases import Release
from dlkm.yocto.statements import Kind, Statement

# Variables that are lists of words.
_WORDS = frozenset(
    {
        *(
            "EXTRA_OEMAKE",
            "SRC_URI",
            "DEPENDS",
            "RDEPENDS",
            "RRECOMMENDS",
            "RPROVIDES",
            "PROVIDES",
            "FILES",
            "PACKAGES",
        ),
        *("KERNEL_MODULE_AUTOLOAD", "KERNEL_MODULE_PROBECONF", "MAKE_TARGETS", "LIC_FILES_CHKSUM", "CONFFILES"),
    }
)
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


def _run_together(recipe: Recipe, _release: Release) -> Iterator[Found]:
    """`:append` and `:prepend` add no blank: in a list of words the last and the first become one."""
    for one in recipe.own:
        base, *overrides = one.name.split(":")
        if one.kind is not Kind.ASSIGNMENT or one.flag or base not in _WORDS or not one.value.strip():
            continue
        quote = one.lines[0].partition("=")[2].lstrip()[:1]
        if "append" in overrides and not re.match(r"[\s$]", one.value):
            new = f"{quote} {one.value.split()[0]}"
            yield _together(one, ":append", "begin", f"{quote}{one.value.split()[0]}", new)
        elif "prepend" in overrides and not re.search(r"[\s}]\Z", one.value):
            yield _together(
                one, ":prepend", "end", f"{one.value.split()[-1]}{quote}", f"{one.value.split()[-1]} {quote}"
            )


def _together(one: Statement, operator: str, where: str, old: str, new: str) -> Found:
    line = next((number for number, text in enumerate(one.lines, one.line) if old in text), None)
    edits = () if line is None else (Edit(line=line, old=old, new=new),)
    words = {"operator": operator, "where": where, "variable": one.name}
    return Found(rule="words-run-together", line=one.line, words=words, edits=edits)


RULES = (_not_parsed, _old_overrides, _tabs, _inherit, _run_together)
