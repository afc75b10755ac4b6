# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's initramfs: our program, compiled once an architecture, and the kernel's module that reads payloads."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from dlkm.core.arch import Arch
from dlkm.core.cpio import archive, character_device, directory, plain_file
from dlkm.core.errors import MissingToolError
from dlkm.core.files import scratch_dir, write_atomically
from dlkm.core.processes import Runner, failed
from dlkm.core.tools import all_tools, install_command
from dlkm.kernel.installed import Installed
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.reading import plain_bytes

FLAGS = ("-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror=implicit-function-declaration")
COMPILE_TIME = 120.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestImage:
    """The parts of an initramfs; `driver` is qemu_fw_cfg.ko, None for a kernel that has no such module."""

    program: bytes
    driver: bytes | None

    def initramfs(self, payload: bytes | None = None) -> bytes:
        """The archive, the payload within it when it is given."""
        entries = [directory("dev"), character_device("dev/console", 5, 1), plain_file("init", self.program, 0o755)]
        if payload is not None:
            entries.append(plain_file("payload", payload))
        elif self.driver is not None:
            entries.append(plain_file("qemu_fw_cfg.ko", self.driver))
        return archive(entries)


def guest_image(kernel: Kernel, cache: Path, runner: Runner) -> GuestImage:
    """What a guest of this kernel consists of; MissingToolError when there is no compiler for its architecture."""
    found = _driver(kernel.modules) if kernel.modules is not None else None
    driver = bytes(plain_bytes(found)) if found is not None else None
    return GuestImage(program=guest_program(kernel.arch, cache, runner), driver=driver)


def _driver(modules: Path) -> Path | None:
    """Where the kernel's tree puts it, else wherever it lies: the whole directory need not be walked."""
    usual = sorted((modules / "kernel/drivers/firmware").glob("qemu_fw_cfg.ko*"))
    return usual[0] if usual else Installed(modules).find("qemu_fw_cfg")


def guest_program(arch: Arch, cache: Path, runner: Runner) -> bytes:
    """The guest's program for an architecture, from the cache when its sources, flags and compiler are the same."""
    program = f"{arch.cross_compile}gcc"
    compiler = runner.find(program)
    sources = {item.name: item.read_bytes() for item in files("dlkm.prove").joinpath("guest").iterdir()}
    kept = cache / "guest-programs" / f"{arch.name}-{_digest(arch, compiler, sources)}"
    if kept.is_file():
        return kept.read_bytes()
    if compiler is None:
        raise MissingToolError(
            f"no compiler for the guest's program: {program} is not installed", hint=compiler_help(arch)
        )
    return _compile(arch, compiler, sources, kept, runner)


def _digest(arch: Arch, compiler: Path | None, sources: dict[str, bytes]) -> str:
    state = hashlib.sha256(repr((arch.name, str(compiler), _flags(arch))).encode())
    for name in sorted(sources):
        state.update(name.encode() + b"\0" + sources[name] + b"\0")
    return state.hexdigest()[:32]


def _flags(arch: Arch) -> tuple[str, ...]:
    assert arch.machine is not None
    return (*FLAGS, f'-DCHANNEL="/dev/{arch.machine.channel}"')


def _compile(arch: Arch, compiler: Path, sources: dict[str, bytes], kept: Path, runner: Runner) -> bytes:
    with scratch_dir(kept.parent) as folder:
        for name, text in sources.items():
            (folder / name).write_bytes(text)
        units = sorted(folder / name for name in sources if name.endswith(".c"))
        result = folder / "init"
        completed = runner.run([compiler, *_flags(arch), "-o", result, *units], timeout=COMPILE_TIME)
        if not completed.ok:
            error = failed(completed, f"compiling the guest's program for {arch.name}", MissingToolError)
            raise MissingToolError(error.what, hint=compiler_help(arch))
        program = result.read_bytes()
        write_atomically(kept, program, 0o755)
    return program


def compiler_help(arch: Arch) -> str | None:
    """The command that installs what compiles for guests of an architecture."""
    names = {"gcc", "libc"} if arch.is_host else {f"{arch.cross_compile}gcc", f"{arch.cross_compile}libc"}
    tools = [tool for tool in all_tools() if tool.name in names]
    if len(tools) < len(names):  # an architecture that the table of tools leaves to that of architectures
        return f"apt-get install {arch.compiler_package} {arch.libc_package}"
    return install_command(tools)
