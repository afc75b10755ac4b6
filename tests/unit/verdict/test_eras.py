# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of the eras: whole, in agreement with each other, and the only place of the loader's texts."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import dlkm
from dlkm.core.arch import arch_named
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.sublevel import NEWEST, full_version
from dlkm.verdict.era import era_of, reached, rules
from dlkm.verdict.steps import CHECKS

SOURCES = Path(dlkm.__file__).parent
RELEASES = ("5.10.13", "5.10.250", "5.11.3", "5.15.10", "5.15.180", *(f"5.{minor}.1" for minor in range(16, 20)),
            *(f"6.{minor}.1" for minor in range(20)), "6.12.117", "6.1.9-android14-1",
            *(f"7.{minor}.1" for minor in range(4)))  # fmt: skip
# Neither a rule's text nor silence: the line after others, where it is pasted alone.
TEXT_ONLY = {"no-versions-symbol"}


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((SOURCES / "data" / name).read_text("utf-8"))


def kernel(release: str, arch: str = "x86_64", **more: Any) -> Kernel:
    return Kernel(id=release, release=release, arch=arch_named(arch), origin="", **more)


def steps(release: str) -> list[str]:
    return list(era_of(kernel(release)).checks)


@pytest.mark.parametrize("release", RELEASES)
def test_every_era_takes_known_steps_once(release: str) -> None:
    taken = steps(release)
    assert set(taken) <= set(CHECKS)
    assert len(set(taken)) == len(taken)


def test_every_step_is_taken_in_some_era() -> None:
    assert {step for release in RELEASES for step in steps(release)} == set(CHECKS)


# The order in which load_module and what it calls ask, read in the sources; what one release has, its neighbours share.
ORDERS = {
    "5.10.13": "header-length has-symbols this-module blacklist signature truncated module-layout vermagic livepatch "
    "arch-sections write-execute already-loaded percpu constructors export-versions symbols relocations",
    "5.15.10": "signature header-length names-index names-terminated section-zero sections-at-once has-symbols "
    "this-module blacklist module-layout vermagic livepatch arch-sections write-execute already-loaded percpu",
    "6.6.1": "signature names-bounds section-zero sections-at-once one-filled-modinfo one-symbol-table "
    "one-filled-this-module this-module-allocated this-module-size blacklist module-layout vermagic livepatch "
    "already-loaded arch-sections write-execute percpu constructors export-versions symbols",
    "6.12.117": "signature section-zero section-bounds names-index names-type names-offsets modinfo-unique "
    "this-module-unique this-module-content one-symbol-table symbols-link symbols-link-type blacklist",
    "6.13.1": "section-zero section-bounds names-index names-empty names-offsets modinfo-unique this-module-unique "
    "one-symbol-table symbols-link symbol-names blacklist",
    "6.14.1": "symbols-link extended-tables symbol-names blacklist export-versions symbols",
    "6.18.1": "export-versions namespace-imports symbols relocations arch-finish duplicate-exports btf parameters "
    "built-in-name",
    "7.1.3": "percpu constructors export-flags export-versions namespace-imports symbols",
    "7.2.6": "names-index names-type names-empty symbols-link symbols-link-type extended-tables symbol-names blacklist",
}


@pytest.mark.parametrize(("release", "order"), ORDERS.items())
def test_the_order_is_the_sources(release: str, order: str) -> None:
    places = [steps(release).index(step) for step in order.split()]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("release", "step", "taken"),
    [
        ("6.3.9", "this-module-size", False),
        ("6.4.0", "this-module-size", True),
        ("6.13.0", "extended-tables", False),
        ("6.14.0", "extended-tables", True),
        ("6.15.9", "namespace-imports", False),
        ("6.16.0", "namespace-imports", True),
        ("6.12.116", "symbols-link-type", False),
        ("6.12.117", "symbols-link-type", True),
        ("6.13.0", "symbols-link-type", False),
        ("7.1.13", "names-type", False),
        ("7.2.0", "names-type", True),
        ("7.1.13", "symbols-link-type", False),
        ("7.2.0", "symbols-link-type", True),
        ("7.0.13", "export-flags", False),
        ("7.1.0", "export-flags", True),
        ("5.10.25", "truncated", True),
        ("5.10.26", "truncated", False),
    ],
)
def test_a_step_comes_with_its_release(release: str, step: str, *, taken: bool) -> None:
    assert (step in steps(release)) is taken


def test_every_text_is_of_a_rule() -> None:
    assert set(table("messages.toml")) - set(rules()) == TEXT_ONLY


def test_stable_branches() -> None:
    since = ["6.6.105", "6.12.46", "6.16.6", "6.17"]
    with_it = [(6, 6, 105), (6, 12, 46), (6, 12, 200), (6, 16, 6), (6, 17, 0), (6, 18, 1), (7, 0, 1)]
    without = [(6, 1, 200), (6, 6, 104), (6, 7, 9), (6, 12, 45), (6, 13, 12), (6, 16, 5), (6, 12)]
    assert all(reached(version, since) for version in with_it)
    assert not any(reached(version, since) for version in without)
    assert not reached((6, 13, 1), ["6.12.117"])
    assert reached((6, 4, 0), "6.4")


def test_a_hidden_sublevel(tmp_path: Path) -> None:
    hidden = "6.1.0-56-amd64"
    assert full_version(kernel(hidden)) == (6, 1, NEWEST)
    packages = ("linux-kbuild-6.1=6.1.4-1", "linux-image-6.1.0-56-amd64=6.1.192-2")
    assert full_version(kernel(hidden, packages=packages)) == (6, 1, 192)
    record = tmp_path / "include/generated/uapi/linux/version.h"
    record.parent.mkdir(parents=True)
    record.write_text("#define LINUX_VERSION_CODE 331651\n#define LINUX_VERSION_SUBLEVEL 131\n")
    ubuntu = kernel("5.15.0-91-generic", headers=tmp_path, packages=("linux-image-5.15.0-91-generic=5.15.0-91.101",))
    assert full_version(ubuntu) == (5, 15, 131)
    assert full_version(kernel("6.12.117+deb12-amd64", packages=packages)) == (6, 12, 117)
    assert full_version(kernel("6.6.0-yocto-standard")) == (6, 6, 0)
    assert full_version(kernel("6.6")) == (6, 6)


def test_no_text_of_the_loader_is_in_the_code() -> None:
    """Words of the tables' lines, between their place-holders, that no Python file of the package may hold."""
    lines = {line for entries in table("messages.toml").values() for line in _lines(entries)}
    pieces = {piece.strip() for line in lines for piece in re.split(r"\{\w+\}|<\w+>", line)}
    telling = {piece for piece in pieces if len(piece.split()) > 2}
    code = {path: path.read_text("utf-8") for path in SOURCES.rglob("*.py")}
    assert len(telling) > 50
    assert not [(path.name, piece) for path, text in code.items() for piece in telling if piece in text]


def _lines(entries: Any) -> list[str]:
    return [line for entry in ([entries] if isinstance(entries, dict) else entries) for line in entry["lines"]]
