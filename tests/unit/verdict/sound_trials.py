# SPDX-License-Identifier: GPL-2.0-or-later
"""The trials of files that no linker wrote: the loader follows what is in them, and nobody can tell where to."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.unit.ko.elf_builder import LOCAL, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHN_ABS, SHT_RELA, Part, Sym
from tests.unit.verdict.trials import (
    ARM,
    PLAIN,
    V612,
    Trial,
    World,
    adding,
    arm_module,
    index_of,
    module,
    patched,
    rela,
    row_of,
)

FUNCTION = 2
CODE = SHF_ALLOC | SHF_EXECINSTR


def trials() -> Iterator[Trial]:
    """All of them."""
    yield from parts()
    yield from symbols()
    yield from tables()
    yield from instructions()


def _doubtful(rule: str, label: str, bad: bytes, good: bytes = PLAIN, world: World | None = None) -> Trial:
    return Trial(rule=rule, label=label, bad=bad, good=good, world=world or World(), outcome="cannot-tell")


def parts() -> Iterator[Trial]:
    """Sections."""
    text = row_of(PLAIN, ".text")[1]["offset"]
    for label, bad in (
        ("another section", patched(PLAIN, ".text", offset=row_of(PLAIN, ".symtab")[1]["offset"])),
        ("the header", patched(PLAIN, ".text", offset=63)),
        ("the section headers", patched(PLAIN, ".text", offset=len(PLAIN) - 64)),
    ):
        yield _doubtful("sections-overlap", label, bad, good=patched(PLAIN, ".comment", offset=text))
    yield _doubtful("section-access", "code", patched(PLAIN, ".text", flags=SHF_ALLOC))
    yield _doubtful(
        "section-access", "data", patched(PLAIN, ".bss", flags=SHF_ALLOC), patched(PLAIN, ".text", flags=CODE)
    )
    good = module(change=adding(*rela((0, 1))))
    for label, change in (
        ("type", {"type": 5}),
        ("size", {"size": 23}),
        ("target", {"info": index_of(good, ".gnu.linkonce.this_module")}),
    ):
        yield _doubtful("relocations-astray", label, patched(good, ".rela.data", **change), good)
    loose = Part(name=".loose", data=bytes(8), flags=SHF_WRITE)
    there, near = (
        module(change=adding(*rela((0, 1)), part, symbols=[Sym(name="spot", section=part.name, bind=LOCAL)]))
        for part in (loose, Part(name=".fixed", data=bytes(8), flags=SHF_ALLOC))
    )
    yield _doubtful("address-lost", "no memory", there, near)
    nothing = module(change=adding(*rela((0, 1)), symbols=[Sym(name="spot", section=".text", bind=LOCAL)]))
    assert (struct.pack("<QQq", 0, 1 | 1 << 32, 0)) in nothing
    bare = nothing.replace(struct.pack("<QQq", 0, 1 | 1 << 32, 0), struct.pack("<QQq", 0, 1, 0))
    yield _doubtful("address-lost", "nothing", bare, nothing)
    yield _doubtful("section-unnamed", "no memory", patched(PLAIN, ".comment", name=0x7FFFFFFF))
    yield _doubtful("section-unnamed", "zero", patched(PLAIN, "", name=0x7FFFFFFF), world=V612)


def symbols() -> Iterator[Trial]:
    """Symbols of the module's own."""
    for label, symbol, sound in (
        ("beyond its section", Sym(name="far", section=".text", value=2), Sym(name="far", section=".text", value=1)),
        ("too long", Sym(name="long", section=".text", size=2), Sym(name="long", section=".text", size=1)),
        (
            "no code",
            Sym(name="run", section=".modinfo", type=FUNCTION),
            Sym(name="run", section=".text", type=FUNCTION),
        ),
        ("no section", Sym(name="run", section=SHN_ABS, type=FUNCTION), Sym(name="run", section=SHN_ABS)),
        ("versioned", Sym(name="module_layout", section=".text"), Sym(name="module_level", section=".text")),
    ):
        bad, good = (module(change=adding(symbols=[one])) for one in (symbol, sound))
        yield _doubtful("symbol-astray", label, bad, good)
    edited = module(change=adding(symbols=[Sym(name="said", section=".modinfo", value=1 << 16)]))
    far = module(change=adding(symbols=[Sym(name="far", section=".bss", value=1 << 21)]))
    yield _doubtful("symbol-astray", "what gets no memory", far, edited)


def _table(
    name: str, rows: tuple[tuple[int, int, int, int], ...], size: int, where: str = ".text"
) -> tuple[Part, Part, Sym]:
    """A table with relocations: place, type, symbol, addend; symbol 1 begins the section `where`."""
    data = b"".join(struct.pack("<QQq", place, kind | number << 32, addend) for place, kind, number, addend in rows)
    relocations = Part(name=f".rela{name}", data=data, type=SHT_RELA, flags=0, info=name, link=".symtab")
    return (
        Part(name=name, data=bytes(size), flags=SHF_ALLOC | SHF_WRITE),
        relocations,
        Sym(name="spot", section=where, bind=LOCAL),
    )


def tables() -> Iterator[Trial]:
    """Tables that the kernel follows, by what is wrong with one entry."""
    good = (8, 1, 1, 1)
    for label, name, rows, size in (
        ("no relocation", "__mcount_loc", ((0, 1, 1, 0),), 16),
        ("its type", "__mcount_loc", ((0, 1, 1, 0), (8, 24, 1, 1)), 16),
        ("beyond the code", "__mcount_loc", ((0, 1, 1, 0), (8, 1, 1, 2)), 16),
        ("before the code", "__mcount_loc", ((0, 1, 1, 0), (8, 1, 1, -1)), 16),
        ("another's symbol", "__mcount_loc", ((0, 1, 1, 0), (8, 1, 3, 0)), 16),
        ("no symbol", "__mcount_loc", ((0, 1, 1, 0), (8, 1, 0, 0)), 16),
        ("size", "__mcount_loc", ((0, 1, 1, 0), good), 17),
        (
            "a size told by relocations",
            ".altinstructions",
            ((0, 2, 1, 0), (4, 2, 1, 0), (14, 2, 1, 0), (18, 2, 1, 0)),
            29,
        ),
        ("nothing", ".altinstructions", (), 14),
        ("within another's function", ".altinstructions", ((0, 2, 1, 0), (4, 2, 4, 4)), 14),
        ("a key in code", ".static_call_sites", ((0, 2, 1, 0), (4, 2, 1, 0)), 8),
    ):
        yield _doubtful("table-damaged", label, _with(*_table(name, rows, size)), SOUND)
    data = _with(*_table(".gnu.linkonce.this_module", ((0, 2, 1, 0),), 8)[1:])
    yield _doubtful("table-damaged", "no address", data, SOUND)
    data = _with(*_table("__mcount_loc", ((0, 1, 1, 0), good), 16, where=".modinfo"))
    yield _doubtful("table-damaged", "what gets no memory", data, SOUND)
    data = _with(*_table("__mcount_loc", ((0, 1, 1, 0), good), 16, where=".bss"))
    yield _doubtful("table-damaged", "no code", data, SOUND)
    name = "__patchable_function_entries"
    sound = _patchable(name, (0, 257, 1, 0))
    for label, kind, place in (("type", 261, 0), ("word", 257, 4)):
        bad = _patchable(name, (0, kind, 1, place))
        yield _doubtful("table-damaged", f"arm64 {label}", bad, sound, ARM)
    for label, addend in (("a structure", 4), ("far in it", 12)):
        bad, near = (
            _with(*_table("_ftrace_events", ((0, 1, 1, one),), 8, where=".bss")) for one in (addend, addend * 2)
        )
        yield _doubtful("table-damaged", label, bad, near)
    yield from contents()


def contents() -> Iterator[Trial]:
    """__apply_alternatives of arm64, __static_call_validate of x86."""
    rows = ((0, 261, 1, 0), (4, 261, 1, 0))
    bad, good = (
        _arm(replace(part, data=bytes(10) + lengths), table, spot)
        for part, table, spot in [_table(".altinstructions", rows, 12)]
        for lengths in (b"\4\x08", b"\4\4")
    )
    yield _doubtful("table-damaged", "arm64 lengths", bad, good, ARM)
    for label, place, key, sound in (("tail", 0, 1, 0), ("call", 5, 0, 1)):
        bad, good = (_calling(place, one) for one in (key, sound))
        yield _doubtful("table-damaged", label, bad, good)


def _with(*parts: Part | Sym) -> bytes:
    return module(change=adding(*_sections(parts), symbols=_symbols(parts)))


def _arm(*parts: Part | Sym) -> bytes:
    return arm_module(*_sections(parts), symbols=_symbols(parts))


def _sections(parts: Sequence[Part | Sym]) -> list[Part]:
    return [one for one in parts if isinstance(one, Part)]


def _symbols(parts: Sequence[Part | Sym]) -> list[Sym]:
    return [one for one in parts if isinstance(one, Sym)]


def _calling(place: int, key: int) -> bytes:
    code = Part(name=".text.own", data=b"\xe8\0\0\0\0\xe9\0\0\0\0", flags=CODE)
    rows = ((0, 2, 1, place), (4, 2, 2, key))
    data = Part(name=".data.own", data=bytes(8), flags=SHF_ALLOC | SHF_WRITE)
    own = Sym(name="key", section=".data.own", bind=LOCAL)
    return _with(code, data, *_table(".static_call_sites", rows, 8, where=".text.own"), own)


def _patchable(name: str, *rows: tuple[int, int, int, int]) -> bytes:
    code = Part(name=".text.own", data=struct.pack("<II", 0xD503201F, 0xD65F03C0), flags=CODE)
    return _arm(code, *_table(name, rows, 8, where=".text.own"))


CALLS = _calling(0, 0)
STRAY = _patchable("__patchable_function_entries", (0, 257, 1, 0), (4, 257, 1 << 20, 0))  # the last is for no symbol
SOUND = _with(
    *_table("__mcount_loc", ((0, 1, 1, 0), (8, 1, 1, 1)), 16),
    *_table(".altinstructions", ((0, 2, 1, 0), (4, 2, 4, 0), (14, 2, 1, 0), (18, 2, 1, 0)), 28)[:2],
)


def instructions() -> Iterator[Trial]:
    """Arm Architecture Reference Manual: BL is 100101 and 26 bits, ADRP 1xx10000 and 24, ADD (immediate) x0010001."""
    for kind, word, other in (
        (283, 0x94000000, 0x90000000),
        (282, 0x14000000, 0x54000000),
        (275, 0x90000001, 0x10000001),
        (277, 0x91000021, 0xF9400021),
        (286, 0xF9400021, 0x91000021),
        (280, 0x54000001, 0x54000011),
    ):
        bad, good = (_arm(*_code(kind, one)) for one in (other, word))
        yield _doubtful("relocation-instruction", str(kind), bad, good, ARM)


def _code(kind: int, word: int) -> tuple[Part, Part, Sym]:
    name = ".text.own"
    code = Part(name=name, data=struct.pack("<I", word), flags=CODE)
    table = Part(name=f".rela{name}", data=struct.pack("<QQq", 0, kind | 1 << 32, 0), type=SHT_RELA, flags=0, info=name)
    return code, table, Sym(name="spot", section=name, bind=LOCAL)
