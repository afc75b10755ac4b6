# SPDX-License-Identifier: GPL-2.0-or-later
"""What is given as a kernel's source is looked at before a tree is copied, and errors name the user's own files."""

import gzip
from pathlib import Path

import pytest

from dlkm.core.errors import FetchError, MalformedError, UsageError
from dlkm.core.events import Event, Events
from dlkm.kernel import debian, debian_source, source
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


def test_a_word_that_is_neither_a_release_nor_a_path(pool: Pool) -> None:
    with pytest.raises(UsageError, match=r"^source:9\.9: is no release of a Debian kernel, and no directory") as caught:
        source.add("9.9", pool, Events(), FakeDebian(), Given())
    assert "--config FILE" in (caught.value.hint or "")


def test_a_flavour_with_patches_of_its_own_takes_them_from_the_source_package(pool: Pool, tmp_path: Path) -> None:
    archive = FakeDebian()
    plain, real_time = (debian.add(f"6.1.0-10-{name}", pool, Events(), archive)[0] for name in ("amd64", "rt-amd64"))
    deb, patches = debian_source.fetch_source(plain, pool, Events(), archive, (), tmp_path)
    assert (deb.name, patches) == ("linux-source-6.1_1_amd64.deb", None)
    assert debian_source.fetch_source(real_time, pool, Events(), archive, (), tmp_path)[1] == (
        tmp_path / "linux-own_1.debian.tar.xz"
    )
    with pytest.raises(FetchError, match=r"patches of its flavour .* linux-own=1, .*Hash Sum mismatch"):
        debian_source.fetch_source(real_time, pool, Events(), FakeDebian(wrong_bytes="patches"), (), tmp_path)
