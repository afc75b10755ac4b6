# SPDX-License-Identifier: GPL-2.0-or-later
"""The trials of files that no linker wrote: the loader follows what is in them, and nobody can tell where to."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.unit.ko.elf_builder import LOCAL, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHN_ABS, SHT_RELA, Exported, Part, Sym
from tests.unit.verdict.trials import (
    ARM,
    ARM612,
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
    yield from relocations()


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
    start, names = row_of(PLAIN, ".symtab")[1]["offset"] + 24, row_of(PLAIN, ".strtab")[1]["size"]
    unnamed, named = (PLAIN[:start] + struct.pack("<I", at) + PLAIN[start + 4 :] for at in (names, names - 1))
    yield _doubtful("symbol-astray", "its name", unnamed, named)
    null = start - 24 + 7
    yield _doubtful("symbol-astray", "the first", PLAIN[:null] + b"\1" + PLAIN[null + 1 :])
    code = Part(name=".text.own", data=bytes(8), flags=CODE)
    for label, kind, place in (("a section's", 3, 1), ("arm64 a function's", FUNCTION, 2)):
        bad, good = (
            arm_module(code, symbols=[Sym(name="spot", section=code.name, value=at, type=kind, bind=LOCAL)])
            for at in (place, 0)
        )
        yield _doubtful("symbol-astray", label, bad, good, ARM)
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
    for label, setter, addend in (("a setter of its own", 1, 4), ("another's setter", PRINTK, 1)):
        bad, near = (
            _with(*_table("__param", ((0, 1, 1, 0), (16, 1, setter, one)), 40, where=".bss")) for one in (addend, 0)
        )
        yield _doubtful("table-damaged", label, bad, near)
    entries = ((0, 1, 1, 0), (16, 1, 1, 1))
    for label, bad_rows, short, rows, size in (
        ("a last entry cut off", entries[:1], 20, entries, 28),
        ("an only entry that is short", ((4, 1, 1, 0),), 12, entries[:1], 12),
    ):
        bad, near = (_with(*_table(".parainstructions", *one)) for one in ((bad_rows, short), (rows, size)))
        yield _doubtful("table-damaged", label, bad, near, World(release="5.10.0-32-amd64"))
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
    yield from features()
    yield from keys()
    yield from names()
    for label, place, key, sound in (("tail", 0, 1, 0), ("call", 5, 0, 1)):
        bad, good = (_calling(place, one) for one in (key, sound))
        yield _doubtful("table-damaged", label, bad, good)


def _alternative(entry: bytes, data: bytes = b"\xff\x15\0\0\0\0\xe8\0\0\0\0", place: int = 6) -> bytes:
    """A module with one entry for a piece of code and another at `place`; behind its distances stands `entry`."""
    code = Part(name=".text.own", data=data, flags=CODE)
    part, table, spot = _table(".altinstructions", ((0, 2, 1, 0), (4, 2, 1, place)), 0, where=".text.own")
    return _with(code, replace(part, data=bytes(8) + entry), table, spot)


def features() -> Iterator[Trial]:
    """Entries of `.altinstructions` beside their distances; the good ones are the nearest that are right."""
    for label, layout, *entries in (
        ("feature", "<HHBB", (768, 0, 6, 5), (767, 0, 6, 5)),
        ("feature of old", "<HBB", (768, 6, 5), (0x8000 | 767, 6, 5)),
        ("longer", "<HHBB", (3, 0, 5, 6), (3, 1, 5, 5)),
        ("longer of old", "<HBB", (3, 5, 6), (3, 5, 5)),
        ("of nothing", "<HHBB", (3, 0, 0, 0), (3, 0, 1, 0)),
    ):
        bad, good = (_alternative(struct.pack(layout, *one)) for one in entries)
        yield _doubtful("table-damaged", label, bad, good, V612)
    direct = struct.pack("<HHBB", 3, 2, 6, 5)
    for label, raw in (("no call", b"\xff\x15\0\0\0\0\xe9"), ("no call by address", b"\xff\x25\0\0\0\0\xe8")):
        yield _doubtful("table-damaged", label, _alternative(direct, raw + bytes(4)), _alternative(direct), V612)
    longer = struct.pack("<HHBB", 3, 2, 7, 5)
    yield _doubtful("table-damaged", "a longer call", _alternative(longer), _alternative(direct), V612)
    rows = ((0, 261, 1, 0), (4, 261, 1, 0))
    for label, said, near in (
        ("arm64 feature", (128, 4, 4), (127, 4, 4)),
        ("arm64 function", (0x8003, 4, 4), (0x8003, 4, 0)),
        ("arm64 without one", (3, 4, 0), (3, 4, 4)),
    ):
        wrong, right = (
            _arm(replace(part, data=bytes(8) + struct.pack("<HBB", *one)), table, spot)
            for part, table, spot in [_table(".altinstructions", rows, 12)]
            for one in (said, near)
        )
        yield _doubtful("table-damaged", label, wrong, right, ARM)
    aligned = replace(ARM612, with_="DYNAMIC_FTRACE_WITH_CALL_OPS")
    name = "__patchable_function_entries"
    code = Part(name=".text.own", data=struct.pack("<4I", *[0xD503201F] * 4), flags=CODE)
    bad, good = (_arm(code, *_table(name, ((0, 257, 1, at),), 8, where=".text.own")) for at in (4, 8))
    yield _doubtful("table-damaged/unaligned", "arm64 place", bad, good, aligned)
    yield _doubtful("table-damaged", "arm64 any place", _arm(code, *_table(name, ((0, 257, 1, 16),), 8)), bad, ARM612)
    yield from structs()
    yield from sites()


def sites() -> Iterator[Trial]:
    """Calls and jumps that tables tell of, and no relocation completes (tools/objtool)."""
    for name, kind, code in (
        ("__mcount_loc", 1, b"\xe8"),
        (".return_sites", 2, b"\xe9"),
        (".call_sites", 2, b"\xe8"),
        (".retpoline_sites", 2, b"\xe9"),
    ):
        size = 8 if kind == 1 else 4
        calls = Part(name=".text.own", data=code + bytes(4), flags=CODE)
        taken_out = replace(calls, data=b"\x0f\x1f\x44\0\0")
        bad, good = (
            _with(one, *_table(name, ((0, kind, 1, 0),), size, where=calls.name)) for one in (calls, taken_out)
        )
        yield _doubtful("table-damaged", f"a bare place of {name}", bad, good)
        whole = _with(
            *_related(calls, (1, 4, PRINTK, -4)), *_table(name, ((0, kind, 1, 0),), size, where=calls.name)[:2]
        )
        yield _doubtful("table-damaged", f"a place of {name}", bad, whole)


def structs() -> Iterator[Trial]:
    """Relocations of struct module, which are those of init_module and cleanup_module (scripts/mod/modpost.c)."""
    name, init, own, printk = ".gnu.linkonce.this_module", 2, 1, 4
    good = _with(*_table(name, ((8, 1, init, 0),), 0)[1:])
    for label, place, symbol, addend in (
        ("another function", 8, own, 0),
        ("another's function", 8, printk, 0),
        ("not its start", 8, init, 1),
    ):
        bad = _with(*_table(name, ((place, 1, symbol, addend),), 0)[1:])
        yield _doubtful("table-damaged", f"struct module, {label}", bad, good)
    twice = _with(*_table(name, ((8, 1, init, 0), (16, 1, init, 0)), 0)[1:])
    yield _doubtful("table-damaged", "struct module, twice", twice, good)


def keys() -> Iterator[Trial]:
    """What the entries of `__jump_table` branch by (kernel/jump_label.c: jump_label_add_module)."""
    spot, fixed, loose, printk = 1, 2, 3, 7
    table = Part(name=".rela.text.own", type=SHT_RELA, flags=0, info=".text.own")
    code = (
        Part(name=".text.own", data=b"\xe8\0\0\0\0", flags=CODE),
        replace(table, data=_entry(1, 4, 5, -4)),
        Sym(name="fixed", section=".modinfo", bind=LOCAL),
        Sym(name="loose", section=".bss", bind=LOCAL),
        Sym(name="own", section=".text.own", bind=LOCAL),
    )
    jumps = ((0, 2, spot, 0), (4, 2, spot, 0))
    good = _with(*_table("__jump_table", (*jumps, (8, 24, loose, 2)), 16), *code)
    for label, symbol, addend in (
        ("a key in the code", spot, 0),
        ("a key that is not written", fixed, 0),
        ("a key between two", loose, 4),
    ):
        yield _doubtful(
            "table-damaged", label, _with(*_table("__jump_table", (*jumps, (8, 24, symbol, addend)), 16), *code), good
        )
    calling = replace(table, data=_entry(1, 4, printk, -4))
    bad, good = (
        _with(*_table("__jump_table", (*jumps, (8, 24, printk, 0)), 16), code[0], one, *code[2:])
        for one in (calling, code[1])
    )
    yield _doubtful("table-damaged", "a function for a key", bad, good)


def _entry(place: int, kind: int, symbol: int, addend: int) -> bytes:
    return struct.pack("<QQq", place, kind | symbol << 32, addend)


def names() -> Iterator[Trial]:
    """Names of exports that are not their symbols' (include/linux/export-internal.h)."""
    good = module(exports=[Exported(name="given", crc=1), Exported(name="taken", crc=2)])
    start = row_of(good, ".rela__ksymtab")[1]["offset"]
    for label, field, symbol in (("another name", 1, 5), ("no name", 1, 3), ("no namespace", 2, 2)):
        place = start + 24 * field
        entry = _entry(4 * field, 2, symbol, int(label == "no namespace"))
        yield _doubtful("table-damaged", label, good[:place] + entry + good[place + 24 :], good)


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
ALTERNATIVES = _table(".altinstructions", ((0, 2, 1, 0), (4, 2, 4, 0), (14, 2, 1, 0), (18, 2, 1, 0)), 28)
SOUND = _with(
    *_table("__mcount_loc", ((0, 1, 1, 0), (8, 1, 1, 1)), 16),
    replace(ALTERNATIVES[0], data=(bytes(12) + b"\1\0") * 2),
    ALTERNATIVES[1],
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


def _related(
    section: Part, *rows: tuple[int, int, int, int], more: Sequence[Part] = (), where: str = "", size: int = 0
) -> tuple[Part | Sym, ...]:
    """A section with relocations (place, type, symbol, addend); symbol 1 is a function of `size` bytes, or a place."""
    data = b"".join(struct.pack("<QQq", place, kind | symbol << 32, addend) for place, kind, symbol, addend in rows)
    table = Part(name=f".rela{section.name}", data=data, type=SHT_RELA, flags=0, info=section.name, link=".symtab")
    spot = Sym(name="spot", section=where or section.name, bind=LOCAL, type=FUNCTION if size else 0, size=size)
    return section, table, *more, spot


PRINTK = 4  # the number of its symbol behind one of the module's own


def relocations() -> Iterator[Trial]:
    """What no compiler or linker leaves in relocations, each beside the nearest that they may leave."""
    data = Part(name=".data.own", data=bytes(16), flags=SHF_ALLOC | SHF_WRITE)
    call = Part(name=".text.own", data=b"\xe8" + bytes(7), flags=CODE)
    nop = Part(name=".text.own", data=b"\x0f\x1f\x44\0\0\xc3\xc3\xc3", flags=CODE)
    for label, wrong, right in (
        ("beyond data", _related(data, (0, 1, 1, 17)), _related(data, (0, 1, 1, 16))),
        ("before data", _related(data, (0, 1, 1, -1)), _related(data, (0, 1, 1, 0))),
        ("beyond code", _related(call, (1, 2, 1, 16389)), _related(call, (1, 2, 1, 16388))),
        ("before code", _related(call, (1, 2, 1, -9)), _related(call, (1, 2, 1, -8))),
        ("indexed", _related(call, (1, 11, 1, 16393)), _related(call, (1, 11, 1, 16392))),
        ("far in another's", _related(data, (0, 1, PRINTK, 1 << 20)), _related(data, (0, 1, PRINTK, (1 << 20) - 1))),
        ("no type", _related(call, (1, 0, 1, -4)), _related(nop, (1, 0, 1, -4))),
        ("no type in data", _related(data, (0, 0, 1, 0)), _related(data, (0, 1, 1, 0))),
        (
            "a call of data",
            _related(call, (1, 4, 1, -4), where=".modinfo"),
            _related(call, (1, 2, 1, -4), where=".modinfo"),
        ),
        ("before another's function", _related(call, (1, 4, PRINTK, -5)), _related(call, (1, 4, PRINTK, -4))),
        ("within another's", _related(call, (1, 4, PRINTK, 4092)), _related(call, (1, 4, PRINTK, 4091))),
        ("a call within", _related(call, (1, 4, 1, -3), size=2), _related(call, (1, 4, 1, -4), size=2)),
        ("a distance in data", _related(data, (0, 24, 1, 0)), _related(data, (0, 1, 1, 0))),
    ):
        yield _doubtful("relocation-astray", label, _with(*wrong), _with(*right))
    jump = Part(name=".text.own", data=b"\xe9" + bytes(7), flags=CODE)
    bad, good = (_with(*_related(one, (1, 4, 1, -3), size=2)) for one in (call, jump))
    yield _doubtful("relocation-astray", "a call, not a jump", bad, good)
    table, fixed = (
        Part(name=name, data=bytes(8), flags=SHF_ALLOC | SHF_WRITE) for name in (".data.own", ".rodata.own")
    )
    bad, good = (_with(*_related(one, (0, 1, 1, 1), more=[nop], where=nop.name, size=8)) for one in (table, fixed))
    yield _doubtful("relocation-astray", "an address within", bad, good)
    bad, good = (_with(*_related(table, (0, 1, 1, at), more=[nop], where=nop.name, size=8)) for at in (7, 8))
    yield _doubtful("relocation-astray", "the last byte", bad, good)
    page = Part(name=".text.own", data=struct.pack("<II", 0x90000000, 0x91000000), flags=CODE)
    whole = _related(page, (0, 275, 1, 0), (4, 277, 1, 0))
    for label, parts in (
        ("arm64 page", _related(page, (0, 275, 1, 0))),
        ("arm64 rest", _related(page, (4, 277, 1, 0))),
        ("arm64 beyond", _related(page, (0, 275, 1, 0), (4, 277, 1, 16393))),
        ("arm64 before", _related(page, (0, 275, 1, -1), (4, 277, 1, 0))),
        ("arm64 no type", _related(page, (0, 275, 1, 0), (4, 277, 1, 0), (0, 256, 1, 0))),
        ("arm64 data", _related(data, (0, 257, 1, 17), more=[page])),
    ):
        yield _doubtful("relocation-astray", label, _arm(*parts), _arm(*whole), ARM)
    bad, good = (_arm(*_related(data, (0, kind, 1, 0))) for kind in (261, 257))
    yield _doubtful("relocation-astray", "arm64 a distance in data", bad, good, ARM)
    branch = Part(name=".text.own", data=struct.pack("<II", 0x94000000, 0xD503201F), flags=CODE)
    for label, addend, size, where in (("within", 4, 8, ""), ("beyond", 9, 0, ""), ("data", 0, 0, ".modinfo")):
        bad = _arm(*_related(branch, (0, 283, 1, addend), size=size, where=where))
        yield _doubtful(
            "relocation-astray", f"arm64 call {label}", bad, _arm(*_related(branch, (0, 283, 1, 0), size=8)), ARM
        )
    bad, good = (_arm(*_related(branch, (0, 283, PRINTK, at))) for at in (1, 0))
    yield _doubtful("relocation-astray", "arm64 another's", bad, good, ARM)
    jump = replace(branch, data=struct.pack("<I", 0x14000000))
    bad, good = (_arm(*_related(one, (0, 283, 1, 4), size=8)) for one in (branch, jump))
    yield _doubtful("relocation-astray", "arm64 a call, not a jump", bad, good, ARM)
    bad, good = (_arm(*_related(branch, (at, 283, 1, 0)), *_related(data, (0, 257, 1, 0))[:2]) for at in (4, 0))
    yield _doubtful("relocation-astray", "arm64 a call without one", bad, good, ARM)
    bad, good = (_arm(*_related(data, (0, 257, 1, 0), (at, 257, 1, 8))) for at in (0, 8))
    yield _doubtful("relocation-astray", "arm64 twice", bad, good, ARM)
    bad, good = (_arm(*_related(branch, (0, 283, 1, 0), (at, 256, 1, 0))) for at in (0, 4))
    yield _doubtful("relocation-astray", "arm64 taken out", bad, good, ARM)
    good = _with(*_related(data, (0, 1, 1, 8), (8, 1, 1, 8)))
    for label, change in (("less", {"size": 24}), ("none", {"size": 0}), ("no section", {"type": 0, "name": 0})):
        yield _doubtful("bytes-unclaimed", label, patched(good, ".rela.data.own", **change), good)
    padded = _with(*_related(replace(data, data=bytes(64)), (0, 1, 1, 8)))
    yield _doubtful(
        "bytes-unclaimed", "zeroes", patched(good, ".rela.data.own", size=24), patched(padded, ".data.own", size=8)
    )
