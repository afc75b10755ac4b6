# SPDX-License-Identifier: GPL-2.0-only
"""The fetch phase: bb's own fetchers, on literal values, into the shared download directory."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self

import bb
import bb.data_smart
import bb.fetch2
import bb.progress

from dlkm.yocto.worker.messages import Ear, listen

_GIT = "git -c gc.autoDetach=false -c core.pager=cat -c safe.bareRepository=all -c clone.defaultRemoteName=origin"
_WGET = "wget --tries=2 --timeout=30"
_BY_WGET = frozenset({"http", "https", "ftp", "ftps"})
_KEPT = 8192  # characters of what git or wget said
_SHOWN = 6  # lines of it
_SAYS_NOTHING = re.compile(r"Unable to fetch URL from any source|There was some missing checksums|^Checksum failure ")
_BY_A_PROGRAM = re.compile(r"^Fetch command .* see logfile for output", re.DOTALL)
_ABOUT_CHECKSUM = re.compile(r"Checksum mismatch!|Missing SRC_URI checksum")
_PROGRESS = re.compile(r"\d+K[ .]+|(?:remote: )?(?:Counting|Compressing|Receiving|Resolving) \w+|Cloning into|$")


class _Output:
    """In place of standard output for what git and wget say: the last of it is kept, to be told when they fail."""

    said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def write(self, text: str) -> None:
        """Keep the end."""
        _Output.said = (_Output.said + text)[-_KEPT:]

    def flush(self) -> None:
        """Nothing waits."""


def fetch_all(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One answer for each recipe: {} or what went wrong, with the URL."""
    bb.progress.StdoutNoopContextManager = _Output
    for wanted in request["fetches"]:
        ear = listen()
        d = _datastore(request, wanted)
        problem = None
        revisions: dict[str, str] = {}
        for url in wanted["urls"]:
            problem = _fetched(url, d, revisions, ear)
            if problem is not None:
                break
        yield {"problem": problem, "revisions": revisions, "messages": ear.heard}


def _datastore(request: dict[str, Any], wanted: dict[str, Any]) -> Any:
    d = bb.data_smart.DataSmart()
    bb.fetch2.fetcher_init(d, servercontext=False)
    values = {
        "FETCHCMD_git": _GIT,
        "FETCHCMD_wget": _WGET,
        "BB_STRICT_CHECKSUM": "1",
        "FILE": wanted["files"] + "/x.bb",
    }
    for name, value in (values | wanted["variables"] | request["preset"]).items():
        if value is not None:
            # A value is text: what looks like an expression in it was expanded where the recipe was read.
            d.setVar(name, value.replace("${", "$ {"))
    for flag, value in wanted["flags"].items():
        d.setVarFlag("SRC_URI", flag, value)
    folder = request["preset"]["DL_DIR"]
    d.setVar("GITDIR", f"{folder}/git2")
    d.setVar("PREMIRRORS", f"{request['premirrors']} {d.getVar('PREMIRRORS') or ''}")
    d.setVar("SRC_URI", " ".join(wanted["urls"]))
    d.setVar("__BBSRCREV_SEEN", "1")  # else bb refuses to ask for the newest revision
    d.setVar("T", request["scratch"])
    d.setVar("WORKDIR", request["scratch"])
    return d


def _keep(path: str | None, folder: str) -> None:
    """bb only links to a file that a local mirror has: the builds cannot see it there."""
    if not path or not os.path.islink(path):
        return
    real = os.path.realpath(path)
    if real.startswith(f"{folder}/") or not os.path.isfile(real):
        return
    copy = f"{path}.{os.getpid()}"
    shutil.copyfile(real, copy)
    os.replace(copy, path)


def _fetched(url: str, d: Any, revisions: dict[str, str], ear: Ear) -> dict[str, str] | None:
    """Fetch one source; what began earlier is gone on with, and begun anew when the whole turns out wrong."""
    named = dict(word.partition("=")[::2] for word in url.split(";")[1:]).get("downloadfilename", "")
    if "/" in named or named in {".", ".."}:
        # It would lie elsewhere below the downloads: in somebody's repository, whose configuration git obeys.
        return {"url": url, "text": f"downloadfilename={named} is no file name", "kind": "parameter"}
    begun = _partial(url, d)
    resumed = begun is not None and os.path.exists(begun)
    problem = _tried(url, d, revisions, ear)
    if begun is not None and problem is not None and problem["kind"] == "checksum":
        with suppress(FileNotFoundError):
            os.remove(begun)
        if resumed:
            problem = _tried(url, d, revisions, ear)
    return problem


def _partial(url: str, d: Any) -> str | None:
    """Where bb's wget keeps what it has of a file, None for other kinds of sources."""
    try:
        data = bb.fetch2.FetchData(url, d)
    except bb.fetch2.BBFetchException:
        return None
    return f"{d.getVar('DL_DIR')}/{data.localfile}.tmp" if data.type in _BY_WGET else None


def _tried(url: str, d: Any, revisions: dict[str, str], ear: Ear) -> dict[str, str] | None:
    before, _Output.said = len(ear.errors()), ""
    try:
        fetcher = bb.fetch2.Fetch([url], d)
        fetcher.download()
        data = fetcher.ud[url]
        _keep(data.localpath, d.getVar("DL_DIR"))
        if getattr(data, "revision", None) and getattr(data, "unresolvedrev", None):
            revisions[data.method.generate_revision_key(data, d, data.name)] = data.revision
    except (bb.fetch2.ParameterError, bb.fetch2.MalformedUrl, bb.fetch2.MissingParameterError) as error:
        return {"url": url, "text": str(error), "kind": "parameter"}
    except (bb.fetch2.BBFetchException, bb.BBHandledException, OSError) as error:
        return _refused(url, str(error), ear.errors()[before:])
    return None


def _refused(url: str, text: str, logged: list[str]) -> dict[str, str]:
    """bb raises that nothing worked; why, it only logs."""
    why = [_plain(line) for line in (*logged, text) if not _SAYS_NOTHING.search(line)] or [text]
    if any(_BY_A_PROGRAM.search(line) for line in why):
        why = [line for line in why if not _BY_A_PROGRAM.search(line)] + [_last_words(_Output.said)]
    joined = "\n".join(dict.fromkeys(why))
    kind = "checksum" if _ABOUT_CHECKSUM.search(joined) else "fetch"
    return {"url": url, "text": joined, "kind": kind}


def _plain(text: str) -> str:
    """Without the words in which bb wraps what went wrong."""
    return re.sub(r"^Fetcher failure(?: for URL: '[^']*')?[:.]\s*", "", text.strip())


def _last_words(text: str) -> str:
    """The end of what git or wget said, without their progress."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    return "\n".join([line for line in lines if not _PROGRESS.match(line)][-_SHOWN:])
