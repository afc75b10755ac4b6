# SPDX-License-Identifier: GPL-2.0-or-later
"""Every rule of an audit: a root that breaks it, and a near one that does not. depmod is kmod's own."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dlkm.core.processes import Processes, environment
from dlkm.rootfs.auditrules import table
from dlkm.rootfs.begun import begun
from dlkm.rootfs.glance import Glance
from dlkm.rootfs.root import DirectoryRoot
from dlkm.verdict.verdict import Severity
from tests.contract.audit_roots import BASE, KERNEL, Change, Plan, audited, initramfs, make, module, run_depmod
from tests.unit.rootfs.support import RELEASE
from tests.unit.verdict.trials import with_parameter

pytestmark = pytest.mark.contract

NEAR = Plan()
GPU, NIC = ["of:N*T*Cacme,gpu", "platform:acme-gpu"], ["of:N*T*Cacme,nic"]
UPDATES, EXTRA = f"{BASE}/updates", f"{BASE}/extra"
STUB = {f"{UPDATES}/stub.ko": module("stub", aliases=GPU, version="2")}
USER = {f"{UPDATES}/user.ko": module("user", depends="core", undefined=["core_symbol"])}
ACME = {f"{UPDATES}/acme.ko": module("acme", aliases=NIC)}
HELLO = {f"{UPDATES}/hello.ko": module("hello")}
COUNTS, FIRM = with_parameter("int"), module("hello", more=[("firmware", "acme/a.fw")])
PROBE, LOAD, DEP = "etc/modprobe.d/x.conf", "etc/modules-load.d/x.conf", "etc/depmod.d/x.conf"
KMOD_30 = b"\0kmod version 30\0+ZSTD +XZ -ZLIB\0"  # what is read of its program
VMLINUZ = f"boot/vmlinuz-{RELEASE}"
BOOT = f"boot/initrd.img-{RELEASE}"
INSIDE = {f"{BASE}/kernel/loop.ko": KERNEL[f"{BASE}/kernel/loop.ko"],
          f"{BASE}/kernel/stub.ko": KERNEL[f"{BASE}/kernel/stub.ko"]}  # fmt: skip


def _fifo(path: str) -> Change:
    def change(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(root / path)

    return change


def _remove(path: str) -> Change:
    return lambda root: (root / path).unlink()


def _write(path: str, data: bytes) -> Change:
    def change(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)

    return change


def _cut(path: str) -> Change:
    def change(root: Path) -> None:
        (root / path).write_bytes((root / path).read_bytes()[:40])

    return change


def _holding(files: Mapping[str, bytes | str], *, depmod: bool = True, into: str = BOOT) -> Change:
    return lambda root: initramfs(root, into, {f"{BASE}/modules.order": "", **files}, depmod=depmod)


def _both(*changes: Change) -> Change:
    def change(root: Path) -> None:
        for one in changes:
            one(root)

    return change


@dataclass(frozen=True, kw_only=True)
class Case:
    """`bad` breaks `rule` and, of the errors and warnings, it alone and `also`; `near` breaks nothing of them."""

    rule: str
    bad: Plan
    near: Plan = NEAR
    says: str = ""
    also: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.rule}{'-' * bool(self.says)}{self.says[:30]}"


ELSEWHERE = {
    "doubtful",
    "other-release/taken",
    "untold/value",
    "no-permission",
    "conf-hidden/staged",
}  # need a real kernel, another user than root, or something that is staged
CASES = [
    Case(rule="shadowed", bad=Plan(files=STUB), says="updates/stub.ko wins (depmod searches updates first)"),
    Case(rule="shadowed/same", bad=Plan(files={f"{UPDATES}/stub.ko": KERNEL[f"{BASE}/kernel/stub.ko"]})),
    Case(
        rule="in-tree-wins",
        bad=Plan(files={f"{EXTRA}/stub.ko": module("stub"), DEP: "search built-in extra"}),
        near=Plan(files={f"{EXTRA}/stub.ko": module("stub"), DEP: "search extra built-in"}),
        says="depmod's order: built-in extra",
    ),
    Case(
        rule="in-tree-wins",  # below updates/ already
        bad=Plan(files={**STUB, DEP: "search built-in updates"}),
        near=Plan(files={**STUB, DEP: "search built-in updates\noverride stub * updates"}),
        says="write 'override stub * updates' into",
    ),
    Case(
        rule="in-tree-wins/movable",
        bad=Plan(files={f"{EXTRA}/stub.ko": module("stub"), DEP: "search updates built-in extra"}),
        near=Plan(files={**STUB, DEP: "search updates built-in extra"}),
        says="move it below updates/",
    ),
    Case(
        rule="in-tree-wins/override",
        bad=Plan(files={**STUB, DEP: f"override stub {RELEASE} kernel"}),
        near=Plan(files={**STUB, DEP: f"override stub {RELEASE} updates"}),
        says=f"override stub {RELEASE} kernel",
    ),
    Case(
        rule="in-tree-wins/stale",
        bad=Plan(after=_write(f"{UPDATES}/stub.ko", module("stub", version="2"))),
        near=Plan(files=STUB),
        also=("depmod-stale",),
    ),
    Case(
        rule="winner-by-chance",
        bad=Plan(
            files={f"{EXTRA}/hello.ko": module("hello"), f"{BASE}/weak-updates/hello.ko": module("hello", version="2")}
        ),
        near=Plan(
            files={
                f"{EXTRA}/hello.ko": module("hello"),
                f"{BASE}/weak-updates/hello.ko": module("hello", version="2"),
                DEP: "search extra weak-updates built-in",
            }
        ),
    ),
    Case(rule="built-in-wins", bad=Plan(files={f"{UPDATES}/configfs.ko": module("configfs")}), near=Plan(files=HELLO)),
    Case(
        rule="name-differs",
        bad=Plan(files={f"{UPDATES}/hello.ko": module("hallo")}),
        near=Plan(files={f"{UPDATES}/hel-lo.ko": module("hel_lo")}),
    ),
    Case(
        rule="alias-clash",
        bad=Plan(files=ACME),
        near=Plan(files={**ACME, PROBE: "blacklist acme_old"}),
        says="'blacklist acme_old'",
    ),
    Case(
        rule="alias-clash/built-in",
        bad=Plan(files={f"{UPDATES}/clk.ko": module("clk", aliases=["of:N*T*Cacme,clk"])}),
        near=Plan(files={f"{UPDATES}/clk.ko": module("clk", aliases=["of:N*T*Cacme,clk2"])}),
        says="of configfs, which the kernel has built in",
    ),
    Case(
        rule="module-dangling",
        bad=Plan(files={f"{BASE}/weak-updates/hello.ko": "-> ../../5.10/extra/hello.ko"}),
        near=Plan(
            files={f"{BASE}/weak-updates/hello.ko": "-> ../../../../opt/hello.ko", "opt/hello.ko": module("hello")}
        ),
    ),
    Case(rule="module-no-file", bad=Plan(before=_fifo(f"{UPDATES}/hello.ko"))),
    Case(
        rule="module-odd-name",
        bad=Plan(files={f"{UPDATES}/hel lo.ko": module("hello")}),
        also=("depmod-stale", "name-differs"),
    ),
    Case(
        rule="module-circle",
        bad=Plan(files={f"{UPDATES}/again": "-> ..", f"{UPDATES}/hello.ko": module("hello")}, depmod=False),
        also=("depmod-missing",),
    ),
    Case(
        rule="module-packed",
        bad=Plan(files={f"{UPDATES}/hello.ko.gz": b"\x1f\x8b\x08"}, kmod=KMOD_30),
        also=("module-unreadable",),
    ),
    Case(rule="module-unreadable", bad=Plan(files={f"{UPDATES}/hello.ko.xz": b"\xfd7zXZ\0 is cut off"})),
    Case(  # what lies beside it is looked at all the same
        rule="refused",
        bad=Plan(
            files={f"{UPDATES}/hello.ko": module("hello")[:700], f"{UPDATES}/user.ko": module("user", depends="x")}
        ),
        also=("dependency-missing",),
        says="hello.ko",
    ),
    Case(
        rule="other-release",
        bad=Plan(files={f"{UPDATES}/hello.ko": module("hello", release="6.1.0-55-amd64")}),
        near=Plan(files=HELLO),
    ),
    Case(
        rule="other-release/weak-updates",
        bad=Plan(files={f"{BASE}/weak-updates/hello.ko": module("hello", release="6.1.0-55-amd64")}),
    ),
    Case(
        rule="dependency-missing",
        bad=Plan(files={f"{UPDATES}/user.ko": module("user", depends="giver")}),
        near=Plan(
            files={
                f"{UPDATES}/user.ko": module("user", depends="giver,configfs"),
                f"{UPDATES}/giver.ko": module("giver"),
            }
        ),
    ),
    Case(
        rule="refused",
        bad=Plan(files={f"{UPDATES}/hello.ko": module("hello", machine=183)}),
        near=Plan(files=HELLO),
        says="ENOEXEC",
    ),
    Case(
        rule="refused/many",
        bad=Plan(files={f"{UPDATES}/hello{n}.ko": module(f"hello{n}", machine=183) for n in range(7)}),
        says="7 modules (hello0",
    ),
    Case(
        rule="untold",
        bad=Plan(files={f"{UPDATES}/hello.ko": module("hello", undefined=["mystery"])}),
        near=Plan(files=HELLO),
    ),
    Case(rule="not-judged", bad=Plan()),
    Case(
        rule="image-unreadable",
        bad=Plan(files={VMLINUZ: bytes(0x202) + b"HdrS" + bytes(0x42) + b"\xff\xff\0\0" * 2 + bytes(99)}),
        says=f"boot/vmlinuz-{RELEASE}: its payload of 65535 bytes does not lie within the file",
    ),
    Case(rule="image-unreadable/format", bad=Plan(files={VMLINUZ: b"UKI"}), says="no kernel image that is known"),
    Case(
        rule="no-kernel",
        bad=Plan(files={"lib/modules/5.10/updates/hello.ko": module("hello")}),
        near=Plan(files={"lib/modules/5.10/build": "-> /usr/src/x"}),
    ),
    Case(
        rule="module-unreadable",
        bad=Plan(files={"lib/modules/5.10/updates/hello.ko": module("hello")[:-99]}),
        near=Plan(files={"lib/modules/5.10/updates/hello.ko": module("hello")}),
        also=("no-kernel",),
        says="lib/modules/5.10/updates/hello.ko cannot be read",
    ),
    Case(
        rule="modules-elsewhere",
        bad=Plan(files={"usr/lib/modules/5.10/kernel/hello.ko": module("hello", own=True)}),
    ),
    Case(
        rule="no-modules", bad=Plan(files={"boot/vmlinuz-5.10.0-1-amd64": "x"}), near=Plan(files={"boot/vmlinuz": "x"})
    ),
    Case(rule="kernel-unreadable", bad=Plan(files={name: None for name in KERNEL if name.endswith(".ko")})),
    Case(rule="depmod-missing", bad=Plan(depmod=False), says="modprobe finds no module"),
    Case(
        rule="depmod-missing", bad=Plan(after=_remove(f"{BASE}/modules.alias.bin")), says="no device loads its driver"
    ),
    Case(
        rule="depmod-stale",
        bad=Plan(after=_write(f"{UPDATES}/hello.ko", module("hello"))),
        says="modules.dep does not list updates/hello.ko",
    ),
    Case(
        rule="depmod-stale", bad=Plan(after=_remove(f"{BASE}/kernel/loop.ko")), says="modules.dep lists kernel/loop.ko"
    ),
    Case(
        rule="depmod-stale",
        bad=Plan(files=STUB, after=_write(f"{UPDATES}/stub.ko", module("stub", aliases=[*GPU, "platform:new"]))),
        says="lacks 1 aliases (stub)",
    ),
    Case(
        rule="depmod-stale",
        bad=Plan(after=_write(DEP, b"override stub * elsewhere\nexclude kernel")),
        says="modules.dep lists kernel/acme_old.ko",
    ),
    Case(
        rule="depmod-damaged",
        bad=Plan(after=_cut(f"{BASE}/modules.dep.bin")),
        says="modules.dep.bin",
        also=("depmod-stale",),
    ),
    Case(
        rule="depmod-fails",
        bad=Plan(
            files={
                f"{UPDATES}/a.ko": module("a", exports=["from_a"], undefined=["from_b"], depends="b"),
                f"{UPDATES}/b.ko": module("b", exports=["from_b"], undefined=["from_a"], depends="a"),
            }
        ),
        also=("refused",),
    ),
    Case(
        rule="conf-not-read",
        bad=Plan(files={"etc/modprobe.d/blacklist": "blacklist loop"}),
        near=Plan(
            files={"etc/modprobe.d/README": "x", "etc/modprobe.d/x.conf.dpkg-old": "y", "etc/modprobe.d/.x": "z"}
        ),
        says="blacklist.conf",
    ),
    Case(
        rule="conf-not-read",
        bad=Plan(files={"etc/modprobe.d/local/x.conf": "blacklist loop"}),
        says="does not look into directories",
    ),
    Case(
        rule="conf-not-read",
        bad=Plan(files={"etc/modprobe.conf": "blacklist loop"}),
        says="no modprobe, depmod or systemd of today",
    ),
    Case(
        rule="conf-not-read",
        bad=Plan(files={"usr/lib/modprobe.d/x.conf": "blacklist loop"}, kmod=KMOD_30),
        near=Plan(files={"lib/modprobe.d/x.conf": "blacklist loop"}, kmod=KMOD_30),
        says="kmod 30",
    ),
    Case(
        rule="conf-hidden",
        bad=Plan(files={PROBE: "options loop max_loop=8", "lib/modprobe.d/x.conf": "blacklist floppy"}),
        says="etc/modprobe.d/x.conf has the same name",
    ),
    Case(rule="conf-no-file", bad=Plan(before=_fifo(PROBE))),
    Case(rule="conf-dangling", bad=Plan(files={PROBE: "-> nowhere"}), near=Plan(files={PROBE: "-> /dev/null"})),
    Case(rule="conf-too-large", bad=Plan(files={PROBE: "#" * (1 << 20) + "\n#"})),
    Case(
        rule="conf-bad-line",
        bad=Plan(files={PROBE: "# fine\nBlacklist loop"}),
        near=Plan(files={PROBE: "  # fine\n\nblacklist loop"}),
        says="x.conf:2: modprobe skips 'Blacklist loop'",
    ),
    Case(rule="conf-bad-line", bad=Plan(files={PROBE: "options loop"}), says="write 'options NAME …'"),
    Case(rule="conf-bad-line", bad=Plan(files={DEP: "serach updates"}), says="depmod skips 'serach updates'"),
    Case(
        rule="conf-carriage-return", bad=Plan(files={PROBE: "blacklist loop\r\n"}), near=Plan(files={LOAD: "loop\r\n"})
    ),
    Case(rule="conf-pattern", bad=Plan(files={DEP: "override stub (a+)+ kernel"})),
    Case(
        rule="autoload-unresolved",
        bad=Plan(files={LOAD: "nosuch"}),
        near=Plan(files={LOAD: "# nosuch\nloop\nconfigfs\nblock-major-7-1\nplatform:acme-gpu"}),
        says="nosuch is to load",
    ),
    Case(rule="autoload-unresolved/near", bad=Plan(files={LOAD: "acme-odl.ko"}), says="write acme_old"),
    Case(
        rule="autoload-unresolved/unlisted",
        bad=Plan(files={LOAD: "hello"}, after=_write(f"{UPDATES}/hello.ko", module("hello"))),
        near=Plan(files={LOAD: "hello", f"{UPDATES}/hello.ko": module("hello")}),
        says="updates/hello.ko is there",
        also=("depmod-stale",),
    ),
    Case(
        rule="autoload-unresolved/parameters",
        bad=Plan(files={LOAD: "loop max_loop=8"}),
        says="'options loop max_loop=8'",
    ),
    Case(
        rule="autoload-unresolved",
        bad=Plan(files={LOAD: "nick", PROBE: "alias nick nosuch"}),
        near=Plan(files={LOAD: "nick", PROBE: "alias nick loop"}),
    ),
    Case(
        rule="autoload-blacklisted",
        bad=Plan(files={LOAD: "core-user", PROBE: "blacklist core_user"}),
        near=Plan(files={LOAD: "core-user", PROBE: "blacklist core"}),
    ),
    Case(
        rule="autoload-disabled",
        bad=Plan(files={LOAD: "loop", PROBE: "install loop /bin/false"}),
        near=Plan(files={LOAD: "loop", PROBE: "install loop /sbin/modprobe --ignore-install loop"}),
    ),
    Case(
        rule="autoload-disabled/needed",
        bad=Plan(files={LOAD: "core-user", PROBE: "install cor? /bin/true"}),
        near=Plan(files={LOAD: "core-user", PROBE: "install cor /bin/true"}),
        says="needs core, and 'install cor? /bin/true' in etc/modprobe.d/x.conf:1 runs",
    ),
    Case(
        rule="autoload-disabled/needed",
        bad=Plan(files={LOAD: "core-user", PROBE: "install core /bin/false"}),
        near=Plan(files={LOAD: "core-user", PROBE: "install core /bin/sh -c 'insmod core.ko'"}),
    ),
    Case(
        rule="autoload-nobody",
        bad=Plan(files={LOAD: "loop", "usr/lib/systemd/systemd-modules-load": None}),
        near=Plan(files={"usr/lib/systemd/systemd-modules-load": None}),
    ),
    Case(
        rule="autoload-modprobe",
        bad=Plan(
            files={
                "usr/lib/modules-load.d/x.conf": "loop",
                "usr/lib/systemd/systemd-modules-load": None,
                "etc/init.d/modutils.sh": "#!",
            }
        ),
    ),
    Case(
        rule="blacklist-blocks-meant",
        bad=Plan(files={**STUB, PROBE: "blacklist stub"}),
        near=Plan(files=STUB),
        says="delete the line: lib/modules",
    ),
    Case(
        rule="blacklist-blocks-meant/other-name",
        bad=Plan(files={**ACME, PROBE: "blacklist acme"}),
        near=Plan(files={**ACME, PROBE: "blacklist acme-old"}),
        says="write 'blacklist acme_old' in its place",
    ),
    Case(
        rule="blacklist-blocks-meant/alone",
        bad=Plan(files={**HELLO, PROBE: "blacklist hello"}),
        near=Plan(files={**HELLO, PROBE: "blacklist loop"}),
    ),
    Case(
        rule="blacklist-blocks-meant/install",
        bad=Plan(files={**HELLO, PROBE: "install hel* /bin/true"}),
        near=Plan(files={**HELLO, PROBE: "install loop /bin/true"}),
    ),
    Case(
        rule="blacklist-blocks-meant/needed",
        bad=Plan(files={**USER, PROBE: "install core /bin/false"}),
        near=Plan(files={**USER, PROBE: "install core /bin/sh -c true"}),
        says="it needs core, in place of which",
    ),
    Case(rule="blacklist-loaded-all-the-same", bad=Plan(files={**USER, PROBE: "blacklist core"})),
    Case(
        rule="blacklist-loaded-all-the-same",
        bad=Plan(files={**HELLO, PROBE: "blacklist loop\nsoftdep hello pre: loop"}),
    ),
    Case(rule="blacklist-no-name", bad=Plan(files={PROBE: "blacklist loop.ko"}), says="write 'blacklist loop'"),
    Case(
        rule="install-ignored",
        bad=Plan(files={PROBE: "install stub /bin/false\nsoftdep stub pre: loop"}),
        near=Plan(files={PROBE: "install stub /bin/false\nsoftdep stub pre: nosuch"}),
    ),
    Case(
        rule="softdep-unresolved",
        bad=Plan(files={PROBE: "softdep stub pre: nosuch loop"}),
        says="nosuch is nothing that can be loaded",
    ),
    Case(
        rule="options-unknown",
        bad=Plan(files={f"{UPDATES}/tiny.ko": COUNTS, PROBE: 'options tiny count=1 "dyndbg=x times=3" times=3'}),
        near=Plan(files={f"{UPDATES}/tiny.ko": COUNTS, PROBE: "options tiny count=1 dyndbg\noptions stub no=1"}),
        says="has no parameter times",
    ),
    Case(
        rule="firmware-missing",
        bad=Plan(files={f"{UPDATES}/hello.ko": FIRM, "lib/firmware/b.fw": "x"}),
        near=Plan(files={f"{UPDATES}/hello.ko": FIRM, f"lib/firmware/updates/{RELEASE}/acme/a.fw.xz": "x"}),
        says="acme/a.fw",
    ),
    Case(
        rule="cmdline-blocks",
        bad=Plan(
            files={**HELLO, "boot/loader/entries/a.conf": "options root=/dev/sda1 module_blacklist=pcspkr,hello quiet"}
        ),
        near=Plan(files={**HELLO, "boot/loader/entries/a.conf": "options module_blacklist=hello2"}),
        says="boot/loader/entries/a.conf",
    ),
    Case(
        rule="file-missing",
        bad=Plan(files={LOAD: "core-user"}, after=_remove(f"{BASE}/kernel/core.ko")),
        also=("depmod-stale",),
        says="kernel/core.ko, which is not there",
    ),
    Case(
        rule="initramfs-other-copy",
        bad=Plan(after=_holding({**INSIDE, f"{BASE}/kernel/loop.ko": module("loop", version="0")})),
        near=Plan(after=_holding(INSIDE)),
    ),
    Case(
        rule="initramfs-other-copy",
        bad=Plan(files=STUB, after=_holding({f"{UPDATES}/stub.ko": module("stub", version="1")})),
        near=Plan(files=STUB, after=_holding({**INSIDE, **STUB})),
    ),
    Case(
        rule="initramfs-other-copy",
        bad=Plan(
            after=_holding({f"{BASE}/kernel/loop.ko": module("loop", version="0")}, into="boot/initramfs-linux.img")
        ),
        near=Plan(after=_holding({"lib/modules/5.10/loop.ko": module("loop")}, into="boot/initramfs-linux.img")),
        says="boot/initramfs-linux.img holds another loop",
    ),
    Case(rule="initramfs-lacks-winner", bad=Plan(files=STUB, after=_holding(INSIDE))),
    Case(rule="initramfs-left-over", bad=Plan(after=_holding({**INSIDE, **HELLO}))),
    Case(
        rule="initramfs-lacks",
        bad=Plan(files={"etc/initramfs-tools/modules": "# c\ncore_user\n"}, after=_holding(INSIDE)),
        near=Plan(files={"etc/initramfs-tools/modules": "loop\nconfigfs"}, after=_holding(INSIDE)),
    ),
    Case(
        rule="initramfs-lacks",
        bad=Plan(files={"etc/dracut.conf.d/x.conf": 'force_drivers+=" loop core_user "'}, after=_holding(INSIDE)),
    ),
    Case(
        rule="initramfs-lacks",
        bad=Plan(after=_holding({**INSIDE, "conf/modules": "hello"})),
        near=Plan(after=_holding({**INSIDE, "conf/modules": "loop", LOAD: "stub"})),
    ),
    Case(rule="initramfs-other-release", bad=Plan(after=_holding({"lib/modules/5.10/kernel/loop.ko": module("loop")}))),
    Case(
        rule="initramfs-conf-differs",
        bad=Plan(files={PROBE: "options loop max_loop=8"}, after=_holding(INSIDE)),
        near=Plan(
            files={PROBE: "options loop  max_loop=8\noptions core x=1"},
            after=_holding({**INSIDE, PROBE: "options loop max_loop=8"}),
        ),
    ),
    Case(rule="initramfs-conf-differs/left-over", bad=Plan(after=_holding({**INSIDE, PROBE: "blacklist stub"}))),
    Case(rule="initramfs-unreadable", bad=Plan(after=_both(_holding(INSIDE), _cut(BOOT)))),
    Case(
        rule="initramfs-depmod",
        bad=Plan(after=_holding(INSIDE, depmod=False)),
        says="modules.dep.bin does not list loop, stub",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_rule_that_is_broken(case: Case, tmp_path: Path) -> None:
    found = audited(make(tmp_path / "root", case.bad)).findings
    rule = table()["rules"][case.rule]
    name = case.rule.partition("/")[0]
    mine = [one for one in found if one.rule == name]
    assert mine, found
    assert {str(one.severity) for one in mine} == {rule["severity"]}
    texts = [f"{one.path}:{one.line}: {one.message}\n{one.hint}" for one in mine]
    assert any(case.says in text for text in texts), texts
    assert not any("{" in text or str(tmp_path) in text for text in texts), texts  # of paths in the root alone
    grave = {one.rule for one in found if one.severity is not Severity.NOTE}
    assert grave - {name, *case.also} == set()


@pytest.mark.parametrize("case", [case for case in CASES if case.near is not NEAR], ids=lambda case: case.id)
def test_a_rule_that_is_nearly_broken(case: Case, tmp_path: Path) -> None:
    found = audited(make(tmp_path / "root", case.near)).findings
    assert case.rule.partition("/")[0] not in {one.rule for one in found}, found


def test_a_healthy_root(tmp_path: Path) -> None:
    audit = audited(make(tmp_path / "root", NEAR))
    assert {one.rule for one in audit.findings} == {"not-judged"}
    assert audit.is_right
    assert not audit.is_certain


def test_every_rule_has_a_root_that_breaks_it() -> None:
    assert {case.rule for case in CASES} | ELSEWHERE == set(table()["rules"])


def test_stale_files_are_fresh_again_after_depmod(tmp_path: Path) -> None:
    root = make(tmp_path / "root", Plan(after=_write(f"{UPDATES}/hello.ko", module("hello"))))
    assert not audited(root).is_right
    run_depmod(root)
    assert audited(root).is_right


def test_several_processes_find_the_same_and_none_is_left(tmp_path: Path) -> None:
    root = make(tmp_path / "root", Plan(after=_write(f"{UPDATES}/hello.ko", module("hello"))))
    told = audited(root, jobs=3)
    assert "depmod-stale" in {one.rule for one in told.findings}
    assert told == audited(root)
    before = _children()
    with pytest.raises(LookupError):
        _begin_alone(root)
    assert _children() == before


def _begin_alone(root: Path) -> None:
    """As where a certificate cannot be read, while depmod runs."""
    before = _children()
    with DirectoryRoot(root) as one, begun(Glance(one), Processes(), jobs=3):
        assert _children() != before
        raise LookupError


def _children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def test_an_initramfs_by_itself(tmp_path: Path) -> None:
    root = tmp_path / "root"
    initramfs(
        root, "i.img", {f"{BASE}/modules.order": "", **INSIDE, "conf/modules": "loop\nnosuch\n", PROBE: "Blacklist"}
    )
    found = {one.rule: one for one in audited(root / "i.img").findings}
    assert found.keys() == {"initramfs-lacks", "conf-bad-line", "not-judged"}
    assert "nosuch" in found["initramfs-lacks"].message


def test_modules_of_an_external_directory(tmp_path: Path) -> None:
    """depmod on the target writes absolute paths, which modprobe takes as they are."""
    files: dict[str, bytes | str | None] = {
        "opt/m/hello.ko": module("hello"),
        DEP: "search external updates built-in\nexternal * /opt/m\n",
        LOAD: "hello",
    }

    root = make(tmp_path / "root", Plan(files=files))
    # As on the target, where /opt/m is the root's own.
    own = ["--bind", root, root, "--tmpfs", "/opt", "--ro-bind", root / "opt/m", "/opt/m"]
    argv = ["bwrap", "--ro-bind", "/", "/", *own, "depmod", "-b", root, "-C", root / "etc/depmod.d", RELEASE]
    subprocess.run(list(map(str, argv)), check=True, env=environment())
    audit = audited(root)
    assert {one.rule for one in audit.findings} == {"not-judged"}, audit.findings
    (choice,) = [one for one in audit.modules if one.name == "hello"]
    assert (choice.wins, choice.why) == ("opt/m/hello.ko", "the only file of that name")


def test_each_module_that_is_kept_out_is_told_by_its_name(tmp_path: Path) -> None:
    user = module("user", depends="core,stub", undefined=["core_symbol", "stub_symbol"])
    other = module("stub", own=True, exports=["stub_symbol"])
    files: dict[str, bytes | str | None] = {
        f"{UPDATES}/user.ko": user,
        f"{BASE}/kernel/stub.ko": other,
        LOAD: "user",
        PROBE: "install core /bin/false\ninstall stub /bin/true\n",
    }
    found = audited(make(tmp_path / "root", Plan(files=files))).findings
    told = sorted(one.message for one in found if one.rule == "autoload-disabled")
    assert [line.split("'")[1] for line in told] == ["install core /bin/false", "install stub /bin/true"]
    assert ["needs core" in told[0], "needs stub" in told[1]] == [True, True]


def test_a_root_with_busybox_alone(tmp_path: Path) -> None:
    """Its modprobe reads the texts, /etc/modprobe.d and nothing else; kmod's indexes are not missed."""

    def no_indexes(root: Path) -> None:
        for path in (root / BASE).glob("*.bin"):
            path.unlink()

    files: dict[str, bytes | str | None] = {
        **ACME,
        LOAD: "acme\nacme_old\nconfigfs\nplatform:acme-nic\n",
        PROBE: "blacklist acme_old\ninstall acme /bin/false\n",
        "lib/modprobe.d/y.conf": "blacklist acme\n",
        "usr/lib/systemd/systemd-modules-load": None,
        "etc/init.d/modutils.sh": "#!/bin/sh\n",
    }
    plan = Plan(files=files, kmod=b"\x7fELF\0BusyBox v1.36.1 (2024)\0", after=no_indexes)
    audit = audited(make(tmp_path / "root", plan), "of:N*T*Cacme,nic")
    assert {one.rule for one in audit.findings} == {
        "not-judged",
        "conf-not-read",
        "conf-bad-line",
        "autoload-blacklisted",
    }
    assert [one.message for one in audit.findings if one.rule == "conf-bad-line"] == [
        "modprobe skips 'install acme /bin/false': BusyBox knows no 'install'"
    ]
    # What is handed to modprobe by its name is loaded; by an alias it is not.
    assert [one.line for one in audit.findings if one.rule == "autoload-blacklisted"] == [4]
    assert audit.kmod == "BusyBox"
    (query,) = audit.queries
    assert sorted(query.modules) == ["acme", "acme_old"]
    choices = {one.name: one.wins for one in audit.modules}
    assert choices["acme"] == f"{UPDATES}/acme.ko"


def test_two_kernels_and_weak_updates(tmp_path: Path) -> None:
    """What is said of a kernel is said of that kernel alone."""
    other = "6.1.0-57-amd64"
    files: dict[str, bytes | str | None] = {name.replace(RELEASE, other): content for name, content in KERNEL.items()}
    files |= {
        f"{EXTRA}/hello.ko": module("hello"),
        f"lib/modules/{other}/weak-updates/hello.ko": f"-> ../../{RELEASE}/extra/hello.ko",
        f"{EXTRA}/lone.ko": module("lone"),
        LOAD: "hello\nlone\n",
    }
    root = make(tmp_path / "root", Plan(files=files, after=lambda root: run_depmod(root, other)))
    audit = audited(root, "hello")
    assert [kernel.release for kernel in audit.kernels] == [RELEASE, other]
    found = {(one.rule, one.kernel) for one in audit.findings if one.rule != "not-judged"}
    assert found == {("autoload-unresolved", other), ("other-release", other)}
    wins = {one.kernel: one.wins for one in audit.modules if one.name == "hello"}
    assert wins == {RELEASE: f"{EXTRA}/hello.ko", other: f"{EXTRA}/hello.ko"}
