# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel without headers: image and installed modules say the same as Module.symvers, the authority."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel

pytestmark = pytest.mark.contract


def test_image_and_modules_give_every_row_of_module_symvers(kernel_61: Kernel) -> None:
    authority = Facts(kernel_61).exports
    without = Facts(replace(kernel_61, symvers=None, headers=None))
    assert without.exports_complete
    assert {name: (one.crc, one.gpl, one.namespace) for name, one in without.exports.items()} == {
        name: (one.crc, one.gpl, one.namespace) for name, one in authority.items()
    }
    assert str(kernel_61.image) in without.origins["exports"]


def test_two_processes_read_the_same(kernel_61: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = replace(kernel_61, symvers=None, headers=None)
    alone, beside = Facts(bare), Facts(bare)
    authority = alone.table
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # nothing is kept there
    beside.read_beside()
    assert authority is not None
    assert beside.table is not None
    assert beside.table.symbols == authority.symbols
    assert beside.table.symbols.keys() == Facts(kernel_61).exports.keys()


def test_without_the_image_nobody_claims_to_know_all(kernel_61: Kernel) -> None:
    assert not Facts(replace(kernel_61, symvers=None, image=None)).exports_complete
