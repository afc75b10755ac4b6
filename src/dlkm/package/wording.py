# SPDX-License-Identifier: GPL-2.0-or-later
"""The texts of a package as the checkers of its system want them: no line too long, nothing left empty."""

import textwrap
from dataclasses import replace

from dlkm.package.package import Package
from dlkm.package.systems import section_of

NOBODY = "Unknown maintainer <unknown@example.com>"
_SUMMARY, _LINE = 75, 76  # columns; lintian and rpmlint allow 79


def worded(package: Package) -> Package:
    """The package with texts that fit; a summary that was cut short stands whole in the description."""
    summary = " ".join(package.summary.split()) or package.name
    if summary.lower().startswith(package.name):
        summary = f"driver {summary}"
    told = package.description.strip() or package.summary
    short = textwrap.shorten(summary, _SUMMARY, placeholder=" ...")
    if short != summary:
        told = f"{summary}\n\n{told}"
    if told.rstrip(".") in {short, package.summary}:
        told = f"Packaged from what was built: {short}."
    return replace(
        package,
        summary=short,
        description="\n".join(_wrapped(line) for line in told.split("\n")),
        section=section_of(package.section),
        maintainer=" ".join(package.maintainer.split()) or NOBODY,
    )


def _wrapped(line: str) -> str:
    """What is set in (lists, code) stays as it is."""
    if len(line) <= _LINE or line.startswith((" ", "\t")):
        return line
    return textwrap.fill(line, _LINE, break_long_words=False, break_on_hyphens=False)
