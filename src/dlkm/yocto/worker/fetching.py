# SPDX-License-Identifier: GPL-2.0-only
"""The fetch phase: bb's own fetchers, on literal values, into the shared download directory."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import bb
import bb.data_smart
import bb.fetch2

from dlkm.yocto.worker.messages import listen

_GIT = "git -c gc.autoDetach=false -c core.pager=cat -c safe.bareRepository=all -c clone.defaultRemoteName=origin"
_WGET = "wget --tries=2 --timeout=30"


def fetch_all(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One answer for each recipe: {} or what went wrong, with the URL."""
    for wanted in request["fetches"]:
        ear = listen()
        d = _datastore(request, wanted)
        problem = None
        revisions: dict[str, str] = {}
        for url in wanted["urls"]:
            problem = _fetched(url, d, revisions)
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


def _fetched(url: str, d: Any, revisions: dict[str, str]) -> dict[str, str] | None:
    try:
        fetcher = bb.fetch2.Fetch([url], d)
        fetcher.download()
        data = fetcher.ud[url]
        _keep(data.localpath, d.getVar("DL_DIR"))
        if getattr(data, "revision", None) and getattr(data, "unresolvedrev", None):
            revisions[data.method.generate_revision_key(data, d, data.name)] = data.revision
    except (bb.fetch2.ChecksumError, bb.fetch2.NoChecksumError) as error:
        return {"url": url, "text": str(error), "kind": "checksum"}
    except (bb.fetch2.ParameterError, bb.fetch2.MalformedUrl, bb.fetch2.MissingParameterError) as error:
        return {"url": url, "text": str(error), "kind": "parameter"}
    except (bb.fetch2.BBFetchException, bb.BBHandledException, OSError) as error:
        return {"url": url, "text": str(error), "kind": "fetch"}
    return None
