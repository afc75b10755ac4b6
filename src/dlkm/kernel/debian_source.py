# SPDX-License-Identifier: GPL-2.0-or-later
"""The source that a Debian kernel was built from, as files: its package, and the patches of its flavour."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from dlkm.core.errors import FetchError, UsageError
from dlkm.core.events import Events
from dlkm.core.files import remove_tree
from dlkm.core.processes import Runner, bound_to_us, failed
from dlkm.core.tools import missing
from dlkm.kernel import archive
from dlkm.kernel.apt import Archive, Package
from dlkm.kernel.debian import FRESH, HEADERS, archives
from dlkm.kernel.distros import Debian
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool

PATCH_TIMEOUT = 120.0  # seconds a patch


def source_package(kernel: Kernel) -> tuple[str, str]:
    """The name and the version of the package that holds the source of a Debian kernel."""
    versions = [package.partition("=")[2] for package in kernel.packages if package.startswith(HEADERS)]
    if not versions:
        raise UsageError(f"{kernel.id}: has no headers package, so the version of its source is not known")
    return f"linux-source-{kernel.version}", versions[0]


def fetch_source(
    kernel: Kernel, pool: Pool, events: Events, runner: Runner, mirrors: Sequence[str], folder: Path
) -> tuple[Path, Path | None]:
    """In `folder`: the package of the very source, and what holds its flavour's patches, None where it has none.

    FetchError when Debian no longer offers that version, or it cannot be fetched.
    """
    found, offering = _offered(kernel, archives(pool, events, runner, mirrors))
    deb = offering.download([found], folder)[0]
    if patches_of(kernel) is None:
        return deb, None
    trouble: FetchError | None = None
    for source in archives(pool, events, runner, mirrors, "deb-src"):
        source.refresh(FRESH)
        try:
            return deb, source.source_part(found.source, found.version, ".debian.tar.xz", folder)
        except FetchError as error:
            trouble = trouble or error
    raise FetchError(
        f"{kernel.release} has patches of its flavour beside {found.name}, in Debian's source package {found.source}"
        f"={found.version}, which cannot be had: {trouble.what if trouble is not None else 'no archive has it'}"
    )


def patches_of(kernel: Kernel) -> str | None:
    """The directory of Debian's source package with the patches that the kernel's flavour has beside all others."""
    debian = Debian.read()
    split = debian.split(kernel.release)
    flavour = split[1] if split is not None else ""
    return next((folder for start, folder in debian.patches.items() if flavour.startswith(start)), None)


def apply_patches(kernel: Kernel, packed: Path, tree: Path, made: Path, runner: Runner) -> None:
    """The patches of the kernel's flavour out of a `.debian.tar.xz`, in their order, on its source in `tree`.

    FetchError when one does not apply; MissingToolError without patch.
    """
    if runner.find("patch") is None:
        raise missing("patch")
    parts = made / "patches"
    folder = parts / "debian" / (patches_of(kernel) or "")
    archive.unpack(packed, parts, lambda name: name.startswith(f"{folder.relative_to(parts)}/"))
    for name in _series(folder):
        words = ("patch", "--strip=1", "--batch", "--forward", "--silent", "--no-backup-if-mismatch")
        argv = [*bound_to_us(runner), *words, f"--directory={tree}", f"--input={folder / name}"]
        done = runner.run(argv, timeout=PATCH_TIMEOUT)
        if not done.ok:
            raise failed(done, f"cannot apply {name} of {packed.name}", FetchError)
    remove_tree(parts)


def _series(folder: Path) -> list[str]:
    """The names in a series file of quilt's; FetchError when there is none."""
    try:
        lines = (folder / "series").read_text("utf-8").splitlines()
    except OSError as error:
        raise FetchError(f"Debian's source package has no {folder.name}/series") from error
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def _offered(kernel: Kernel, places: Iterable[Archive]) -> tuple[Package, Archive]:
    """The package of the very version, and the archive that has it."""
    name, version = source_package(kernel)
    offered: list[str] = []
    for place in places:
        place.refresh(FRESH)
        found = {package.version: package for package in place.versions(name)}
        if version in found:
            return found[version], place
        offered += found
    raise FetchError(
        f"Debian does not offer {name}={version}, the source of kernel {kernel.release}; it offers "
        f"{', '.join(dict.fromkeys(offered)) or 'none'}",
        hint=f"a newer kernel has its source: dlkm kernel add source:latest-{kernel.version}-…",
    )
