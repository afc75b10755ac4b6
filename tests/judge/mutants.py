# SPDX-License-Identifier: GPL-2.0-or-later
"""Real modules of a kernel with one place changed at random, where the loader or the kernel reads what it believes.

Changes within code and plain data are left out: no file tells what an instruction is meant to be.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkm.kernel.installed import module_paths
from dlkm.kernel.kernel import Kernel
from dlkm.ko.elf import SHF_ALLOC, SHT_NOBITS, SHT_RELA, SHT_SYMTAB, Elf, Section
from dlkm.ko.module import read_module
from dlkm.ko.signature import signature_of

LARGEST = 60_000  # bytes; small ones have as many kinds of parts
_HEADER = "the ELF header"
# How often each kind of part is chosen.
_SHARES = {"header": 1, "sections": 4, "symbols": 3, "names": 1, "relocations": 6, "tables": 5, "words": 2}
_WORDS = (".modinfo", "__versions", ".gnu.linkonce.this_module", "__kcrctab", "__kcrctab_gpl", "__ksymtab_strings")
_CODE = (
    ".text",
    ".init.text",
    ".exit.text",
    ".data",
    ".rodata",
    ".bss",
    ".note",
    ".comment",
    ".debug",
    ".BTF",
    ".init",
)


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A changed module, and what was changed, for people."""

    name: str
    change: str
    data: bytes


def mutants(kernel: Kernel, seed: int, count: int) -> Iterator[Mutant]:
    """So many, each of another module that needs no other; the same for the same kernel and seed."""
    numbers = random.Random(seed)
    assert kernel.modules is not None
    paths = sorted(module_paths(kernel.modules))
    numbers.shuffle(paths)
    found = (mutant for path in paths if (mutant := _mutant(Path(path), numbers)) is not None)
    return (mutant for _, mutant in zip(range(count), found, strict=False))


def _mutant(path: Path, numbers: random.Random) -> Mutant | None:
    module = read_module(path)
    if module.depends or len(module.data) > LARGEST:
        return None
    signature = signature_of(module.data)
    data = bytearray(module.data if signature is None else module.data[: signature.body_size])
    elf = Elf.parse(bytes(data), path.name)
    kinds = list(_parts(elf))
    kind = numbers.choices(list(_SHARES), list(_SHARES.values()))[0]
    part, start, size = numbers.choice([one[1:] for one in kinds if one[0] == kind] or [one[1:] for one in kinds])
    place = start + numbers.randrange(size)
    old = data[place]
    data[place] = (
        old ^ 1 << numbers.randrange(8) if numbers.random() < 0.7 else numbers.choice([0, 1, 255, old + 1 & 255])
    )
    change = f"{part}+{place - start:#x}: {old:#04x} became {data[place]:#04x}"
    return Mutant(name=path.name.partition(".")[0], change=change, data=bytes(data)) if data[place] != old else None


def _parts(elf: Elf) -> Iterator[tuple[str, str, int, int]]:
    """Kind, name, place and size of each part that may be changed."""
    yield "header", _HEADER, 0, 64
    for section in elf.sections:
        header = elf.header.shoff + section.index * elf.layout.section.size
        yield "sections", f"header of {section.name or section.index}", header, elf.layout.section.size
        kind = _kind(section)
        if kind and section.size and section.type != SHT_NOBITS:
            yield kind, section.name, section.offset, section.size


def _kind(section: Section) -> str:
    if section.type == SHT_RELA:
        return "relocations" if not section.name.startswith((".rela.debug", ".rela.BTF")) else ""
    if section.type == SHT_SYMTAB:
        return "symbols"
    if section.name in _WORDS:
        return "words"
    if section.name in {".strtab", ".shstrtab"}:
        return "names"
    return "tables" if section.flags & SHF_ALLOC and not section.name.startswith(_CODE) else ""
