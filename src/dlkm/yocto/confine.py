# SPDX-License-Identifier: GPL-2.0-or-later
"""What the worker sees of this machine, as bubblewrap's arguments. Starts nothing."""

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import dlkm
from dlkm.build.bubblewrap import ISOLATION, Bubblewrap
from dlkm.build.system import TOP, entry, kernel_mounts, programs
from dlkm.core.errors import MissingToolError

if TYPE_CHECKING:
    from dlkm.build.kerneltree import KernelTree

LIBRARY = "/build/lib"  # where the worker finds bb and our own package
_SCRATCH = 64 << 20  # bytes
_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/")
_START = f"import sys; sys.path[:0] = ['{LIBRARY}']; from dlkm.yocto.worker.start import main; main()"


def worker_command() -> tuple[str, ...]:
    """The interpreter that runs us, without anything of its user's or of our environment's packages."""
    return (str(_interpreter()), "-I", "-S", "-B", "-c", _START)


def _interpreter() -> Path:
    """The real program behind the links of a virtual environment."""
    return Path(sys.executable).resolve()


def library() -> tuple[str, ...]:
    """bb, our own package and what reads compressed modules; the interpreter where it is not the system's."""
    folders = {"dlkm": Path(dlkm.__file__).parent, "bb": package_folder("bb")}
    zstandard = find_spec("zstandard")
    if zstandard is not None and zstandard.submodule_search_locations:
        folders["zstandard"] = Path(zstandard.submodule_search_locations[0])
    words: list[str] = ["--dir", LIBRARY]
    for name, folder in folders.items():
        words += ["--ro-bind", str(folder), f"{LIBRARY}/{name}"]
    for prefix in dict.fromkeys((Path(sys.base_prefix), _interpreter().parent.parent)):
        if not f"{prefix}/".startswith(_SYSTEM):
            words += ["--ro-bind", str(prefix), str(prefix)]
    return tuple(words)


@cache
def package_folder(name: str) -> Path:
    """Where a package of Python lies; MissingToolError for BitBake's when it is not installed."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise MissingToolError(
            "BitBake's library is not installed; it is needed: to read recipes",
            hint="pip install bitbake-setup==2.19.0",
        )
    return Path(spec.submodule_search_locations[0])


def reading_place(bubblewrap: Bubblewrap, tree: "KernelTree | None", shown: tuple[str, ...]) -> tuple[str, ...]:
    """Where recipes are only read: nothing of this machine can be written, no network."""
    host = Path("/")
    return (
        *(str(bubblewrap.program), *ISOLATION, *bubblewrap.identity),
        *("--tmpfs", "/", "--proc", "/proc", "--dev", "/dev", *writable("/tmp"), *writable("/build/home")),  # noqa: S108
        *(_programs_only() if tree is None else ()),
        *(("--dir", "/usr/src", "--dir", "/usr/lib/modules", *programs(host)) if tree is not None else ()),
        *(kernel_mounts(host, tree) if tree is not None else ()),
        *shown,
        *library(),
        *("--remount-ro", "/"),
        *("--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin", "--setenv", "HOME", "/build/home"),
        *("--setenv", "LC_ALL", "C.UTF-8", "--setenv", "TZ", "UTC", "--chdir", "/", "--"),
        *(*worker_command(), "evaluate"),
    )


def _programs_only() -> tuple[str, ...]:
    """This machine's programs where no kernel has to appear among them: a tenth of the mounts, and of their time."""
    words = ["--ro-bind", "/usr", "/usr"]
    for hidden in ("/usr/src", "/usr/lib/modules"):
        words += ["--tmpfs", hidden] if Path(hidden).is_dir() else []
    return (*words, *(word for name in TOP for word in entry(Path("/") / name, f"/{name}")))


def writable(place: str) -> tuple[str, ...]:
    """A directory in memory, of a size that does no harm."""
    return ("--size", str(_SCRATCH), "--tmpfs", place)


def fetching_place(bubblewrap: Bubblewrap, downloads: Path, scratch: Path) -> tuple[str, ...]:
    """Where sources are fetched: this machine's network, its files read-only, no code of a recipe."""
    isolation = tuple(
        word for word in ISOLATION if word not in {"--unshare-net", "--unshare-uts", "--hostname", "dlkm"}
    )
    return (
        *(str(bubblewrap.program), *isolation, *bubblewrap.identity),
        *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
        *("--bind", str(downloads), str(downloads), "--bind", str(scratch), str(scratch)),
        *("--setenv", "TMPDIR", str(scratch), "--setenv", "GIT_TERMINAL_PROMPT", "0"),
        *("--setenv", "GIT_CONFIG_COUNT", "1", "--setenv", "GIT_CONFIG_KEY_0", "safe.directory"),
        *("--setenv", "GIT_CONFIG_VALUE_0", "*", "--chdir", str(scratch), "--"),
        *worker_command_outside(),
    )


def worker_command_outside() -> tuple[str, ...]:
    """The same where this machine's own paths are seen."""
    places = [str(Path(dlkm.__file__).parent.parent), str(package_folder("bb").parent)]
    start = _START.replace(f"['{LIBRARY}']", repr(places))
    return (str(_interpreter()), "-I", "-S", "-B", "-c", start)
