# SPDX-License-Identifier: GPL-2.0-or-later
"""Which compiler a kernel wants, and the one this machine has. Runs nothing but a compiler's -dumpversion."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from dlkm.core.arch import Arch
from dlkm.core.data import data_table
from dlkm.core.errors import MissingToolError
from dlkm.core.events import Events
from dlkm.core.processes import Runner
from dlkm.kernel.config import Config
from dlkm.kernel.hosttools import require_own_tools
from dlkm.kernel.kernel import Kernel

_NAMED = re.compile(r"\b(gcc|clang)-([0-9]+)\b")
_VERSION = re.compile(r"(\d+)\.\d+(?:\.\d+)?\s*$")
_MAJORS = range(5, 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The compiler a kernel was built with. `called` is the name its Makefiles call, without a prefix."""

    family: str  # "gcc" or "clang"
    major: int | None
    called: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """The compiler to use. `stand_in` is the name under which the build must find it, None when it does by itself."""

    path: Path
    family: str
    major: int | None
    stand_in: str | None = None

    @property
    def llvm(self) -> str | None:
        """The kernel's word LLVM= for it (Documentation/kbuild/llvm.rst); None for gcc.

        "1" stands for clang, ld.lld and so on, "-14" for clang-14, ld.lld-14 and so on.
        """
        if self.family == "gcc":
            return None
        return "1" if self.major is None or self.path.name == "clang" else f"-{self.major}"


def wanted_by(kernel: Kernel) -> Wanted:
    """What `.kernelvariables` of Debian's headers names, else what CONFIG_CC_VERSION_TEXT does, else plain gcc."""
    variables = kernel.headers / ".kernelvariables" if kernel.headers is not None else None
    if variables is not None and variables.is_file():
        match = _NAMED.search(variables.read_text("utf-8", "replace"))
        if match is not None:
            return Wanted(family=match[1], major=int(match[2]), called=match[0])
    return wanted_in(kernel.config.get("CC_VERSION_TEXT") or kernel.compiler or "")


def wanted_in(text: str) -> Wanted:
    """What a CONFIG_CC_VERSION_TEXT names ("gcc-12 (Debian …) 12.2.0"), called without its version."""
    family = "clang" if "clang" in text else "gcc"
    named, version = _NAMED.search(text.split("(", maxsplit=1)[0]), _VERSION.search(text)
    found = named[2] if named is not None else version[1] if version is not None else None
    return Wanted(family=family, major=None if found is None else int(found), called=family)


def choose(kernel: Kernel, runner: Runner, events: Events) -> Compiler:
    """The compiler for a kernel: the one it wants, else the nearest with a warning.

    MissingToolError for none, and where the tools that came with the kernel do not run on this machine.
    """
    require_own_tools(kernel)
    return nearest_to(wanted_by(kernel), kernel.arch, kernel.config, kernel.id, runner, events)


def compiler_for(config: Config, arch: Arch, whose: str, runner: Runner, events: Events) -> Compiler:
    """The compiler that prepares a source with a configuration, by the name that this one says where that is here."""
    text = config.get("CC_VERSION_TEXT") or ""
    wanted = wanted_in(text)
    named = _NAMED.match(Path(text.split(" ", 1)[0]).name.removeprefix(arch.cross_compile))
    wanted = wanted if named is None else replace(wanted, called=named[0])
    return nearest_to(wanted, arch, config, whose, runner, events)


def nearest_to(wanted: Wanted, arch: Arch, config: Config, whose: str, runner: Runner, events: Events) -> Compiler:
    """The one that is wanted, else the nearest, with a warning of what that risks to `whose` modules.

    MissingToolError for none.
    """
    prefix = arch.cross_compile if wanted.family == "gcc" else ""
    called = runner.find(prefix + wanted.called)
    if called is not None and _is_major(called, wanted, runner):
        return _compiler(called, wanted, wanted.major, None)
    exact = runner.find(f"{prefix}{wanted.family}-{wanted.major}") if wanted.major is not None else None
    if exact is not None:
        return _compiler(exact, wanted, wanted.major, prefix + wanted.called)
    present = _present(wanted, prefix, runner)
    if not present:
        raise _missing(arch, wanted, prefix)
    target = wanted.major if wanted.major is not None else max(present)
    major = min(present, key=lambda candidate: (abs(candidate - target), -candidate))
    if wanted.major is not None:
        events.warning(
            f"{whose} was built with {wanted.family} {wanted.major}, which is not installed: taking"
            f" {present[major].name} ({package_hint(arch, wanted)} brings the right one); {risks(config)}"
        )
    return _compiler(present[major], wanted, major, prefix + wanted.called)


def _is_major(path: Path, wanted: Wanted, runner: Runner) -> bool:
    """A name with its version in it needs no question."""
    return wanted.major is None or wanted.called.endswith(f"-{wanted.major}") or _asked(path, runner) == wanted.major


def _asked(path: Path, runner: Runner) -> int | None:
    said = runner.run([path, "-dumpversion"], timeout=10).text().split(".")[0].strip()
    return int(said) if said.isdigit() else None


def _present(wanted: Wanted, prefix: str, runner: Runner) -> dict[int, Path]:
    """All of the family that are here, by their versions."""
    found = {major: path for major in _MAJORS if (path := runner.find(f"{prefix}{wanted.family}-{major}")) is not None}
    plain = runner.find(prefix + wanted.family)
    if plain is not None and (major := _asked(plain, runner)) is not None:
        found[major] = plain
    return found


def risks(config: Config) -> str:
    """What another compiler than the kernel's own risks, by the kernel's configuration (data/compilers.toml)."""
    table = data_table("compilers.toml")["risk"]
    real = [risk["text"] for risk in table if any(config.on(option) for option in risk["options"])]
    return (
        f"this risks: {'; '.join(real) or 'little with this configuration'}. Symbol versions never differ by compiler"
    )


def _compiler(path: Path, wanted: Wanted, major: int | None, stand_in: str | None) -> Compiler:
    return Compiler(path=path, family=wanted.family, major=major, stand_in=None if stand_in == path.name else stand_in)


def package_hint(arch: Arch, wanted: Wanted) -> str:
    """The command that installs the very one on Debian, where its suite has it."""
    if wanted.family == "clang":
        return f"apt-get install {wanted.called} lld llvm"
    plain = "gcc" if arch.is_host else arch.compiler_package
    return f"apt-get install {plain if wanted.major is None else plain.replace('gcc', f'gcc-{wanted.major}', 1)}"


def _missing(arch: Arch, wanted: Wanted, prefix: str) -> MissingToolError:
    """Of cross compilers any version would do: the package that each suite has."""
    exact = wanted.family == "clang" or arch.is_host
    hint = package_hint(arch, wanted) if exact else f"apt-get install {arch.compiler_package}"
    return MissingToolError(f"no compiler for {arch.name}: {prefix}{wanted.called}", hint=hint)
