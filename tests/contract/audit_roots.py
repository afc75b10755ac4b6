# SPDX-License-Identifier: GPL-2.0-or-later
"""Small root filesystems for audits: made of tiny modules and a few files, with depmod's own files."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.core.events import Events
from dlkm.core.processes import Processes, environment
from dlkm.rootfs.audit import Audit, Auditor
from dlkm.rootfs.begun import begun
from dlkm.rootfs.glance import Glance
from dlkm.rootfs.opened import opened
from tests.unit.ko.elf_builder import Exported, tiny_module
from tests.unit.rootfs.support import RELEASE, put

BASE = f"lib/modules/{RELEASE}"
VERMAGIC = f"{RELEASE} SMP preempt mod_unload modversions "


def module(
    name: str,
    *,
    aliases: Sequence[str] = (),
    depends: str = "",
    own: bool = False,
    exports: Sequence[str] = (),
    undefined: Sequence[str] = ("_printk",),
    release: str = RELEASE,
    version: str = "1",
    softdep: str = "",
    more: Sequence[tuple[str, str]] = (),
    machine: int = 62,
) -> bytes:
    """A module; `own` makes it one of the kernel's, `version` another content."""
    entries = [("license", "GPL"), ("version", version), ("depends", depends), ("name", name)]
    entries += [("alias", alias) for alias in aliases]
    entries += [("softdep", softdep)] if softdep else []
    entries += [("intree", "Y")] if own else []
    entries += more
    entries.append(("vermagic", VERMAGIC.replace(RELEASE, release)))
    versions = {"module_layout": 0x9060323F} | {one: 0x92997ED8 if one == "_printk" else 1 for one in undefined}
    exported = [Exported(name=one, crc=1) for one in exports]
    image = tiny_module(modinfo=entries, undefined=undefined, exports=exported, versions=versions, machine=machine)
    return image.build()


# What a healthy root has: modules of the kernel, its lists, a kmod of this machine.
KERNEL: dict[str, bytes | str] = {
    f"{BASE}/kernel/loop.ko": module("loop", own=True, aliases=["block-major-7-*", "devname:loop-control"]),
    f"{BASE}/kernel/stub.ko": module("stub", own=True, aliases=["of:N*T*Cacme,gpu", "platform:acme-gpu"]),
    f"{BASE}/kernel/acme_old.ko": module("acme_old", own=True, aliases=["of:N*T*Cacme,nic", "platform:acme-nic"]),
    f"{BASE}/kernel/core.ko": module("core", own=True, exports=["core_symbol"]),
    f"{BASE}/kernel/core-user.ko": module("core_user", own=True, depends="core", undefined=["core_symbol"]),
    f"{BASE}/modules.order": "".join(
        f"kernel/{name}.ko\n" for name in ("loop", "stub", "acme_old", "core", "core-user")
    ),
    f"{BASE}/modules.builtin": "kernel/fs/configfs.ko\n",
    f"{BASE}/modules.builtin.modinfo": b"configfs.license=GPL\0configfs.file=fs/configfs\0"
    b"configfs.alias=of:N*T*Cacme,clk\0",
    "sbin/modprobe": "-> ../bin/kmod",
    "usr/lib/systemd/systemd-modules-load": "",
}
Change = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A root: files beside those of KERNEL (None takes one away), changes before and after depmod has run."""

    files: Mapping[str, bytes | str | None] = field(default_factory=dict)
    before: Change | None = None
    after: Change | None = None
    depmod: bool = True
    kmod: str | bytes = "this machine's"


def make(root: Path, plan: Plan) -> Path:
    """The root on disk."""
    files = {name: content for name, content in {**KERNEL, **plan.files}.items() if content is not None}
    put(root, files)
    (root / "bin").mkdir(exist_ok=True)
    if isinstance(plan.kmod, bytes):
        (root / "bin/kmod").write_bytes(plan.kmod)
    else:
        shutil.copyfile(shutil.which("kmod") or "/bin/kmod", root / "bin/kmod")
    if plan.before is not None:
        plan.before(root)
    if plan.depmod:
        run_depmod(root)
    if plan.after is not None:
        plan.after(root)
    return root


def run_depmod(root: Path, release: str = RELEASE) -> None:
    """As the target does."""
    conf = root / "etc/depmod.d"
    argv = ["depmod", "-b", str(root), *(["-C", str(conf)] if conf.is_dir() else []), release]
    subprocess.run(argv, env=environment(), capture_output=True, check=False)


def audited(root: Path, *asked: str, jobs: int = 1) -> Audit:
    """What the audit says of a directory, an image or an archive."""
    auditor = Auditor(runner=Processes(), events=Events(), asked=asked, jobs=jobs)
    with opened(root, Processes(), Events()) as one, begun(Glance(one), Processes(), jobs=jobs) as start:
        return auditor.audit(start)


def initramfs(root: Path, into: str, files: Mapping[str, bytes | str], *, depmod: bool = True) -> None:
    """An initramfs packed with gzip, as bsdtar writes it."""
    scratch = root.parent / f"{root.name}-initramfs"
    shutil.rmtree(scratch, ignore_errors=True)
    put(scratch, files)
    if depmod:
        run_depmod(scratch)
    target = root / into
    target.parent.mkdir(parents=True, exist_ok=True)
    argv = ["bsdtar", "--format", "newc", "--gzip", "-cf", str(target), "-C", str(scratch), "."]
    subprocess.run(argv, check=True, env=environment())
