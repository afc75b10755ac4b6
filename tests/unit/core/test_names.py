# SPDX-License-Identifier: GPL-2.0-or-later
"""Names: the expected values come from kernel sources and real modules."""

import pytest

from dlkm.core.names import KernelVersion, Vermagic, format_crc, is_release, module_name


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("hello.ko", "hello"),
        ("/lib/modules/x/snd-hda-intel.ko.xz", "snd_hda_intel"),
        ("a.b.ko.zst", "a.b"),
        ("v4l2loopback.ko.gz", "v4l2loopback"),
    ],
)
def test_module_name(file_name: str, name: str) -> None:
    assert module_name(file_name) == name


def test_vermagic_of_a_debian_kernel() -> None:
    vermagic = Vermagic.parse("6.1.0-56-amd64 SMP preempt mod_unload modversions ")
    assert vermagic.release == "6.1.0-56-amd64"
    assert (vermagic.smp, vermagic.preempt, vermagic.mod_unload, vermagic.modversions) == (True, "preempt", True, True)
    assert vermagic.rest == ()
    assert vermagic.without_release == " SMP preempt mod_unload modversions "


def test_vermagic_keeps_words_of_the_architecture() -> None:
    vermagic = Vermagic.parse("6.12.117+deb12-arm64 SMP mod_unload modversions aarch64")
    assert (vermagic.preempt, vermagic.rest) == (None, ("aarch64",))


def test_versions_order_by_number() -> None:
    assert KernelVersion.parse("6.2.1") < KernelVersion.parse("6.12.117+deb12-amd64")
    assert KernelVersion.parse("5.10") <= KernelVersion.parse("5.10.0-20")


@pytest.mark.parametrize(("text", "good"), [("6.1.0-56-amd64", True), ("6.12.117+deb12-arm64", True), ("../x", False),
                                            ("6.1/..", False), ("", False)])  # fmt: skip
def test_release(text: str, good: bool) -> None:  # noqa: FBT001
    assert is_release(text) is good


def test_crc_as_module_symvers_writes_it() -> None:
    assert format_crc(0x4C9D28B0) == "0x4c9d28b0"
    assert format_crc(0x1) == "0x00000001"
