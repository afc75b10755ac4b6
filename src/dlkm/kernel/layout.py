# SPDX-License-Identifier: GPL-2.0-or-later
"""Which directories a named one stands for (Yocto's work directories, unpacked packages), and what a tree lacks.

Looks at names and links alone; what a kernel is, directory.py reads.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import UsageError

SOURCE, ARTIFACTS = "kernel-source", "kernel-build-artifacts"  # kernel.bbclass: do_shared_workdir
HEADERS = ("usr/src/linux-headers-*", "usr/src/kernels/*", "usr/src/linux-*-obj/*/*", "lib/modules/*/build")
# Debian: `include /usr/src/…-common/Makefile`, or the same from the Makefile's own directory; Kbuild with O=: absolute.
_INCLUDE = re.compile(r"^include\s+(?:\$\(dir \$\(lastword \$\(MAKEFILE_LIST\)\)\))?(\S+)/Makefile\s*$", re.MULTILINE)
SMALL = 64 << 10  # bytes: more than the first lines of any file looked at here; generated Makefiles have one to thirty

# What building a module takes of a tree, in the order in which they come to be: the file, and what it is.
PARTS = (
    ("Makefile", "the makefile that KERNEL_SRC names"),
    (".config", "the configuration"),
    ("include/config/auto.conf", "the prepared configuration"),
    ("include/generated/autoconf.h", "the prepared configuration for C"),
    ("include/generated/utsrelease.h", "the prepared release"),
    ("scripts/mod/modpost", "the build's own tools"),
    ("Module.symvers", "the kernel's exports and their versions"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a tree has of PARTS, and what it lacks."""

    here: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        have = ", ".join(self.here) or "nothing of a kernel"
        return f"found: {have}; missing: {', '.join(self.missing) or 'nothing'}"


def contents(build: Path) -> Found:
    """What of a tree is there."""
    here = tuple(name for name, _ in PARTS if (build / name).is_file())
    return Found(here=here, missing=tuple(name for name, _ in PARTS if name not in here))


def directories(path: Path) -> tuple[Path, Path]:
    """The source and the build directory that one named directory stands for; itself twice when it is a tree.

    UsageError when several kernels lie there.
    """
    if (path / "Makefile").exists() and (path / ".config").exists():
        return path, path
    yocto = _yocto(path)
    if yocto is not None:
        return yocto
    inside = sorted({found for found in _headers_below(path) if (found / "Makefile").is_file()})
    if len(inside) > 1:
        raise UsageError(
            f"{path}: holds {len(inside)} kernels' headers", hint=f"name one: {' or '.join(map(str, inside[:4]))}"
        )
    return (inside[0], inside[0]) if inside else (path, path)


def trouble(source: Path, build: Path) -> UsageError | None:
    """Why nothing can be built there: what is there, what is missing, what supplies it; None when all is well."""
    found = contents(build)
    if not {"Makefile", ".config"} & set(found.here):
        if (source / "Kconfig").is_file() and (source / "Makefile").is_file():
            return _unconfigured(source, build)
        return UsageError(
            f"{build} is no kernel tree: it has neither a Makefile nor a .config ({found})",
            hint=f"for a root filesystem with an installed kernel say rootfs:{build}",
        )
    if ".config" not in found.here:
        return _unconfigured(source, build)
    if "Makefile" not in found.here:
        return UsageError(
            f"{build}: is no build directory yet: Makefile is missing ({found})", hint=_prepare(source, build)
        )
    return _broken_links(build)


def unprepared(source: Path, build: Path) -> UsageError:
    """The error for a tree that is configured, but whose release nobody has written down yet."""
    return UsageError(
        f"{build}: configured but not prepared: include/generated/utsrelease.h is missing ({contents(build)})",
        hint=_prepare(source, build),
    )


def warnings(source: Path, build: Path) -> Iterator[str]:
    """What a tree lacks without being useless."""
    if not (build / "Module.symvers").is_file():
        yield (
            f"{build} has no Module.symvers: modules built there carry no symbol versions, and what the kernel exports "
            "is not known (it comes with a full build of the kernel: 'make' there, or from the package of its headers)"
        )
    if not (build / "scripts/mod/modpost").is_file():
        yield (
            f"{build} has no scripts/mod/modpost: good for check, but nothing can be built there before "
            f"'{_prepare(source, build)}'"
        )


def _unconfigured(source: Path, build: Path) -> UsageError:
    by_hand = f"put the kernel's configuration there as .config and say: {_prepare(source, build, 'olddefconfig ')}"
    return UsageError(
        f"{build}: is no kernel's headers or build directory: .config is missing ({contents(build)})",
        hint=_prepare(source, build)
        if ARTIFACTS in build.parts
        else f"{by_hand}; or let dlkm do it: dlkm kernel add source:{source} --config FILE",
    )


def _prepare(source: Path, build: Path, first: str = "") -> str:
    """The command that makes what is missing; `first` are goals to be made before."""
    if ARTIFACTS in build.parts:
        return "bitbake make-mod-scripts"
    there = f"-C {build}" if source == build else f"-C {source} O={build}"
    return f"make {there} {first}modules_prepare"


def _broken_links(build: Path) -> UsageError | None:
    """Debian's headers consist of three packages, which find one another by links and an absolute include."""
    included = next(iter(includes(build)), "")
    if included.startswith("/") and not _is_here(included, build):
        name = Path(included).name
        return UsageError(
            f"{build}: its Makefile includes {included}/Makefile, which is missing",
            hint=f"the package {name} brings it"
            if name.startswith("linux-headers-")
            else f"the tree was moved, or its source {included} was: name both as SRC:BUILD",
        )
    for name in ("scripts", "tools"):
        link = build / name
        if link.is_symlink() and not link.exists():
            package = next((part for part in link.readlink().parts if part.startswith("linux-kbuild-")), None)
            return UsageError(
                f"{build}: {name} leads to {link.readlink()}, which is missing",
                hint=f"the package {package} brings it" if package else f"unpack what {link.readlink()} belongs to",
            )
    return None


def _is_here(included: str, build: Path) -> bool:
    """In its place, or where the packages of one root lie beside each other."""
    return (Path(included) / "Makefile").is_file() or (build.parent / Path(included).name / "Makefile").is_file()


def _yocto(path: Path) -> tuple[Path, Path] | None:
    """A work directory of OpenEmbedded: work-shared/MACHINE or one of its two parts, or a recipe's own with B in it."""
    for shared in (path, path.parent):
        there = (shared / SOURCE / "Makefile").is_file() and (shared / ARTIFACTS).is_dir()
        if there and (shared == path or path.name in {SOURCE, ARTIFACTS}):
            return shared / SOURCE, shared / ARTIFACTS
    for build in sorted([*path.glob("linux-*-build"), path / "build"]):
        if (build / ".config").is_file() and (build / "Makefile").is_file():
            return build, build
    return None


def _headers_below(path: Path) -> Iterator[Path]:
    for pattern in HEADERS:
        for found in path.glob(pattern):
            if (found / ".config").is_file():
                yield found.resolve()


def includes(build: Path) -> list[str]:
    """The directories whose Makefile that of a headers or build directory includes, as they are written there."""
    names: list[str] = _INCLUDE.findall(head(build / "Makefile"))
    return names


def head(path: Path) -> str:
    """The first SMALL bytes of a file as text; "" for one that cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(SMALL).decode("utf-8", "replace")
    except OSError:
        return ""
