# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm package as users run it; what it writes before dpkg, rpm, lintian and rpmlint, in real root filesystems."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel
from tests.conftest import debian_root

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")
ROOT = Path(__file__).parents[2]
HELLO = ROOT / "examples/hello"
RECIPES = ROOT / "tests/recipes"
Done = subprocess.CompletedProcess[str]
# Without root, a user namespace is enough: all files of a package belong to root.
AS_ROOT = () if os.geteuid() == 0 else ("unshare", "--map-root-user")


def _run(*argv: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Done:
    words = [str(word) for word in argv]
    return subprocess.run(
        words, env=environment(env), cwd=cwd, capture_output=True, text=True, check=False, timeout=600
    )


def _good(*argv: str | Path, env: Mapping[str, str] | None = None) -> str:
    done = _run(*argv, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _package(*words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Done:
    done = _run(DLKM, "package", *words, env=env, cwd=cwd)
    assert "Traceback" not in done.stderr
    return done


@dataclass(frozen=True)
class Made:
    """The output directory of a run, and its document."""

    folder: Path
    document: dict[str, Any]

    def path(self, name: str, form: str = "deb") -> Path:
        """The file of a package."""
        found = [one["path"] for one in self.document["packages"] if (one["name"], one["format"]) == (name, form)]
        assert len(found) == 1, name
        return Path(found[0])

    def all(self, form: str) -> list[Path]:
        """All files of a format."""
        return [Path(one["path"]) for one in self.document["packages"] if one["format"] == form]


def _made(folder: Path, *words: str | Path, env: Mapping[str, str] | None = None) -> Made:
    done = _package(*words, "-o", folder, "--json", env=env)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "dlkm.package/1"
    for one in document["packages"]:
        data = Path(one["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (one["size"], one["sha256"])
    return Made(folder, document)


CONFIGURATION = ("--autoload", "hello", "--options", "hello whom=you")


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory, kernel_61: Kernel, kernel_61_rt: Kernel) -> Made:
    """A driver for two kernels in all formats."""
    return _made(
        tmp_path_factory.mktemp("hello"), HELLO, "-k", kernel_61.id, "-k", kernel_61_rt.id,
        *("--format", "deb", "--format", "ipk", "--format", "rpm"), *CONFIGURATION,
    )  # fmt: skip


@pytest.fixture(scope="module")
def module(hello: Made, kernel_61: Kernel) -> Path:
    """What was built on the way."""
    return hello.folder / f"hello@{kernel_61.id}/hello.ko"


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory, kernel_61: Kernel) -> Made:
    """Recipes with scripts, rules, configuration and several modules."""
    found = [RECIPES / name for name in (
        "recipes-mission/hello/hello_1.0.bb", "recipes-multimedia/camera-pair/camera-pair_2.1.bb",
        "recipes-kernel/jail-tiny/jail-tiny_0.12.bb", "recipes-bsp/symbol-user/symbol-user_1.0.bb",
    )]  # fmt: skip
    return _made(tmp_path_factory.mktemp("recipes"), *found, "-k", kernel_61.id, *_formats("deb", "ipk", "rpm"))


def _formats(*forms: str) -> list[str]:
    return [word for form in forms for word in ("--format", form)]


def _lint(*debs: Path) -> None:
    """lintian finds no error.

    Files go where the kernel's own package has its modules: below /lib for 6.1, which a later Debian's calls aliased.
    """
    done = _run("lintian", "--allow-root", "--fail-on", "error", *debs)
    errors = [line for line in done.stdout.splitlines() if line.startswith("E: ") and "aliased-location" not in line]
    assert (errors, done.returncode in {0, 2}) == ([], True), done.stdout + done.stderr


def _names(made: Made, form: str, role: str) -> list[str]:
    return sorted(one["name"] for one in made.document["packages"] if (one["format"], one["role"]) == (form, role))


def test_one_for_each_kernel_and_one_after_the_newest(hello: Made, kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    both = sorted(f"kernel-module-hello-{kernel.release}" for kernel in (kernel_61, kernel_61_rt))
    for form in ("deb", "ipk", "rpm"):
        assert _names(hello, form, "modules") == both
        assert _names(hello, form, "meta") == ["hello-modules", "hello-modules-rt-amd64"]
    depends = _good("dpkg-deb", "--field", hello.path("hello-modules"), "Depends").strip()
    assert depends == f"{both[0]} (= 1.0-1)"
    (deb,) = {_good("dpkg-deb", "--field", hello.path(both[0]), "Depends").strip()}
    image = f"linux-image-{kernel_61.release}"
    assert deb == f"kmod, {image} | {image}-unsigned, kernel-module-hello-conf (>= 1.0-1)"
    assert _good("dpkg-deb", "--field", hello.path(both[0]), "Provides").strip() == "kernel-module-hello"
    ipk = _good("dpkg-deb", "--field", hello.path(both[0], "ipk"), "Depends").strip()
    assert ipk == f"kernel-{kernel_61.release}"
    assert "kernel-core\n" in _good("rpm", "-qp", "--requires", hello.path(both[0], "rpm"))


def test_checkers_find_no_errors(hello: Made, recipes: Made, tmp_path: Path) -> None:
    debs = [path for made in (hello, recipes) for path in made.all("deb")]
    _lint(*debs)
    rpms = [shutil.copy(path, tmp_path) for made in (hello, recipes) for path in made.all("rpm")]
    env = _with_key(tmp_path)
    try:  # the one thing that rpmlint wants and only the packager can give is a signature
        _good("rpmsign", "--addsign", *rpms, env=env)
        done = _run("rpmlint", *rpms, env=env)
    finally:
        _run("gpgconf", "--kill", "all", env=env)
    errors = [line for line in done.stdout.splitlines() if ": E: " in line]
    assert errors == [], done.stdout
    assert f"{len(rpms)} packages and 0 specfiles checked; 0 errors" in done.stdout


def _with_key(folder: Path) -> dict[str, str]:
    """A home with a key to sign with, which rpm knows."""
    home = folder / "home"
    (home / "gnupg").mkdir(parents=True, mode=0o700)
    env = {"HOME": str(home), "GNUPGHOME": str(home / "gnupg")}
    (home / ".rpmmacros").write_text(f"%_dbpath {home}/db\n%_gpg_name t@example.com\n%__gpg {shutil.which('gpg')}\n")
    _good(
        "gpg",
        "--batch",
        "--quiet",
        "--passphrase",
        "",
        "--quick-gen-key",
        "t@example.com",
        "rsa2048",
        "sign",
        "never",
        env=env,
    )
    (home / "key.asc").write_text(_good("gpg", "--export", "--armor", "t@example.com", env=env))
    _good("rpm", "--import", home / "key.asc", env=env)
    return env


class Debian:
    """A real root filesystem, and dpkg in it."""

    def __init__(self, root: Path, *kernels: Kernel) -> None:
        self.root = debian_root(root, *kernels)
        for kernel in kernels:
            self.dpkg("--install", _stub(root.parent, f"linux-image-{kernel.release}"))

    def dpkg(self, *words: str | Path, fails: bool = False) -> str:
        done = _run(*AS_ROOT, "dpkg", f"--root={self.root}", *words, env={"DEBIAN_FRONTEND": "noninteractive"})
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def status(self, name: str, what: str = "${db:Status-Abbrev} ${Version}") -> str:
        """What dpkg knows of a package there; nothing of one that it does not know."""
        asked = ("dpkg-query", f"--admindir={self.root}/var/lib/dpkg", "--show", f"--showformat={what}", name)
        return _run(*asked).stdout.strip()

    def loads(self, kernel: Kernel, name: str = "hello") -> str:
        """What modprobe would do there."""
        conf = self.root / "etc/modprobe.d"
        done = _run("modprobe", "-d", self.root, "-C", conf, "-S", kernel.release, "--show-depends", name)
        return done.stdout.replace(str(self.root), "").strip()


def _stub(folder: Path, name: str, *lines: str) -> Path:
    """A package that holds nothing: of a kernel that was put there by other means."""
    tree = folder / name
    (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
    words = [f"Package: {name}", "Version: 1", "Architecture: all", "Maintainer: A <a@b.c>", *lines, "Description: x"]
    (tree / "DEBIAN/control").write_text("\n".join([*words, ""]))
    _good("dpkg-deb", "--root-owner-group", "--build", tree, folder / f"{name}.deb")
    return folder / f"{name}.deb"


def test_dpkg_installs_upgrades_removes_and_purges(
    hello: Made, module: Path, tmp_path: Path, kernel_61: Kernel, kernel_61_rt: Kernel
) -> None:
    debian = Debian(tmp_path / "root", kernel_61, kernel_61_rt)
    before = _tree(debian.root)
    shown = debian.dpkg("--install", *hello.all("deb"))
    assert "warning" not in shown.lower()
    for kernel in (kernel_61, kernel_61_rt):
        place = f"insmod /lib/modules/{kernel.release}/updates/hello.ko whom=you"
        assert debian.loads(kernel) == place
    conf = debian.root / "etc/modules-load.d/hello.conf"
    assert conf.read_text() == "hello\n"
    assert "hello" not in debian.dpkg("--audit")

    options = debian.root / "etc/modprobe.d/hello.conf"
    options.unlink()
    options.write_text("options hello whom=admin\n")
    newer = _made(
        tmp_path / "newer", module, "-k", kernel_61.id, "--format", "deb", "--version", "2.0",
        "--autoload", "hello", "--options", "hello whom=vendor",
    )  # fmt: skip
    name = f"kernel-module-hello-{kernel_61.release}"
    debian.dpkg("--install", "--force-confold", *newer.all("deb"))
    assert debian.status(name) == "ii  2.0-1"
    assert debian.status("hello-modules").startswith("ii  2.0-1+k")
    assert options.read_text() == "options hello whom=admin\n"  # what the administrator wrote stays
    assert (options.with_suffix(".conf.dpkg-dist")).read_text() == "options hello whom=vendor\n"

    bare = _made(tmp_path / "bare", module, "-k", kernel_61.id, "--format", "deb", "--version", "3.0")
    debian.dpkg("--install", *bare.all("deb"))  # the other kernel's module still needs the configuration
    assert debian.status("kernel-module-hello-conf") == "ii  2.0-1"

    debian.dpkg("--remove", "hello-modules", name)
    assert debian.loads(kernel_61) == ""
    assert debian.loads(kernel_61_rt).startswith("insmod ")  # the other kernel's module stays
    rest = [one["name"] for one in hello.document["packages"] if one["format"] == "deb"]
    debian.dpkg("--remove", *[one for one in rest if debian.status(one).startswith("ii")])
    assert conf.exists()  # as dpkg leaves configuration behind
    debian.dpkg("--purge", *[one for one in rest if debian.status(one)])
    assert not list((debian.root / "etc").rglob("hello*"))
    assert _tree(debian.root) == before


def _tree(root: Path) -> set[str]:
    """The names of all files but dpkg's own."""
    found = (str(path.relative_to(root)) for path in root.rglob("*"))
    return {name for name in found if not name.startswith(("var/lib/dpkg", "var/log", "var/cache", "usr/share/doc"))}


def test_dpkg_wants_the_kernel_and_drops_the_index_of_one_that_is_gone(
    hello: Made, module: Path, tmp_path: Path, kernel_61: Kernel
) -> None:
    debian = Debian(tmp_path / "root")
    name = f"kernel-module-hello-{kernel_61.release}"
    assert f"depends on linux-image-{kernel_61.release}" in debian.dpkg(
        "--install", hello.path("kernel-module-hello-conf"), hello.path(name), fails=True
    )
    debian.dpkg("--purge", name, "kernel-module-hello-conf")
    free = _made(tmp_path / "free", module, "-k", kernel_61.id, "--format", "deb", "--kernel-package", "none")
    debian.dpkg("--install", *free.all("deb"))
    assert (debian.root / f"lib/modules/{kernel_61.release}/modules.dep").is_file()
    debian.dpkg("--purge", "hello-modules", name)
    assert not (debian.root / f"lib/modules/{kernel_61.release}").exists()


def test_a_recipes_packages_in_a_real_root(recipes: Made, tmp_path: Path, kernel_61: Kernel) -> None:
    debian = Debian(tmp_path / "root", kernel_61)
    debian.dpkg("--install", *recipes.all("deb"))
    assert [debian.loads(kernel_61, "pair_front").count("insmod"), debian.loads(kernel_61).count("insmod")] == [2, 1]
    assert (debian.root / "etc/modules-load.d/pair_front.conf").read_text() == "pair_front\n"
    assert debian.status("kernel-module-pair-front-conf", "${Conffiles}").startswith(
        "/etc/modules-load.d/pair_front.conf "
    )
    names = [one["name"] for one in recipes.document["packages"] if one["format"] == "deb"]
    debian.dpkg("--purge", *names)
    assert debian.loads(kernel_61) == debian.loads(kernel_61, "pair_front") == ""


def test_an_image_that_dpkg_makes_from_outside(tmp_path: Path, kernel_61: Kernel) -> None:
    """Scripts run on this machine, with DPKG_ROOT: depmod minds the image, and what is for the target waits for it."""
    debian = Debian(tmp_path / "root", kernel_61)
    made = _made(tmp_path / "made", RECIPES / "recipes-bsp/unit-tiny/unit-tiny_1.0.bb", "-k", kernel_61.id,
                 *_formats("deb"))  # fmt: skip
    outside = ("--force-script-chrootless",)
    said = debian.dpkg(*outside, "--install", *made.all("deb"), fails=True)
    assert "unit-tiny: is to be configured on the target itself" in said
    assert debian.status("unit-tiny").startswith("iF")
    assert debian.loads(kernel_61, "one") == f"insmod /lib/modules/{kernel_61.release}/extra/one.ko"
    debian.dpkg("--configure", "--pending")
    assert debian.status("unit-tiny").startswith("ii")
    debian.dpkg(*outside, "--purge", *[one["name"] for one in made.document["packages"]])
    assert debian.loads(kernel_61, "one") == ""


def test_rpm_installs_upgrades_and_erases(hello: Made, module: Path, tmp_path: Path, kernel_61: Kernel) -> None:
    root = debian_root(tmp_path / "root", kernel_61)  # rpm needs a shell and depmod there, no more

    def rpm(*words: str | Path, fails: bool = False) -> str:
        done = _run(*AS_ROOT, "rpm", f"--root={root}", "--dbpath", "/var/lib/rpm", *words)
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    name = f"kernel-module-hello-{kernel_61.release}"
    files = [hello.path(one, "rpm") for one in ("hello-modules", name, "kernel-module-hello-conf")]
    assert "kernel-core is needed by" in rpm("--install", *files, fails=True)
    rpm("--install", *_system_rpms(tmp_path))
    rpm("--install", *files)
    assert "updates/hello.ko:" in (root / f"lib/modules/{kernel_61.release}/modules.dep").read_text()
    assert rpm("--verify", "--all") == ""
    assert rpm("--query", "--configfiles", "kernel-module-hello-conf").split() == [
        *("/etc/modprobe.d/hello.conf", "/etc/modules-load.d/hello.conf")
    ]
    options = root / "etc/modprobe.d/hello.conf"
    options.write_text("options hello whom=admin\n")
    words = ("--format", "rpm", "--version", "2.0", "--options", "hello whom=vendor", "--autoload", "hello")
    newer = _made(tmp_path / "newer", module, "-k", kernel_61.id, *words)
    rpm("--upgrade", *newer.all("rpm"))
    assert rpm("--query", "--queryformat", "%{EVR}", name) == "2.0-1"
    assert options.read_text() == "options hello whom=admin\n"
    assert options.with_suffix(".conf.rpmnew").read_text() == "options hello whom=vendor\n"
    rpm("--erase", "hello-modules", name, "kernel-module-hello-conf")
    assert "hello" not in (root / f"lib/modules/{kernel_61.release}/modules.dep").read_text()
    assert not (root / f"lib/modules/{kernel_61.release}/updates").exists()


def _system_rpms(folder: Path) -> list[Path]:
    """What an RPM system has: a kernel, kmod and a shell."""
    spec = "Name: kernel-core\nVersion: 6.1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n"
    (folder / "x.spec").write_text(spec + "Provides: kmod /bin/sh\n%description\nx\n%files\n")
    _good("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder}", folder / "x.spec")
    return list((folder / "RPMS/noarch").iterdir())


def test_the_same_bytes_every_time_and_everywhere(
    hello: Made, tmp_path: Path, kernel_61: Kernel, kernel_61_rt: Kernel
) -> None:
    copy = tmp_path / "elsewhere/hello"
    shutil.copytree(HELLO, copy)
    words = ["-k", kernel_61.id, "-k", kernel_61_rt.id, *_formats("deb", "ipk", "rpm"), *CONFIGURATION, "-j", "1"]
    done = _package(*words, "-o", "out", cwd=copy, env={"TZ": "Asia/Tokyo"})
    assert done.returncode == 0, done.stderr
    names = [path.name for form in ("deb", "ipk", "rpm") for path in hello.all(form)]
    different = [name for name in names if (copy / "out" / name).read_bytes() != (hello.folder / name).read_bytes()]
    assert different == []
    later = _made(tmp_path / "later", copy, *words, env={"SOURCE_DATE_EPOCH": "1700000000"})
    deb = later.path("kernel-module-hello-conf")
    assert "2023-11-14 22:13" in _good("dpkg-deb", "--contents", deb, env={"TZ": "UTC"})
    assert _good("rpm", "-qp", "--queryformat", "%{BUILDTIME}", later.path("hello-modules", "rpm")) == "1700000000"


def test_a_module_that_will_not_load_is_refused(module: Path, tmp_path: Path, kernel_61_rt: Kernel) -> None:
    words = (module, "-k", kernel_61_rt.id, "--format", "deb", "-o", tmp_path / "out")
    done = _package(*words)
    assert done.returncode == 1
    assert f"{module}: will not load on {kernel_61_rt.id} (ENOEXEC)" in done.stdout
    assert "hello: disagrees about version of symbol module_layout" in done.stdout
    assert not (tmp_path / "out").exists()
    document = json.loads(_package(*words, "--json").stdout)
    assert [verdict["outcome"] for verdict in document["refused"]] == ["fails"]
    assert document["packages"] == []
    forced = _package(*words, "--force", "--json")
    assert forced.returncode == 0
    assert f"will not load on {kernel_61_rt.id} (--force)" in forced.stderr
    assert json.loads(forced.stdout)["packages"][0]["release"] == kernel_61_rt.release


def test_a_build_that_failed_is_packaged_for_no_kernel(tmp_path: Path, kernel_61: Kernel) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/Makefile").write_text("obj-m := bad.o\n")
    (tmp_path / "bad/bad.c").write_text("#error no\n")
    done = _package(tmp_path / "bad", "-k", kernel_61.id, "--format", "deb", "-o", tmp_path / "out", "--json")
    assert done.returncode == 1
    assert "#error no" in json.loads(done.stdout)["failed"][0]
    assert not list((tmp_path / "out").glob("*.deb"))


def test_builds_and_dkms_sources(tmp_path: Path, kernel_61_arm64: Kernel) -> None:
    """For another architecture, with what its dkms.conf says of it; the build is packaged again without the source."""
    source = tmp_path / "src"
    shutil.copytree(HELLO, source)
    (source / "dkms.conf").write_text(
        "PACKAGE_NAME=greeter\nPACKAGE_VERSION=3.1\nBUILT_MODULE_NAME=hello\nDEST_MODULE_LOCATION=/updates\n"
        'MAKE="make KERNEL_SRC=$kernel_source_dir"\nCLEAN=true\n'
    )
    made = _made(tmp_path / "out", source, "-k", kernel_61_arm64.id, *_formats("deb", "rpm"))
    release = kernel_61_arm64.release
    deb = made.path(f"kernel-module-hello-{release}")
    assert deb.name == f"kernel-module-hello-{release}_3.1-1_arm64.deb"
    assert _good("dpkg-deb", "--field", deb, "Architecture", "Conflicts").split() == [
        *("Architecture:", "arm64", "Conflicts:", "greeter-dkms")
    ]
    assert made.path("greeter-modules").name.endswith("_arm64.deb")
    assert made.path(f"kernel-module-hello-{release}", "rpm").name.endswith(".aarch64.rpm")
    _good("dpkg-deb", "--extract", deb, tmp_path / "x")
    (built,) = (tmp_path / "out").glob("*/hello.ko")
    assert (tmp_path / f"x/lib/modules/{release}/updates/hello.ko").read_bytes() == built.read_bytes()
    again = _made(tmp_path / "again", built.parent, *_formats("deb"))
    assert again.path(f"kernel-module-hello-{release}").read_bytes() == deb.read_bytes()


def test_a_kernel_that_a_driver_is_not_for(tmp_path: Path, kernel_61: Kernel, kernel_612: Kernel) -> None:
    source = tmp_path / "src"
    shutil.copytree(HELLO, source)
    (source / "dkms.conf").write_text(
        "PACKAGE_NAME=greeter\nPACKAGE_VERSION=3.1\nBUILT_MODULE_NAME=hello\nDEST_MODULE_LOCATION=/updates\n"
        'MAKE="make KERNEL_SRC=$kernel_source_dir"\nCLEAN=true\nBUILD_EXCLUSIVE_KERNEL="^6\\.1\\."\n'
    )
    made = _made(tmp_path / "out", source, "-k", kernel_61.id, "-k", kernel_612.id, "--format", "deb")
    assert _names(made, "deb", "modules") == [f"kernel-module-hello-{kernel_61.release}"]
    (warning,) = made.document["warnings"]
    assert warning.startswith(f"src@{kernel_612.id} was not built: dkms.conf: BUILD_EXCLUSIVE_KERNEL")
    done = _package(source, "-k", kernel_612.id, "--format", "deb", "-o", tmp_path / "none")
    assert (done.returncode, "nothing to package" in done.stderr) == (6, True)


def test_firmware_and_rules(module: Path, tmp_path: Path, kernel_61: Kernel) -> None:
    (tmp_path / "hello.bin").write_bytes(b"firmware")
    (tmp_path / "70-hello.rules").write_text("x\n")
    words = ("--firmware", f"{tmp_path / 'hello.bin'}:hello/v1.bin", "--udev-rules", tmp_path / "70-hello.rules")
    made = _made(tmp_path / "out", module, "-k", kernel_61.id, *_formats("deb", "ipk"), *words)
    for path in (made.path("hello-modules-conf"), made.path("hello-modules-conf", "ipk")):
        listed = _good("dpkg-deb", "--contents", path)
        assert "./lib/firmware/hello/v1.bin\n" in listed
        assert "./lib/udev/rules.d/70-hello.rules\n" in listed
    _lint(made.path("hello-modules-conf"))
    bad = _package(module, "--format", "deb", "--udev-rules", tmp_path / "hello.bin", "-o", tmp_path / "none")
    assert bad.returncode == 2


def test_without_debugging_information(module: Path, tmp_path: Path, kernel_61: Kernel) -> None:
    made = _made(tmp_path / "out", module, "-k", kernel_61.id, "--format", "deb", "--strip")
    _good("dpkg-deb", "--extract", made.path(f"kernel-module-hello-{kernel_61.release}"), tmp_path / "x")
    packaged = tmp_path / f"x/lib/modules/{kernel_61.release}/updates/hello.ko"
    assert packaged.stat().st_size < module.stat().st_size / 4
    assert ".debug_info" not in _good("readelf", "-SW", packaged)
    assert _good("modinfo", "-F", "vermagic", packaged) == _good("modinfo", "-F", "vermagic", module)
    assert _good(DLKM, "check", packaged, "-k", kernel_61.id)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, "required: --format"),
        (["--format", "zip"], 2, "invalid choice"),
        (["--format", "deb", "--system", "rpm"], 2, "no packages of the format deb"),
        (["--format", "deb", "--relation", "x"], 2, "NAME=OTHER"),
        (["--format", "deb", "--relation", "x=a b"], 2, "is no relation"),
        (["--format", "deb", "--kernel-package", "a b"], 2, "is no relation"),
        (["--format", "deb", "--epoch", "x"], 2, "--epoch"),
        (["--format", "deb", "--name", "X"], 2, "--name"),
        (["--format", "deb", "--maintainer", "me"], 2, "--maintainer"),
        (["--format", "deb", "--autoload", "a;b"], 2, "is no module name"),
        (["--format", "deb", "/etc/passwd"], 2, "is no module file"),
        (["--format", "deb", "/nowhere/x.ko"], 2, "cannot read"),
        (["--format", "deb", "/etc"], 2, "holds no Makefile"),
        (["--format", "deb", str(HELLO)], 2, "which kernel"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, words: Sequence[str], status: int, said: str) -> None:
    done = _package(*words, "-o", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written(module: Path, tmp_path: Path, kernel_61: Kernel) -> None:
    (tmp_path / "file").write_text("")
    done = _package(module, "-k", kernel_61.id, "--format", "deb", "-o", tmp_path / "file")
    assert (done.returncode, "cannot write" in done.stderr) == (4, True)
    late = _package(
        module, "-k", kernel_61.id, "--format", "deb", "-o", tmp_path, env={"SOURCE_DATE_EPOCH": str(1 << 33)}
    )
    assert (late.returncode, "SOURCE_DATE_EPOCH" in late.stderr) == (2, True)
    (tmp_path / "x.ko").write_bytes(b"\x7fELF no module")
    assert _package(tmp_path / "x.ko", "--format", "deb", "-o", tmp_path / "out").returncode == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "x.ko"]
