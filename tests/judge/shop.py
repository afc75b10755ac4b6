# SPDX-License-Identifier: GPL-2.0-or-later
"""What cases are made of: the modules built for one kernel, the kernel's own ones, and ways to change them."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dlkm.build.job import build
from dlkm.build.options import BuildOptions
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.facts import Facts
from dlkm.kernel.installed import Installed
from dlkm.kernel.kernel import Kernel
from dlkm.ko.signature import signature_of
from dlkm.source.driver import find
from dlkm.verdict.reading import plain_bytes
from tests.judge.elf import File

DRIVER = Path(__file__).parents[1] / "drivers" / "judge"
THIS = ".gnu.linkonce.this_module"
NAME_AT, NAME_SIZE = 24, 56  # of the name in struct module
ROW = 64  # bytes of struct modversion_info


@dataclass(frozen=True)
class Shop:
    """The modules at hand for one kernel."""

    facts: Facts
    built: Mapping[str, bytes]

    @property
    def kernel(self) -> Kernel:
        """The kernel that they are for."""
        return self.facts.kernel

    def own(self, name: str) -> bytes:
        """One of the kernel's installed modules, unpacked, with its signature."""
        assert self.kernel.modules is not None
        path = Installed(self.kernel.modules).find(name)
        assert path is not None, name
        return bytes(plain_bytes(path))

    def own_body(self, name: str) -> bytes:
        """The same without its signature."""
        data = self.own(name)
        signature = signature_of(data)
        assert signature is not None, name
        return data[: signature.body_size]

    def kernel_symbol(self, length: int) -> str:
        """A symbol with a name of that length that the kernel itself gives."""
        return self._symbol(length, from_kernel=True)

    def modular_symbol(self, length: int) -> str:
        """One that one of the kernel's modules gives."""
        return self._symbol(length, from_kernel=False)

    def _symbol(self, length: int, *, from_kernel: bool) -> str:
        assert self.facts.symvers is not None
        named = (one for one in self.facts.symvers.symbols.values() if one.from_kernel is from_kernel)
        return next(one.name for one in named if len(one.name) == length)


def open_shop(kernel: Kernel, output: Path) -> Shop:
    """Build the judge's driver for a kernel, and take the debug information out: a boot is to hold many modules."""
    cell = build(find(DRIVER), kernel, BuildOptions(), output, runner=Processes(), events=Events())
    assert cell.modules, cell.reason
    paths = [module.path for module in cell.modules]
    assert Processes().run([f"{kernel.arch.cross_compile}strip", "--strip-debug", *paths]).ok
    return Shop(Facts(kernel), {path.stem: path.read_bytes() for path in paths})


Maker = Callable[[Shop], bytes]  # how the bytes of one file are made
Change = Callable[[File], object]


def own(name: str) -> "Maker":
    """One of the kernel's own modules, signed as it is."""
    return lambda shop: shop.own(name)


def built(name: str = "judge", *changes: Change) -> Maker:
    """A module of ours, with changes."""

    def make(shop: Shop) -> bytes:
        if not changes:
            return shop.built[name]
        file = File.parse(shop.built[name])
        for change in changes:
            change(file)
        return file.build()

    return make


def raw(change: Callable[[bytes], bytes], name: str = "judge", *changes: Change) -> Maker:
    """A module of ours with its bytes changed, once it is written."""
    return lambda shop: change(built(name, *changes)(shop))


def setting(section: str, **values: object) -> Change:
    """A section's fields."""

    def change(file: File) -> None:
        for key, value in values.items():
            setattr(file[section], key, value)

    return change


def renaming(section: str, new: str) -> Change:
    """A section's name."""
    return setting(section, name=new)


def info(key: str, *values: str) -> Change:
    """`.modinfo` with these values for a key, and no others."""

    def change(file: File) -> None:
        entries = [entry for entry in file[".modinfo"].data.split(b"\0") if entry]
        kept = [entry for entry in entries if entry.partition(b"=")[0] != key.encode()]
        added = [f"{key}={value}".encode() for value in values]
        file[".modinfo"].data = b"".join(entry + b"\0" for entry in [*kept, *added])

    return change


def vermagic(change_text: Callable[[str], str]) -> Change:
    """Another vermagic, made from the right one."""

    def change(file: File) -> None:
        entries = file[".modinfo"].data.split(b"\0")
        (old,) = (entry for entry in entries if entry.startswith(b"vermagic="))
        info("vermagic", change_text(old.decode().removeprefix("vermagic=")))(file)

    return change


def named(name: str) -> Change:
    """Another name, in `.modinfo` and struct module."""

    def change(file: File) -> None:
        info("name", name)(file)
        this = file[THIS]
        raw_name = name.encode().ljust(NAME_SIZE, b"\0")
        this.data = this.data[:NAME_AT] + raw_name + this.data[NAME_AT + NAME_SIZE :]

    return change


def version(symbol: str, crc: int | None = None, name: str | None = None) -> Change:
    """Another CRC for a symbol in `__versions`, or another name for the row."""

    def change(file: File) -> None:
        rows = _rows(file)
        place = next(at for at, row in enumerate(rows) if _row_name(row) == symbol)
        old = int.from_bytes(rows[place][:8], "little")
        rows[place] = _row(name or symbol, old if crc is None else crc)
        file["__versions"].data = b"".join(rows)

    return change


def needing(symbol: str, *, bind: int, row_of: str) -> Maker:
    """`judge` with one more undefined symbol at the table's end, its version as the module `row_of` has it."""

    def make(shop: Shop) -> bytes:
        rows = _rows(File.parse(shop.built[row_of]))
        row = next(row for row in rows if _row_name(row) == symbol)
        file = File.parse(shop.built["judge"])
        file.add_symbol(symbol, section=0, bind=bind)
        file["__versions"].data += row
        return file.build()

    return make


def exporting(old: str, new: str) -> Callable[[bytes], bytes]:
    """An export's name everywhere; both have the same length."""
    assert len(old) == len(new)
    return lambda data: data.replace(old.encode() + b"\0", new.encode() + b"\0")


def _rows(file: File) -> list[bytes]:
    data = file["__versions"].data
    return [data[start : start + ROW] for start in range(0, len(data), ROW)]


def _row_name(row: bytes) -> str:
    return row[8:].partition(b"\0")[0].decode()


def _row(name: str, crc: int) -> bytes:
    return struct.pack("<Q56s", crc, name.encode())
