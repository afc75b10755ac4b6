# SPDX-License-Identifier: GPL-2.0-or-later
"""A module as a value: each part from a module written for the test, in every layout the kernel has had."""

import gzip
import lzma
import os
from pathlib import Path

import pytest
import zstandard

from dlkm.core.errors import MalformedError, UsageError
from dlkm.ko.decompress import Compression
from dlkm.ko.exports import Export
from dlkm.ko.modinfo import Parameter, parse_modinfo
from dlkm.ko.module import Module, Undefined, module_of, read_module
from tests.unit.ko.elf_builder import (
    LOCAL,
    SHN_ABS,
    WEAK,
    Exported,
    Image,
    Part,
    Sym,
    add_exports,
    modinfo_bytes,
    tiny_module,
    versions_bytes,
)

FORMS = [(64, False), (64, True), (32, False), (32, True)]
each_form = pytest.mark.parametrize(("bits", "big_endian"), FORMS)


def module(image: Image, name: str = "tiny.ko") -> Module:
    return module_of(image.build(), Path(name))


@each_form
def test_what_a_module_says_of_itself(bits: int, big_endian: bool) -> None:  # noqa: FBT001
    found = module(tiny_module(bits=bits, big_endian=big_endian, undefined=["_printk", "kfree"]))
    assert found.name == "tiny"
    assert found.license == "GPL"
    assert found.vermagic == "6.1.0-56-amd64 SMP preempt mod_unload modversions "
    assert found.versions == {"module_layout": 0x9060323F, "_printk": 0x92997ED8}
    assert found.undefined == (Undefined(name="_printk", weak=False), Undefined(name="kfree", weak=False))
    assert found.compiler == "GCC: (Debian 12.2.0-14) 12.2.0"
    assert found.struct_module_size == 896
    assert (found.exports, found.signature, found.extended_versions) == ((), None, None)
    assert (found.depends, found.import_ns, found.intree) == ((), (), False)


def test_lists_among_the_fields() -> None:
    fields = [("depends", "mii,usbcore"), ("import_ns", "A"), ("alias", "x"), ("import_ns", "B"), ("intree", "Y")]
    found = module(tiny_module(modinfo=fields))
    assert (found.depends, found.import_ns, found.all("alias")) == (("mii", "usbcore"), ("A", "B"), ("x",))
    assert found.intree
    assert (found.vermagic, found.license, found.field("nosuch")) == (None, None, None)


def test_the_file_names_a_module_that_does_not() -> None:
    assert module(tiny_module(modinfo=[]), "snd-hda-intel.ko.xz").name == "snd_hda_intel"


def test_modinfo_takes_any_bytes() -> None:
    pairs = parse_modinfo(b"\0\0a=b=c\0\0noequals\0=v\0k\xff=\xc3\x28\0cut off")
    assert pairs == (
        ("a", "b=c"),
        ("noequals", ""),
        ("", "v"),
        ("k\udcff", "\udcc3("),
        ("cut off", ""),
    )
    assert modinfo_bytes(pairs[3:4]) == b"k\xff=\xc3\x28\0"


def test_parameters_are_joined_by_name() -> None:
    fields = [("parm", "b:first"), ("parmtype", "a:int"), ("parm", "bad"), ("parmtype", "b:bool"), ("parm", "b:last:x")]
    assert module(tiny_module(modinfo=fields)).parameters == (
        Parameter(name="b", description="last:x", type="bool"),
        Parameter(name="a", description=None, type="int"),
    )


def test_of_two_version_rows_the_first_counts_and_a_part_of_a_row_does_not() -> None:
    image = tiny_module()
    raw = versions_bytes({"a": 1, "b": 2}) + versions_bytes({"a": 3}) + b"rest"
    image.parts = [Part(name="__versions", data=raw)]
    assert module(Image(parts=image.parts)).versions == {"a": 1, "b": 2}


def test_no_versions_and_empty_versions_differ() -> None:
    assert module(Image()).versions is None
    assert module(Image(parts=[Part(name="__versions")])).versions == {}


@each_form
def test_extended_versions(bits: int, big_endian: bool) -> None:  # noqa: FBT001
    order = "big" if big_endian else "little"
    image = Image(bits=bits, big_endian=big_endian)
    image.parts = [
        Part(name="__version_ext_crcs", data=b"".join(crc.to_bytes(4, order) for crc in (7, 0xFFFFFFFF))),  # type: ignore[arg-type]
        Part(name="__version_ext_names", data=b"short\0" + b"n" * 200 + b"\0"),
    ]
    assert module(image).extended_versions == {"short": 7, "n" * 200: 0xFFFFFFFF}


EXPORTS = [
    Exported(name="free", crc=0x11111111),
    Exported(name="strict", crc=0xFFFFFFFE, gpl=True, namespace="NS"),
    Exported(name="spaced", crc=3, namespace="OTHER"),
]


@each_form
@pytest.mark.parametrize("entry", [8, 12, 16, 24])  # value and name, with and without namespace, relative and absolute
@pytest.mark.parametrize("flags_table", [False, True])
def test_exports(bits: int, big_endian: bool, entry: int, flags_table: bool) -> None:  # noqa: FBT001
    image = Image(bits=bits, big_endian=big_endian)
    add_exports(image, EXPORTS, entry=entry, flags_table=flags_table)
    assert {export.name: export for export in module(image).exports} == {
        "free": Export(name="free", crc=0x11111111, gpl=False, namespace="", flagged=flags_table),
        "strict": Export(name="strict", crc=0xFFFFFFFE, gpl=True, namespace="NS", flagged=flags_table),
        "spaced": Export(name="spaced", crc=3, gpl=False, namespace="OTHER", flagged=flags_table),
    }


def test_exports_without_crcs() -> None:
    image = Image()
    add_exports(image, [Exported(name="free"), Exported(name="strict", gpl=True)])
    assert [(one.name, one.crc, one.gpl) for one in module(image).exports] == [
        ("free", None, False),
        ("strict", None, True),
    ]


def test_crcs_as_absolute_symbols() -> None:
    """Kernels before 4.4: `__crc_NAME` is the CRC itself, and the table holds only its relocation."""
    image = Image(parts=[Part(name="__ksymtab", data=bytes(16)), Part(name="__kcrctab", data=bytes(8))])
    image.symbols = [
        Sym(name="__ksymtab_old", section="__ksymtab", bind=LOCAL),
        Sym(name="__crc_old", section=SHN_ABS, value=0xFFFFFFFF89ABCDEF),
    ]
    assert [(one.name, one.crc) for one in module(image).exports] == [("old", 0x89ABCDEF)]


def test_crcs_at_their_symbols() -> None:
    image = Image(parts=[Part(name="__ksymtab", data=bytes(24)), Part(name="__kcrctab", data=b"\1\0\0\0\2\0\0\0")])
    image.symbols = [
        Sym(name="__ksymtab_a", section="__ksymtab", value=12, bind=LOCAL),
        Sym(name="__ksymtab_b", section="__ksymtab", value=0, bind=LOCAL),
        Sym(name="__crc_a", section="__kcrctab", value=4, bind=LOCAL),
        Sym(name="__crc_b", section="__kcrctab", value=0, bind=LOCAL),
    ]
    assert [(one.name, one.crc) for one in module(image).exports] == [("a", 2), ("b", 1)]


def test_weak_symbols_are_told() -> None:
    image = Image(symbols=[Sym(name="must"), Sym(name="may", bind=WEAK)])
    assert module(image).undefined == (Undefined(name="must", weak=False), Undefined(name="may", weak=True))


PLAIN = tiny_module().build()
PACKED = [
    (".ko", PLAIN, Compression.NONE),
    (".ko.xz", lzma.compress(PLAIN), Compression.XZ),
    (".ko.gz", gzip.compress(PLAIN), Compression.GZIP),
    (".ko.zst", zstandard.compress(PLAIN), Compression.ZSTD),
]


@pytest.mark.parametrize(("suffix", "content", "kind"), PACKED)
def test_reads_files_however_packed(tmp_path: Path, suffix: str, content: bytes, kind: Compression) -> None:
    path = tmp_path / f"tiny{suffix}"
    path.write_bytes(content)
    found = read_module(path)
    assert (found.compression, found.misnamed, found.data) == (kind, False, PLAIN)
    assert found.versions == {"module_layout": 0x9060323F, "_printk": 0x92997ED8}


@pytest.mark.parametrize(("suffix", "content", "kind"), PACKED)
def test_a_suffix_that_lies_is_told_and_does_no_harm(
    tmp_path: Path, suffix: str, content: bytes, kind: Compression
) -> None:
    path = tmp_path / ("tiny.ko.gz" if suffix != ".ko.gz" else "tiny.ko")
    path.write_bytes(content)
    found = read_module(path)
    assert (found.compression, found.misnamed, found.name) == (kind, True, "tiny")


def test_a_large_file_is_mapped_and_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "tiny.ko"
    with path.open("wb") as stream:
        stream.write(PLAIN)
        stream.truncate(65 << 20)
    found = read_module(path)
    assert not isinstance(found.data, bytes)
    assert (found.name, found.versions, found.signature) == ("tiny", module(tiny_module()).versions, None)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ko")
    for name, word in {"nosuch.ko": "No such file", "pipe.ko": "not a regular file", ".": "directory"}.items():
        with pytest.raises(UsageError, match=word):
            read_module(tmp_path / name)
    with pytest.raises(UsageError, match="cannot read"):
        read_module(Path("a\0b"))


def test_an_empty_file_is_malformed(tmp_path: Path) -> None:
    (tmp_path / "empty.ko").touch()
    with pytest.raises(MalformedError, match="not an ELF file"):
        read_module(tmp_path / "empty.ko")
