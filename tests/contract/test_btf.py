# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules' type information upon their own kernel's, read out of its image: it fits; upon another's it does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.kernel.facts import Facts
from dlkm.kernel.installed import module_files
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.btf import BtfError, check_btf
from dlkm.verdict.btf_types import BtfTypes
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.reading import plain_bytes

pytestmark = pytest.mark.contract


@pytest.fixture(params=["kernel_61", "kernel_61_arm64", "kernel_612"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    found: Kernel = request.getfixturevalue(request.param)
    return found


def _files(kernel: Kernel) -> list[Path]:
    assert kernel.modules is not None
    return list(module_files(kernel.modules))[:: 150 if kernel.arch.name == "x86_64" else 100]


def _fits(path: Path, kernel: Kernel, facts: Facts) -> bool:
    candidate = Candidate(path, plain_bytes(path), kernel.arch)
    raw = candidate.contents(candidate.find(".BTF", allocated=False))
    types, types_end, names, names_end = check_btf(raw, len(raw), layout=False)
    assert facts.image is not None
    assert facts.image.btf is not None
    assert facts.btf_names is not None
    base_types, base = facts.image.btf[0] + 1, facts.btf_names
    try:
        BtfTypes(raw=raw[types:types_end], names=raw[names:names_end], base_types=base_types, base=base).check()
    except BtfError:
        return False
    return True


def test_modules_fit_their_own_kernel(kernel: Kernel) -> None:
    facts = Facts(kernel)
    files = _files(kernel)
    assert len(files) > 20
    assert [path for path in files if not _fits(path, kernel, facts)] == []


def test_and_not_another(kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    facts = Facts(kernel_61_rt)
    assert [path for path in _files(kernel_61) if _fits(path, kernel_61, facts)] == []


def test_the_image_tells_the_size_of_struct_module(kernel: Kernel) -> None:
    sample = Facts(replace(kernel, image=None)).struct_module_size
    without = Facts(replace(kernel, modules=None))
    assert sample is not None
    assert without.struct_module_size == sample
    assert without.origins["struct module"] == str(kernel.image)
