# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of a recipe once all its lines are read: is it for this machine, and is it whole?"""

import re
from typing import Any

import bb
import bb.parse

# Why a task failed, where its class is not that of a failed build; the worker reads it.
FAILURE: dict[str, str] = {}


def _backfill(kind: str, d: Any) -> None:
    """Features that came later than the distributions and machines which do not know them yet."""
    known = {word for name in (kind, f"{kind}_BACKFILL_CONSIDERED") for word in (d.getVar(name) or "").split()}
    missing = [word for word in (d.getVar(f"{kind}_BACKFILL") or "").split() if word not in known]
    if missing:
        d.appendVar(kind, " " + " ".join(missing))


def settle(d: Any) -> None:
    """Skip a recipe that is not for this machine; settle what follows from its variables."""
    _backfill("DISTRO_FEATURES", d)
    _backfill("MACHINE_FEATURES", d)
    message = d.getVarFlag("SKIP_RECIPE", d.getVar("PN"))
    if message:
        raise bb.parse.SkipRecipe(message)
    _check_compatible(d)
    machine, kernel = d.getVar("DLKM_MACHINE_ARCH"), d.getVar("DLKM_ARCH")
    if machine != kernel:
        bb.warn(f"MACHINE {d.getVar('MACHINE')} is for {machine}, the kernel for {kernel}: it is built for the kernel")
    if d.getVar("LICENSE") in {None, "", "INVALID"}:
        bb.fatal(f"{d.getVar('PN')}: LICENSE is not set")
    _check_licence_flags(d)
    _settle_packageconfig(d)
    _settle_source(d)


def _check_compatible(d: Any) -> None:
    host = d.getVar("COMPATIBLE_HOST")
    if host and not re.match(host, d.getVar("HOST_SYS")):
        raise bb.parse.SkipRecipe(
            f'COMPATIBLE_HOST = "{host}" does not match HOST_SYS, which is {d.getVar("HOST_SYS")}'
        )
    machines = d.getVar("COMPATIBLE_MACHINE")
    if not machines:
        return
    words = d.getVar("MACHINEOVERRIDES").split(":")
    if not any(re.match(machines, word) for word in words):
        raise bb.parse.SkipRecipe(
            f'COMPATIBLE_MACHINE = "{machines}" matches no word of MACHINEOVERRIDES, which are {" ".join(words)}'
            f" (MACHINE is {d.getVar('MACHINE')})"
        )


def _check_licence_flags(d: Any) -> None:
    """LICENSE_FLAGS: each must be accepted as it is, or with the recipe's name and version behind it."""
    accepted = (d.getVar("LICENSE_FLAGS_ACCEPTED") or "").split()
    for flag in (d.getVar("LICENSE_FLAGS") or "").split():
        whole = flag if flag.endswith(f"_{d.getVar('PN')}") else f"{flag}_{d.getVar('PN')}"
        words = f"{whole}_{d.getVar('PV')}".split("_")
        if not any("_".join(words[:count]) in accepted for count in range(1, len(words) + 1)):
            raise bb.parse.SkipRecipe(
                f"LICENSE_FLAGS has {flag}, which LICENSE_FLAGS_ACCEPTED does not name (a line for --conf)"
            )


def _settle_packageconfig(d: Any) -> None:
    """PACKAGECONFIG[x] = "with, without, DEPENDS, RDEPENDS, RRECOMMENDS"."""
    flags = d.getVarFlags("PACKAGECONFIG") or {}
    chosen = (d.getVar("PACKAGECONFIG") or "").split()
    arguments = []
    for flag, value in sorted(flags.items()):
        if flag in {"doc", "type", "export", "func"} or flag.startswith("_"):
            continue
        items = [*(word.strip() for word in str(value).split(",")), "", "", "", "", "", ""]
        if flag in chosen:
            arguments.append(items[0])
            d.appendVar("DEPENDS", f" {items[2]}" if items[2] else "")
            d.appendVar(f"RDEPENDS:{d.getVar('PN')}", f" {items[3]}" if items[3] else "")
            d.appendVar(f"RRECOMMENDS:{d.getVar('PN')}", f" {items[4]}" if items[4] else "")
        else:
            arguments.append(items[1])
    if flags:
        d.appendVar("PACKAGECONFIG_CONFARGS", "".join(f" {word}" for word in arguments if word))


def _settle_source(d: Any) -> None:
    """Releases since 5.1 refuse an S that lies where sources no longer do: say so, and build all the same."""
    said = (d.getVar("S", False) or "").rstrip("/")
    refused = (d.getVar("DLKM_REFUSE_S", False) or "").split()
    if said in refused:
        now = "${UNPACKDIR}" if said == "${WORKDIR}" else d.getVarFlag("S", "_defaultval") or "${UNPACKDIR}/${BP}"
        if d.getVar("BB_GIT_DEFAULT_DESTSUFFIX") == "git" and said.endswith("/git"):
            now = "${UNPACKDIR}/git"
        remedy = "remove the line" if now.endswith("${BP}") else f'today it is S = "{now}"'
        bb.warn(f'{where_set(d, "S")}S = "{said}" is refused since {_since(said)}: {remedy}')
        d.setVar("S", now)
    elif "${WORKDIR}/git" in refused and re.match(r"\$\{WORKDIR\}/(?!sources(?:/|$))", said):
        now = said.replace("${WORKDIR}", "${UNPACKDIR}", 1)
        bb.warn(f'{where_set(d, "S")}S = "{said}" is not where sources are since {_since(said)}: write S = "{now}"')


def where_set(d: Any, name: str) -> str:
    """`FILE:LINE: ` of the last line that set a variable; empty where none did."""
    place: dict[str, Any] = next((event for event in reversed(d.varhistory.variable(name)) if event.get("line")), {})
    return f"{place['file']}:{place['line']}: " if place else ""


def where_named(d: Any, url: str) -> str:
    """`FILE:LINE: ` of the line of SRC_URI on which an entry stands; empty where that is not known."""
    from dlkm.yocto.worker.evaluate import named_at

    file, line = named_at(d, url)
    return f"{file}:{line}: " if file else ""


def _since(said: str) -> str:
    return "Yocto 5.1 (styhead)" if said == "${WORKDIR}" else "Yocto 5.3 (whinlatter)"


def check_features(d: Any) -> None:
    """REQUIRED_, ANY_OF_ and CONFLICT_ of DISTRO_FEATURES, MACHINE_FEATURES, COMBINED_FEATURES."""
    for kind in ("DISTRO_FEATURES", "MACHINE_FEATURES", "COMBINED_FEATURES"):
        has = set((d.getVar(kind) or "").split())
        wanted, any_of, unwanted = (
            set((d.getVar(f"{how}_{kind}") or "").split()) for how in ("REQUIRED", "ANY_OF", "CONFLICT")
        )
        what = kind.lower().replace("_", " ").removesuffix("s")
        if any_of and not any_of & has:
            raise bb.parse.SkipRecipe(f"one of these {what}s is needed, and none is there: {' '.join(sorted(any_of))}")
        if wanted - has:
            raise bb.parse.SkipRecipe(f"missing required {what}s: {' '.join(sorted(wanted - has))}")
        if unwanted & has:
            raise bb.parse.SkipRecipe(f"conflicting {what}s: {' '.join(sorted(unwanted & has))}")


def settle_externalsrc(d: Any) -> None:
    """EXTERNALSRC in place of what is fetched: a copy of it, as nothing of this machine is written here."""
    source = d.getVar("EXTERNALSRC")
    if not source:
        return
    build = d.getVar("EXTERNALSRC_BUILD")
    d.setVar("S", "${WORKDIR}/externalsrc")
    d.setVar("B", "${S}" if build == source else "${WORKDIR}/${BPN}-${PV}-build")
    d.setVar("SRC_URI", " ".join(url for url in (d.getVar("SRC_URI") or "").split() if url.startswith("file://")))
    d.appendVarFlag("do_unpack", "postfuncs", " externalsrc_copy")
    bb.build.deltask("do_patch", d)
    bb.build.addtask("do_configure", None, "do_unpack", d)
