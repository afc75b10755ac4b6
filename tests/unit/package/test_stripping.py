# SPDX-License-Identifier: GPL-2.0-or-later
"""Debugging information goes where it may: not from what is signed or packed, and by the architecture's own tool."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest

from dlkm.core.arch import host_arch
from dlkm.core.errors import MalformedError, MissingToolError
from dlkm.core.events import Event, Events
from dlkm.core.processes import Completed
from dlkm.ko.module import read_module
from dlkm.package.lot import Asked, Lot
from dlkm.package.split import Place, split
from dlkm.package.stripping import stripped
from tests.unit.ko.elf_builder import Part, tiny_module, trailer
from tests.unit.package.support import R, lot


class Strip:
    """In the place of binutils' own."""

    def __init__(self, status: int = 0, *, installed: bool = True) -> None:
        self.status, self.installed = status, installed
        self.programs: list[str] = []

    def find(self, program: str) -> Path | None:
        return Path("/usr/bin") / program if self.installed else None

    def run(self, argv: Sequence[str | Path], **_options: object) -> Completed:
        program, _option, _to, target, _source = map(str, argv)
        self.programs.append(program)
        Path(target).write_bytes(b"stripped")
        return Completed(argv=tuple(map(str, argv)), status=self.status, output=b"", errors=b"no")


def _lot(folder: Path, name: str = "hello.ko", *, debug: bool = True, end: bytes = b"", arch: str = "") -> Lot:
    image = tiny_module(modinfo=[("vermagic", f"{R} SMP ")])
    if debug:
        image.parts.append(Part(name=".debug_info", data=b"x" * 50, flags=0))
    data = image.build() + end
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return lot(*split("hello", None, [read_module(path)], Place(release=R), Asked()), arch=arch or host_arch().name)


def _bytes(folder: Path, given: Lot, strip: Strip, said: list[str] | None = None) -> bytes:
    def listen(event: Event) -> None:
        if said is not None:
            said.append(event.text)

    (folder / "aside").mkdir()
    (made,) = stripped([given], folder / "aside", strip, Events(listen))
    return made.packages[0].files[0].read()


def test_only_where_there_is_any(tmp_path: Path) -> None:
    strip = Strip()
    assert _bytes(tmp_path, _lot(tmp_path), strip) == b"stripped"
    assert strip.programs == ["strip"]
    (tmp_path / "aside/0/hello.ko").unlink()
    (tmp_path / "aside/0").rmdir()
    (tmp_path / "aside").rmdir()
    assert _bytes(tmp_path, _lot(tmp_path, debug=False), strip) != b"stripped"


def test_by_the_architectures_own_tool(tmp_path: Path) -> None:
    strip = Strip()
    _bytes(tmp_path, _lot(tmp_path, arch="riscv"), strip)
    assert strip.programs == ["riscv64-linux-gnu-strip"]


@pytest.mark.parametrize(
    ("name", "end", "why"), [("hello.ko", b"sig" + trailer(3), "is signed"), ("hello.ko.gz", b"", "is packed")]
)
def test_what_must_stay_as_it_is(tmp_path: Path, name: str, end: bytes, why: str) -> None:
    said: list[str] = []
    assert _bytes(tmp_path, _lot(tmp_path, name, end=end), Strip(), said) == (tmp_path / name).read_bytes()
    assert [why in text for text in said] == [True]


def test_without_a_tool_or_with_one_that_fails(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError):
        _bytes(tmp_path, _lot(tmp_path), Strip(installed=False))
    (tmp_path / "aside/0").rmdir()
    (tmp_path / "aside").rmdir()
    with pytest.raises(MalformedError, match="stripping"):
        _bytes(tmp_path, _lot(tmp_path), Strip(status=1))
