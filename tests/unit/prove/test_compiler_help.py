# SPDX-License-Identifier: GPL-2.0-or-later
"""What installs the compiler of guests' programs is told for every architecture, its C library included."""

import pytest

from dlkm.core.arch import Arch, all_archs
from dlkm.prove.guest_image import compiler_help


@pytest.mark.parametrize("arch", [arch for arch in all_archs() if not arch.is_host], ids=lambda arch: arch.name)
def test_compiler_and_library(arch: Arch) -> None:
    said = compiler_help(arch) or ""
    assert {arch.compiler_package, arch.libc_package} <= set(said.split())
