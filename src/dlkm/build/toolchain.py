# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs and files of this machine that take part in a build, by content. Runs the compiler only to ask it."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dlkm.action.digest import Digest, digest_of, digest_of_file
from dlkm.action.remembered import remembered
from dlkm.action.store import Store, walk
from dlkm.core.arch import Arch
from dlkm.core.data import data_table
from dlkm.core.processes import Runner
from dlkm.kernel.compiler import Compiler

_LIBRARY = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)  # ldd's lines
_ELF = b"\x7fELF"
_AT_ONCE = 100  # files that ldd is asked for at once
_SECONDS = 60.0
_COMPARED = ("compiler", "make", "pahole")  # beside what the compiler calls, and the binutils


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """`parts` are the files by what they are called ("gcc", "cc1", "make"), with their places and digests.

    Those that are called by name come first; libraries and what the compiler reads have their paths for names.
    """

    parts: tuple[tuple[str, Path, Digest], ...]
    links: tuple[tuple[str, str], ...]  # symbolic links that lead to them: place, target
    binutils: frozenset[str]

    @cached_property
    def digest(self) -> Digest:
        """The same wherever the same files lie: names and contents count, places do not."""
        lines = sorted(f"{name} {digest}\n" for name, _path, digest in self.parts)
        return digest_of("".join(lines).encode("utf-8", "surrogateescape"))

    @cached_property
    def compared(self) -> str:
        """What a worker's programs are held against: lines for sha256sum."""
        return "".join(f"{digest.hash}  {path}\n" for name, path, digest in self.parts if self._decides(name))

    def _decides(self, name: str) -> bool:
        """Whether a part decides the bytes of a module, beside the many that only help."""
        return name in _COMPARED or name in self.binutils or name.startswith("compiler's ")


def toolchain_of(compiler: Compiler, arch: Arch, runner: Runner, store: Store | None) -> Toolchain:
    """What compiles for an architecture, as remembered while none of its files changed."""
    named = _called(compiler, arch, runner)
    called = {name: path.resolve() for name, path in named.items()}
    name = digest_of("\0".join(["toolchain", *called, *map(str, called.values())]).encode()).hash

    def look() -> tuple[Any, Iterable[str]]:
        parts, links = _parts(compiler, named, runner)
        rows = [[name, str(path), str(digest)] for name, path, digest in parts]
        return {"parts": rows, "links": links}, (str(path) for _n, path, _d in parts)

    found = remembered(store, name, (str(path) for path in called.values()), look)
    parts = tuple((name, Path(path), Digest.parse(digest)) for name, path, digest in found["parts"])
    links = tuple((place, target) for place, target in found["links"])
    binutils = data_table("toolchain.toml")["binutils"][compiler.family]
    return Toolchain(parts=parts, links=links, binutils=frozenset(binutils))


def _called(compiler: Compiler, arch: Arch, runner: Runner) -> dict[str, Path]:
    """The programs that are called by name, and where they are found."""
    table = data_table("toolchain.toml")
    names = {name: name for name in table["host"]["programs"]}
    names |= {name: _prefixed(name, arch, compiler) for name in table["binutils"][compiler.family]}
    found = {name: runner.find(program) for name, program in names.items()}
    called = {"compiler": compiler.path} | {name: path for name, path in found.items() if path is not None}
    if compiler.stand_in is None:
        called[compiler.path.name] = compiler.path
    return called


def _prefixed(name: str, arch: Arch, compiler: Compiler) -> str:
    return f"{arch.cross_compile}{name}" if compiler.family == "gcc" else name


def _parts(
    compiler: Compiler, called: dict[str, Path], runner: Runner
) -> tuple[list[tuple[str, Path, Digest]], list[tuple[str, str]]]:
    """The real files, and the links that lead to them."""
    found = called | dict(_inner(compiler, runner)) | dict(_folders())
    for path in _libraries(sorted({str(path.resolve()) for path in found.values()}), runner):
        found[path.name] = path
    links = sorted({link for path in found.values() for link in _chain(path)})
    real = {name: path.resolve() for name, path in found.items()}
    return [(name, path, digest_of_file(path)) for name, path in sorted(real.items()) if path.is_file()], links


def _chain(path: Path) -> Iterator[tuple[str, str]]:
    """The links from a path to the real file, each in its real directory."""
    for _step in range(40):
        path = path.parent.resolve() / path.name
        if not path.is_symlink():
            return
        target = path.readlink()
        yield str(path), str(target)
        path = path.parent / target


def _folders() -> Iterator[tuple[str, Path]]:
    """What programs read beside libraries."""
    for pattern in data_table("toolchain.toml")["host"]["folders"]:
        for folder in sorted(Path("/").glob(pattern.lstrip("/"))):
            yield from ((str(path), path) for path in walk(folder) if path.is_file())


def _inner(compiler: Compiler, runner: Runner) -> Iterator[tuple[str, Path]]:
    """What the compiler calls and reads by itself."""
    table = data_table("toolchain.toml")[compiler.family]
    for flag, names in (("-print-prog-name", table["programs"]), ("-print-file-name", table["files"])):
        for name in names:
            path = Path(runner.run([compiler.path, f"{flag}={name}"], timeout=_SECONDS).text().strip())
            if not path.is_absolute():
                continue
            if path.is_dir():
                yield from ((f"{name}/{below.relative_to(path)}", below) for below in walk(path))
            else:
                yield f"compiler's {name}", path


def _libraries(paths: list[str], runner: Runner) -> Iterator[Path]:
    """What the dynamic linker loads with them; of most that a compiler has, which are headers, ldd is not asked."""
    if runner.find("ldd") is None:
        return
    paths = [path for path in paths if _is_elf(path)]
    for start in range(0, len(paths), _AT_ONCE):
        said = runner.run(["ldd", *paths[start : start + _AT_ONCE]], timeout=_SECONDS).text()
        yield from sorted({Path(match[1]) for match in _LIBRARY.finditer(said)})


def _is_elf(path: str) -> bool:
    with suppress(OSError), Path(path).open("rb") as stream:
        return stream.read(len(_ELF)) == _ELF
    return False
