# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases of symbols and relocations: unknown, GPL-only, versions, namespaces, proprietary givers, types, targets."""

from collections.abc import Iterator

from dlkm.core.names import module_name
from tests.judge.elf import (
    GLOBAL,
    LOCAL,
    SHF_RELA_LIVEPATCH,
    SHF_WRITE,
    SHN_ABS,
    SHN_COMMON,
    SHT_REL,
    SHT_RELA,
    WEAK,
    File,
    Section,
)
from tests.judge.pair import Case, Load, Tells, Where, also, load, pair
from tests.judge.shop import Change, Maker, Shop, built, info, named, needing, renaming, setting, version

ARM64, X86 = Where(arch="arm64"), Where(arch="x86_64")
GIVER, CLOSED = ("judge_giver", built("judge_giver")), ("judge_closed", built("judge_closed"))
SPACED = Where(since=(5, 16))  # from here on dma-buf is in a namespace
LENIENT = "mii_check_link"  # a plain export of a module (mii) that needs no other


# Relocation types: one that the loader does not know and one that it does, then more of both.
TYPES = (
    (X86, (3, 24), (0, 5, 6, 7, 8, 9, 12, 13, 14, 15, 25, 26, 37, 41, 42, 43, 256, 1 << 31)),
    (ARM64, (512, 260), (0, 1, 255, 256, 281, 294, 298, 300, 301, 311, 312, 313, 314, 315, 1024, 1 << 31)),
)


def lacking(name: str, bind: int = GLOBAL, section: int = 0) -> Change:
    """One more symbol at the table's end."""
    return lambda file: file.add_symbol(name, section=section, bind=bind)


def user(*changes: Change) -> Maker:
    """The module that uses judge_giver's exports."""
    return built("judge_user", *changes)


def _of(maker: Maker, name: str, *before: tuple[str, Maker]) -> Load:
    return load(maker, *before, name=name)


def absent() -> Iterator[Case]:
    """Symbols that are not there for this module."""
    yield from pair("unknown-symbol", built("judge", lacking("judge_nowhere")), built("judge", lacking("x", WEAK)))
    yield from pair("unknown-symbol", built("judge", lacking("_GLOBAL_OFFSET_TABLE_")), label="GOT", where=ARM64)
    yield also("GOT", built("judge", lacking("_GLOBAL_OFFSET_TABLE_")), where=X86)
    yield from pair("unknown-symbol", _of(user(), "judge_user"), _of(user(), "judge_user", GIVER), label="no giver")
    yield also(
        "the last errno wins",
        built("judge", version("param_ops_int", 1), lacking("judge_nowhere"), lacking("shared", section=SHN_COMMON)),
    )
    yield from pair(
        "gpl-only-symbol",
        built("judge", info("license", "GPl")),
        built("judge", info("license", "Dual MIT/GPL")),
    )
    yield from pair("gpl-only-symbol", built("judge", info("license")), label="no licence")
    for licence in ("GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MPL/GPL", "GPL v3", "BSD", "MIT"):
        yield also(f"licence {licence}", built("judge", info("license", licence)))
    yield also("two licences", built("judge", info("license", "GPL", "Proprietary")))


def _modular(shop: Shop) -> bytes:
    """`judge` with a need of a symbol that one of the kernel's modules gives."""
    assert shop.facts.symvers is not None
    symbol = shop.facts.symvers.symbols[LENIENT]
    file = File.parse(shop.built["judge"])
    file.add_symbol(LENIENT, section=0)
    file["__versions"].data += symbol.crc.to_bytes(8, "little") + LENIENT.encode().ljust(56, b"\0")
    assert module_name(symbol.provider) == "mii"
    return file.build()


def givers() -> Iterator[Case]:
    """Symbols of other modules."""
    installed = ("mii", lambda shop: shop.own("mii"))
    yield from pair("provider-missing", load(_modular, hidden=frozenset({"mii"})), load(_modular, installed))
    broken = ("judge_giver", built("judge_giver", version("module_layout", 1)))
    yield from pair("provider-refused", _of(user(), "judge_user", broken), _of(user(), "judge_user", GIVER))
    # On arm64 no file tells whether a built-in name is taken.
    doubtful = ("printk", built("judge_giver", named("printk")))
    yield from pair(
        "provider-unsure",
        _of(user(), "judge_user", doubtful),
        _of(user(), "judge_user", GIVER),
        where=ARM64,
        tells=Tells.NOT,
    )
    mixed = needing("judge_closed", bind=GLOBAL, row_of="judge_inherits")
    tolerant = needing("judge_closed", bind=WEAK, row_of="judge_inherits")
    freed = ("judge_closed", built("judge_closed", info("license", "GPL")))
    yield from pair("proprietary-provider", load(mixed, CLOSED), load(mixed, freed))
    yield from pair("proprietary-provider-weak", load(tolerant, CLOSED), load(tolerant, freed))
    inherits = built("judge_inherits")
    yield from pair("inherits-taint", _of(inherits, "judge_inherits", CLOSED), _of(inherits, "judge_inherits", freed))
    yield from pair(
        "gpl-only-symbol/inherited",
        _of(built("judge_inherits", lacking("ktime_get")), "judge_inherits", CLOSED),
        _of(inherits, "judge_inherits", CLOSED),
        label="after inherited taint",
    )
    yield also("proprietary user", _of(user(info("license", "X")), "judge_user", GIVER))


def agreements() -> Iterator[Case]:
    """Versions and namespaces."""
    yield from pair("crc-mismatch", built("judge", version("ktime_get", 1)))
    yield from pair(
        "crc-mismatch",
        _of(user(version("judge_plain", 1)), "judge_user", GIVER),
        _of(user(), "judge_user", GIVER),
        label="of a giver",
    )
    yield from pair("missing-entry", built("judge", version("ktime_get", name="nothing")))
    yield also("CRC of a weak symbol", built("judge", version("ktime_get", 1), _weakened("ktime_get")))
    spaced = "judge_spaced"
    yield from pair(
        "namespace",
        _of(built(spaced, info("import_ns")), spaced),
        _of(built(spaced, info("import_ns", "JUDGE", "DMA_BUF")), spaced),
        where=SPACED,
    )
    yield from pair(
        "namespace",
        _of(built(spaced, info("import_ns", "DMA_BU")), spaced),
        _of(built(spaced), spaced),
        label="near",
        where=SPACED,
    )
    yield from pair(
        "namespace",
        _of(user(info("import_ns")), "judge_user", GIVER),
        _of(user(), "judge_user", GIVER),
        label="of a giver",
    )
    yield also("CRC and namespace", _of(built(spaced, info("import_ns"), version("dma_buf_get", 1)), spaced))


def _weakened(name: str) -> Change:
    def change(file: File) -> None:
        symbols = file.symbols
        symbols[file.symbol_number(name)][1] = WEAK << 4
        file.set_symbols(symbols)

    return change


def sections() -> Iterator[Case]:
    """Symbols that lie somewhere."""
    yield from pair(
        "common-symbol",
        built("judge", lacking("shared", section=SHN_COMMON)),
        built("judge", lacking("__gnu_lto_slim", section=SHN_COMMON)),
    )
    checked = Where(feature="symbol-section-checked")  # others read what lies beyond their table
    yield from pair("symbol-section", built("judge", _at_section(0)), built("judge", _at_section(-1)), where=checked)
    yield from pair(
        "symbol-section",
        built("judge", lacking("odd", LOCAL, 0xFF00)),
        built("judge", lacking("odd", LOCAL, SHN_ABS)),
        label="reserved",
        where=checked,
    )


def _at_section(beyond: int) -> Change:
    return lambda file: file.add_symbol("odd", section=len(file.sections) + beyond)


DATA = ".judge.data"  # pointers
NOTHING = (0, 256)  # types that write nothing: what stands there is to be all that was to come


def _typed(kind: int, section: str = DATA) -> Change:
    """The first entry of a section with another type."""

    def change(file: File) -> None:
        (place, info_, addend), *rest = file.relocations(section)
        file.set_relocations(section, [(place, info_ >> 32 << 32 | kind, addend), *rest])

    return change


def _twice(by: int, section: str = DATA) -> Change:
    """Of the entries the second alone, and once more so many bytes beside it."""

    def change(file: File) -> None:
        place, info_, addend = file.relocations(section)[1]
        file.set_relocations(section, [(place, info_, addend), (place + by, info_, addend)])

    return change


def _given_elsewhere(file: File) -> None:
    """An undefined symbol with a value, and the first entry for it, as 32 bits with a sign."""
    number, symbols = file.symbol_number("ktime_get"), file.symbols
    symbols[number][4] = 1 << 40
    file.set_symbols(symbols)
    (place, _, _), *rest = file.relocations(DATA)
    file.set_relocations(DATA, [(place, number << 32 | 11, 0), *rest])


def _percpu_relocation(file: File) -> None:
    """Of a type that is not known: before 6.16 the loader passes over what is for per-CPU data."""
    name = ".data..percpu"
    raw = (0).to_bytes(8, "little") + (999).to_bytes(8, "little") + bytes(8)
    link, target = file.number(".symtab"), file.number(name)
    file.add(Section(name=f".rela{name}", type=SHT_RELA, data=raw, link=link, info=target, align=8, entsize=24))


def _filled(section: str, place: int, more: bytes = b"") -> Change:
    """A section with one byte that is not zero, or with bytes behind it."""

    def change(file: File) -> None:
        data = file[section].data
        file[section].data = data + more if more else data[:place] + b"\1" + data[place + 1 :]

    return change


def relocations() -> Iterator[Case]:
    """Types and targets."""
    data = DATA
    beside = built("judge", _filled(data, 0, b"\1" * 8))
    yield from pair("relocation-target", built("judge", _filled(data, 15)), beside, where=X86)
    yield also("bytes under a relocation", built("judge", _filled(data, 15)), where=ARM64)
    for where, (bad, good), kinds in TYPES:
        arch = where.arch
        yield from pair(
            "relocation-type", built("judge", _typed(bad)), built("judge", _typed(good)), where=where, label=arch
        )
        for kind in kinds:
            changes = [_typed(kind)] if kind not in NOTHING else [_filled(data, 0), _typed(kind)]
            yield also(f"type {kind} on {arch}", built("judge", *changes), where=where)
    yield from pair("relocation-target", built("judge", _twice(0)), beside, where=X86, label="written before")
    yield from pair("relocation-overlap", built("judge", _twice(-6)), beside, where=X86, tells=Tells.NOT)
    yield from pair("relocation-overflow", built("judge", setting(data, flags=SHF_WRITE)), where=X86)
    yield from pair(
        "relocation-overflow", built("judge", _typed(10)), built("judge", _typed(11)), where=X86, label="32"
    )
    yield from pair(
        "relocation-overflow", built("judge", _typed(258)), built("judge", _typed(257)), where=ARM64, label="ABS32"
    )
    yield from pair("relocation-reach", built("judge", setting(data, flags=SHF_WRITE)), where=ARM64, tells=Tells.NOT)
    yield also("what is given, with a value of its own", built("judge", _given_elsewhere), where=X86)
    percpu, plain = (load(built("judge_percpu", *how), name="judge_percpu") for how in ([_percpu_relocation], []))
    yield from pair("relocation-type", percpu, plain, where=Where(feature="percpu-relocated"), label="per-CPU data")
    yield also("per-CPU data with a relocation", percpu)
    klp = setting(f".rela{data}", flags=SHF_RELA_LIVEPATCH)
    later = built("judge", klp, renaming(f".rela{data}", ".klp.rela.judge.data"))
    yield from pair("livepatch-section", built("judge", klp), later, where=X86)
    yield also("a section of a livepatch", built("judge", klp), where=ARM64)
    yield from pair("rel-section", built("judge", setting(f".rela{data}", type=SHT_REL)))


def cases() -> Iterator[Case]:
    """All of them."""
    yield from absent()
    yield from givers()
    yield from agreements()
    yield from sections()
    yield from relocations()
