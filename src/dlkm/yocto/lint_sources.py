# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on where sources come from and where they are unpacked."""

import re
from collections.abc import Iterator

from dlkm.yocto.lint import Edit, Found
from dlkm.yocto.recipetext import Recipe, Source
from dlkm.yocto.releases import Release
from dlkm.yocto.statements import Kind, Statement

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_GIT = frozenset({"git", "gitsm"})
_WEB = frozenset({"http", "https", "ftp"})
_IN_WORKDIR = re.compile(r"\$\{WORKDIR\}/([\w.+-][\w./+-]*)")
_SUMS = ("sha256sum", "sha384sum", "sha512sum", "sha1sum", "md5sum")  # any of them is enough for BitBake
_SOURCES = "sources"  # the directory below WORKDIR that UNPACKDIR is since whinlatter


def _source_directory(recipe: Recipe, release: Release) -> Iterator[Found]:
    for one in recipe.assignments("S"):
        value = one.value.rstrip("/")
        if value in {"${WORKDIR}", "${WORKDIR}/."} and release.since(Release.STYHEAD):
            edit = Edit(line=one.line, old=one.value, new="${UNPACKDIR}")
            yield Found(rule="source-workdir", line=one.line, edits=(edit,))
        elif value in {"${WORKDIR}/git", "${UNPACKDIR}/git"} and release.since(Release.WHINLATTER):
            yield _git_directory(recipe, one, value)
        elif value.startswith("${WORKDIR}/") and release.since(Release.WHINLATTER):
            yield from _below_workdir(recipe, one, value)


def _below_workdir(recipe: Recipe, one: Statement, value: str) -> Iterator[Found]:
    first, slash, rest = value.removeprefix("${WORKDIR}/").partition("/")
    if first == _SOURCES:
        return
    if first == "git" and not _unpacks_to_git(recipe):
        first = "${BP}"
    new = "${UNPACKDIR}/" + first + slash + rest
    edit = Edit(line=one.line, old=value, new=new)
    yield Found(rule="source-below-workdir", line=one.line, words={"value": value, "new": new}, edits=(edit,))


def _unpacks_to_git(recipe: Recipe) -> bool:
    """Whether a source says itself that it wants to be in a directory called git."""
    wanted = (source.parameters.get("destsuffix", "") for source in recipe.sources)
    return any(suffix.split("/")[0] == "git" for suffix in wanted)


def _git_directory(recipe: Recipe, one: Statement, value: str) -> Found:
    single = len(one.lines) == 1 and not one.name.partition(":")[2]
    if _unpacks_to_git(recipe) or not single:
        hint = "name another destsuffix than git, and set S to it below ${UNPACKDIR}"
        return Found(rule="source-git", line=one.line, words={"value": value, "hint": hint})
    edit = Edit(line=one.line, old=one.lines[0], new=None)
    return Found(rule="source-git", line=one.line, words={"value": value, "hint": "leave S alone"}, edits=(edit,))


def _in_workdir(recipe: Recipe, release: Release) -> Iterator[Found]:
    """`${WORKDIR}/FILE` and `${WORKDIR}/sources/FILE` of a file:// source."""
    files = {source.path.rstrip("/").split("/")[0] for source in recipe.sources if source.scheme == "file"}
    if recipe.mentions("UNPACKDIR"):
        return
    for one in recipe.own:
        if one.kind in {Kind.COMMENT, Kind.BLANK} or one.name in {"S", "B"}:
            continue
        for number, line in enumerate(one.lines, one.line):
            for match in _IN_WORKDIR.finditer(line):
                yield from _misplaced(match, number, files, release)


def _misplaced(match: re.Match[str], line: int, files: set[str], release: Release) -> Iterator[Found]:
    first, _slash, rest = match[1].partition("/")
    spelled_out = first == _SOURCES and rest.split("/")[0] in files
    separate = release.since(Release.STYHEAD)
    if not spelled_out and not (first in files and separate):
        return
    new = ("${UNPACKDIR}/" if separate else "${WORKDIR}/") + (rest if spelled_out else match[1])
    right = spelled_out and release.since(Release.WHINLATTER)
    yield Found(
        rule="unpackdir-spelled-out" if right else "fetched-in-workdir",
        line=line,
        words={"text": match[0], "release": release, "new": new},
        edits=(Edit(line=line, old=match[0], new=new),),
    )


def _files(recipe: Recipe, _release: Release) -> Iterator[Found]:
    if recipe.appends:
        return
    unknown = "$" in recipe.mentions("FILESEXTRAPATHS") or "FILESPATH" in {
        one.name.split(":")[0] for one in recipe.every
    }
    for source in recipe.sources:
        name = source.path
        if source.scheme != "file" or unknown or not source.line or re.search(r"[$*?\[]", name) or name.startswith("/"):
            continue
        if recipe.find(name.rstrip("/")) is None:
            first = f"{recipe.path.absolute().parent.name}/{recipe.name}/"
            places = f"{recipe.name}-{recipe.value('PV')}/, {recipe.name}/ and files/"
            line = _line_of(recipe, source, name)
            yield Found(rule="file-missing", line=line, words={"name": name, "places": places, "first": first})


def _git(recipe: Recipe, _release: Release) -> Iterator[Found]:
    for source in recipe.sources:
        if source.scheme not in _GIT or not source.line or "${@" in source.url:
            continue
        line, named = _line_of(recipe, source, source.path), source.parameters
        if not named.get("branch") and named.get("nobranch") != "1":
            yield Found(rule="git-no-branch", line=line, words={"url": source.url})
        if source.path.startswith("github.com/") and named.get("protocol", "git") == "git":
            edits = () if "protocol" in named else _after_url(recipe, line, source)
            yield Found(rule="git-protocol", line=line, words={"url": source.url}, edits=edits)


def _after_url(recipe: Recipe, line: int, source: Source) -> tuple[Edit, ...]:
    url = f"{source.scheme}://{source.path}"
    if url not in recipe.lines[line - 1]:
        return ()  # put together from variables
    return (Edit(line=line, old=url, new=f"{url};protocol=https"),)


def _revisions(recipe: Recipe, _release: Release) -> Iterator[Found]:
    for source in recipe.sources:
        named = source.parameters
        if source.scheme not in _GIT or not source.line or "rev" in named or named.get("usehead") == "1":
            continue
        names = [f"SRCREV_{name}" for name in named.get("name", "").split(",") if name]
        if recipe.complete and not any(recipe.mentions(name) for name in (*names, "SRCREV")) and not recipe.appends:
            name = f"_{named['name']}" if named.get("name") else ""
            remote = f"{named.get('protocol', 'https')}://{source.path}"
            words = {"url": source.url, "name": name, "remote": remote, "branch": named.get("branch", "HEAD")}
            yield Found(rule="srcrev-missing", line=_line_of(recipe, source, source.path), words=words)
    for one in recipe.own:
        name, value = one.name.split(":")[0], recipe.expand(one.value)
        is_revision = one.kind is Kind.ASSIGNMENT and name.startswith("SRCREV") and name != "SRCREV_FORMAT"
        if is_revision and "${@" not in value and not _COMMIT.match(value):
            yield Found(rule="srcrev-floats", line=one.line, words={"value": one.value})


def _checksums(recipe: Recipe, _release: Release) -> Iterator[Found]:
    flags = {one.flag for one in recipe.every if one.kind is Kind.ASSIGNMENT and one.name == "SRC_URI"}
    for source in recipe.sources:
        if source.scheme not in _WEB or not source.line or not recipe.complete:
            continue
        name = source.parameters.get("name", "")
        wanted = {f"{before}{kind}" for kind in _SUMS for before in ("", f"{name}." if name else "")}
        if not wanted & (flags | source.parameters.keys()):
            words = {"url": source.url, "name": f"{name}." if name else ""}
            yield Found(rule="checksum-missing", line=_line_of(recipe, source, source.path), words=words)


def _line_of(recipe: Recipe, source: Source, text: str) -> int:
    """The physical line on which an entry stands; that of its statement when it is put together from variables."""
    lines = recipe.lines
    statement = next(one for one in recipe.own if one.line == source.line)
    return next(
        (number for number in range(statement.line, statement.last + 1) if text in lines[number - 1]), source.line
    )


RULES = (_source_directory, _in_workdir, _files, _git, _revisions, _checksums)
