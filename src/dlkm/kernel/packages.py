# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel packages that lie here as files (.deb, .rpm): which kernels they make, what is missing, and into the pool.

Nobody vouches for these files: they are unpacked by archive.py, and their digests are recorded.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dlkm.core.arch import Arch, arch_named
from dlkm.core.errors import MalformedError, NothingSelectedError, UsageError
from dlkm.core.events import Events
from dlkm.core.files import sha256_file
from dlkm.core.names import is_release
from dlkm.kernel import archive, rooted, unpack
from dlkm.kernel.adopt import adopt, free_id, present
from dlkm.kernel.apt import matching, parse_depends
from dlkm.kernel.distros import Debian
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.record import Unpacked
from dlkm.kernel.spec import PACKAGES

CONTROL_LIMIT = 1 << 20  # bytes of a control file
LOOKED_AT = 2000  # names of an .rpm until its release must have been seen
_FLAVOURED = re.compile(r"linux-(image|headers|modules|modules-extra|binary|buildinfo)-(.+?)(-unsigned|-dbg)?")
_RPM = re.compile(r"(.+)-([^-]+-[^-]+)\.([^.]+)")
_IN_RPM = re.compile(r"(?:usr/)?lib/modules/([^/]+)/.|usr/src/kernels/([^/]+)/.|boot/vmlinuz-([^/]+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """One package as a file. `release` is the kernel it is of, None for one that serves several (kbuild, common)."""

    path: Path
    name: str
    version: str
    architecture: str | None
    release: str | None
    depends: tuple[tuple[str, ...], ...] = ()


def in_folder(folder: Path) -> tuple[Path, ...]:
    """The package files that lie directly in a directory, by name."""
    return tuple(sorted(path for path in folder.iterdir() if path.name.endswith(PACKAGES) and path.is_file()))


def add(
    paths: Sequence[Path], pool: Pool, events: Events, *, origin: str | None = None, only: re.Pattern[str] | None = None
) -> tuple[Kernel, ...]:
    """The kernels that the files make, in the pool; `only` chooses among their releases, `origin` is what brought them.

    UsageError: not enough of a kernel, with what is missing; MalformedError: a file is no package.
    """
    files = [read_package(path) for path in paths]
    groups = {release: group for release, group in by_release(files).items() if only is None or only.fullmatch(release)}
    if not groups:
        found = ", ".join(sorted(file.name for file in files)) or "no package at all"
        kind = UsageError if only is None else NothingSelectedError
        raise kind(
            f"no kernel among these packages: there is {found}",
            hint="a kernel is made by linux-image-RELEASE or linux-headers-RELEASE (.deb), kernel-core or kernel-devel "
            "(.rpm)",
        )
    for release, group in groups.items():
        _require_whole(release, group)
    return tuple(_added(release, group, pool, events, origin) for release, group in groups.items())


def read_package(path: Path) -> PackageFile:
    """What a package file says of itself; MalformedError when it is none."""
    return _read_deb(path) if path.name.endswith(".deb") else _read_rpm(path)


def by_release(files: Iterable[PackageFile]) -> Mapping[str, list[PackageFile]]:
    """For each release the packages that make it: its own, and what these depend on."""
    by_name = {file.name: file for file in files}
    depended = {name for file in by_name.values() for options in file.depends for name in options}
    groups: dict[str, dict[str, PackageFile]] = {}
    for file in by_name.values():
        # linux-headers-6.1.0-56-common is named as a flavour is; that others depend on it tells them apart.
        if file.release is not None and not (file.name in depended and file.name.startswith("linux-headers-")):
            groups.setdefault(file.release, {})[file.name] = file
    for group in groups.values():
        waiting = list(group.values())
        while waiting:
            for options in waiting.pop().depends:
                needed = next((by_name[name] for name in options if name in by_name), None)
                if needed is not None and needed.name not in group:
                    group[needed.name] = needed
                    waiting.append(needed)
    return {release: list(group.values()) for release, group in groups.items()}


def _require_whole(release: str, group: Sequence[PackageFile]) -> None:
    """Headers without the packages they consist of are of no use; UsageError that names these."""
    given = {file.name for file in group}
    parts = Debian.read().parts
    for file in group:
        for options in file.depends:
            names = matching(options, parts)
            if names and not given.intersection(options):
                raise UsageError(
                    f"{release}: {file.path.name} needs the package {names[0]}, which was not given "
                    f"(given: {', '.join(sorted(given))})",
                    hint=f"give its file too (apt-get download {names[0]}), or: dlkm kernel add debian:{release}",
                )


def _added(release: str, group: Sequence[PackageFile], pool: Pool, events: Events, origin: str | None) -> Kernel:
    packages = tuple(
        Unpacked(name=file.name, version=file.version, sha256=sha256_file(file.path))
        for file in sorted(group, key=lambda file: file.name)
    )
    source = origin or ",".join(str(file.path.absolute()) for file in group)
    if (kernel := present(pool, release, packages)) is not None:
        return kernel
    kind = group[0].path.suffix.lstrip(".")
    name = free_id(pool, release, source, kind)
    with pool.locked(name, events):
        if (kernel := present(pool, release, packages)) is not None:  # another process has just made it
            return kernel
        return _unpacked(name, group, packages, source, pool, events)


def _unpacked(
    name: str, group: Sequence[PackageFile], packages: tuple[Unpacked, ...], source: str, pool: Pool, events: Events
) -> Kernel:
    release = name.split("@", maxsplit=1)[0]
    with pool.scratch(name) as made:
        tree = made / "tree"
        with events.task(f"unpacking {release}"):
            for file in group:
                archive.unpack(file.path, tree, _is_wanted)
            unpack.relocate(tree, release)
        kernel = rooted.kernel_in(tree, release, origin=source, headers=_headers(tree, release), arch=_arch(group))
        if kernel.headers is None and kernel.image is None and kernel.modules is None:
            raise MalformedError(f"{group[0].path}: holds neither headers nor image nor modules of {release}")
        _tell_what_is_missing(kernel, group[0].path.suffix.lstrip("."), events)
        return adopt(pool, name, kernel, made, packages)


def _is_wanted(name: str) -> bool:
    return not name.startswith(("usr/share/", "usr/lib/debug/"))


def _headers(tree: Path, release: str) -> Path | None:
    """Where the packages put what KERNEL_SRC names: Debian's and Ubuntu's place, Fedora's."""
    for name in (f"usr/src/linux-headers-{release}", f"usr/src/kernels/{release}", f"usr/src/linux-{release}"):
        if unpack.lies_in(tree, tree / name) and (tree / name / "Makefile").is_file():
            return tree / name
    return None


def _arch(group: Sequence[PackageFile]) -> Arch | None:
    """As the packages say; None when none is of one architecture."""
    words = {file.architecture for file in group if file.architecture not in {None, "all", "noarch"}}
    # linux-kbuild is of the machine that builds: a package of the kernel's own says what the kernel is for.
    own = {file.architecture for file in group if file.release is not None} & words
    found = sorted(own, key=str)
    return arch_named(str(found[0])) if len(found) == 1 else None


def _tell_what_is_missing(kernel: Kernel, kind: str, events: Events) -> None:
    names = {
        "deb": (f"linux-headers-{kernel.release}", f"linux-image-{kernel.release}"),
        "rpm": (f"kernel-devel-{kernel.release}", f"kernel-core-{kernel.release}"),
    }[kind]
    if kernel.headers is None:
        events.warning(f"{kernel.release}: no headers among the packages ({names[0]}): good for check, not for build")
    elif kernel.image is None:
        events.warning(f"{kernel.release}: no image among the packages ({names[1]}): good for build, not for prove")


def _read_deb(path: Path) -> PackageFile:
    control = archive.member(path, "control", CONTROL_LIMIT, of="control")
    text = (control or b"").decode("utf-8", "replace")
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and line[0] != " ")
    if not {"Package", "Version", "Architecture"} <= fields.keys():
        raise MalformedError(f"{path}: is no Debian package: its control file does not say what it is")
    match = _FLAVOURED.fullmatch(fields["Package"])
    release = match[2] if match is not None and is_release(match[2]) else None
    return PackageFile(
        path=path,
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        release=None if release is not None and release.endswith(("-common", "-common-rt")) else release,
        depends=parse_depends(fields.get("Depends", "")),
    )


def _read_rpm(path: Path) -> PackageFile:
    """By what it holds; an .rpm's own name says the rest (NAME-VERSION-RELEASE.ARCH.rpm)."""
    matches = (_IN_RPM.match(name) for name in islice(archive.names_in(path), LOOKED_AT))
    release = next((match[1] or match[2] or match[3] for match in matches if match is not None), None)
    stem = path.name.removesuffix(".rpm")
    named = _RPM.fullmatch(stem)
    return PackageFile(
        path=path,
        name=named[1] if named is not None else stem,
        version=named[2] if named is not None else "",
        architecture=named[3] if named is not None and _is_known(named[3]) else None,
        release=release if release is not None and is_release(release) else None,
    )


def _is_known(word: str) -> bool:
    try:
        return arch_named(word) is not None
    except UsageError:
        return False
