# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver's rpm for one kernel whose module another takes through weak-updates: what kmod makes of it."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from tests.contract.audit_roots import Plan, audited, make, module
from tests.unit.rootfs.support import put

pytestmark = pytest.mark.contract

OLD, NEW = "5.14.0-427.el9.x86_64", "5.14.0-503.el9.x86_64"
EXTRA = f"lib/modules/{OLD}/extra/acme/acme.ko"
WEAK = f"lib/modules/{NEW}/weak-updates/acme/acme.ko"
RHEL = "search updates extra built-in weak-updates\n"  # its depmod.d/dist.conf
SPEC = """Name: kmod-acme
Version: 1
Release: 1
Summary: x
License: x
BuildArch: noarch
%description
x
%install
mkdir -p %{{buildroot}}/$(dirname {module}); cp {source} %{{buildroot}}/{module}
%post -p <lua>
posix.mkdir("/{top}/weak-updates"); posix.mkdir("/{top}/weak-updates/acme"); posix.symlink("{target}", "/{weak}")
%files
/{module}
"""


def _run(*argv: str | Path) -> str:
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _install(root: Path, folder: Path, target: str) -> None:
    """As weak-modules leaves it: a link into the other kernel's directory."""
    folder.mkdir()
    (folder / "acme.ko").write_bytes(module("acme", release=OLD))
    spec = SPEC.format(module=EXTRA, source=folder / "acme.ko", top=f"lib/modules/{NEW}", weak=WEAK, target=target)
    (folder / "x.spec").write_text(spec)
    own = ("--define", "_build_id_links none", "--define", "__os_install_post %{nil}")
    _run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder}", *own, folder / "x.spec")
    (path,) = (folder / "RPMS/noarch").iterdir()
    as_root = () if os.geteuid() == 0 else ("unshare", "--map-root-user")
    (root / "var/lib/rpm").mkdir(parents=True)
    _run(*as_root, "rpm", f"--root={root}", "--dbpath", "/var/lib/rpm", "--nodeps", "--install", path)
    assert (root / WEAK).is_symlink()


def _there(root: Path, *argv: str) -> str:
    """A program of this machine's that sees the root's modules and configuration in their places."""
    modules = ("--bind", str(root / "lib/modules"), str(Path("/lib/modules").resolve()))
    conf = [
        word for name in ("depmod.d", "modprobe.d") for word in ("--ro-bind", str(root / "etc" / name), f"/etc/{name}")
    ]
    for folder in ("/lib/modprobe.d", "/lib/depmod.d"):
        conf += ["--tmpfs", str(Path(folder).resolve())] if Path(folder).is_dir() else []
    return _run("bwrap", "--bind", "/", "/", "--dev", "/dev", *modules, *conf, *argv)


@pytest.mark.parametrize("target", [f"/{EXTRA}", f"../../../{OLD}/extra/acme/acme.ko"], ids=["absolute", "relative"])
@pytest.mark.parametrize(("more", "wins"), [
    ([], EXTRA),
    ([f"lib/modules/{NEW}/kernel/acme.ko"], f"lib/modules/{NEW}/kernel/acme.ko"),
    ([f"lib/modules/{NEW}/updates/acme.ko"], f"lib/modules/{NEW}/updates/acme.ko"),
    ([f"lib/modules/{NEW}/kernel/acme.ko", f"lib/modules/{NEW}/extra/acme.ko"], f"lib/modules/{NEW}/extra/acme.ko"),
], ids=["alone", "in-tree", "updates", "extra"])  # fmt: skip
def test_what_wins_is_what_modprobe_loads(tmp_path: Path, target: str, more: Sequence[str], wins: str) -> None:
    root = tmp_path / "root"
    files: dict[str, bytes | str | None] = {path: module("acme", release=NEW) for path in more}
    for release in (OLD, NEW):
        files |= {f"lib/modules/{release}/kernel/base.ko": module("base", release=release)}
        files |= {f"lib/modules/{release}/modules.{name}": "" for name in ("order", "builtin", "builtin.modinfo")}
    make(
        root,
        Plan(files={**files, "etc/depmod.d/dist.conf": RHEL, "etc/modprobe.d/none.conf": "# none\n"}, depmod=False),
    )
    _install(root, tmp_path / "rpm", target)
    for release in (OLD, NEW):
        _there(root, "depmod", release)
    loaded = _there(root, "modprobe", "-S", NEW, "--show-depends", "acme").split()[1]
    audit = audited(root, "acme")
    choices = {(one.kernel, one.name): one for one in audit.modules}
    inside = loaded.removeprefix("/usr").removeprefix("/")
    assert choices[NEW, "acme"].wins == wins == (EXTRA if inside == WEAK else inside)
    assert choices[OLD, "acme"].wins == EXTRA
    assert not {one.rule for one in audit.findings} & {"depmod-stale", "module-dangling", "winner-by-chance"}


def test_the_driver_is_erased_and_its_link_left_behind(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root, {f"lib/modules/{NEW}/kernel/base.ko": module("base", release=NEW), f"lib/modules/{NEW}/modules.order": "",
               WEAK: f"-> /{EXTRA}", "etc/modules-load.d/acme.conf": "acme\n"})  # fmt: skip
    rules = {one.rule for one in audited(root).findings}
    assert {"module-dangling", "autoload-unresolved"} <= rules
