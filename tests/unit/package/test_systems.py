# SPDX-License-Identifier: GPL-2.0-or-later
"""What data/packages.toml says of kernels: what has them, which are installed side by side, how versions rise."""

import pytest

from dlkm.package.names import Format, order
from dlkm.package.systems import (
    System,
    abi_of,
    called_there,
    flavour_of,
    is_of_kernel,
    kernel_package,
    section_of,
    system_of,
    translated,
)


@pytest.mark.parametrize(
    ("release", "flavour", "abi"),
    [
        ("6.1.0-56-amd64", "", "6.1.0.56"),
        ("6.1.0-56-rt-amd64", "rt-amd64", "6.1.0.56"),
        ("6.12.117+deb12-cloud-amd64", "cloud-amd64", "6.12.117+deb12"),
        ("6.12.117+deb12-arm64", "", "6.12.117+deb12"),
        ("6.12.117+deb12-arm64-16k", "arm64-16k", "6.12.117+deb12"),
        ("6.1.0-50-armmp", "", "6.1.0.50"),
        ("6.1.0-50-686-pae", "686-pae", "6.1.0.50"),
        ("6.8.0-45-generic", "", "6.8.0.45"),
        ("6.8.0-45-lowlatency", "lowlatency", "6.8.0.45"),
        ("6.6.51+rpt-rpi-v8", "", "6.6.51+rpt"),
        ("6.6.51+rpt-rpi-2712", "rpi-2712", "6.6.51+rpt"),
        ("5.14.0-427.el9_4.x86_64", "", "5.14.0.427.el9.4.x86.64"),
        ("5.14.0-427.el9_4.x86_64+rt", "rt", "5.14.0.427.el9.4.x86.64"),
        ("6.13-rc6", "", "6.13~rc6"),
        ("6.13~rc6-amd64", "", "6.13~rc6"),
        ("6.6.54-qcom-00001-gabc", "", "6.6.54.qcom.00001.gabc"),
        ("6.12.9+", "", "6.12.9"),
    ],
)
def test_flavours_and_what_a_version_says_of_the_kernel(release: str, flavour: str, abi: str) -> None:
    assert (flavour_of(release), abi_of(release)) == (flavour, abi)


def test_versions_rise_with_kernels() -> None:
    releases = [
        "6.1.0-9-amd64",
        "6.1.0-56-amd64",
        "6.12.9+deb13-amd64",
        "6.12.117+deb12-amd64",
        "6.13~rc6-amd64",
        "6.13.1+deb14-amd64",
    ]
    versions = [f"1.0-1+k{abi_of(release)}" for release in releases]
    assert sorted(versions, key=order) == versions


@pytest.mark.parametrize(
    ("system", "release", "origin", "needs"),
    [
        (
            System.DEBIAN,
            "6.6.1-anything",
            "debian:6.6.1-anything",
            "linux-image-6.6.1-anything | linux-image-6.6.1-anything-unsigned",
        ),
        (System.DEBIAN, "6.6.1-anything", "/usr/src/linux", ""),
        (System.DEBIAN, "6.6.1-1-mine", "", ""),
        (System.DEBIAN, "6.6.51+rpt-rpi-v8", "", "linux-image-6.6.51+rpt-rpi-v8"),
        (System.DEBIAN, "6.8.12-1-pve", "", "proxmox-kernel-6.8.12-1-pve-signed | proxmox-kernel-6.8.12-1-pve"),
        (System.RPM, "6.1.0-56-amd64", "", "kernel-core"),
        (System.YOCTO, "6.6.1", "", "kernel-6.6.1"),
    ],
)
def test_what_has_a_kernel(system: System, release: str, origin: str, needs: str) -> None:
    found = kernel_package(system, release, origin)
    assert found.needs == needs
    assert bool(found.why) is (needs in {"", "kernel-core"})


def test_names() -> None:
    assert [system_of(form) for form in Format] == [System.DEBIAN, System.YOCTO, System.RPM]
    assert [
        name for name in ("kernel", "kernel-image-x", "kernel-6.1", "kernel-dev", "kernels") if is_of_kernel(name)
    ] == [*("kernel", "kernel-image-x", "kernel-6.1")]
    assert translated("update-rc.d", System.DEBIAN) == ""
    assert [translated("udev", system) for system in (System.DEBIAN, System.RPM)] == ["udev", "systemd-udev"]
    assert translated("libfoo", System.DEBIAN) is None
    assert [called_there(name, System.RPM) for name in ("x-dev", "x-dbg", "dev")] == ["x-devel", "x-debuginfo", "dev"]
    assert called_there("x-dev", System.DEBIAN) == "x-dev"
    assert [section_of("net"), section_of("base")] == ["net", "kernel"]
