# SPDX-License-Identifier: GPL-2.0-or-later
"""What is given as a kernel's source is looked at before a tree is copied, and errors name the user's own files."""

import gzip
from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError
from dlkm.core.events import Event, Events
from dlkm.kernel import source
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import Given
from tests.unit.kernel.fake_debian import CONFIG, FakeDebian


def _add(path: Path, config: Path, pool: Pool, said: list[Event]) -> None:
    source.add(str(path), pool, Events(said.append), FakeDebian(), Given(config=config))


def test_a_file_that_is_no_configuration(pool: Pool, tmp_path: Path, said: list[Event]) -> None:
    wrong = tmp_path / "hello.c"
    wrong.write_text("int hello;\n")
    with pytest.raises(MalformedError, match=rf"^{wrong}: "):
        _add(tmp_path, wrong, pool, said)
    assert said == []


def test_any_directory_is_not_copied_to_see_that_it_is_no_kernel(pool: Pool, tmp_path: Path, said: list[Event]) -> None:
    packed = tmp_path / "config.gz"
    packed.write_bytes(gzip.compress(CONFIG.encode()))
    (tmp_path / "Makefile").write_text("obj-m += hello.o\n")
    with pytest.raises(MalformedError, match="holds no kernel's source: Kconfig, scripts missing"):
        _add(tmp_path, packed, pool, said)
    assert said == []
