# SPDX-License-Identifier: GPL-2.0-only
"""One recipe read by bb: its datastore, and what of it the program outside wants to know, as plain values."""

import os.path
import re
from pathlib import Path
from typing import Any

import bb
import bb.data
import bb.fetch2
import bb.parse

from dlkm.yocto.worker.messages import Ear
from dlkm.yocto.worker.spelling import Reader

_NEEDED = ("PN", "PV", "WORKDIR", "SRC_URI", "S", "B", "DEPENDS", "LIC_FILES_CHKSUM", "PACKAGES")  # for any build
_HIDDEN = ("__", "_")  # bb's own notes


class RecipeError(Exception):
    """A recipe that cannot be read; its text says why, and the place is known where bb tells it."""

    def __init__(self, text: str, file: str = "", line: int = 0) -> None:
        super().__init__(text)
        self.text, self.file, self.line = text, file, line


def parse(path: str, appends: list[str], base: Any, ear: Ear) -> Any:
    """The recipe's datastore; RecipeError when bb cannot read it."""
    d = bb.data.createCopy(base)
    d.setVar("__BBMULTICONFIG", "")
    if appends:
        d.setVar("__BBAPPEND", " ".join(appends))
    try:
        d.setVar("FILE_LAYERNAME", _collection(path, d))
        return _whole(bb.parse.handle(path, d)[""])
    except bb.parse.ParseError as error:
        raise RecipeError(str(error.msg), str(error.filename), int(error.lineno or 0)) from error
    except bb.data_smart.ExpansionError as error:
        raise RecipeError(_plainly(error), *_set_at(d, error.variablename)) from error
    except bb.BBHandledException as error:
        raise _said(ear.errors()) from error
    except (bb.fetch2.BBFetchException, SyntaxError, OSError) as error:
        raise RecipeError(
            str(error), str(getattr(error, "filename", "") or ""), getattr(error, "lineno", 0) or 0
        ) from error
    except Exception as error:
        raise RecipeError(f"{type(error).__name__}: {error}") from error


def _collection(path: str, d: Any) -> str:
    """The name that a recipe's layer gives itself, as bb.cooker.CookerCollectFiles.calc_bbfile_priority finds it."""
    names = (d.getVar("BBFILE_COLLECTIONS") or "").split()
    patterns = [(d.getVar(f"BBFILE_PATTERN_{name}") or r"(?!)", name) for name in names]
    return next((name for pattern, name in sorted(patterns, reverse=True) if re.match(pattern, path)), "")


def _whole(d: Any) -> Any:
    """The same once it is sure that what any build needs can be expanded."""
    if not d.getVar("__SKIPPED", False):
        for name in _NEEDED:
            d.getVar(name)
    return d


def _said(texts: list[str]) -> RecipeError:
    """What was said before bb gave up; of an exception in a recipe's Python its own words and the recipe's line."""
    text = "; ".join(texts) or "bb gave up without a word"
    raised = raised_at(text)
    return RecipeError(*raised) if raised is not None else RecipeError(text, *_place_in(texts))


def raised_at(text: str) -> tuple[str, str, int] | None:
    """Of an exception in Python as bb tells it: its words, and file and line of the recipe; None for no such."""
    calls = re.findall(r"^File: '(/[^']+)', lineno: (\d+)", text, re.MULTILINE)
    raised = re.findall(r"^Exception: (.*)", text, re.MULTILINE)
    if not calls or not raised:
        return None
    own = [call for call in calls if "/dlkm/yocto/meta/" not in call[0] and "/lib/bb/" not in call[0]] or calls
    return raised[-1], own[-1][0], int(own[-1][1])


def _place_in(texts: list[str]) -> tuple[str, int]:
    """The place that a message names: `FILE:12` or `on line 12 of file FILE`."""
    for text in texts:
        match = re.search(r"(/[^\s:]+\.(?:bb|bbappend|inc|bbclass|conf)):(\d+)", text)
        if match:
            return match[1], int(match[2])
        match = re.search(r"line:? (\d+)", text)
        file = re.search(r"file:? (/[^\s:,]+)", text)
        if match and file:
            return file[1], int(match[1])
    return "", 0


def _plainly(error: Any) -> str:
    """An expansion that failed, in one line."""
    return f"{error.variablename}: {type(error.exception).__name__}: {error.exception}, in {error.expression}"


def _set_at(d: Any, variable: str | None) -> tuple[str, int]:
    events = d.varhistory.variable(variable) if variable else []
    event = next((event for event in reversed(events) if event.get("file")), None)
    return (str(event["file"]), int(event.get("line") or 0)) if event else ("", 0)


def files_of(d: Any) -> list[str]:
    """Every recipe file that was read for it: the .bb, .inc, .bbappend and the layers' classes."""
    return [name for name, found in d.getVar("__depends", False) or [] if found]


def described(d: Any, reader: Reader, ear: Ear, wanted: dict[str, Any]) -> dict[str, Any]:
    """What the program outside is told of a parsed recipe."""
    skipped = d.getVar("__SKIPPED", False)
    _note_places(d, reader)
    answer: dict[str, Any] = {
        "compatible": not skipped,
        "why": str(skipped) if skipped else None,
        "facts": {name: _value(d, name) for name in wanted["facts"]},
        "tasks": order_of(d),
        "inherits": [Path(name).stem for name in d.getVar("__inherit_cache", False) or []],
        "fetch": None if skipped else _fetching(d),
        "sources": [] if skipped else _sources(d),
        "files": files_of(d),
    }
    if wanted.get("variables") or wanted.get("variable"):
        answer["bodies"] = {task: _body(d, task) for task in answer["tasks"]}
    if wanted.get("variables"):
        answer["variables"] = _variables(d)
        answer["history"] = _history(d)
    elif wanted.get("variable"):
        name = wanted["variable"]
        try:
            answer["variables"] = {name: d.getVar(name)}
        except bb.data_smart.ExpansionError as error:
            raise RecipeError(_plainly(error), *_set_at(d, error.variablename)) from error
        answer["history"] = _history(d, [name])
    answer["notices"], answer["messages"] = reader.notices, ear.heard
    return answer


def _note_places(d: Any, reader: Reader) -> None:
    unpacked = d.getVar("UNPACKDIR", False)
    if unpacked == "${WORKDIR}":
        places = {"sources": "${WORKDIR}", "sources-unpack": "${WORKDIR}"}
    else:
        places = {"git": "${S}", "sources": "${UNPACKDIR}", "sources-unpack": "${UNPACKDIR}"}
    for name in files_of(d):
        if name.endswith((".bb", ".inc", ".bbappend")):
            reader.note_old_places(name, places)


def _value(d: Any, name: str) -> str | None:
    try:
        value = d.getVar(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 — whatever a recipe's own Python raises
        bb.warn(f"{name} cannot be expanded: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        return None
    return None if value is None else str(value)


def _plain(d: Any, name: str) -> bool:
    return not name.startswith(_HIDDEN) and not d.getVarFlag(name, "func", False) and not name.startswith("BB_ORIGENV")


def _variables(d: Any) -> dict[str, str | None]:
    """Every variable, expanded; functions are not among them, nor what only stands for another through overrides."""
    names = sorted(name for name in d.keys() if _plain(d, name))  # noqa: SIM118 — a datastore is no dict
    return {name: _value(d, name) for name in names}


def _body(d: Any, task: str) -> str:
    text = d.getVar(task, bool(not d.getVarFlag(task, "python", False)))
    return "" if text is None else str(text)


def _history(d: Any, names: list[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    """Where each variable was set: file, line, operation, flag and the text as it stands there."""
    chosen = names if names is not None else [name for name in d.keys() if _plain(d, name)]  # noqa: SIM118 — as above
    return {
        name: found for name in sorted(chosen) if (found := [_event(event) for event in d.varhistory.variable(name)])
    }


def _event(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "file": str(event.get("file", "")),
        "line": int(event.get("line") or 0),
        "op": str(event.get("op", "set")),
        "flag": event.get("flag"),
        "text": str(event.get("detail", "")),
    }


def order_of(d: Any) -> list[str]:
    """The tasks that do_build needs, each after those it waits for; equals in the order of their declaration."""
    declared = [task for task in d.getVar("__BBTASKS", False) or [] if d.getVarFlag(task, "task", False)]
    before = {task: [name for name in d.getVarFlag(task, "deps", False) or [] if name in declared] for task in declared}
    order: list[str] = []
    visiting: set[str] = set()

    def visit(task: str) -> None:
        if task in order:
            return
        if task in visiting:
            raise RecipeError(f"the task {task} waits for itself")
        visiting.add(task)
        for name in sorted(before.get(task, ()), key=declared.index):
            visit(name)
        order.append(task)

    if "do_build" in declared:
        visit("do_build")
    return [task for task in order if not d.getVarFlag(task, "noexec", False)]


def named_at(d: Any, url: str) -> list[Any]:
    """File and line on which an entry of SRC_URI stands, as far as its text tells; else where SRC_URI was last set."""
    bare = url.partition(";")[0]
    found: list[Any] = ["", 0]
    for event in d.varhistory.variable("SRC_URI"):
        file, last = str(event.get("file", "")), int(event.get("line") or 0)
        if event.get("flag") or not last or "/dlkm/yocto/meta/" in file:
            continue
        found = [file, last]
        if bare in str(event.get("detail", "")):
            return [file, _line_with(file, last, bare)]
    return found


def _line_with(file: str, last: int, text: str) -> int:
    """The line of a statement that ends (or begins) at `last` on which the text stands."""
    try:
        lines = Path(file).read_text("utf-8", "replace").splitlines()
    except OSError:
        return last
    near = sorted(
        (number for number, line in enumerate(lines, 1) if text in line), key=lambda number: abs(number - last)
    )
    return near[0] if near else last


def _fetching(d: Any) -> dict[str, Any]:
    """What the fetcher needs, as literal values: it must not see the recipe itself."""
    urls = (_value(d, "SRC_URI") or "").split()
    remote = [url for url in urls if not url.startswith("file://")]
    names = [name for name in d.keys() if name.startswith("SRCREV")] if remote else []  # noqa: SIM118 — as above
    names += ["PN", "PV", "BPN", "BP", "PREMIRRORS", "MIRRORS", "BB_GIT_DEFAULT_DESTSUFFIX"] if remote else []
    names += ["BB_NO_NETWORK", "BB_FETCH_PREMIRRORONLY", "BB_ALLOWED_NETWORKS", "BB_GIT_SHALLOW"] if remote else []
    flags = d.getVarFlags("SRC_URI") or {}
    return {
        "urls": remote,
        "variables": {name: _value(d, name) for name in names if d.getVar(name, False) is not None},
        "flags": {key: d.expand(str(value)) for key, value in flags.items() if key.endswith("sum")},
        "places": {url: named_at(d, url) for url in remote},
        "files": os.path.dirname(d.getVar("FILE", False)),
    }


def _sources(d: Any) -> list[dict[str, str]]:
    """Where each entry of SRC_URI lies, or will once it is fetched; of a repository its clone and revision.

    `key` is bb's name for a revision that only the fetch phase knows.
    """
    found = []
    for url in (_value(d, "SRC_URI") or "").split():
        source = {"url": url, "path": "", "revision": "", "key": ""}
        try:
            data = bb.fetch2.FetchData(url, d)
            source["revision"] = str(getattr(data, "revision", "") or "")
            if source["revision"] and getattr(data, "unresolvedrev", None):
                source["key"] = data.method.generate_revision_key(data, d, data.name)
            data.setup_localpath(d)
            source["path"] = str(data.localpath or "")
        except (bb.fetch2.BBFetchException, bb.BBHandledException, OSError):
            pass  # the fetch phase meets the same, and tells
        found.append(source)
    return found
