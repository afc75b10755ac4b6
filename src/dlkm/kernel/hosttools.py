# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the build's own tools in a kernel's headers (scripts/mod/modpost) run on this machine. Runs none of them."""

import os
import platform
import re
from contextlib import suppress
from pathlib import Path

from dlkm.core.arch import arch_of_elf
from dlkm.core.errors import DlkmError, MissingToolError
from dlkm.kernel.distros import Debian
from dlkm.kernel.kernel import Kernel
from dlkm.ko.elf import Elf

MODPOST = "scripts/mod/modpost"  # every module is built with it; Debian's calls one of several modpost.real-…
_LIMIT = 16 << 20  # bytes; a distribution's has 0.1 MB
_GLIBC = re.compile(rb"\0GLIBC_([0-9]+)\.([0-9]+)(?=\0|\.)")  # names of versions in .dynstr


def require_own_tools(kernel: Kernel) -> None:
    """MissingToolError when the tools that came with a kernel are for another machine or a newer system."""
    if (trouble := own_tools_trouble(kernel)) is not None:
        raise MissingToolError(f"{kernel.id}: {trouble}", hint=_instead(kernel))


def own_tools_trouble(kernel: Kernel) -> str | None:
    """Why they do not run here; None where they do, or where there are none that can be read."""
    if kernel.headers is None:
        return None
    data = _read(kernel.headers / MODPOST)
    real = (kernel.headers / MODPOST).parent.glob("modpost.real-*")
    with suppress(DlkmError):
        elf = Elf.parse(data, MODPOST)
        arch = arch_of_elf(elf.header.machine, elf.bits, big_endian=elf.big_endian)
        if arch is not None and not arch.is_host and arch.name != "i386":  # x86_64 may run these
            return f"its own build tools ({MODPOST}) are for {arch.name}, this machine is {platform.machine()}"
    named = (match for program in (data, *map(_read, real)) for match in _GLIBC.finditer(program))
    wanted = max(((int(match[1]), int(match[2])) for match in named), default=(0, 0))
    here = _glibc_here()
    if here is not None and wanted > here:
        return (
            f"its own build tools ({MODPOST}) need glibc {_text(wanted)} or newer, this machine has {_text(here)}: "
            "good for check and prove, not for build"
        )
    return None


def _instead(kernel: Kernel) -> str:
    """What brings tools that run here."""
    if Debian.read().split(kernel.release) is not None:
        return f"the full source makes its own: -k source:{kernel.release}"
    return "take the kernel's source, which makes its own: source:PATH --config FILE --symvers FILE, or a newer system"


def _glibc_here() -> tuple[int, int] | None:
    """As the C library says ("glibc 2.36"); None with another one."""
    try:
        found = re.search(r"glibc ([0-9]+)\.([0-9]+)", os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (ValueError, OSError):
        return None
    return None if found is None else (int(found[1]), int(found[2]))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_LIMIT)
    except OSError:
        return b""


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
