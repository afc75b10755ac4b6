# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that run in a guest after loading: a C source is compiled, a script or executable looked at. Runs none."""

from collections.abc import Sequence
from pathlib import Path

from dlkm.core.arch import Arch
from dlkm.core.errors import MalformedError, MissingToolError, UsageError
from dlkm.core.files import open_regular, scratch_dir
from dlkm.core.processes import Runner
from dlkm.ko.elf import IDENT_SIZE, MAGIC, Elf
from dlkm.prove.attempt import Program
from dlkm.prove.guest_image import COMPILE_TIME, compiler_help

FLAGS = ("-static", "-Os", "-s", "-Wall")
LIMIT = 64 << 20  # bytes of a program
ARGUMENTS = 64  # guest/program.c
_INTERPRETERS = ("/bin/sh", "/bin/busybox")
_PT_INTERP = 3
_SHOWN = 12  # lines of what a compiler says


def program_at(
    path: Path, arguments: Sequence[str], seconds: float, arch: Arch, cache: Path, runner: Runner
) -> Program:
    """The program that a file stands for, for guests of an architecture.

    UsageError for a file that cannot be one, or does not compile; MissingToolError without a compiler or busybox.
    """
    if len(arguments) > ARGUMENTS or any("\0" in argument for argument in arguments):
        raise UsageError(f"{path}: more than {ARGUMENTS} arguments, or a NUL in one")
    if path.suffix == ".c":
        return Program(data=_compiled(path, arch, cache, runner), arguments=tuple(arguments), seconds=seconds)
    data = _read(path)
    if data.startswith(b"#!"):
        shell = _shell(path, data, arch, runner)
        return Program(data=data, arguments=tuple(arguments), seconds=seconds, shell=shell)
    _require_static(path, data, arch)
    return Program(data=data, arguments=tuple(arguments), seconds=seconds)


def _read(path: Path) -> bytes:
    with open_regular(path) as stream:
        data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise UsageError(f"{path}: larger than {LIMIT >> 20} MiB")
    return data


def _compiled(path: Path, arch: Arch, cache: Path, runner: Runner) -> bytes:
    compiler = runner.find(f"{arch.cross_compile}gcc")
    if compiler is None:
        raise MissingToolError(f"{path}: no compiler for {arch.name}", hint=compiler_help(arch))
    if not path.is_file():
        raise UsageError(f"there is no {path}")
    with scratch_dir(cache / "guest-programs") as folder:
        result = folder / "program"
        done = runner.run([compiler, *FLAGS, "-o", result, path.absolute()], timeout=COMPILE_TIME)
        if not done.ok:
            said = done.errors.decode("utf-8", "replace").strip().splitlines()[:_SHOWN]
            raise UsageError("\n  ".join([f"{path} does not compile for {arch.name}:", *said]))
        return result.read_bytes()


def _shell(path: Path, data: bytes, arch: Arch, runner: Runner) -> bytes:
    """busybox, which is all the shell that a guest has."""
    words = data[2:].split(b"\n", 1)[0].decode("utf-8", "replace").split()
    if not words or words[0] not in _INTERPRETERS:
        asked = words[0] if words else "nothing"
        raise UsageError(f"{path}: asks for {asked}, but a guest has only /bin/sh (busybox)")
    found = runner.find("busybox")
    hint = "give a C source, which is compiled for it, or a static executable; busybox comes with busybox-static"
    if found is None:
        raise MissingToolError(f"{path}: a script needs busybox in the guest, and this machine has none", hint=hint)
    shell = _read(found)
    try:
        _require_static(found, shell, arch)
    except UsageError as error:
        raise MissingToolError(f"{path}: a script needs busybox for {arch.name}: {error.what}", hint=hint) from error
    return shell


def _require_static(path: Path, data: bytes, arch: Arch) -> None:
    if not data.startswith(MAGIC):
        raise UsageError(f"{path}: is no executable, no C source (.c) and no script (#!/bin/sh)")
    try:
        elf = Elf.parse(data, str(path))
    except MalformedError as error:
        raise UsageError(error.what) from error
    same = (elf.layout.bits, elf.layout.big_endian) == (arch.elf_class, arch.big_endian)
    if elf.header.machine != arch.elf_machine or not same:
        raise UsageError(f"{path}: is not for {arch.name}", hint="a C source is compiled for each architecture")
    fields = elf.layout.header.unpack_from(data, IDENT_SIZE)
    start, size, count = fields[4], fields[8], fields[9]
    for number in range(count):
        kind = data[start + number * size :][:4]
        if int.from_bytes(kind, "big" if arch.big_endian else "little") == _PT_INTERP:
            raise UsageError(
                f"{path}: is linked dynamically, and a guest has no libraries", hint="link it with -static"
            )
