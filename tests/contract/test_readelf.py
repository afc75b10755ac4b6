# SPDX-License-Identifier: GPL-2.0-or-later
"""Sections and symbols against readelf, exports against Module.symvers, version rows against modprobe."""

import random
from pathlib import Path

import pytest

from dlkm.core.names import format_crc
from dlkm.core.processes import Processes
from dlkm.kernel.kernel import Kernel
from dlkm.ko.elf import Elf
from dlkm.ko.module import read_module

pytestmark = pytest.mark.contract


def modules_of(kernel: Kernel) -> list[Path]:
    assert kernel.modules is not None
    return sorted(kernel.modules.rglob("*.ko"))


def some(kernel: Kernel, count: int) -> list[Path]:
    return random.Random(count).sample(modules_of(kernel), count)


def output(*argv: str | Path) -> str:
    completed = Processes().run(list(argv))
    assert completed.ok, completed.errors
    return completed.text()


def readelf_sections(path: Path) -> list[tuple[str, int, int, int]]:
    """Name, offset, size, entry size of `readelf -SW` after the empty section."""
    rows = (line.partition("]") for line in output("readelf", "-SW", path).splitlines() if line.startswith("  ["))
    words = [row[2].split() for row in rows][2:]
    return [(row[0], int(row[3], 16), int(row[4], 16), int(row[5], 16)) for row in words]


def readelf_symbols(path: Path) -> list[tuple[str, str, str, int]]:
    """Name, binding, section, value of `readelf -sW`, sections' own symbols left out (readelf names them itself)."""
    rows = [line.split() for line in output("readelf", "-sW", path).splitlines()]
    full = [row for row in rows if row and row[0].rstrip(":").isdigit() and row[3] != "SECTION"]
    return [(row[7] if len(row) > 7 else "", row[4], row[6], int(row[1], 16)) for row in full]


# readelf shows a control character as ^ and a letter; compilers make labels with them.
CONTROL = {code: f"^{chr(code + 64)}" for code in range(32)}
BINDINGS = {0: "LOCAL", 1: "GLOBAL", 2: "WEAK"}
PLACES = {0: "UND", 0xFFF1: "ABS", 0xFFF2: "COM"}


def symbols(elf: Elf) -> list[tuple[str, str, str, int]]:
    return [
        (one.name.translate(CONTROL), BINDINGS[one.bind], PLACES.get(one.section, str(one.section)), one.value)
        for one in elf.symbols()
        if one.type != 3
    ]


@pytest.mark.parametrize("fixture", ["kernel_61", "kernel_61_arm64"])
def test_sections_and_symbols(request: pytest.FixtureRequest, fixture: str) -> None:
    for path in some(request.getfixturevalue(fixture), 15):
        module = read_module(path)
        sections = [(one.name, one.offset, one.size, one.entsize) for one in module.elf.sections[1:]]
        assert sections == readelf_sections(path)
        expected = readelf_symbols(path)
        assert symbols(module.elf) == expected
        needed = [name for name, _, place, _ in expected[1:] if place == "UND"]
        assert [one.name for one in module.undefined] == needed


def test_a_file_of_another_class_and_byte_order(tmp_path: Path) -> None:
    """objcopy writes the other forms from bytes of ours: its own idea of 32 bits and of big-endian."""
    (tmp_path / "bytes").write_bytes(b"some data")
    for number, form in enumerate(["elf32-i386", "elf64-big", "elf32-big", "elf64-little"]):
        path = tmp_path / f"{number}.o"
        output("objcopy", "-I", "binary", "-O", form, tmp_path / "bytes", path)
        elf = Elf.parse(path.read_bytes(), str(path))
        assert (elf.bits, elf.big_endian) == (64 if "64" in form else 32, "big" in form)
        assert [(one.name, one.offset, one.size, one.entsize) for one in elf.sections[1:]] == readelf_sections(path)
        assert symbols(elf) == readelf_symbols(path)
        assert elf.bytes_named(".data") == b"some data"


def test_exports_are_those_of_module_symvers(kernel_61: Kernel) -> None:
    """All modules: name, CRC, licence class, namespace, provider."""
    assert kernel_61.symvers is not None
    assert kernel_61.modules is not None
    rows = [line.split("\t") for line in kernel_61.symvers.read_text().splitlines()]
    expected = {(name, crc, provider, kind == "EXPORT_SYMBOL_GPL", ns) for crc, name, provider, kind, ns in rows}
    told = set()
    for path in modules_of(kernel_61):
        provider = str(path.relative_to(kernel_61.modules / "kernel")).removesuffix(".ko")
        for one in read_module(path).exports:
            assert one.crc is not None
            told.add((one.name, format_crc(one.crc), provider, one.gpl, one.namespace))
    assert told == {row for row in expected if row[2] != "vmlinux"}


def test_versions_are_those_modprobe_shows(kernel_61: Kernel) -> None:
    for path in some(kernel_61, 30):
        rows = [line.split() for line in output("/sbin/modprobe", "--dump-modversions", path).splitlines()]
        versions = read_module(path).versions
        assert versions is not None
        assert rows
        assert dict(versions) == {name: int(crc, 16) for crc, name in rows}


def test_weak_symbols(kernel_61: Kernel, tmp_path: Path) -> None:
    path = modules_of(kernel_61)[0]
    names = [one.name for one in read_module(path).undefined]
    output("objcopy", f"--weaken-symbol={names[1]}", path, tmp_path / "weak.ko")
    module = read_module(tmp_path / "weak.ko")
    assert [one.name for one in module.undefined if one.weak] == [names[1]]
    assert sorted(one.name for one in module.undefined) == sorted(names)
    assert symbols(module.elf) == readelf_symbols(tmp_path / "weak.ko")
