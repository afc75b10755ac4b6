# SPDX-License-Identifier: GPL-2.0-only
"""LIC_FILES_CHKSUM: is the licence's text the one that the recipe was written for?"""

import hashlib
from pathlib import Path
from typing import Any

import bb
import bb.fetch2

from oe import qa, recipe

# Files of OpenEmbedded-Core itself that recipes name; their texts are not here.
_OF_CORE = {"COPYING.MIT": "3da9cfbcb788c80a0384361b4de20420"}


def check(d: Any) -> None:
    """Compare each checksum; all differences are told before it stops."""
    urls = (d.getVar("LIC_FILES_CHKSUM") or "").split()
    if d.getVar("LICENSE") == "CLOSED":
        return
    if not urls and (d.getVar("SRC_URI") or "").strip():
        bb.fatal(
            f"{d.getVar('PN')}: LIC_FILES_CHKSUM is missing (it may be only where LICENSE is CLOSED) [license-checksum]"
        )
    wrong = [said for said in (_difference(url, d) for url in urls) if said is not None]
    if wrong:
        recipe.FAILURE["kind"] = "integrity"
        qa.handle_error("license-checksum", recipe.where_set(d, "LIC_FILES_CHKSUM") + "\n".join(wrong), d)
        recipe.FAILURE.pop("kind")


def _difference(url: str, d: Any) -> str | None:
    try:
        kind, _host, path, _user, _password, parameters = bb.fetch2.decodeurl(url)
    except bb.fetch2.BBFetchException as error:
        return f"LIC_FILES_CHKSUM: {url}: {error}"
    if kind != "file" or not path:
        return f"LIC_FILES_CHKSUM: {url}: only file:// is possible there"
    given = parameters.get("md5")
    if not given:
        return f"LIC_FILES_CHKSUM: {url}: has no md5="
    return _compared(path, given, parameters.get("beginline", "0"), parameters.get("endline", "0"), d)


def _compared(path: str, given: str, first: str, last: str, d: Any) -> str | None:
    if not first.isdigit() or not last.isdigit():
        return f"LIC_FILES_CHKSUM: {path}: beginline and endline are numbers"
    common = path.removeprefix(f"{d.getVar('COMMON_LICENSE_DIR')}/")
    if common != path:
        return _common(common, given, d)
    if path.startswith(f"{d.getVar('COREBASE')}/"):
        known = _OF_CORE.get(path.rpartition("/")[2])
        return None if known in {None, given} else _differs(path, known, given)
    found = _checksum(path, int(first), int(last), d)
    if found is None:
        return f"LIC_FILES_CHKSUM: {path}: no such file (looked for in {d.getVar('S')})"
    if found == given:
        return None
    lines = f" lines {first} to {last}".replace(" to 0", " to the end") if first != "0" or last != "0" else ""
    return _differs(path + lines, found, given)


def _differs(what: str, found: str | None, given: str) -> str:
    return f"LIC_FILES_CHKSUM: {what} has md5={found}, the recipe says md5={given}"


def _common(name: str, given: str, d: Any) -> str | None:
    """A text of COMMON_LICENSE_DIR, under the name that it has or had."""
    from dlkm.yocto.licences import common_licences, former_names

    shown = f"${{COMMON_LICENSE_DIR}}/{name}"
    now = name if name in common_licences() else former_names().get(name)
    if now is None:
        return f"LIC_FILES_CHKSUM: {shown}: OpenEmbedded has no such text"
    if common_licences()[now] != given:
        return _differs(shown, common_licences()[now], given)
    if now != name:
        bb.warn(f"{recipe.where_set(d, 'LIC_FILES_CHKSUM')}{shown} is called {now} since Yocto 4.0 (kirkstone)")
    return None


def _checksum(path: str, first: int, last: int, d: Any) -> str | None:
    """The checksum of a text among the sources, or of some of its lines; None where there is none."""
    file = Path(d.getVar("S")) / path
    if not file.is_file():
        return None
    if not first and not last:
        return hashlib.md5(file.read_bytes()).hexdigest()  # noqa: S324 — what recipes give
    digest = hashlib.md5()  # noqa: S324 — as above
    with file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if number >= first and (not last or number <= last):
                digest.update(line)
    return digest.hexdigest()
