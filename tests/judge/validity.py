# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases of the ELF checks: header, section headers, names, and the parts that every module has."""

from collections.abc import Callable, Iterator

from tests.judge.elf import SHF_ALLOC, SHF_WRITE, SHT_NOBITS, SHT_PROGBITS, SHT_SYMTAB, File, Section, with_fields
from tests.judge.pair import Case, Where, also, pair
from tests.judge.shop import THIS, Maker, built, raw, renaming, setting

OLD, NEW = Where(until=(6, 4)), Where(since=(6, 4))
SINCE_519, BEFORE_519 = Where(since=(5, 19)), Where(until=(5, 19))
SINCE_612, BEFORE_612 = Where(since=(6, 12)), Where(until=(6, 12))


def at(place: int, new: bytes) -> Maker:
    """`judge` with bytes written over."""
    return raw(lambda data: data[:place] + new + data[place + len(new) :])


def header(section: str, **values: int) -> Maker:
    """`judge` with fields of a section header written over."""
    return raw(lambda data: with_fields(data, section, **values))


def _count(new: Callable[[int], int], place: int) -> Maker:
    """`judge` with a 16-bit field set to what comes of the number of sections."""

    def change(data: bytes) -> bytes:
        value = new(int.from_bytes(data[60:62], "little"))
        return data[:place] + value.to_bytes(2, "little") + data[place + 2 :]

    return raw(change)


def _placed(section: str, beyond: int) -> Maker:
    """A section that ends so many bytes beyond the file's end."""

    def change(data: bytes) -> bytes:
        size = len(File.parse(data)[section].data)
        return with_fields(data, section, offset=len(data) + beyond - size)

    return raw(change)


def headers() -> Iterator[Case]:
    """The ELF header and the table of sections."""
    yield from pair("empty-file", raw(lambda _: b""), raw(lambda data: data[:1]))
    yield from pair("elf-header-length", raw(lambda data: data[:63]), raw(lambda data: data[:64]))
    yield from pair("elf-header-length", raw(lambda _: b"\x7f"), label="one byte")
    yield from pair("elf-magic", at(3, b"G"), at(4, b"\1"))  # the class is not looked at
    yield from pair(
        "elf-magic",
        raw(lambda _: b"this is no module, but it is as long as an ELF header is: 64 bytes\n"),
        label="text",
    )
    yield from pair("elf-type", at(16, b"\3"))
    yield from pair("elf-type", at(16, b"\2"), label="a program")
    yield from pair("elf-arch", at(18, b"\x28"))
    yield from pair("elf-arch", at(18, b"\x03"), label="386")
    yield from pair("elf-section-size", at(58, b"\x3f"))
    yield from pair("elf-section-overflow", raw(lambda data: data[:-1]), raw(lambda data: data + b"\0"))
    yield from pair("elf-section-overflow", raw(lambda data: data[: len(data) // 2]), label="half")
    yield from pair("elf-section-overflow", _count(lambda count: count + 1, 60), label="one more")
    yield from pair("elf-names-index", _count(lambda count: count, 62))
    yield from pair("elf-names-index", _count(lambda _: 0, 62), label="none")
    yield also("no sections", _count(lambda _: 0, 60))


def names() -> Iterator[Case]:
    """The table of names, every section's name and place."""
    yield from pair("elf-names-bounds", _placed(".shstrtab", 1), where=BEFORE_612)
    yield from pair("elf-names-type", header(".shstrtab", type=SHT_PROGBITS), where=Where(step="names-type"))
    yield from pair("elf-names-empty", header(".shstrtab", size=0), where=SINCE_519)
    yield also("no names of sections", header(".shstrtab", size=0), where=BEFORE_519)
    yield from pair("elf-names-terminated", header(".shstrtab", size=5))
    yield from pair("elf-section-name", header(".text", name=99999))
    yield from pair("elf-section-zero", header("", size=1))
    yield from pair("elf-section-zero", header("", addr=1), label="address")
    yield from pair("elf-section-zero", header("", type=SHT_PROGBITS), label="type")
    yield from pair("elf-section-bounds", header(".text", size=1 << 40))
    yield from pair("elf-section-bounds", header(".text", size=(1 << 64) - 1, offset=1), label="wraps")
    yield from pair("elf-section-bounds", _placed(".comment", 1), _placed(".comment", 0), label="by a byte")
    yield from pair("elf-symbols-link", header(".symtab", link=500))
    yield from pair("elf-symbols-link", header(".symtab", link=0), label="none")
    yield from pair("elf-symbols-link", header(".symtab", link=0xFFFFFFFF), label="last")
    yield from pair("elf-section-zero", header("", type=0x80000000), label="large type")
    typed = Where(step="symbols-link-type")
    yield from pair("elf-strings-type", header(".strtab", type=SHT_PROGBITS), where=typed)
    yield also("names of another type", header(".shstrtab", type=SHT_PROGBITS))
    yield also("symbols' names of another type", header(".strtab", type=SHT_PROGBITS))
    yield also("names beyond the end", _placed(".shstrtab", 1), where=SINCE_612)


def _double(name: str, kind: int = SHT_PROGBITS, flags: int = 0, data: bytes = b"name=x\0") -> Maker:
    """`judge` with one more section."""
    return built("judge", lambda file: file.add(Section(name=name, type=kind, flags=flags, data=data)))


def parts() -> Iterator[Case]:
    """`.modinfo`, the symbol table, struct module."""
    yield from pair("elf-modinfo-unique", _double(".modinfo"), _double(".modinfos"), where=NEW)
    yield also("two .modinfo", _double(".modinfo"), where=OLD)
    yield from pair("no-symbols", header(".symtab", type=SHT_PROGBITS))
    yield from pair("no-symbols", _double(".other", SHT_SYMTAB), _double(".other"), where=NEW, label="two tables")
    yield from pair("this-module-missing", built("judge", renaming(THIS, ".gnu.linkonce.that_module")))
    yield from pair("this-module-missing", built("judge", setting(THIS, flags=SHF_WRITE)), where=OLD, label="no memory")
    yield from pair("this-module-missing", _double(THIS), where=NEW, label="two")
    yield from pair("this-module-content", built("judge", setting(THIS, type=SHT_NOBITS, size=1280)), where=NEW)
    yield from pair("this-module-allocated", built("judge", setting(THIS, flags=SHF_WRITE)), where=NEW)
    for rule, where in (("this-module-size", NEW), ("this-module-size-unseen", OLD)):
        yield from pair(rule, built("judge", _longer(64)), where=where)
    yield from pair("this-module-size", built("judge", _longer(-8)), where=NEW, label="shorter")


def _strings(change: Callable[[bytes], bytes]) -> Maker:
    """`judge` with other bytes in the table of its symbols' names."""
    return built("judge", lambda file: setattr(file[".strtab"], "data", change(file[".strtab"].data)))


def symbol_names() -> Iterator[Case]:
    """The table of the symbols' names, as kernels since 6.13 want it."""
    where = Where(step="symbol-names")
    yield from pair("symbol-names-empty", header(".strtab", size=0), where=where)
    yield from pair("symbol-names-start", _strings(lambda names: b"x" + names[1:]), where=where)
    yield from pair(
        "symbol-names-end", _strings(lambda names: names + b"x"), _strings(lambda names: names + b"x\0"), where=where
    )
    yield from pair("symbol-name-outside", header(".strtab", size=1), where=where)


def extended_versions() -> Iterator[Case]:
    """Tables of extended versions, be the kernel without versions."""
    where = Where(step="extended-tables")
    crcs, names = "__version_ext_crcs", "__version_ext_names"

    def with_tables(*tables: tuple[str, bytes]) -> Maker:
        parts = [Section(name=name, type=SHT_PROGBITS, flags=SHF_ALLOC, data=data) for name, data in tables]
        return built("judge", *[lambda file, part=part: file.add(part) for part in parts])

    unseen = Where(step="extended-tables", lacks="MODVERSIONS")
    for one in ((crcs, bytes(4)), (names, b"a\0")):
        yield from pair("extended-versions-pair", with_tables(one), where=where, label=one[0])
    good = with_tables((crcs, bytes(8)), (names, b"a\0b\0"))
    yield from pair("extended-versions-names", with_tables((crcs, bytes(12)), (names, b"a\0b\0")), where=where)
    yield also("extended versions that nobody asks for", good, where=unseen)


def _longer(by: int) -> Callable[[File], None]:
    def change(file: File) -> None:
        data = file[THIS].data
        file[THIS].data = data + bytes(by) if by > 0 else data[:by]

    return change


def cases() -> Iterator[Case]:
    """All of them."""
    yield from headers()
    yield from names()
    yield from parts()
    yield from symbol_names()
    yield from extended_versions()
