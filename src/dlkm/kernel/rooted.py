# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel as it is installed in a file system (`/boot`, `/lib/modules`): this machine's, or one below a directory."""

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from dlkm.core.arch import Arch, arch_of_elf, host_arch
from dlkm.core.errors import DlkmError, MalformedError, UsageError
from dlkm.core.names import is_release
from dlkm.filesystem.directory import place_in
from dlkm.filesystem.place import Kind
from dlkm.kernel.config import Config
from dlkm.kernel.directory import arch_of, exports_in
from dlkm.kernel.installed import module_files
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import Module, read_module

# Where distributions put the image and its configuration; {R} is the release. Debian, Yocto, Fedora, Arch.
IMAGES = ("boot/vmlinuz-{R}", "boot/vmlinux-{R}", "boot/Image-{R}", "boot/bzImage-{R}", "boot/zImage-{R}")
IMAGES_IN_MODULES = ("vmlinuz", "vmlinux")
CONFIGS = ("boot/config-{R}",)
CONFIGS_IN_MODULES = ("config", "build/.config")
SYMVERS = ("boot/symvers-{R}.gz", "boot/symvers-{R}.xz", "usr/src/linux-headers-{R}/Module.symvers")
SYMVERS_IN_MODULES = ("symvers", "symvers.gz", "symvers.xz", "symvers.zst", "build/Module.symvers")
MODULES = ("lib/modules", "usr/lib/modules")
SAMPLES = 5  # modules to look at before giving up


def releases_in(root: Path) -> tuple[str, ...]:
    """The releases whose modules are installed below a root."""
    folders = (_first(root, [folder], directory=True) for folder in MODULES)
    found = {name for folder in folders if folder is not None for name in _names(folder) if is_release(name)}
    return tuple(sorted(release for release in found if modules_of(root, release) is not None))


def kernel_in(
    root: Path, release: str, *, origin: str, headers: Path | None = None, arch: Arch | None = None
) -> Kernel:
    """The kernel of that release below `root`; links are followed inside it, as the target does.

    `arch` is found out when it is not given: MalformedError when neither configuration nor modules tell.
    """
    modules = modules_of(root, release)
    config = _config_file(root, release, modules, headers)
    sample = _sample(modules)
    symvers = _symvers(root, release, modules, headers)
    options = Config.read(config) if config is not None else Config({})
    return Kernel(
        id=release,
        release=release,
        arch=arch or _arch(origin, release, config, sample),
        origin=origin,
        headers=headers,
        image=_image(root, release, modules),
        modules=modules,
        symvers=symvers,
        config_file=config,
        tree=root,
        vermagic=sample.vermagic if sample is not None else None,
        compiler=options.get("CC_VERSION_TEXT"),
        exports=exports_in(symvers),
    )


def running(root: Path = Path("/"), *, partial: bool = False) -> Kernel:
    """This machine's own kernel, with whatever of it is installed.

    UsageError when too little is there to build or check with, with what is there and which package brings the rest;
    with `partial`, only when there is nothing at all.
    """
    release = platform.release()
    build = root / "lib/modules" / release / "build"
    headers = build.resolve() if (build / "Makefile").is_file() else None
    if not is_release(release):
        raise UsageError(f"the running kernel calls itself {release[:80]!r}, which is no kernel release")
    kernel = kernel_in(root, release, origin="running", headers=headers, arch=host_arch())
    config = root / "proc/config.gz"
    if kernel.config_file is None and config.is_file():
        kernel = replace(kernel, config_file=config, compiler=Config.read(config).get("CC_VERSION_TEXT"))
    here, missing = _running_parts(root, kernel)
    if kernel.modules is None and headers is None and not (partial and here):
        raise UsageError(
            f"the running kernel {release} has neither modules nor headers on this machine; "
            f"found: {', '.join(here) or 'nothing'}; missing: {', '.join(missing)}",
            hint=_running_hint(release),
        )
    return kernel


def running_lacks(kernel: Kernel) -> Iterator[str]:
    """Warnings for what of the running kernel is not at hand."""
    if kernel.headers is None:
        here, missing = _running_parts(Path("/"), kernel)
        yield (
            f"the running kernel {kernel.release} has no headers: good for check, not for build; "
            f"found: {', '.join(here)}; missing: {', '.join(missing)} ({_running_hint(kernel.release)})"
        )


def _running_parts(root: Path, kernel: Kernel) -> tuple[list[str], list[str]]:
    """What is there of the running kernel and what is not, each with its place."""
    places = {
        "headers": (kernel.headers, f"/lib/modules/{kernel.release}/build"),
        "modules": (kernel.modules, f"/lib/modules/{kernel.release}"),
        "image": (kernel.image, f"/boot/vmlinuz-{kernel.release}"),
        "configuration": (kernel.config_file, f"/boot/config-{kernel.release}"),
        "types": (_first(root, ["sys/kernel/btf/vmlinux"]), "/sys/kernel/btf/vmlinux"),
    }
    here = [f"{what} ({path})" for what, (path, _) in places.items() if path is not None]
    return here, [f"{what} ({place})" for what, (path, place) in places.items() if path is None]


def _running_hint(release: str) -> str:
    """The command that installs the headers of this machine's kernel, where there can be a package of them."""
    from dlkm.kernel.distros import headers_command

    command = headers_command(release)
    own = "in a container or a virtual machine the kernel may belong to the host: then name another kernel"
    return f"{command}; {own}" if command else f"{own}, or take a snapshot there: dlkm kernel snapshot"


def rootfs_kernels(root: Path) -> tuple[Kernel, ...]:
    """All kernels of an installed root filesystem: image, modules, configuration; no headers."""
    if not root.is_dir():
        raise UsageError(f"{root}: no such directory or file")
    found = releases_in(root)
    if not found:
        raise UsageError(f"{root}: no kernel's modules below lib/modules or usr/lib/modules")
    where = root.resolve()
    return tuple(kernel_in(where, release, origin=f"rootfs:{where}") for release in found)


def modules_of(root: Path, release: str) -> Path | None:
    """The modules directory of a release below a root; one that holds only the links of a headers package is none."""
    found = (_first(root, [f"{folder}/{release}"], directory=True) for folder in MODULES)
    return next((path for path in found if path is not None and not _is_headers_only(_names(path))), None)


def _is_headers_only(names: Sequence[str]) -> bool:
    return bool(names) and set(names) <= {"build", "source"}


def _image(root: Path, release: str, modules: Path | None) -> Path | None:
    found = _first(root, [name.replace("{R}", release) for name in IMAGES])
    return found or _first(root, _beside(root, modules, IMAGES_IN_MODULES))


def _config_file(root: Path, release: str, modules: Path | None, headers: Path | None) -> Path | None:
    if headers is not None and (headers / ".config").is_file():
        return headers / ".config"
    found = _first(root, [name.replace("{R}", release) for name in CONFIGS])
    return found or _first(root, _beside(root, modules, CONFIGS_IN_MODULES))


def _symvers(root: Path, release: str, modules: Path | None, headers: Path | None) -> Path | None:
    if headers is not None and (headers / "Module.symvers").is_file():
        return headers / "Module.symvers"
    found = _first(root, _beside(root, modules, SYMVERS_IN_MODULES))
    return found or _first(root, [name.replace("{R}", release) for name in SYMVERS])


def _arch(origin: str, release: str, config: Path | None, sample: Module | None) -> Arch:
    if sample is not None:
        machine = sample.elf.header.machine
        arch = arch_of_elf(machine, sample.elf.bits, big_endian=sample.elf.big_endian)
        if arch is not None:
            return arch
        raise MalformedError(f"{sample.path}: is for ELF machine {machine}, an architecture that is not known")
    if config is not None:
        return arch_of(config)
    raise MalformedError(f"{origin}: neither a module nor a configuration tells the architecture of {release}")


def _sample(modules: Path | None) -> Module | None:
    """Any module of the kernel that can be read; those of the tree itself, not ones added later."""
    if modules is None or (modules / "kernel").is_symlink():  # a hostile package's may lead anywhere
        return None
    for path in islice(module_files(modules / "kernel"), SAMPLES):
        with suppress(DlkmError):
            module = read_module(path)
            if module.vermagic is not None:
                return module
    return None


def _beside(root: Path, modules: Path | None, names: Iterable[str]) -> list[str]:
    """The names in the modules directory, as paths below the root."""
    return [f"{modules.relative_to(root)}/{name}" for name in names] if modules is not None else []


def _first(root: Path, names: Iterable[str], *, directory: bool = False) -> Path | None:
    """The first of them that is there, links followed as the target follows them."""
    wanted = Kind.DIRECTORY if directory else Kind.FILE
    places = (place_in(root, name) for name in names)
    return next((root / place.path for place in places if place is not None and place.kind is wanted), None)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 — the names alone
    except OSError:
        return []
