# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages in Yocto's words become a system's: kernels, other modules, what several kernels share, what follows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.errors import MalformedError, UsageError
from dlkm.package.assemble import assemble
from dlkm.package.configured import configured, unmatched
from dlkm.package.contents import releases_of
from dlkm.package.lot import Asked, Lot
from dlkm.package.names import Format
from dlkm.package.package import Package, PackageFile, Scripts
from dlkm.package.ready import Role
from dlkm.package.systems import System
from dlkm.package.writing import file_name
from tests.unit.package.support import R, driver, lot, recipe, target

IMAGE = f"linux-image-{R} | linux-image-{R}-unsigned"
UBUNTU = "6.8.0-45-generic"
FEDORA = "6.11.4-301.fc41.x86_64"
ASKED = Asked(load={"hello.conf": b"hello\n"}, probe={"hello.conf": b"options hello a=1\n"})


def _made(*lots: Lot, form: Format = Format.DEB, **words: Any) -> dict[str, Package]:
    return {one.package.name: one.package for one in assemble(lots, target(form, **words)).ready}


@pytest.mark.parametrize(
    ("form", "release", "needs", "recommends"),
    [
        (Format.DEB, R, ("kmod", IMAGE), ()),
        (Format.DEB, UBUNTU, ("kmod", f"linux-image-{UBUNTU} | linux-image-unsigned-{UBUNTU}"), ()),
        (Format.DEB, "6.6.54-Mine_1", ("kmod",), ("linux-image-6.6.54-Mine_1",)),
        (Format.RPM, FEDORA, ("kmod", f"kernel-core-uname-r (= {FEDORA})", f"kernel-modules-uname-r (= {FEDORA})"), ()),
        (Format.RPM, "5.14.0-427.el9.x86_64+rt", ("kmod", "kernel-rt-core-uname-r (= 5.14.0-427.el9.x86_64+rt)",
                                                  "kernel-rt-modules-uname-r (= 5.14.0-427.el9.x86_64+rt)"), ()),
        (Format.RPM, "6.4.0-150600.23.25-default", ("kmod", "kernel-default"), ()),
        (Format.RPM, "6.6.54-mine", ("kmod", "kernel-core"), ()),
        (Format.IPK, "6.6.54-qcom", ("kernel-6.6.54-qcom", "kernel-module-cfg80211-6.6.54-qcom"), ()),
    ],
)  # fmt: skip
def test_the_kernel_that_is_there(
    tmp_path: Path, form: Format, release: str, needs: tuple[str, ...], recommends: tuple[str, ...]
) -> None:
    made = _made(driver(tmp_path, release, depends="cfg80211"), form=form)
    package = next(package for package in made.values() if package.files)
    assert (package.depends, package.recommends) == (needs, recommends)


def test_a_kernel_that_may_be_no_package_is_told(tmp_path: Path) -> None:
    made = assemble([driver(tmp_path, "6.6.54-mine")], target())
    assert ["only recommended" in warning for warning in made.warnings] == [True]
    assert assemble([driver(tmp_path)], target()).warnings == ()


@pytest.mark.parametrize(
    ("word", "needs"), [("", ("kmod",)), ("my-kernel-{R} (>= 1)", ("kmod", f"my-kernel-{R} (>= 1)"))]
)
def test_the_users_own_kernel_package(tmp_path: Path, word: str, needs: tuple[str, ...]) -> None:
    made = _made(driver(tmp_path), kernel_package=word)
    assert made[f"kernel-module-hello-{R}"].depends == needs
    on_yocto = _made(driver(tmp_path), form=Format.IPK, kernel_package=word)
    assert on_yocto[f"kernel-module-hello-{R}"].depends == needs[1:]


def test_modules_of_the_run_the_kernel_and_strangers(tmp_path: Path) -> None:
    needed = (f"kernel-module-{name}-{R}" for name in ("cfg80211", "two", "odd"))
    package = recipe(depends=(f"kernel-{R}", *needed, "kernel-module-pv"))
    two = recipe(f"kernel-module-two-{R}", files=(PackageFile(path=f"/lib/modules/{R}/extra/two.ko", mode=0o644),))
    made = _made(lot(package, two, Package(name="x", version="1-r0", arch="", provides=("kernel-module-pv",))))
    assert made[package.name].depends == (
        *("kmod", IMAGE, f"{two.name} (= 1.0-r0)", f"kernel-module-odd-{R}", "kernel-module-pv"),
    )
    both = assemble([lot(package), lot(two, source="other")], target()).ready
    assert [one.package.depends[2] for one in both if one.package.name == package.name] == [two.name]
    (warning,) = assemble([lot(recipe(depends=(f"kernel-module-odd-{R}",)))], target()).warnings
    assert warning.startswith(f"kernel-module-odd-{R} is needed, which is neither packaged here nor")
    unknown = _made(lot(package, in_tree=None))
    assert unknown[package.name].depends == ("kmod", IMAGE)


def test_names_that_only_yocto_has() -> None:
    words = (
        "kernel-image",
        "kernel-modules",
        "module-init-tools",
        "update-rc.d",
        "bash",
        "coreutils (>= 9)",
        "ethtool",
        "libfoo",
        "drop",
        "swap (>= 2)",
    )
    package = recipe(depends=words, recommends=("libbar", "kernel-image"))
    made = assemble([lot(package)], target(renames={"drop": "", "swap": "other (>= 3)"}))
    (one,) = made.ready
    assert one.package.depends == ("kmod", IMAGE, "ethtool", "libfoo", "other (>= 3)")
    assert one.package.recommends == ("libbar",)
    assert [warning.split()[0] for warning in made.warnings] == ["libfoo"]
    (there,) = assemble([lot(recipe(depends=("bash", "coreutils (>= 9)")))], target(Format.RPM)).ready
    assert there.package.depends[2:] == ("bash", "coreutils (>= 9)")
    (literal,) = assemble([lot(package, literal=True)], target(Format.IPK)).ready
    assert literal.package.depends == words


def test_what_follows_the_newest_kernel(tmp_path: Path) -> None:
    releases = ("6.1.0-9-amd64", "6.1.0-56-amd64", "6.1.0-57-rt-amd64", "6.12.1+deb12-amd64", "6.1.0-60-arm64")
    lots = [driver(tmp_path, release, arch="arm64" if "arm64" in release else "x86_64") for release in releases]
    found = {(one.package.name, one.package.arch): one.package for one in assemble(lots, target()).ready}
    assert len(found) == 5 + 3
    newest = found["hello-modules", "amd64"]
    assert newest.depends == ("kernel-module-hello-6.12.1+deb12-amd64 (= 0-1)",)
    assert newest.version == "0-1+k6.12.1+deb12"
    assert found["hello-modules-rt-amd64", "amd64"].depends == ("kernel-module-hello-6.1.0-57-rt-amd64 (= 0-1)",)
    assert found["hello-modules", "arm64"].depends == ("kernel-module-hello-6.1.0-60-arm64 (= 0-1)",)


def test_what_a_recipe_makes_follows_together() -> None:
    rules = PackageFile(path="/lib/udev/rules.d/x.rules", mode=0o644)
    meta = Package(name="one", version="1.0-r0", arch="m", depends=(f"kernel-module-one-{R}",), files=(rules,))
    dev = Package(name="one-dev", version="1.0-r0", arch="m", depends=("one (= 1.0-r0)",), files=(rules,))
    made = _made(lot(recipe(), meta, dev))
    assert (made["one"].version, made["one-dev"].depends) == ("1.0-r0+k6.1.0.56", ("one (= 1.0-r0+k6.1.0.56)",))
    rt = "6.1.0-56-rt-amd64"
    tied = recipe(f"kernel-module-one-{rt}", release=rt)
    apart = _made(lot(tied, replace(meta, depends=(tied.name,)), dev, release=rt))
    assert apart["one-dev-rt-amd64"].depends == ("one-rt-amd64 (= 1.0-r0+k6.1.0.56)",)
    other = apart["one-rt-amd64"]
    assert other.conflicts == other.provides == other.replaces == ("one",)
    (named,) = [package for name, package in _made(lot(recipe(), dev), form=Format.RPM).items() if "devel" in name]
    assert named.arch == "noarch"


def test_on_yocto_a_recipes_packages_are_as_it_made_them() -> None:
    scripts = Scripts(postinst="#!/bin/sh\nanything\n")
    meta = Package(name="one", version="1.0-r0", arch="m", depends=(f"kernel-module-one-{R}",))
    packages = (
        recipe(conf="/etc/modules-load.d/one.conf", scripts=scripts),
        meta,
        replace(meta, name="one-dbg", depends=()),
    )
    found = assemble([lot(*packages, literal=True)], target(Format.IPK)).ready
    assert {one.package.name: one.package for one in found} == {package.name: package for package in packages}


def test_configuration_is_shared_by_kernels(tmp_path: Path) -> None:
    lots = configured([driver(tmp_path), driver(tmp_path, "6.1.0-55-amd64")], ASKED)
    made = assemble(lots, target())
    shared = [one for one in made.ready if one.role is Role.CONFIGURATION]
    (conf,) = [one.package for one in shared]
    assert (conf.name, conf.arch) == ("kernel-module-hello-conf", "all")
    paths = ("/etc/modprobe.d/hello.conf", "/etc/modules-load.d/hello.conf")
    assert tuple(file.path for file in conf.files) == tuple(sorted(conf.conffiles)) == paths
    for one in made.ready:
        if one.role is Role.MODULES:
            assert one.package.depends[-1] == "kernel-module-hello-conf (>= 0-1)"
            assert (len(one.package.files), one.package.conffiles) == (1, ())
            assert "modprobe -b hello || true" in one.package.scripts.postinst
    on_yocto = _made(*configured([driver(tmp_path)], ASKED), form=Format.IPK)
    assert on_yocto[f"kernel-module-hello-{R}"].conffiles == (
        "/etc/modules-load.d/hello.conf",
        "/etc/modprobe.d/hello.conf",
    )


def test_what_is_for_no_module_has_a_package_of_its_own(tmp_path: Path) -> None:
    asked = Asked(
        load={"else.conf": b"else\n"}, probe={"pcspkr.conf": b"blacklist pcspkr\n"}, probe_dir="/usr/lib/modprobe.d"
    )
    first, second, meta, common = configured([driver(tmp_path, names=("a", "b"))], asked)[0].packages
    assert [len(package.files) for package in (first, second, meta, common)] == [1, 1, 0, 2]
    assert (common.name, common.conffiles) == ("hello-modules-conf", ("/etc/modules-load.d/else.conf",))
    assert [package.depends[-1] == "hello-modules-conf (>= 0-1)" for package in (first, second, meta)] == [
        *(True, True, False)
    ]
    assert ["modprobe -b else" in package.scripts.postinst for package in (first, second, common)] == [
        *(True, False, False)
    ]
    assert list(unmatched([driver(tmp_path)], asked)) == ["else"]
    known = replace(driver(tmp_path), in_tree=frozenset({"else"}))
    assert list(unmatched([known], asked)) == []
    on_yocto = _made(*configured([driver(tmp_path)], asked), form=Format.IPK)
    assert on_yocto["hello-modules-conf"].arch == "all"


def test_a_recipes_files_for_no_module(tmp_path: Path) -> None:
    rules = PackageFile(path="/etc/udev/rules.d/x.rules", mode=0o644, data=b"x")
    made = _made(*configured([lot(recipe(recipe="one"), Package(name="one", version="1.0-r0", arch="m", recipe="one"))],
                             Asked(files=(rules,))))  # fmt: skip
    assert made["one-modules-conf"].files == (rules,)
    assert made[f"kernel-module-one-{R}"].depends[-1] == "one-modules-conf (>= 1.0-r0)"


def test_files_go_with_the_first_source_alone(tmp_path: Path) -> None:
    rules = PackageFile(path="/etc/udev/rules.d/x.rules", mode=0o644, data=b"x")
    older = "6.1.0-55-amd64"
    lots = [
        replace(driver(tmp_path, release, names=(name,), asked=Asked(name=name)), source=name)
        for name, release in (("a", R), ("b", R), ("a", older))
    ]
    made = assemble(configured(lots, Asked(files=(rules,), probe={"pcspkr.conf": b"blacklist pcspkr\n"})), target())
    holders = {one.package.name for one in made.ready if rules in one.package.files}
    assert holders == {"a-modules-conf"}
    (conf,) = [one.package for one in made.ready if one.role is Role.CONFIGURATION]
    assert conf.conffiles == ("/etc/udev/rules.d/x.rules", "/etc/modprobe.d/pcspkr.conf")


def test_a_recipes_own_configuration_gives_way(tmp_path: Path) -> None:
    package = recipe(conf="/etc/modules-load.d/one.conf", scripts=Scripts(postinst="#!/usr/bin/python3\n"))
    (changed,) = configured([lot(package)], Asked(load={"one.conf": b"one two\n"}))[0].packages
    assert [file.data for file in changed.files if "load" in file.path] == [b"one two\n"]
    assert (changed.conffiles, changed.scripts.postinst) == (("/etc/modules-load.d/one.conf",), "#!/usr/bin/python3\n")


def test_a_recipe_that_does_not_split() -> None:
    whole = replace(recipe(conf="/etc/x.conf"), name="whole", depends=(), conffiles=())
    made = _made(lot(whole, Package(name="whole-dev", version="1.0-r0", arch="m", depends=("whole (= 1.0-r0)",))))
    assert list(made) == ["whole", f"whole-{R}", "whole-conf"]
    assert made[f"whole-{R}"].depends == ("kmod", IMAGE, "whole-conf (>= 1.0-r0)")
    assert made[f"whole-{R}"].provides == ("whole",)
    assert made["whole"].depends == (f"whole-{R} (= 1.0-r0)",)
    assert made["whole-conf"].conffiles == ("/etc/x.conf",)


def test_what_says_nothing_is_left_out() -> None:
    empty = PackageFile(path="/usr/include/one/Module.symvers", mode=0o644)
    dev = Package(name="one-dev", version="1-r0", arch="m", files=(empty,), depends=("one (= 1-r0)",))
    assert list(_made(lot(recipe(), dev))) == [recipe().name]
    full = replace(dev, files=(replace(empty, data=b"0x1 x y EXPORT_SYMBOL\n"),))
    assert list(_made(lot(recipe(), full))) == [recipe().name, "one-dev"]


def test_two_sources_or_builds_of_one_package(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a and b both make the package"):
        assemble([lot(recipe(), source="a"), lot(recipe(), source="b")], target())
    with pytest.raises(UsageError, match="two builds"):
        assemble([lot(recipe()), lot(recipe())], target())


def test_a_module_of_the_kernels_own_name_renews_the_initramfs(tmp_path: Path) -> None:
    twin = replace(driver(tmp_path), in_tree=frozenset({"hello"}))
    name = f"kernel-module-hello-{R}"
    for form, renewed in ((Format.DEB, True), (Format.RPM, True), (Format.IPK, False)):
        scripts = _made(twin, form=form)[name].scripts
        assert scripts.postinst.endswith("dlkm_initramfs\n") is scripts.postrm.endswith("dlkm_initramfs\n") is renewed
    assert not _made(driver(tmp_path))[name].scripts.postinst.endswith("dlkm_initramfs\n")


def test_nothing_leads_out_or_becomes_a_second_line() -> None:
    hostile = recipe(arch="../../x", section="a\nEvil: 1", homepage="b\nEvil: 2")
    (one,) = assemble([lot(hostile)], target(Format.IPK)).ready
    assert file_name(one.package, Format.IPK) == f"kernel-module-one-{R}_1.0-r0_..-..-x.ipk"
    odd = PackageFile(path="/lib/modules/x\nreboot/updates/one.ko", mode=0o644)
    assert releases_of(recipe(files=(odd,))) == ()
    with pytest.raises(MalformedError, match="'a b' is no relation"):
        assemble([lot(recipe(depends=("a b",)))], target())


def test_architectures(tmp_path: Path) -> None:
    arm = "6.1.0-56-arm64"
    for form, word in ((Format.DEB, "arm64"), (Format.RPM, "aarch64"), (Format.IPK, "qemux86_64")):
        made = _made(driver(tmp_path, arm, arch="arm64"), form=form)
        assert made[f"kernel-module-hello-{arm}"].arch == word
    assert _made(driver(tmp_path), form=Format.RPM)["hello-modules"].arch == "noarch"
    everywhere = Package(
        name="fw", version="1-r0", arch="all", files=(PackageFile(path="/lib/firmware/x", mode=0o644),)
    )
    assert _made(lot(everywhere))["fw"].arch == "all"
    assert _made(lot(everywhere), form=Format.RPM, system=System.YOCTO)["fw"].arch == "noarch"


def test_one_package_for_all_architectures_on_rpm_systems(tmp_path: Path) -> None:
    newer = "6.1.0-57-arm64"
    lots = [driver(tmp_path, names=("a", "b")), driver(tmp_path, newer, arch="arm64", names=("a",))]
    (meta,) = [one.package for one in assemble(lots, target(Format.RPM)).ready if one.role is Role.META]
    assert (meta.arch, meta.version) == ("noarch", "0-1+k6.1.0.57")
    arm = f"kernel-module-a-{newer} (= 0-1)"
    assert meta.depends == tuple(f"{arm} | kernel-module-{name}-{R} (= 0-1)" for name in "ab")


@pytest.mark.parametrize(
    ("arm", "arches"),
    [
        (Package(name="x", version="1-r0", arch="a", depends=("perl", "iw")), ["noarch"]),
        (Package(name="x", version="1-r0", arch="a", depends=("perl",)), ["aarch64", "x86_64"]),
        (Package(name="x", version="1-r0", arch="a", depends=("perl", "dkms")), ["noarch"]),
        (Package(name="x", version="1-r0", arch="a", depends=("perl", "iw"), folders=("/srv",)), ["aarch64", "x86_64"]),
        (
            Package(name="x", version="1-r0", arch="a", depends=("perl", "iw"), scripts=Scripts(preinst="true")),
            ["aarch64", "x86_64"],
        ),
        (
            Package(name="x", version="1-r0", arch="a", depends=("perl", "iw"),
                    files=(PackageFile(path="/x", mode=0o644, data=b"other"),)),
            ["aarch64", "x86_64"],
        ),
    ],
)  # fmt: skip
def test_what_no_one_package_can_be_for_stays_apart(arm: Package, arches: list[str]) -> None:
    rules = PackageFile(path="/x", mode=0o644)
    own = Package(name="x", version="1-r0", arch="b", depends=("perl", "iw"), files=(rules,))
    arm = arm if arm.files else replace(arm, files=(rules,))
    lots = [lot(own), lot(arm, release="6.1.0-56-arm64", arch="arm64")]
    assert sorted(one.package.arch for one in assemble(lots, target(Format.RPM)).ready) == arches
