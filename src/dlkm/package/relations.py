# SPDX-License-Identifier: GPL-2.0-or-later
"""What packages say of others: `NAME`, `NAME (>= 1.0)`, `A | B (= 2)`. Reads and writes these, knows no package."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dlkm.core.errors import MalformedError
from dlkm.package.names import Format, Version, package_name

_TERM = re.compile(r"\s*([^\s(|,]+)\s*(?:\(?\s*(<<|>>|<=|>=|<|>|=)\s*([0-9A-Za-z][^\s)]*)\s*\)?)?\s*")
# Debian's words for what is strictly before or after; '<' means '<=' there.
_DEBIAN = {"<": "<<", ">": ">>"}
_PLAIN = {"<<": "<", ">>": ">"}


@dataclass(frozen=True, slots=True)
class Term:
    """One name, and which of its versions; both empty for all. `sense` is one of < <= = >= >."""

    name: str
    sense: str = ""
    version: str = ""


Relation = tuple[Term, ...]  # alternatives


def parse(text: str) -> Relation:
    """From `NAME (>= 1.0)`, also written `NAME >= 1.0`; MalformedError for whatever is none."""
    terms = []
    for part in text.split("|"):
        match = _TERM.fullmatch(part)
        if match is None:
            raise MalformedError(f"{text!r} is no relation to a package", hint="write NAME, or 'NAME (>= 1.0)'")
        sense = match[2] or ""
        terms.append(Term(match[1], _PLAIN.get(sense, sense), match[3] or ""))
    return tuple(terms)


def write(relation: Relation) -> str:
    """As `parse` reads it."""
    return " | ".join(f"{term.name} ({term.sense} {term.version})" if term.sense else term.name for term in relation)


def for_control(relations: Iterable[str], form: Format) -> tuple[str, ...]:
    """As a control file has them: names and versions that the format takes, dpkg's words for strict comparisons."""

    def term_of(term: Term) -> str:
        name = package_name(term.name, form)
        sense = _DEBIAN.get(term.sense, term.sense)
        return f"{name} ({sense} {Version.parse(term.version, form)})" if sense else name

    return tuple(dict.fromkeys(" | ".join(map(term_of, parse(text))) for text in relations))


def each_term(relations: Iterable[str], change: Callable[[Term], Relation | None]) -> tuple[str, ...]:
    """Every term changed; None leaves its relation out. Each relation once, in the order in which it first comes."""
    changed: dict[str, None] = {}
    for text in relations:
        found = [change(term) for term in parse(text)]
        if None not in found:
            changed[write(tuple(term for terms in found if terms is not None for term in terms))] = None
    return tuple(changed)
