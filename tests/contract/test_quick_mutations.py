# SPDX-License-Identifier: GPL-2.0-or-later
"""The quick look and the rules on real modules with changed bytes: a yes of the first is a yes of the other, always."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlkm.kernel.facts import Facts
from dlkm.kernel.installed import module_paths
from dlkm.kernel.kernel import Kernel
from dlkm.ko.signature import signature_of
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.quick import Quick
from dlkm.verdict.reading import plain_bytes
from dlkm.verdict.session import Session
from dlkm.verdict.verdict import Outcome

pytestmark = pytest.mark.contract

MODULES = 8
CHANGES = 60  # to each
LARGEST = 60_000  # bytes; small ones hold as many rules and are judged sooner


class Both:
    """The two ways, over one kernel's facts."""

    def __init__(self, kernel: Kernel, scratch: Path, *, certificates: bool = True) -> None:
        self._scratch = scratch
        facts = Facts(kernel)
        if not certificates:
            facts.__dict__["certificates"] = None
        self._session = Session(kernel, Conditions(), facts=facts)
        self._quick = Quick(facts, Conditions(), era_of(kernel))
        assert self._quick.usable

    def is_plain(self, path: Path, data: bytes) -> bool:
        """Whether the quick look says yes; the rules must then say the same."""
        found = self._quick.answer(data)
        if found is None:
            return False
        copy = self._scratch / path.name.partition(".")[0]
        copy.write_bytes(data)
        verdict = self._session.verdict(copy)
        assert (verdict.outcome, verdict.findings) == (Outcome.LOADS, ())
        assert (verdict.module, verdict.taint) == found
        return True


def _modules(kernel: Kernel, numbers: random.Random) -> Iterator[tuple[Path, bytes]]:
    assert kernel.modules is not None
    paths = sorted(module_paths(kernel.modules))
    while True:
        path = Path(numbers.choice(paths))
        data = bytes(plain_bytes(path))
        if len(data) <= LARGEST:
            yield path, data


def _changed(data: bytes, numbers: random.Random) -> bytes:
    """One to three bits turned over, often one where tables stand: at the end, or near a word that rules look for."""
    changed = bytearray(data)
    words = (b"vermagic=", b"module_layout\0", b"license=", b".modinfo", b"\x7fELF")
    near = [place for word in words if (place := data.find(word)) >= 0]
    for number in range(numbers.randint(1, 3)):
        if number == 0 and numbers.random() < 0.6:
            place = numbers.choice([*near, len(data) - 4000]) + numbers.randrange(-64, 400)
        else:
            place = numbers.randrange(len(data))
        changed[min(max(place, 0), len(data) - 1)] ^= 1 << numbers.randrange(8)
    return bytes(changed)


def _unsigned(data: bytes) -> bytes:
    """The same without signature and type information, which the quick look leaves to the rules."""
    signature = signature_of(data)
    assert signature is not None
    return data[: signature.body_size].replace(b"\0.BTF\0", b"\0.BTX\0")


@pytest.mark.parametrize("name", ["kernel_61", "kernel_612"])
def test_signed_modules(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    kernel: Kernel = request.getfixturevalue(name)
    numbers = random.Random(612)
    both = Both(kernel, tmp_path)
    for (path, data), _ in zip(_modules(kernel, numbers), range(MODULES), strict=False):
        assert both.is_plain(path, data)
        body = signature_of(data)
        assert body is not None
        for _ in range(CHANGES):
            assert not both.is_plain(path, _changed(data, numbers))
        for place in (0, body.body_size - 1, body.body_size, len(data) - 41, len(data) - 1):
            assert not both.is_plain(path, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


@pytest.mark.parametrize("name", ["kernel_61", "kernel_612"])
def test_modules_without_a_signature(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    kernel: Kernel = request.getfixturevalue(name)
    numbers = random.Random(61)
    both = Both(kernel, tmp_path)
    plain = 0
    for (path, data), _ in zip(_modules(kernel, numbers), range(MODULES), strict=False):
        whole = _unsigned(data)
        assert both.is_plain(path, whole)
        plain += sum(both.is_plain(path, _changed(whole, numbers)) for _ in range(CHANGES))
    assert MODULES * CHANGES // 10 < plain < MODULES * CHANGES  # some changes do no harm, and some do


def test_signed_modules_of_a_kernel_whose_certificates_are_not_known(kernel_61: Kernel, tmp_path: Path) -> None:
    numbers = random.Random(6)
    both = Both(kernel_61, tmp_path, certificates=False)
    for (path, data), _ in zip(_modules(kernel_61, numbers), range(MODULES), strict=False):
        for _ in range(CHANGES):
            both.is_plain(path, _changed(data.replace(b"\0.BTF\0", b"\0.BTX\0"), numbers))
