# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on LICENSE and LIC_FILES_CHKSUM, and the checksums that would be right."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from dlkm.yocto.licences import CLOSED, checksum, common_licences, former_names, is_known, names_in
from dlkm.yocto.lint import Edit, Found
from dlkm.yocto.recipetext import Recipe, Source
from dlkm.yocto.releases import Release
from dlkm.yocto.statements import Statement

TEXTS = ("COPYING", "LICENSE", "LICENSE.txt", "LICENCE", "COPYING.GPL", "GPL-2.0")  # what drivers call a licence's text
_COMMON = re.compile(r"file://\$\{COMMON_LICENSE_DIR\}/(.+)")
_ROOTS = re.compile(r"\$\{(?:WORKDIR|UNPACKDIR)\}(?:/sources)?/?")


def common_line(name: str) -> str | None:
    """The LIC_FILES_CHKSUM entry for a licence through COMMON_LICENSE_DIR; None when OpenEmbedded has no text."""
    md5 = common_licences().get(name)
    return None if md5 is None else f"file://${{COMMON_LICENSE_DIR}}/{name};md5={md5}"


def _named(recipe: Recipe, _release: Release) -> Iterator[Found]:
    statements = recipe.assignments("LICENSE")
    if not statements and recipe.complete and not recipe.appends and not recipe.mentions("LICENSE"):
        yield Found(
            rule="licence-missing", line=1, words={"hint": 'a driver for Linux mostly is LICENSE = "GPL-2.0-only"'}
        )
    for one in statements:
        for name in names_in(recipe.expand(one.value)):
            if name in former_names():
                edits = (Edit(line=one.line, old=one.value, new=_renamed(one.value)),) if name in one.value else ()
                yield Found(
                    rule="licence-former-name",
                    line=one.line,
                    words={"old": name, "new": former_names()[name]},
                    edits=edits,
                )
            elif not is_known(name) and "$" not in name:
                yield Found(rule="licence-unknown", line=one.line, words={"name": name, "hint": _like(name)})


def _renamed(value: str) -> str:
    return re.sub(r"[^\s&|()]+", lambda match: former_names().get(match[0], match[0]), value)


def _like(name: str) -> str:
    by_lower = {known.lower(): known for known in common_licences()}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    nearest = f"the nearest is {by_lower[close[0]]}; " if close else ""
    return f"{nearest}for a text of your own, LicenseRef-NAME and NO_GENERIC_LICENSE, or LICENSE_PATH"


def _missing(recipe: Recipe, _release: Release) -> Iterator[Found]:
    stated = any(one.name.split(":")[0] == "LIC_FILES_CHKSUM" for one in recipe.every)
    if stated or not recipe.sources or not recipe.complete or recipe.appends or recipe.value("LICENSE") == CLOSED:
        return
    line = max((one.last for one in recipe.assignments("LICENSE")), default=1)
    wanted = f'LIC_FILES_CHKSUM = "{right_line(recipe)}"'
    # Only where it is certain, and follows the licence that it is about.
    certain = "…" not in wanted and len(names_in(recipe.value("LICENSE"))) == 1
    before = recipe.lines[line - 1]
    edits = (Edit(line=line, old=before, new=f"{before}\n{wanted}"),) if certain and before.strip() else ()
    yield Found(rule="licence-checksum-missing", line=line, words={"hint": f"add {wanted}"}, edits=edits)


def right_line(recipe: Recipe) -> str:
    """An entry that would hold: a licence's text among the sources, else the common text of LICENSE."""
    for name in TEXTS:
        if any(source.scheme == "file" and source.path == name for source in recipe.sources):
            path = recipe.find(name)
            md5 = checksum(path) if path is not None else None
            if md5 is not None:
                return f"file://{name};md5={md5}"
    names = names_in(recipe.value("LICENSE"))
    name = former_names().get(names[0], names[0]) if names else "GPL-2.0-only"
    return common_line(name) or "file://COPYING;md5=…"


def _checked(recipe: Recipe, _release: Release) -> Iterator[Found]:
    for one in recipe.assignments("LIC_FILES_CHKSUM"):
        for word in recipe.expand(one.value).split():
            url, *parameters = word.split(";")
            pairs = dict(part.partition("=")[::2] for part in parameters)
            entry = Source(url=url, parameters=pairs)
            common = _COMMON.fullmatch(url)
            if common is not None:
                yield from _common(one, common[1], entry)
            else:
                yield from _own(recipe, one, entry)


def _common(one: Statement, name: str, entry: Source) -> Iterator[Found]:
    known = common_licences().get(name)
    if "$" in name:
        return
    if known is None:
        new = former_names().get(name)
        hint = f"today it is called {new}" if new else "name one that OpenEmbedded has, or a file of the sources"
        edits = (_edit(one, f"/{name}", f"/{new}"),) if new and f"/{name};" in one.value else ()
        yield Found(rule="licence-no-such-text", line=_line(one, name), words={"name": name, "hint": hint}, edits=edits)
    elif {"beginline", "endline"} & entry.parameters.keys():
        return  # lines of a text that is not here
    elif (stated := entry.parameters.get("md5")) != known:
        edits = (_edit(one, stated, known),) if stated and stated in one.value else ()
        words = {"file": f"${{COMMON_LICENSE_DIR}}/{name}", "real": known, "stated": stated or "none"}
        yield Found(
            rule="licence-checksum", line=_line(one, name), words=words | {"hint": f"write ;md5={known}"}, edits=edits
        )


def _own(recipe: Recipe, one: Statement, entry: Source) -> Iterator[Found]:
    path = _beside(recipe, entry.path)
    bounds = (entry.parameters.get("beginline", "0"), entry.parameters.get("endline", "0"))
    if path is None or not all(bound.isascii() and bound.isdigit() and len(bound) < 9 for bound in bounds):
        return
    real = checksum(path, *map(int, bounds))
    stated = entry.parameters.get("md5")
    if real is not None and stated != real:
        # Not mended: a text that changed is what the checksum is there to tell.
        hint = f"read what changed, then write ;md5={real}"
        words = {"file": entry.path, "real": real, "stated": stated or "none", "hint": hint}
        yield Found(rule="licence-checksum", line=_line(one, entry.path), words=words)


def _beside(recipe: Recipe, path: str) -> Path | None:
    """The file beside the recipe that S/PATH is made from, when no patch may have changed it."""
    source_directory = recipe.value("S")
    below = _ROOTS.sub("", source_directory, count=1) if source_directory else None
    patched = any(re.search(r"\.(?:patch|diff)$", source.path) for source in recipe.sources)
    if below is None or "$" in below or patched:
        return None
    name = "/".join(part for part in (*below.split("/"), *path.split("/")) if part not in {"", "."})
    first = name.split("/")[0]
    return recipe.find(name) if any(source.path.split("/")[0] == first for source in recipe.sources) else None


def _edit(one: Statement, old: str, new: str) -> Edit:
    return Edit(line=_line(one, old), old=old, new=new)


def _line(one: Statement, text: str) -> int:
    return next((number for number, line in enumerate(one.lines, one.line) if text in line), one.line)


RULES = (_named, _missing, _checked)
