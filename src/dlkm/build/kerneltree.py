# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a kernel's build directories lie, and where a build in the sandbox sees them. Reads links and one Makefile."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.layout import includes
from dlkm.kernel.manifest import NAME as MANIFEST


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTree:
    """A kernel's directories as a build sees them. `directory` is what `make -C` takes, `source` the sources.

    `binds` says what lies where (host path, path inside), read-only; `links` are symbolic links (text, place).
    `usual` says where a target has what lies elsewhere (directory, usual place). `whole`: all in it counts; a tree
    that was built in its place also holds what no module is built with. `manifest` lists files with their digests.
    """

    release: str
    directory: str
    source: str
    binds: tuple[tuple[Path, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    usual: tuple[tuple[str, str], ...] = ()
    whole: bool = True
    manifest: Path | None = None


def headers_of(kernel: Kernel) -> Path:
    """The directory that `make -C` takes, on this machine; UsageError when the kernel has none."""
    if kernel.headers is None:
        raise UsageError(
            f"{kernel.id} has no headers, so nothing can be built for it",
            hint=f"dlkm kernel add debian:{kernel.release}",
        )
    if not (kernel.headers / "Makefile").is_file():
        raise UsageError(f"{kernel.id}: {kernel.headers} holds no Makefile", hint=f"dlkm kernel rm {kernel.id}")
    return kernel.headers


def tree_on_this_machine(kernel: Kernel) -> KernelTree:
    """As it lies here: what a build without a sandbox sees."""
    headers = headers_of(kernel)
    source = str(kernel.source or headers)
    return KernelTree(
        release=kernel.release,
        directory=str(headers),
        source=source,
        usual=_usual(kernel.release, str(headers), source),
    )


def tree_on_the_target(kernel: Kernel) -> KernelTree:
    """As it lies on the machine that runs the kernel: what a build in the sandbox sees."""
    headers = headers_of(kernel)
    if kernel.tree is not None and headers.is_relative_to(kernel.tree) and kernel.tree != Path("/"):
        return _of_packages(kernel, kernel.tree, headers)
    return _in_its_place(kernel, headers)


def _of_packages(kernel: Kernel, tree: Path, headers: Path) -> KernelTree:
    """The kernel's packages lie unpacked below `tree`: their directories appear where the packages put them."""
    folders = sorted([*tree.glob("usr/src/*"), *tree.glob("usr/lib/linux-kbuild-*")])
    binds = [(path, f"/{path.relative_to(tree)}") for path in folders if not path.is_symlink() and path.is_dir()]
    links = [(str(path.readlink()), f"/{path.relative_to(tree)}") for path in folders if path.is_symlink()]
    directory = f"/{headers.relative_to(tree)}"
    source = kernel.source or _included(headers, tree) or headers
    inside = f"/{source.relative_to(tree)}" if source.is_relative_to(tree) else str(source)
    if inside == str(source):
        binds.append((source, inside))
    return KernelTree(
        release=kernel.release,
        directory=directory,
        source=inside,
        binds=(*binds, *_boot(kernel, tree)),
        links=(*links, *_module_links(kernel, directory, inside)),
        manifest=tree.parent / MANIFEST,
    )


def _in_its_place(kernel: Kernel, headers: Path) -> KernelTree:
    """A tree that lies wherever its owner put it appears there and, by links, where a target has it."""
    directory, source = str(headers), str(kernel.source or _included(headers, Path("/")) or headers)
    links = list(_module_links(kernel, directory, source))
    places = _usual(kernel.release, directory, source)
    links += [(here, place) for here, place in places if here == directory]
    folders = dict.fromkeys([headers, *([kernel.source] if kernel.source is not None else []), *_reached(headers)])
    return KernelTree(
        release=kernel.release,
        directory=directory,
        source=source,
        binds=(*((path, str(path)) for path in folders), *_boot(kernel, None)),
        links=tuple(links),
        usual=places,
        whole=False,
    )


def _usual(release: str, directory: str, source: str) -> tuple[tuple[str, str], ...]:
    """Where a target has a tree that lies elsewhere; the inner one last, as the last of the compiler's maps wins."""
    wanted = {source: f"/usr/src/linux-source-{release}", directory: f"/usr/src/linux-headers-{release}"}
    moved = ((here, usual) for here, usual in wanted.items() if here != usual)
    return tuple(sorted(moved, key=lambda pair: len(pair[0])))


def _boot(kernel: Kernel, tree: Path | None) -> Iterator[tuple[Path, str]]:
    """What a target has in /boot of this kernel; without a tree what is known of it."""
    known = {"config": kernel.config_file, "System.map": None, "vmlinuz": kernel.image}
    for name, elsewhere in known.items():
        file = f"{name}-{kernel.release}"
        usual = tree / "boot" / file if tree is not None else None
        path = usual if usual is not None and usual.is_file() else elsewhere
        if path is not None and path.is_file():
            yield path, f"/boot/{file}"


def _module_links(kernel: Kernel, directory: str, source: str) -> tuple[tuple[str, str], ...]:
    folder = f"/lib/modules/{kernel.release}"
    return (directory, f"{folder}/build"), (source, f"{folder}/source")


def _included(headers: Path, tree: Path) -> Path | None:
    """The source directory whose Makefile a headers directory includes (Debian's -common, an O= directory)."""
    for name in includes(headers):
        for candidate in (tree / name.lstrip("/"), headers / name) if name.startswith("/") else (headers / name,):
            if (candidate / "Makefile").is_file():
                return candidate.resolve()
    return None


def _reached(headers: Path) -> Iterator[Path]:
    """Directories outside that a headers directory, or the one it includes, leads to."""
    included = _included(headers, Path("/"))
    for folder in (headers, *([included] if included is not None else [])):
        if folder != headers:
            yield folder
        for path in sorted(folder.iterdir()):
            if path.is_symlink() and path.is_dir():
                real = path.resolve()
                if not real.is_relative_to(folder):
                    yield real
