# SPDX-License-Identifier: GPL-2.0-or-later
"""debian:RELEASE with an archive that only pretends: what is chosen, fetched, kept, and said when it goes wrong."""

import os
from pathlib import Path

import pytest

from dlkm.core.errors import FetchError, MissingToolError, UsageError
from dlkm.core.events import Event, EventKind, Events
from dlkm.core.files import StorageError
from dlkm.kernel.debian import Wanted, add
from dlkm.kernel.pool import Pool
from tests.unit.kernel.fake_debian import DEBIAN_LINE, FakeDebian

RELEASES = ["6.1.0-9-amd64", "6.1.0-56-amd64", "6.1.0-56-rt-amd64", "6.1.0-56-cloud-amd64", "6.12.9+deb12-amd64"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6.1.0-9-amd64", ["6.1.0-9-amd64"]),
        ("6.1.0-5-amd64", []),
        ("6.1.0-*-amd64", ["6.1.0-9-amd64", "6.1.0-56-amd64", "6.1.0-56-cloud-amd64", "6.1.0-56-rt-amd64"]),
        ("6.1.0-*-rt-amd64", ["6.1.0-56-rt-amd64"]),
        ("latest-6.1-amd64", ["6.1.0-56-amd64"]),
        ("latest-6.1-rt-amd64", ["6.1.0-56-rt-amd64"]),
        ("latest-6.1-cloud-amd64", ["6.1.0-56-cloud-amd64"]),
        ("latest-6.12-amd64", ["6.12.9+deb12-amd64"]),
        ("latest-6.2-amd64", []),
    ],
)
def test_what_a_word_means(text: str, expected: list[str]) -> None:
    assert Wanted.parse(text).among(RELEASES) == expected


@pytest.mark.parametrize(
    ("text", "arch"), [("latest-6.12-arm64", "arm64"), ("6.1.0-*-cloud-arm64", "arm64"), ("6.1.0-1-rt-amd64", "x86_64")]
)
def test_the_flavour_tells_the_architecture(text: str, arch: str) -> None:
    assert Wanted.parse(text).arch.name == arch


@pytest.mark.parametrize("text", ["foo", "6.1.0-56", "latest-6.1", "latest-6.1-foo", "../etc-amd64", "a\0b-amd64"])
def test_no_release_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        Wanted.parse(text)


def test_a_kernel_is_made_of_image_headers_and_what_these_need(pool: Pool) -> None:
    archive = FakeDebian()
    (kernel,) = add("latest-6.1-amd64", pool, Events(), archive)
    assert (kernel.id, kernel.arch.name, kernel.origin) == ("6.1.0-10-amd64", "x86_64", "debian:6.1.0-10-amd64")
    assert sorted(kernel.packages) == [
        "linux-headers-6.1.0-10-amd64=1",
        "linux-headers-6.1.0-10-common=1",
        "linux-image-6.1.0-10-amd64=1",
        "linux-kbuild-6.1=1",
    ]
    assert (kernel.exports, kernel.compiler) == (2, "gcc-12 (Debian) 12.2.0")
    assert kernel.image is not None
    assert kernel.image.read_text() == "image"
    assert pool.damage(kernel.id, whole=True) == ()
    assert os.listdir(pool.root / ".scratch") == os.listdir(pool.root / ".downloads") == []  # noqa: PTH208


def test_the_tree_leads_nowhere_outside(pool: Pool) -> None:
    (kernel,) = add("6.1.0-10-amd64", pool, Events(), FakeDebian())
    assert kernel.headers is not None
    assert kernel.modules is not None
    assert kernel.tree is not None
    makefile = (kernel.headers / "Makefile").read_text()
    assert makefile == "include $(dir $(lastword $(MAKEFILE_LIST)))../linux-headers-6.1.0-10-common/Makefile\n"
    assert (kernel.modules / "build").resolve() == kernel.headers
    assert not (kernel.tree / "usr/share").exists()


def test_apt_is_told_the_machines_proxy_and_none_of_its_hooks(pool: Pool) -> None:
    add("6.1.0-10-amd64", pool, Events(), FakeDebian())
    (configuration,) = (pool.root.parent / "apt").glob("*/apt.conf")
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in configuration.read_text()
    assert "evil" not in configuration.read_text()
    (sources,) = (pool.root.parent / "apt").glob("*/sources.list")
    keyring = pool.root.parent / "keys/debian-archive-keyring.gpg"
    assert sources.read_text() == f"deb [arch=amd64 signed-by={keyring}] http://mirror.example/debian bookworm main\n"


def test_only_debians_sources_count(pool: Pool) -> None:
    others = "http://other.example/apt/\tbookworm\tmain\tOther\nhttp://other.example/x/\tcloud\tmain\t\n"
    add("6.1.0-10-amd64", pool, Events(), FakeDebian(sources=others + DEBIAN_LINE))
    (sources,) = (pool.root.parent / "apt").glob("*/sources.list")
    assert "other.example" not in sources.read_text()


def test_a_kernel_that_is_there_needs_no_archive(pool: Pool) -> None:
    add("6.1.0-10-amd64", pool, Events(), FakeDebian())
    idle = FakeDebian()
    (kernel,) = add("6.1.0-10-amd64", pool, Events(), idle)
    assert kernel.id == "6.1.0-10-amd64"
    assert idle.ran == []


def test_lists_are_asked_again_only_when_they_are_old(pool: Pool) -> None:
    add("6.1.0-10-amd64", pool, Events(), FakeDebian())
    second = FakeDebian()
    add("latest-6.1-amd64", pool, Events(), second)
    assert "apt-get update" not in second.commands()
    (stamp,) = (pool.root.parent / "apt").glob("*/fetched")
    os.utime(stamp, (0, 0))
    third = FakeDebian()
    add("latest-6.1-amd64", pool, Events(), third)
    assert third.commands().count("apt-get update") == 1


def test_a_release_that_is_not_in_the_own_suites_is_looked_for_in_all(pool: Pool) -> None:
    with pytest.raises(UsageError, match="no such kernel") as caught:
        add("6.1.0-11-amd64", pool, Events(), FakeDebian())
    assert "6.1.0-10-amd64" in (caught.value.hint or "")
    lists = [path.read_text() for path in (pool.root.parent / "apt").glob("*/sources.list")]
    assert any(" trixie main" in text for text in lists)
    assert not any("trixie-security" in text for text in lists), "that is not on a mirror of the main archive"


def test_an_image_without_headers_is_said_so(pool: Pool) -> None:
    archive = FakeDebian(images=["6.1.0-11-amd64"])
    with pytest.raises(UsageError, match="but not the headers"):
        add("6.1.0-11-amd64", pool, Events(), archive)
    assert [kernel.id for kernel in add("6.1.0-1*-amd64", pool, Events(), archive)] == [
        "6.1.0-10-amd64",
        "6.1.0-10-rt-amd64",
    ]


@pytest.mark.parametrize(
    ("archive", "error", "words"),
    [
        (FakeDebian(releases=[], update_fails=True), FetchError, "Failed to fetch mirror.example"),
        (FakeDebian(wrong_bytes="linux-kbuild-6.1"), FetchError, "linux-kbuild-6.1=1"),
        (FakeDebian(full_disk=True), StorageError, "disk is full"),
        (FakeDebian(missing=["apt-get"]), MissingToolError, "apt-get"),
        (FakeDebian(missing=["dpkg-deb"]), MissingToolError, "dpkg-deb"),
        (FakeDebian(sources=""), UsageError, "no source of Debian's"),
    ],
    ids=["no network", "wrong bytes", "full disk", "no apt", "no dpkg", "no sources"],
)
def test_what_goes_wrong_leaves_nothing(pool: Pool, archive: FakeDebian, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        add("latest-6.1-amd64", pool, Events(), archive)
    assert pool.ids() == ()
    assert not list(pool.root.glob(".scratch/*"))


def test_without_network_the_newest_of_the_pool_serves(pool: Pool, said: list[Event]) -> None:
    add("6.1.0-9-amd64", pool, Events(), FakeDebian())
    (stamp,) = (pool.root.parent / "apt").glob("*/fetched")
    os.utime(stamp, (0, 0))
    (kernel,) = add("latest-6.1-amd64", pool, Events(said.append), FakeDebian(releases=[], update_fails=True))
    assert kernel.id == "6.1.0-9-amd64"
    assert any(event.kind is EventKind.WARNING and "using what the pool has" in event.text for event in said)


def test_lists_of_which_some_could_not_be_fetched_are_said_where_newer_ones_may_be(
    pool: Pool, said: list[Event]
) -> None:
    partly = FakeDebian(update_fails=True)
    (kernel,) = add("6.1.0-9-amd64", pool, Events(said.append), partly)
    assert (kernel.id, [event for event in said if event.kind is EventKind.WARNING]) == ("6.1.0-9-amd64", [])
    (kernel,) = add("latest-6.1-amd64", pool, Events(said.append), partly)
    (warning,) = [event.text for event in said if event.kind is EventKind.WARNING]
    assert kernel.id == "6.1.0-10-amd64"
    assert "there may be newer ones" in warning
    assert "Failed to fetch mirror.example" in warning


def test_the_newest_of_those_that_are_nearly_meant_is_named(pool: Pool) -> None:
    archive = FakeDebian(releases=[f"6.1.0-{number}-amd64" for number in (8, 9, 10, 11)])
    with pytest.raises(UsageError) as caught:
        add("6.1.0-99-amd64", pool, Events(), archive)
    assert (caught.value.hint or "").endswith("dlkm kernel add debian:6.1.0-11-amd64")


@pytest.mark.parametrize(
    "victim", ["tree/boot/vmlinuz-6.1.0-10-amd64", "tree/lib/modules/6.1.0-10-amd64/modules.builtin"]
)
def test_a_damaged_kernel_is_restored_by_its_spec(pool: Pool, said: list[Event], victim: str) -> None:
    add("6.1.0-10-amd64", pool, Events(), FakeDebian())
    path = pool.home("6.1.0-10-amd64") / victim
    before = path.read_text()
    path.write_text("x" * len(before))
    (kernel,) = add("6.1.0-10-amd64", pool, Events(said.append), FakeDebian())
    assert path.read_text() == before
    assert pool.damage(kernel.id, whole=True) == ()
    assert any(event.kind is EventKind.WARNING and str(path) in event.text for event in said)


def test_a_directory_of_the_same_release_keeps_its_id(pool: Pool, tmp_path: Path) -> None:
    home = pool.home("6.1.0-10-amd64")
    add("6.1.0-10-amd64", pool, Events(), FakeDebian())
    record = home / "kernel.json"
    record.write_text(record.read_text().replace('"debian:6.1.0-10-amd64"', '"/somewhere"'))
    (kernel,) = add("6.1.0-10-amd64", pool, Events(), FakeDebian())
    assert kernel.id == "6.1.0-10-amd64@debian"


def test_mirrors_given_take_the_place_of_the_machines_own(pool: Pool) -> None:
    archive = FakeDebian(sources="")
    add("6.1.0-10-amd64", pool, Events(), archive, ["http://my.example/debian", "http://my.example/debian-security/"])
    (sources,) = (pool.root.parent / "apt").glob("*/sources.list")
    lines = [line.split("] ")[1] for line in sources.read_text().splitlines()]
    assert "http://my.example/debian bookworm main" in lines
    assert "http://my.example/debian-security bookworm-security main" in lines
    assert "http://my.example/debian bookworm-security main" not in lines
    assert "apt-get indextargets" not in archive.commands()
