# SPDX-License-Identifier: GPL-2.0-or-later
"""What a build in the sandbox sees: this machine's tools, the chosen kernel, the copy. Gives bubblewrap's arguments."""

from collections.abc import Iterator
from pathlib import Path

from dlkm.build.kerneltree import KernelTree
from dlkm.build.scratch import Scratch
from dlkm.build.system import TOP, entry, kernel_mounts, programs
from dlkm.kernel.compiler import Compiler

DRIVER = "/build/driver"  # where the copy lies, and where debug information says it did, sandbox or not
ROOT, TOOLS, HOME = "/build/root", "/build/tools", "/build/home"
DKMS_TREE = "/var/lib/dkms"
KMOD, REAL_KMOD = "dlkm-kmod", "/build/kmod"  # our script over the machine's kmod, and the directory of the real one
_PROC = (
    ("version", "/proc/version"),
    ("osrelease", "/proc/sys/kernel/osrelease"),
    ("kernel-version", "/proc/sys/kernel/version"),
)
_KMOD_NAMES = ("insmod", "lsmod", "modinfo", "modprobe", "rmmod")

_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d")
PASSWD = f"root:x:0:0:root:{HOME}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"


def mounts_of(host: Path, scratch: Scratch, tree: KernelTree, compiler: Compiler) -> tuple[str, ...]:
    """bubblewrap's arguments; `host` is this machine's root directory. Writes small files into the scratch."""
    return (
        *("--tmpfs", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp"),  # noqa: S108
        *("--dir", "/run", "--dir", HOME, "--dir", "/usr/src", "--dir", "/usr/lib/modules"),
        *programs(host),
        *_configuration(host, scratch),
        *foreign_compiler(compiler),
        *kernel_mounts(host, tree),
        *("--bind", str(scratch.driver), DRIVER, "--bind", str(scratch.root), ROOT),
        *("--bind", str(scratch.dkms), DKMS_TREE),
        *("--ro-bind", str(scratch.tools), TOOLS),
        *_uname(host, scratch),
        *_depmod(host, scratch),
        *(word for name, place in _PROC for word in ("--ro-bind", str(scratch.proc / name), place)),
    )


def _configuration(host: Path, scratch: Scratch) -> Iterator[str]:
    """The little of /etc that programs need to start; no host names, users or secrets of this machine."""
    for name in _ETC:
        yield from entry(host / "etc" / name, f"/etc/{name}")
    for name, text in (("passwd", PASSWD), ("group", GROUP)):
        yield from _written(scratch, name, text, f"/etc/{name}")


def _written(scratch: Scratch, name: str, text: str, place: str) -> tuple[str, ...]:
    path = scratch.path / name
    path.write_text(text, "utf-8")
    return ("--ro-bind", str(path), place)


def foreign_compiler(compiler: Compiler) -> Iterator[str]:
    """A compiler that lies outside the system's directories comes with the directory that holds its bin."""
    for prefix in foreign_folders(compiler):
        yield from ("--ro-bind", prefix, prefix)


def foreign_folders(compiler: Compiler) -> Iterator[str]:
    """Those directories."""
    for path in dict.fromkeys((compiler.path, compiler.path.resolve())):
        prefix = path.parent.parent
        if path.parts[1] not in {"usr", *TOP} and prefix != Path("/"):
            yield str(prefix)


def _uname(host: Path, scratch: Scratch) -> Iterator[str]:
    """Our uname over the machine's, for who calls it by its path; not over a link, which may lead to many programs."""
    for name in ("usr/bin/uname", "bin/uname"):
        path = host / name
        if path.is_file() and not path.is_symlink() and not path.parent.is_symlink():
            yield from ("--ro-bind", str(scratch.tools / "uname"), f"/{name}")


def _depmod(host: Path, scratch: Scratch) -> Iterator[str]:
    """A depmod that does nothing over the machine's, which most often is a link to kmod, a program of many names.

    Over that goes a script that passes on what is not depmod: what a link leads to can be covered, the link cannot.
    """
    path = next((host / name for name in ("usr/sbin/depmod", "sbin/depmod") if (host / name).is_file()), None)
    if path is None:
        return
    link = path.is_symlink()
    text = str(path.readlink()) if link else path.name
    real = (host / text.lstrip("/") if text.startswith("/") else path.parent / text).resolve()
    if not real.is_relative_to(host.resolve()) or (link and real.name != "kmod"):
        return
    place = f"/{real.relative_to(host.resolve())}"
    if not link:
        yield from ("--ro-bind", str(scratch.tools / "depmod"), place)
        return
    yield from ("--ro-bind", str(real), f"{REAL_KMOD}/kmod")
    for name in _KMOD_NAMES:
        yield from ("--symlink", "kmod", f"{REAL_KMOD}/{name}")
    yield from ("--ro-bind", str(scratch.tools / KMOD), place)
