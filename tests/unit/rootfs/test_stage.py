# SPDX-License-Identifier: GPL-2.0-or-later
"""What is planned for which root, and what the user is told."""

from pathlib import Path

import pytest

from dlkm.core.errors import UsageError
from dlkm.ko.module import Module
from dlkm.rootfs.apply import apply
from dlkm.rootfs.choices import How
from dlkm.rootfs.conf import ConfDir, Wanted, wanted
from dlkm.rootfs.plan import Action, Content
from dlkm.rootfs.records import Records
from dlkm.rootfs.root import DirectoryRoot
from dlkm.verdict.verdict import Severity
from tests.unit.rootfs.index_builder import index
from tests.unit.rootfs.support import NOTHING, RELEASE, ListingDepmod, planned, put, snapshot, tiny

BASE = f"lib/modules/{RELEASE}"


@pytest.fixture
def root_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def _asked(
    autoload: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
    blacklist: tuple[str, ...] = (),
    softdep: tuple[str, ...] = (),
) -> Wanted:
    return wanted(autoload=autoload, options=options, blacklist=blacklist, softdep=softdep)


def test_an_empty_root(tmp_path: Path, root_dir: Path) -> None:
    before = snapshot(tmp_path)
    module = tiny(tmp_path)
    staging = planned(root_dir, module, asked=_asked(autoload=("hello",)))
    paths = [operation.path for operation in staging.plan.operations]
    assert paths[:4] == ["lib", "lib/modules", BASE, f"{BASE}/updates"]
    assert f"{BASE}/updates/hello.ko" in paths
    assert f"{BASE}/modules.dep" in paths
    assert "etc/modules-load.d/hello.conf" in paths
    assert staging.warnings == ()
    (staged,) = staging.modules
    assert (staged.name, staged.release) == ("hello", RELEASE)
    assert staged.path == staged.wins == f"{BASE}/updates/hello.ko"
    assert {name for name in snapshot(tmp_path) if name not in before} == {"hello.ko"}


def test_a_second_time_there_is_nothing_to_do(tmp_path: Path, root_dir: Path) -> None:
    module = tiny(tmp_path)
    asked = _asked(autoload=("hello",), options=("hello who=x",), blacklist=("pcspkr",))
    with DirectoryRoot(root_dir) as root:
        apply(planned(root_dir, module, asked=asked).plan, root, Records(root_dir))
    assert planned(root_dir, module, asked=asked).plan.operations == ()


def test_a_merged_usr_is_gone_through(tmp_path: Path, root_dir: Path) -> None:
    put(root_dir, {"usr/lib/os-release": "", "lib": "-> usr/lib"})
    (staged,) = planned(root_dir, tiny(tmp_path)).modules
    assert staged.path == staged.wins == f"usr/{BASE}/updates/hello.ko"


@pytest.mark.parametrize(("conf_dir", "folder"), [(ConfDir.ETC, "etc"), (ConfDir.USR, "usr/lib")])
def test_the_configuration_goes_where_it_is_wanted(root_dir: Path, conf_dir: ConfDir, folder: str) -> None:
    put(root_dir, {"usr/lib/x": ""})
    asked = _asked(autoload=("loop",), blacklist=("pcspkr",))
    operations = planned(root_dir, asked=asked, conf_dir=conf_dir).plan.operations
    files = [operation.path for operation in operations if operation.action is Action.WRITE]
    assert files == [f"{folder}/modules-load.d/loop.conf", f"{folder}/modprobe.d/pcspkr.conf"]


def test_the_in_tree_twin_stays_and_loses(tmp_path: Path, root_dir: Path) -> None:
    put(root_dir, {f"{BASE}/kernel/drivers/hello.ko": "in tree", f"{BASE}/kernel/other.ko": "x"})
    runner = ListingDepmod()
    (staged,) = planned(root_dir, tiny(tmp_path), runner=runner).modules
    assert runner.seen == ["kernel/drivers/hello.ko", "kernel/other.ko", "updates/hello.ko"]
    assert staged.wins == f"{BASE}/updates/hello.ko"


def test_a_module_that_was_cut_off_stops_nothing(tmp_path: Path, root_dir: Path) -> None:
    module = tiny(tmp_path)
    cut = module.path.read_bytes()[:-64]
    put(root_dir, {f"{BASE}/extra/cut.ko": cut})
    (staged,) = planned(root_dir, module).modules
    assert staged.wins == f"{BASE}/updates/hello.ko"


@pytest.mark.parametrize("twin", ["hello.ko.xz", "hello.ko.zst"])
def test_another_file_of_the_module_beside_it_goes(tmp_path: Path, root_dir: Path, twin: str) -> None:
    put(root_dir, {f"{BASE}/updates/{twin}": "old", f"{BASE}/updates/hello2.ko": "other"})
    runner = ListingDepmod()
    operations = planned(root_dir, tiny(tmp_path), runner=runner).plan.operations
    removed = [operation.path for operation in operations if operation.action is Action.REMOVE]
    assert removed == [f"{BASE}/updates/{twin}"]
    assert runner.seen == ["updates/hello.ko", "updates/hello2.ko"]


def test_dash_and_underscore_are_one_name(tmp_path: Path, root_dir: Path) -> None:
    put(root_dir, {f"{BASE}/updates/snd-my.ko": "old"})
    staging = planned(root_dir, tiny(tmp_path, "snd_my"), asked=_asked(autoload=("snd-my",)))
    removed = [operation.path for operation in staging.plan.operations if operation.action is Action.REMOVE]
    assert removed == [f"{BASE}/updates/snd-my.ko"]
    assert staging.warnings == ()


def test_two_modules_cannot_be_one_file(tmp_path: Path, root_dir: Path) -> None:
    one, other = tiny(tmp_path / "a"), tiny(tmp_path / "b", depends="x")
    with pytest.raises(UsageError, match="different modules of one name"):
        planned(root_dir, one, other)
    same = tiny(tmp_path / "c")
    assert len(planned(root_dir, one, same).modules) == 1


def _found(root: Path, *modules: Module, asked: Wanted = NOTHING, conf_dir: ConfDir = ConfDir.ETC) -> dict[str, str]:
    """Rules with their messages; what concerns the root as a whole (nobody reads modules-load.d) left out."""
    found = planned(root, *modules, asked=asked, conf_dir=conf_dir).findings
    return {one.rule: one.message for one in found if one.rule != "autoload-nobody"}


def test_autoload_of_what_is_not_there(tmp_path: Path, root_dir: Path) -> None:
    put(root_dir, {f"{BASE}/kernel/loop.ko": "x", f"{BASE}/modules.builtin": "kernel/fs/ext4/ext4.ko\n",
                   "etc/modprobe.d/a.conf": "alias eth-* hello\n"})  # fmt: skip
    asked = _asked(autoload=("hello", "loop", "ext4", "eth_7", "missing"))
    (message,) = _found(root_dir, tiny(tmp_path), asked=asked).values()
    assert message.startswith(f"missing is to load at boot, and on {RELEASE} that is no module")


def test_autoload_alone_is_judged_by_the_kernels_that_are_installed(root_dir: Path) -> None:
    put(root_dir, {f"{BASE}/modules.dep.bin": index({"fuse_x": "kernel/net/fuse-x.ko.xz:"}),
                   f"{BASE}/kernel/net/fuse-x.ko.xz": "x"})  # fmt: skip
    assert _found(root_dir, asked=_asked(autoload=("fuse_x",))) == {}
    assert _found(root_dir, asked=_asked(autoload=("missing",))).keys() == {"autoload-unresolved"}


@pytest.mark.parametrize("where", ["asked", "present"])
def test_autoload_of_what_is_blacklisted(tmp_path: Path, root_dir: Path, where: str) -> None:
    if where == "present":
        put(root_dir, {"usr/lib/modprobe.d/x.conf": "blacklist hello"})
    asked = _asked(("hello",), (), ("hello",) if where == "asked" else ())
    found = _found(root_dir, tiny(tmp_path), asked=asked)
    file = "etc/modprobe.d/hello.conf" if where == "asked" else "usr/lib/modprobe.d/x.conf"
    assert f"is blacklisted in {file}:1" in found["autoload-blacklisted"]


def test_a_blacklist_against_an_autoload_that_is_there(root_dir: Path, tmp_path: Path) -> None:
    put(root_dir, {"etc/modules-load.d/mine.conf": "snd-my\n"})
    found = _found(root_dir, tiny(tmp_path, "snd_my"), asked=_asked(blacklist=("snd_my",)))
    assert "snd-my is to load at boot" in found["autoload-blacklisted"]


def test_what_it_needs_is_not_there(tmp_path: Path, root_dir: Path) -> None:
    put(root_dir, {f"{BASE}/kernel/have.ko": "x", f"{BASE}/modules.builtin": "kernel/built-in.ko\n"})
    found = _found(root_dir, tiny(tmp_path, depends="have,built_in,missing"))
    assert found == {"dependency-missing": f"{BASE}/updates/hello.ko needs missing, which is not installed for "
                                           f"{RELEASE}: 'modprobe hello' fails"}  # fmt: skip


def test_what_it_needs_by_way_of_another_is_not_there(tmp_path: Path, root_dir: Path) -> None:
    modules = [tiny(tmp_path, "top", depends="mid-dle"), tiny(tmp_path, "mid_dle", depends="top,base")]
    assert [module.missing for module in planned(root_dir, *modules).modules] == [("base",), ("base",)]


def test_a_built_in_twin_is_told(tmp_path: Path, root_dir: Path) -> None:
    put(root_dir, {f"{BASE}/modules.builtin": "kernel/drivers/hello.ko\n"})
    staging = planned(root_dir, tiny(tmp_path))
    assert [one.rule for one in staging.findings] == ["built-in-wins"]
    assert (staging.modules[0].wins, staging.modules[0].choice.how) == (None, How.BUILT_IN)


def test_a_file_named_otherwise_than_its_module_is_told(tmp_path: Path, root_dir: Path) -> None:
    found = _found(root_dir, tiny(tmp_path, name="hello", file_name="renamed.ko"))
    assert found == {"name-differs": f"{BASE}/updates/renamed.ko holds a module that calls itself hello: "
                                     "'modprobe hello' does not find it"}  # fmt: skip


def test_parameters_that_the_module_has_not(tmp_path: Path, root_dir: Path) -> None:
    asked = _asked((), ("hello who=x times=3 dyndbg",), ())
    found = _found(root_dir, tiny(tmp_path, parm="who:charp"), asked=asked)
    assert "has no parameter times;" in found["options-unknown"]


def test_what_concerns_others_is_left_to_audits(tmp_path: Path, root_dir: Path) -> None:
    put(root_dir, {"etc/modules-load.d/other.conf": "nosuch\n", f"{BASE}/updates/lonely.ko": "no module",
                   "etc/modprobe.d/other.conf": "Blacklist x\n"})  # fmt: skip
    assert _found(root_dir, tiny(tmp_path)) == {}


def test_lines_that_are_lost_and_files_that_are_not_read(root_dir: Path) -> None:
    put(root_dir, {"usr/lib/modprobe.d/x.conf": "options x a=1\nblacklist x\n", "etc/modprobe.d/x.conf": "#"})
    staging = planned(root_dir, asked=_asked((), ("x a=2",), ("x",)), conf_dir=ConfDir.USR)
    assert staging.warnings == ("usr/lib/modprobe.d/x.conf: its lines 'options x a=1' are replaced",)
    (finding,) = staging.findings
    assert (finding.rule, finding.severity) == ("conf-hidden", Severity.WARNING)
    assert finding.message.endswith("will not be read: etc/modprobe.d/x.conf has the same name and comes first")


def test_a_replaced_link_is_told(tmp_path: Path, root_dir: Path) -> None:
    put(root_dir, {"etc/modules-load.d/hello.conf": "-> /dev/null"})
    (told,) = planned(root_dir, tiny(tmp_path), asked=_asked(("hello",))).warnings
    assert "etc/modules-load.d/hello.conf is a link to /dev/null" in told


def test_a_module_file_that_is_gone_by_now_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*gone\.ko: No such file"):
        Content.of(tmp_path / "gone.ko")
