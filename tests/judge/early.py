# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases of what is asked before symbols: versions, vermagic, livepatch, names, section flags, per-CPU data, exports."""

from collections.abc import Iterator

from tests.judge.elf import SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS, File, Section
from tests.judge.pair import AS_IT_IS, Case, Load, Tells, Where, also, load, pair
from tests.judge.shop import Change, Maker, built, info, renaming, setting, vermagic, version

ARM64, X86 = Where(arch="arm64"), Where(arch="x86_64")
ARM64_612 = Where(arch="arm64", since=(6, 12))
VERSIONED, UNVERSIONED = Where(option="MODVERSIONS"), Where(lacks="MODVERSIONS")
FLAGGED = Where(feature="export-flags")
SINCE_612, BEFORE_612 = Where(since=(6, 12)), Where(until=(6, 12))
NO_VERSIONS = renaming("__versions", "__nothing")
OTHER_RELEASE = vermagic(lambda text: "6.0.0-other" + text[text.index(" ") :])
OTHER_WORDS = vermagic(lambda text: text.replace(" mod_unload ", " Mod_unload "))


def versions() -> Iterator[Case]:
    """The version of struct module, and the vermagic."""
    yield from pair(
        "crc-mismatch/module-layout",
        built("judge", version("module_layout", 1), OTHER_WORDS),
        built("judge", version("ktime_get", name="nothing")),
    )
    yield from pair("module-layout-entry", built("judge", version("module_layout", name="nothing")))
    yield from pair("no-versions-forced", built("judge", NO_VERSIONS))
    yield from pair("no-versions-forced", built("judge", setting("__versions", flags=0)), label="not in memory")
    yield from pair("vermagic", built("judge", OTHER_WORDS), built("judge", OTHER_RELEASE), where=VERSIONED)
    yield from pair("vermagic", built("judge", OTHER_WORDS), where=UNVERSIONED, label="words")
    yield from pair("vermagic", built("judge", OTHER_RELEASE), where=UNVERSIONED, label="release alone")
    yield from pair("vermagic", built("judge", vermagic(str.rstrip)), where=X86, label="trailing blank")
    yield from pair("vermagic", built("judge", vermagic(lambda text: text + " ")), label="one blank more")
    yield from pair(
        "vermagic", built("judge", NO_VERSIONS, OTHER_RELEASE), built("judge", NO_VERSIONS), label="release"
    )
    yield from pair("vermagic", built("judge", info("vermagic", "")), label="empty")
    yield from pair("vermagic", built("judge", info("vermagic", "alone")), label="one word")
    yield from pair("no-vermagic-forced", built("judge", info("vermagic")))
    yield also("two vermagics", built("judge", _second_vermagic))


def _hiding(section: str, new: str = "__nothing") -> Change:
    """A section under another name, with its relocations where it has some."""

    def change(file: File) -> None:
        for one in file.sections:
            if one.name in {section, f".rela{section}"}:
                one.name = one.name.replace(section, new)

    return change


def _second_vermagic(file: File) -> None:
    """The first one counts."""
    file[".modinfo"].data += b"vermagic=of another kernel\0"


def names() -> Iterator[Case]:
    """Livepatches, and a name that is taken."""
    patch = built("judge", info("livepatch", "Y"))
    yield from pair("livepatch", patch, where=ARM64)
    yield also("livepatch", patch, where=X86)
    yield from pair(
        "already-loaded",
        load(built(), ("judge", built()), loaded=frozenset({"judge"})),
        load(built(), ("judge_answer", built("judge_answer")), loaded=frozenset({"judge_answer"})),
    )
    closed = built("judge", info("import_ns", "module:judge"))
    yield from pair(
        "namespace-import",
        closed,
        built("judge", info("import_ns", "modules", "module")),
        where=Where(step="namespace-imports"),
    )
    yield also("no name in .modinfo", built("judge", info("name")))
    yield also("staging", built("judge", info("staging", "Y")))
    yield also("in tree", built("judge", info("intree", "Y")))
    yield also("a test", built("judge", info("test", "Y")))
    yield also("no retpoline", built("judge", info("retpoline")))
    yield also("no modinfo", built("judge", renaming(".modinfo", ".modinfi")))
    yield also("no licence", built("judge_answer", info("license")))


def _percpu(size: int) -> Maker:
    return built("judge_percpu", setting(".data..percpu", data=bytes(size)))


def _with(name: str, flags: int, data: bytes = b"\0" * 8) -> Change:
    return lambda file: file.add(Section(name=name, flags=flags, data=data, align=8))


def layout() -> Iterator[Case]:
    """Sections and memory."""
    for name in (".plt", ".init.plt"):
        yield from pair("arch-section-missing", built("judge", renaming(name, ".pult")), where=ARM64, label=name)
    both = SHF_WRITE | SHF_EXECINSTR
    yield from pair(
        "write-execute",
        built("judge", _with(".both", SHF_ALLOC | both)),
        built("judge", _with(".both", SHF_ALLOC | SHF_WRITE)),
    )
    yield from pair("write-execute", built("judge", _with(".both", both)), label="not in memory")
    yield from memory()
    yield from pair("percpu-size", load(_percpu(8193), name="judge_percpu"), load(_percpu(8192), name="judge_percpu"))
    yield from pair(
        "percpu-size/unit", load(_percpu(32769), name="judge_percpu"), load(_percpu(1), name="judge_percpu")
    )
    odd, even, wide = (
        load(built("judge_percpu", setting(".data..percpu", align=align)), name="judge_percpu")
        for align in (12, 16, 1 << 13)
    )
    yield from pair("percpu-align", odd, even)
    yield also("per-CPU data laid out widely", wide)
    yield also("per-CPU data", load(built("judge_percpu"), name="judge_percpu"))
    yield also(
        "constructors of two kinds", built("judge", *(_with(one, SHF_ALLOC) for one in (".ctors", ".init_array")))
    )
    bare = built("judge_giver", _hiding("__kcrctab"))
    gpl = built("judge_giver", _hiding("__kcrctab_gpl"))
    giver = load(built("judge_giver"), name="judge_giver")
    yield from pair("export-versions-forced", load(bare, name="judge_giver"), giver, where=VERSIONED)
    two = Where(option="MODVERSIONS", until=(7, 1))
    yield from pair("export-versions-forced", load(gpl, name="judge_giver"), giver, where=two, label="GPL")
    yield from flags()
    yield also("a section of no bytes", built("judge", lambda file: file.add(_nobits())))
    yield also("as it is", AS_IT_IS)


def flags() -> Iterator[Case]:
    """The bytes of flags that exports have, and tables that they had before."""
    name = "judge_giver"
    giver = load(built(name), name=name)
    unflagged = built(name, _hiding("__kflagstab"))
    yield from pair("export-flags", load(unflagged, name=name), giver, where=FLAGGED)
    unallocated = built(name, setting("__kflagstab", flags=0))
    yield from pair("export-flags", load(unallocated, name=name), giver, where=FLAGGED, label="not in memory")
    old = built(name, _hiding("__kflagstab"), _hiding("__ksymtab", "__ksymtab_gpl"))
    yield also("exports as they were", load(old, name=name), where=FLAGGED)
    user = ("judge_user", built("judge_user"))
    yield also("a user of exports as they were", Load(files=((name, old), user)), where=FLAGGED)


def _nobits(size: int = 4096, align: int = 1) -> Section:
    return Section(name=".bss.judge", type=SHT_NOBITS, flags=SHF_ALLOC | SHF_WRITE, size=size, align=align)


def memory() -> Iterator[Case]:
    """Sections that are too large, or of one name."""
    for where, room in ((X86, 1008 << 20), (ARM64_612, 2048 << 20)):
        yield from pair("memory", _sized(room + 1), _sized(1 << 20), where=where, label=where.arch)
    yield from pair("memory-unknown", _sized(512 << 20), _sized(64 << 20), tells=Tells.NOT)
    yield also("a large alignment", built("judge", lambda file: file.add(_nobits(align=1 << 20))))
    yield also("an odd alignment", built("judge", lambda file: file.add(_nobits(align=3))))
    twice = built("judge", *[_with(".twice", SHF_ALLOC)] * 2)
    yield from pair(
        "duplicate-section",
        twice,
        built("judge", _with(".twice", SHF_ALLOC), _with(".twice", SHF_ALLOC, b""), _with(".twice", 0)),
        where=SINCE_612,
    )
    yield also("two sections of one name", twice, where=BEFORE_612)
    for name in (".plt", ".text.ftrace_trampoline"):
        yield also(f"two {name}", built("judge", _with(name, SHF_ALLOC, b"")), where=ARM64)


def _sized(size: int) -> Maker:
    return built("judge", lambda file: file.add(_nobits(size)))


def cases() -> Iterator[Case]:
    """All of them."""
    yield from versions()
    yield from names()
    yield from layout()
