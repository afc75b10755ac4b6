# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel in a directory that a user names: a headers tree, a build directory, or a source tree built in place."""

import re
from collections.abc import Iterator
from pathlib import Path

from dlkm.core.arch import Arch, all_archs
from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.names import is_release
from dlkm.kernel import layout
from dlkm.kernel.config import Config, text_of
from dlkm.kernel.kernel import Kernel
from dlkm.ko.decompress import decompress

_HEADER = re.compile(r"^# Linux/(\w+) (\S+) Kernel Configuration$", re.MULTILINE)
_UTS_RELEASE = re.compile(r'#define UTS_RELEASE "([^"\n]*)"')
SYMVERS_LIMIT = 64 << 20  # bytes of Module.symvers; Debian's has 1.7 MB


def kernel_at(source: Path, build: Path) -> Kernel:
    """The kernel that `KERNEL_SRC=build` names; `source` is the same, or the tree it was built from (`O=build`).

    One directory may stand for both (layout.py). UsageError when it is no such directory or is not prepared yet, with
    what is there and what is missing.
    """
    source, build = _directory(source), _directory(build)
    if source == build:
        source, build = layout.directories(build)
    source, build = source.resolve(), build.resolve()
    if (error := layout.trouble(source, build)) is not None:
        raise error
    release = _release(source, build)
    arch = arch_of(build / ".config")
    full = source if source != build else _included(build) or build
    symvers = build / "Module.symvers"
    config = Config.read(build / ".config")
    beside = _installed_beside(build, release)
    return Kernel(
        id=release,
        release=release,
        arch=arch,
        origin=str(build) if source == build else f"{source}:{build}",
        headers=build,
        source=full if (full / "kernel" / "module").exists() or (full / "kernel" / "module.c").exists() else None,
        symvers=symvers if symvers.is_file() else None,
        config_file=build / ".config",
        vermagic=vermagic_of(release, arch, config),
        compiler=config.get("CC_VERSION_TEXT"),
        exports=exports_in(symvers),
        image=_image(build, arch) or beside.get("image"),
        modules=beside.get("modules"),
        tree=beside.get("tree"),
    )


def lacks(kernel: Kernel) -> Iterator[str]:
    """What the tree of a kernel from a directory lacks without being useless."""
    if kernel.headers is not None:
        return layout.warnings(kernel.source or kernel.headers, kernel.headers)
    return iter(())


def arch_of(config_file: Path) -> Arch:
    """The architecture a .config is for, from its first lines ("# Linux/x86 …") and CONFIG_64BIT.

    Source: scripts/kconfig/confdata.c writes the main menu's title there. MalformedError when it does not tell.
    """
    text = text_of(config_file)
    match = _HEADER.search(text[: layout.SMALL])
    if match is None:
        raise MalformedError(f"{config_file}: its first lines do not tell the architecture")
    config = Config.parse(text)
    wide, big = 64 if config.on("64BIT") else 32, config.on("CPU_BIG_ENDIAN")
    for arch in all_archs():
        if (arch.srcarch, arch.elf_class, arch.big_endian) == (match[1], wide, big):
            return arch
    raise MalformedError(f"{config_file}: architecture {match[1]} ({wide} bits) is not known")


def exports_in(symvers: Path | None) -> int | None:
    """The number of rows of a Module.symvers; None without one."""
    if symvers is None:
        return None
    try:
        with symvers.open("rb") as stream:
            return decompress(stream.read(SYMVERS_LIMIT), str(symvers), SYMVERS_LIMIT).count(b"\n")
    except (OSError, MalformedError):
        return None


def vermagic_of(release: str, arch: Arch, config: Config) -> str | None:
    """The string as include/linux/vermagic.h puts it together; None where it holds what no configuration tells.

    That is: the hash of RANDSTRUCT, and the words of an architecture where they depend on more than the architecture.
    """
    if arch.vermagic is None or config.on("RANDSTRUCT") or config.on("GCC_PLUGIN_RANDSTRUCT"):
        return None
    preempt_build = config.on("PREEMPT_BUILD") or (config.on("PREEMPT") and not config.on("PREEMPT_DYNAMIC"))
    flags = (
        ("SMP", config.on("SMP")),
        ("preempt", preempt_build),
        ("preempt_rt", config.on("PREEMPT_RT") and not preempt_build),
        ("mod_unload", config.on("MODULE_UNLOAD")),
        ("modversions", config.on("MODVERSIONS")),
    )
    # The architecture's own word stands last, with no blank behind it (arch/arm64/include/asm/vermagic.h).
    return f"{release} " + "".join(f"{word} " for word, wanted in flags if wanted) + arch.vermagic


def _release(source: Path, build: Path) -> str:
    """What the module's vermagic will say. Source: Makefile (include/config/kernel.release, utsrelease.h)."""
    generated = _UTS_RELEASE.search(layout.head(build / "include/generated/utsrelease.h"))
    text = generated[1] if generated else layout.head(build / "include/config/kernel.release").strip()
    if not text:
        raise layout.unprepared(source, build)
    if not is_release(text):
        raise MalformedError(f"{build}: {text[:80]!r} is no kernel release")
    return text


def _directory(path: Path) -> Path:
    found = path.expanduser()
    if not found.is_dir():
        raise UsageError(f"{path}: no such directory" if not found.exists() else f"{path}: is no directory")
    return found.absolute()  # its name counts: Yocto's kernel-source may be a link to a tree elsewhere


def _included(build: Path) -> Path | None:
    """The source tree that a build directory's Makefile includes, or its link `source` names (`O=`)."""
    for candidate in (*(build / name for name in layout.includes(build)[:1]), build / "source"):
        if (candidate / "Makefile").is_file():
            return candidate.resolve()
    return None


def _image(build: Path, arch: Arch) -> Path | None:
    boot = build / "arch" / arch.srcarch / "boot"
    names = arch.machine.image_formats if arch.machine is not None else ()
    return next((boot / name for name in names if (boot / name).is_file()), None)


def _installed_beside(build: Path, release: str) -> dict[str, Path]:
    """Where headers lie as a distribution installs them (ROOT/usr/src/NAME, …/kernels/NAME): root, image, modules."""
    folders = build.parent.parts
    if folders[-2:] != ("usr", "src") and folders[-3:] != ("usr", "src", "kernels"):
        return {}
    root = build.parents[2 if folders[-1] == "src" else 3]
    parts = {"modules": root / "lib/modules" / release / "kernel", "image": root / "boot" / f"vmlinuz-{release}"}
    found = {name: path for name, path in parts.items() if path.exists()}
    if "modules" in found:
        found["modules"] = found["modules"].parent
    return found | {"tree": root}
