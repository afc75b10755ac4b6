# SPDX-License-Identifier: GPL-2.0-only
"""do_package: what lies in D, split into packages by PACKAGES and FILES, and written down for dlkm."""

import glob
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bb
import bb.fetch2

from oe import qa

_RELOCATABLE, _EXECUTABLE, _SHARED = 1, 2, 3  # e_type
_SIGNED = b"~Module signature appended~\n"
_RELATIONS = ("RDEPENDS", "RRECOMMENDS", "RPROVIDES", "RREPLACES", "RCONFLICTS", "RSUGGESTS")
_RENAMED = frozenset({"RDEPENDS", "RRECOMMENDS", "RSUGGESTS"})  # follow PKG:NAME
_SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def legitimize_package_name(name: str) -> str:
    """A module's name as part of a package's (lib/oe/package.py of OpenEmbedded-Core)."""
    return name.lower().replace("_", "-").replace("@", "+").replace(",", "+").replace("/", "-")


def settle_version(d: Any) -> None:
    """PKGV of a recipe whose sources are a repository gets the revision, where the release does so."""
    version = d.getVar("PKGV")
    if d.getVar("DLKM_APPEND_SRCREV") == "1" and "+" in version:
        revision = bb.fetch2.get_pkgv_string(d)
        if revision:
            d.appendVar("PKGV", revision)
    version = d.getVar("PKGV")
    if "AUTOINC" in version:
        d.setVar("PKGV", version.replace("AUTOINC", "${PRSERV_PV_AUTOINC}"))


def copy_installed(d: Any) -> None:
    """PKGD starts as a copy of D."""
    source = d.getVar("D")
    skipped = f"{source}/sysroot-only"

    def leave(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if f"{folder}/{name}" == skipped]

    shutil.copytree(source, d.getVar("PKGD"), symlinks=True, dirs_exist_ok=True, ignore=leave)


def strip_all(d: Any) -> None:
    """Debugging information goes, as Yocto does it; a signed module stays as it is."""
    if d.getVar("INHIBIT_PACKAGE_STRIP") == "1":
        return
    strip = os.environ.get("STRIP") or d.getVar("STRIP")
    root = Path(d.getVar("PKGD"))
    libraries = tuple(f"{root}{d.getVar(name)}" for name in ("libdir", "base_libdir"))
    for path in _files_below(root):
        options = _strip_options(path, libraries)
        if options:
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IWUSR | stat.S_IRUSR)
            done = _processes().run([*strip.split(), *options, "--preserve-dates", path])
            path.chmod(mode)
            if not done.ok:
                bb.fatal(f"{path}: cannot be stripped: {done.errors.decode('utf-8', 'replace').strip()}")


def _files_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


def _strip_options(path: Path, libraries: tuple[str, ...]) -> list[str]:
    """By what an ELF file is; none for what is to stay as it is, such as firmware that nobody here executes.

    Source: meta/lib/oe/package.py: strip_execs, runstrip.
    """
    library = ".so" in path.name and str(path).startswith(libraries)
    if not (path.suffix == ".ko" or library or path.stat().st_mode & 0o111):
        return []
    with path.open("rb") as stream:
        start = stream.read(20)
        if start[:4] != b"\x7fELF" or len(start) < 20:
            return []
        stream.seek(-min(len(_SIGNED), path.stat().st_size), os.SEEK_END)
        signed = stream.read() == _SIGNED
    kind = int.from_bytes(start[16:18], "big" if start[5] == 2 else "little")
    common = ["--remove-section=.comment", "--remove-section=.note"]
    if kind == _RELOCATABLE:
        return ["--strip-debug", *common] if path.suffix == ".ko" and not signed else []
    unneeded = ["--strip-unneeded"] if kind == _SHARED and ".so" in str(path) else []
    return [*common, *unneeded] if kind in {_EXECUTABLE, _SHARED} else []


def split(
    d: Any,
    root: str,
    file_regex: str,
    output_pattern: str,
    description: str,
    *,
    postinst: str | None = None,
    recursive: bool = False,
    hook: Callable[[str, str, str, str, str], None] | None = None,
    extra_depends: str | None = None,
    aux_files_pattern: str | list[str] | None = None,
    postrm: str | None = None,
    allow_dirs: bool = False,
    prepend: bool = False,
    match_path: bool = False,
    aux_files_pattern_verbatim: str | list[str] | None = None,
    allow_links: bool = False,
    summary: str | None = None,
) -> list[str]:
    """A package for each file below `root` that matches; their names. See do_split_packages in the Yocto manual."""
    root, output_pattern = d.expand(root), d.expand(output_pattern)
    depends = d.getVar("PN") if extra_depends is None else d.expand(extra_depends)
    packages = d.getVar("PACKAGES").split()
    made: dict[str, None] = {}
    for place in _objects(Path(d.getVar("PKGD") + root), recursive=recursive):
        match = re.match(file_regex, place if match_path else place.rpartition("/")[2])
        path = Path(d.getVar("PKGD") + root) / place
        if not match or not _wanted(path, allow_dirs=allow_dirs, allow_links=allow_links):
            continue
        legal = legitimize_package_name(match[1])
        name = output_pattern % legal
        made[name] = None
        if name not in packages:
            packages.insert(0 if prepend else len(packages), name)
        _add_files(d, name, f"{root}/{place}", legal, match[1], (aux_files_pattern, aux_files_pattern_verbatim))
        if depends:
            d.appendVar(f"RDEPENDS:{name}", f" {depends}")
        for variable, text in (("DESCRIPTION", description), ("SUMMARY", summary or description)):
            if not d.getVar(f"{variable}:{name}"):
                d.setVar(f"{variable}:{name}", text % legal)
        for variable, script in (("pkg_postinst", postinst), ("pkg_postrm", postrm)):
            if script:
                d.setVar(f"{variable}:{name}", f"#!/bin/sh\n{script}\n")
        if callable(hook):
            hook(str(path), name, file_regex, output_pattern, match[1])
    d.setVar("PACKAGES", " ".join(packages))
    return sorted(made)


def _objects(folder: Path, *, recursive: bool) -> list[str]:
    if not folder.is_dir():
        return []
    if not recursive:
        return sorted(path.name for path in folder.iterdir())
    return sorted(os.path.relpath(f"{place}/{name}", folder) for place, _, names in os.walk(folder) for name in names)


def _wanted(path: Path, *, allow_dirs: bool, allow_links: bool) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISREG(mode) or (allow_links and stat.S_ISLNK(mode)) or (allow_dirs and stat.S_ISDIR(mode))


def _add_files(d: Any, name: str, place: str, legal: str, own: str, extra: tuple[Any, Any]) -> None:
    """FILES of a package; what holds for all its files is added with the first."""
    place = place.replace("*", "[*]").replace("?", "[?]")
    before = d.getVar(f"FILES:{name}")
    if before:
        d.setVar(f"FILES:{name}", f"{before} {place}")
        return
    words = [place]
    for patterns, value in zip(extra, (legal, own), strict=True):
        words += [pattern % value for pattern in ([patterns] if isinstance(patterns, str) else patterns or [])]
    d.setVar(f"FILES:{name}", " ".join(words))


def populate(d: Any) -> None:
    """Put each file of PKGD into the first package whose FILES name it; what none names is an error."""
    source, target = Path(d.getVar("PKGD")), Path(d.getVar("PKGDEST"))
    packages = _in_order(d)
    d.setVar("PACKAGES", " ".join(packages))
    seen: dict[str, None] = {}
    for name in packages:
        (target / name).mkdir(parents=True, exist_ok=True)
        for place in _matching(source, (d.getVar(f"FILES:{name}") or "").split(), name, d):
            if place not in seen:
                _take(source, target / name, place, seen)
    _depend_on_links(d, target, packages)
    left = [place for place in _everything(source) if place not in seen]
    if left:
        shown = "".join(f"\n  /{place}" for place in left)
        qa.handle_error(
            "installed-vs-shipped",
            f"{d.getVar('PN')}: installed, but in no package:{shown}\nname them in FILES, or do not install them",
            d,
        )


def _depend_on_links(d: Any, target: Path, packages: list[str]) -> None:
    """A package whose link leads to a file of another of the recipe's packages depends on that one."""
    held = {name: set(_everything(target / name)) for name in packages}
    for name, places in held.items():
        needed = bb.utils.explode_dep_versions2(d.getVar(f"RDEPENDS:{name}") or "")
        before = len(needed)
        for place in sorted(places):
            path = target / name / place
            if not path.is_symlink():
                continue
            goal = _leads_to(place, os.readlink(path))
            if goal not in places:
                for other in (one for one in packages if goal in held[one]):
                    needed.setdefault(other, [])
        if len(needed) != before:
            d.setVar(f"RDEPENDS:{name}", bb.utils.join_deps(needed, commasep=False))


def _leads_to(place: str, link: str) -> str:
    """Where below the root of the target a link at `place` leads."""
    return os.path.normpath(os.path.join("/", os.path.dirname(place), link)).lstrip("/")


def _in_order(d: Any) -> list[str]:
    """Source packages first, then those for debugging, then the others as PACKAGES has them."""
    packages = d.getVar("PACKAGES").split()
    twice = sorted({name for name in packages if packages.count(name) > 1})
    if twice:
        qa.handle_error("packages-list", f"PACKAGES names more than once: {' '.join(twice)}", d)
    rank = {name: 0 if name.endswith("-src") else 1 if name.endswith("-dbg") else 2 for name in packages}
    return sorted(dict.fromkeys(packages), key=lambda name: rank[name])


def _everything(root: Path) -> list[str]:
    return sorted(os.path.relpath(path, root) for path in root.rglob("*"))


def _matching(root: Path, patterns: list[str], name: str, d: Any) -> Iterator[str]:
    """The places below `root` that FILES name, a directory with all in it."""
    for given in patterns:
        if "//" in given:
            qa.handle_error("files-invalid", f"FILES of {name} holds '//': {given}", d)
        pattern = os.path.normpath(given.lstrip("./"))
        found = sorted(glob.glob(pattern, root_dir=root)) if re.search(r"[*?\[]", pattern) else [pattern]
        for place in found:
            path = root / place
            if not os.path.lexists(path) or ".." in place.split("/"):
                continue
            yield place
            if path.is_dir() and not path.is_symlink():
                yield from (f"{place}/{below}" for below in _everything(path))


def _take(source: Path, target: Path, place: str, seen: dict[str, None]) -> None:
    """One file, link or directory, with the directories above it."""
    parts = place.split("/")
    for length in range(1, len(parts) + 1):
        above = "/".join(parts[:length])
        path, copy = source / above, target / above
        if path.is_dir() and not path.is_symlink():
            if not copy.is_dir():
                copy.mkdir()
                copy.chmod(stat.S_IMODE(path.stat().st_mode))
            seen[above] = None
    path, copy = source / place, target / place
    if path.is_dir() and not path.is_symlink():
        return
    seen[place] = None
    if path.is_symlink():
        copy.symlink_to(path.readlink())
    else:
        os.link(path, copy)


def write_down(d: Any) -> None:
    """The packages as JSON in WORKDIR, for the program outside."""
    import json

    made = [_described(d, name) for name in d.getVar("PACKAGES").split()]
    kept = [entry for entry in made if entry["files"] or d.getVar(f"ALLOW_EMPTY:{entry['key']}") == "1"]
    with (Path(d.getVar("WORKDIR")) / "dlkm-packages.json").open("w") as stream:
        json.dump(kept, stream)


def _described(d: Any, key: str) -> dict[str, Any]:
    root = Path(d.getVar("PKGDEST")) / key
    name = d.getVar(f"PKG:{key}") or key
    files = [_file(root, place) for place in _everything(root) if not _is_folder(root / place)]
    folders = [place for place in _everything(root) if _is_folder(root / place) and not any((root / place).iterdir())]
    listed = [place for given in (d.getVar(f"CONFFILES:{key}") or "").split() for place in _conffiles(root, given)]
    version = d.getVar("PKGE").strip()
    return {
        "key": key,
        "name": name,
        "version": (f"{version}:" if version else "") + f"{d.getVar('PKGV')}-{d.getVar('PKGR')}",
        "arch": d.getVar(f"PACKAGE_ARCH:{key}") or d.getVar("PACKAGE_ARCH"),
        "summary": _own(d, "SUMMARY", key),
        "description": _own(d, "DESCRIPTION", key),
        "licence": _own(d, "LICENSE", key),
        "section": _own(d, "SECTION", key),
        "homepage": _own(d, "HOMEPAGE", key),
        "maintainer": _own(d, "MAINTAINER", key),
        "files": files,
        "folders": folders,
        "conffiles": list(dict.fromkeys(listed)),
        "scripts": {kind: text for kind in _SCRIPTS if (text := _script(d, kind, key))},
    } | {relation: _relation(d, relation, key) for relation in _RELATIONS}


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _own(d: Any, variable: str, key: str) -> str:
    text = d.getVar(f"{variable}:{key}") or d.getVar(variable) or ""
    return " ".join(text.split()) if variable != "DESCRIPTION" else text.replace("\\n", "\n").strip()


def _file(root: Path, place: str) -> dict[str, Any]:
    status = (root / place).lstat()
    link = os.readlink(root / place) if stat.S_ISLNK(status.st_mode) else None
    return {"path": f"/{place}", "mode": stat.S_IMODE(status.st_mode), "link": link}


def _conffiles(root: Path, given: str) -> Iterator[str]:
    """CONFFILES may name directories and patterns."""
    for place in sorted(glob.glob(given.lstrip("/"), root_dir=root)):
        if (root / place).is_dir():
            yield from (f"/{place}/{below}" for below in _everything(root / place) if (root / place / below).is_file())
        else:
            yield f"/{place}"


def _script(d: Any, kind: str, key: str) -> str:
    """A maintainer script: it stops at the first error; one that names no interpreter is for the shell."""
    text = d.getVar(f"pkg_{kind}:{key}") or ""
    later = d.getVar(f"pkg_postinst_ontarget:{key}") if kind == "postinst" else None
    if not text.strip() and not later:
        return ""
    first, _, rest = text.partition("\n") if text.startswith("#!") else ("#!/bin/sh", "", text)
    return f"{first}\nset -e\n{rest}" + (_at_first_boot(d, key) + later if later else "")


def _at_first_boot(d: Any, key: str) -> str:
    """What stands before pkg_postinst_ontarget: BitBake, making an image, has it run when that first starts.

    For others the package stays unconfigured until then, which dpkg and opkg know how to end.
    """
    name = d.getVar(f"PKG:{key}") or key
    return (
        '\nif [ -n "$D" ] && [ -z "$INTERCEPT_DIR" ]; then\n'
        f'\techo "{name}: is to be configured on the target itself, not in an image that is being made" >&2\n'
        "\texit 1\nfi\n"
        'if [ -n "$D" ]; then\n'
        f"\t$INTERCEPT_DIR/postinst_intercept delay_to_first_boot {name} mlprefix={d.getVar('MLPREFIX')}\n"
        "\texit 0\nfi\n"
    )


def _relation(d: Any, relation: str, key: str) -> list[str]:
    """`NAME` or `NAME (>= 1)`, in the order in which they were first named."""
    found = bb.utils.explode_dep_versions2(d.getVar(f"{relation}:{key}") or "")
    words = []
    for given, versions in found.items():
        name = (d.getVar(f"PKG:{given}") or given) if relation in _RENAMED else given
        words += [f"{name} ({version})" for version in versions] or [name]
    return words


def _processes() -> Any:
    """Loaded when a program is run: reading a recipe runs none."""
    from dlkm.core.processes import Processes

    return Processes()
