# SPDX-License-Identifier: GPL-2.0-only
"""What classes add to packages: units, start scripts, users, alternatives. Changes variables only."""

from pathlib import Path
from typing import Any

import bb


def _append_script(d: Any, kind: str, package: str, text: str | None) -> None:
    before = d.getVar(f"pkg_{kind}:{package}") or "#!/bin/sh\n"
    d.setVar(f"pkg_{kind}:{package}", before + (text or ""))


def _of(d: Any, package: str) -> Any:
    """The variables as the package sees them."""
    local = bb.data.createCopy(d)
    local.setVar("OVERRIDES", f"{package}:{d.getVar('OVERRIDES', False)}")
    return local


def settle_systemd(d: Any) -> None:
    """Units into FILES and the scripts of their packages, where the distribution has systemd."""
    if not bb.utils.contains("DISTRO_FEATURES", "systemd", True, False, d):
        return
    folders = (f"{d.getVar('sysconfdir')}/systemd/system", d.getVar("systemd_system_unitdir"))
    for package in (d.getVar("SYSTEMD_PACKAGES") or "").split():
        units = (d.getVar(f"SYSTEMD_SERVICE:{package}") or d.getVar("SYSTEMD_SERVICE") or "").split()
        for unit in units:
            places = (f"{folder}/{unit}" for folder in folders)
            place = next((place for place in places if Path(d.getVar("PKGD") + place).exists()), None)
            if place is None:
                bb.fatal(f"SYSTEMD_SERVICE:{package} names {unit}, which was not installed")
            d.appendVar(f"FILES:{package}", f" {place}")
        if units:
            local = _of(d, package)
            _append_script(d, "postinst", package, local.getVar("systemd_postinst"))
            _append_script(d, "prerm", package, local.getVar("systemd_prerm"))


def settle_initscripts(d: Any) -> None:
    """Start scripts into the scripts of their packages, where the distribution uses them."""
    if not bb.utils.contains("DISTRO_FEATURES", "sysvinit", True, False, d):
        return
    packages = (d.getVar("INITSCRIPT_PACKAGES") or "").split() or [d.getVar("PN")]
    for package in packages:
        local = _of(d, package)
        if not local.getVar("INITSCRIPT_NAME"):
            bb.fatal(f"{package}: update-rc.d is inherited, but INITSCRIPT_NAME is not set")
        for kind in ("postinst", "prerm", "postrm"):
            _append_script(d, kind, package, local.getVar(f"updatercd_{kind}"))
        d.appendVar(f"RRECOMMENDS:{package}", " update-rc.d")


def settle_users(d: Any) -> None:
    """Users and groups are made before the package's files come."""
    for package in (d.getVar("USERADD_PACKAGES") or "").split():
        lines = []
        for program in ("groupadd", "useradd", "groupmems"):
            given = d.getVar(f"{program.upper()}_PARAM:{package}") or ""
            lines += [f"{program} ${{D:+--root $D}} {one.strip()} || :" for one in given.split(";") if one.strip()]
        own = d.getVar(f"pkg_preinst:{package}") or ""
        d.setVar(f"pkg_preinst:{package}", "\n".join(["#!/bin/sh", *lines, own]))
        d.appendVar(f"RDEPENDS:{package}", " base-passwd shadow")


def settle_alternatives(d: Any) -> None:
    """ALTERNATIVE:PACKAGE names are registered by the scripts."""
    for package in d.getVar("PACKAGES").split():
        for name in (d.getVar(f"ALTERNATIVE:{package}") or "").split():
            link = d.getVarFlag("ALTERNATIVE_LINK_NAME", name) or f"{d.getVar('bindir')}/{name}"
            target = d.getVarFlag("ALTERNATIVE_TARGET", name) or d.getVar("ALTERNATIVE_TARGET")
            target = target or f"{link}.{d.getVar('BPN')}"
            rank = d.getVarFlag("ALTERNATIVE_PRIORITY", name) or d.getVar("ALTERNATIVE_PRIORITY")
            _move(Path(d.getVar("PKGD")), link, target)
            _append_script(d, "postinst", package, f"update-alternatives --install {link} {name} {target} {rank}\n")
            _append_script(d, "prerm", package, f"update-alternatives --remove {name} {target}\n")


def _move(root: Path, link: str, target: str) -> None:
    source, goal = root / link.lstrip("/"), root / target.lstrip("/")
    if source.exists() and not goal.exists():
        goal.parent.mkdir(parents=True, exist_ok=True)
        source.rename(goal)
