# SPDX-License-Identifier: GPL-2.0-or-later
"""dlkm build with real make, real kernels and drivers of every Makefile style; modinfo says what came out."""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dlkm.build.job import build, open_workshop
from dlkm.build.options import BuildOptions
from dlkm.build.record import read_build
from dlkm.build.result import BuildOutcome
from dlkm.core.events import Event, EventKind, Events
from dlkm.core.processes import Processes, environment
from dlkm.kernel.kernel import Kernel
from dlkm.source.driver import find
from tests.builds import DLKM, DRIVERS, HELLO, Cells, build_cells

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_builds_known")]

MISSION = """\
all: modules
obj-m := hello.o

SRC := $(shell pwd)

modules:
\t$(MAKE) -C $(KERNEL_SRC) M=$(SRC) modules $(KBUILD_OPTIONS)

modules_install:
\t$(MAKE) -C $(KERNEL_SRC) M=$(SRC) modules_install
"""


def _dlkm(*words: str | Path, status: int = 0, cwd: Path | None = None) -> Cells:
    return build_cells(*words, status=status, cwd=cwd)[0]


def _refused(*words: str | Path, status: int) -> str:
    """Run it where it has to refuse; what it says."""
    argv = [str(DLKM), "build", *(str(word) for word in words)]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    return done.stderr


def _modinfo(field: str, path: str | Path) -> str:
    done = subprocess.run(["modinfo", "-F", field, str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _names(cell: dict[str, Any]) -> set[str]:
    return {Path(module["path"]).name for module in cell["modules"]}


def _snapshot(folder: Path) -> dict[str, tuple[int, int, str]]:
    """All that tells whether somebody wrote: names, times, modes, content."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (status.st_mtime_ns, status.st_mode, content)
    return found


def _driver(folder: Path, makefile: str, source: str = "kdir/kdir.c", name: str = "x.c") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Makefile").write_text(makefile)
    shutil.copy(DRIVERS / source, folder / name)
    return folder


def test_the_missions_makefile_is_the_examples() -> None:
    assert (HELLO / "Makefile").read_text() == MISSION


STYLES = {
    "kdir": {"kdir.ko"},
    "two-faced": {"two_faced.ko"},
    "kver": {"kver.ko"},
    "release": {"release.ko"},
    "kernel-dir": {"kernel_dir.ko"},
    "bare": {"pair.ko", "single.ko", "deep.ko"},
    "bare-makefile": {"bare_makefile.ko"},
}


def test_every_style_for_two_kernels(tmp_path: Path, kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    sources = [HELLO, *(DRIVERS / name for name in STYLES)]
    before = {source: _snapshot(source) for source in sources}
    cells = _dlkm(*sources, "-k", kernel_61.id, "-k", kernel_61_rt.id, "-o", tmp_path)
    for kernel in (kernel_61, kernel_61_rt):
        for name, modules in ({"hello": {"hello.ko"}} | STYLES).items():
            cell = cells[f"{name}@{kernel.id}"]
            assert (cell["outcome"], _names(cell)) == ("built", modules)
            for module in cell["modules"]:
                assert _modinfo("vermagic", module["path"]).split()[0] == kernel.release
                assert hashlib.sha256(Path(module["path"]).read_bytes()).hexdigest() == module["sha256"]
            assert read_build(Path(cell["log"]).parent).id == cell["id"]
    assert len(cells) == 2 * (len(STYLES) + 1)
    assert before == {source: _snapshot(source) for source in sources}
    assert "pair_part" in Path(cells[f"bare@{kernel_61.id}"]["symvers"]).read_text()
    tail = Path(cells[f"hello@{kernel_61.id}"]["log"]).read_text().splitlines()[-2:]
    assert "make" in tail[0]
    assert tail[1].startswith("+ status 0, ")


def test_for_another_architecture(tmp_path: Path, kernel_61_arm64: Kernel) -> None:
    words = (DRIVERS / "kver", "-k", kernel_61_arm64.id, "-o", tmp_path)
    (cell,) = _dlkm(*words, "--target", "install").values()
    (module,) = cell["modules"]
    assert cell["arch"] == "arm64"
    assert _modinfo("vermagic", module["path"]).startswith(f"{kernel_61_arm64.release} ")
    header = subprocess.run(["readelf", "-h", module["path"]], capture_output=True, text=True, check=True).stdout
    assert "AArch64" in header
    installed = tmp_path / cell["id"] / "root/lib/modules" / kernel_61_arm64.release / "extra/kver.ko"
    assert installed.read_bytes() == Path(module["path"]).read_bytes()


def test_variables_goals_and_directories(tmp_path: Path, kernel_61: Kernel) -> None:
    common = ("-k", kernel_61.id, "-o", tmp_path)
    (cell,) = _dlkm(DRIVERS / "options", *common, "--var", "KBUILD_OPTIONS=KCFLAGS=-DOPTIONS_RESULT=0").values()
    assert _names(cell) == {"options.ko"}
    (cell,) = _dlkm(DRIVERS / "no-goal", *common, "--target", "driver").values()
    assert _names(cell) == {"no_goal.ko"}
    (cell,) = _dlkm(DRIVERS / "nested", *common, "--subdir", "driver").values()
    assert (cell["id"], _names(cell)) == (f"nested@{kernel_61.id}", {"nested.ko"})
    (cell,) = _dlkm(*common, "--target", "modules_install", cwd=HELLO).values()
    (installed,) = (tmp_path / cell["id"] / "root/lib/modules" / kernel_61.release).rglob("*.ko")
    assert installed.read_bytes() == Path(cell["modules"][0]["path"]).read_bytes()


def test_one_that_fails_does_not_stop_the_others(tmp_path: Path, kernel_61: Kernel) -> None:
    names = ("broken", "unresolved", "no-goal", "kdir")
    cells = _dlkm(*(DRIVERS / name for name in names), "-k", kernel_61.id, "-o", tmp_path, status=1)
    reasons = {name: cells[f"{name}@{kernel_61.id}"]["reason"] for name in names}
    assert reasons["broken"].startswith("broken.c:6: error: ")
    assert "not_declared_anywhere" in reasons["broken"]
    assert "nobody_exports_this" in reasons["unresolved"]
    assert "driver" in reasons["no-goal"]
    assert "--target" in reasons["no-goal"]
    assert reasons["kdir"] == ""
    for cell in cells.values():
        assert (cell["outcome"] == "failed") == (not cell["modules"]) == bool(cell["reason"])
        assert Path(cell["log"]).is_file()
        assert read_build(Path(cell["log"]).parent).outcome.value == cell["outcome"]


def test_a_path_that_is_written_in(tmp_path: Path, kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    """A kernel directory that exists on this machine: seen in the sandbox it is not there, without it it builds."""
    rule = "all:\n\t$(MAKE) -C $(KDIR) M=$(PWD) modules\n"
    source = _driver(tmp_path / "x", f"obj-m := x.o\n\nKDIR := {kernel_61_rt.headers}\n{rule}")
    words = (source, "-k", kernel_61.id, "-o", tmp_path / "out")
    line = f"Makefile:3: KDIR := {kernel_61_rt.headers}: "
    (cell,) = _dlkm(*words, status=1).values()
    assert cell["reason"].startswith(line)
    (cell,) = _dlkm(*words, "--no-sandbox", status=1).values()
    assert cell["reason"].startswith(line)
    assert f"x.ko is for {kernel_61_rt.release}" in cell["reason"]
    assert (cell["outcome"], cell["modules"]) == ("failed", [])
    assert not list((tmp_path / "out").rglob("*.ko"))
    for more in ((), ("--no-sandbox",)):
        (cell,) = _dlkm(*words, *more, "--var", "KDIR=$(KERNEL_SRC)").values()
        assert _modinfo("vermagic", cell["modules"][0]["path"]).split()[0] == kernel_61.release


@pytest.mark.parametrize("sandbox", [(), ("--no-sandbox",)])
def test_a_path_in_a_helper_script(
    tmp_path: Path, kernel_61: Kernel, kernel_61_rt: Kernel, sandbox: tuple[str, ...]
) -> None:
    source = _driver(tmp_path / "x", "all:\n\tsh ./build.sh\n")
    (source / "Kbuild").write_text("obj-m := x.o\n")
    (source / "build.sh").write_text(f"make -C {kernel_61_rt.headers} M=$PWD modules\n")
    (cell,) = _dlkm(source, "-k", kernel_61.id, "-o", tmp_path / "out", *sandbox, status=1).values()
    assert cell["reason"].startswith(f"build.sh:1: make -C {kernel_61_rt.headers}")
    assert kernel_61.release in cell["reason"]


def test_the_running_kernel_without_a_sandbox(tmp_path: Path, kernel_61: Kernel) -> None:
    makefile = "obj-m := x.o\nall:\n\t$(MAKE) -C /lib/modules/$(shell uname -r)/build M=$(PWD) modules\n"
    words = (_driver(tmp_path / "x", makefile), "-k", kernel_61.id, "-o", tmp_path / "out")
    (cell,) = _dlkm(*words).values()
    assert cell["outcome"] == "built"
    (cell,) = _dlkm(*words, "--no-sandbox", status=1).values()
    assert cell["reason"].startswith("Makefile:3: $(MAKE) -C /lib/modules/$(shell uname -r)/build")


def test_what_was_built_before_never_counts(tmp_path: Path, kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    """A source in which make ran for another kernel, as a whole and when nothing is made anew."""
    source = _driver(tmp_path / "x", "obj-m := x.o\nall:\n\t$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules\n")
    subprocess.run(["make", f"KERNEL_SRC={kernel_61_rt.headers}"], cwd=source, check=True, capture_output=True)
    assert (source / "x.ko").is_file()
    before = _snapshot(source)
    (cell,) = _dlkm(source, "-k", kernel_61.id, "-o", tmp_path / "out").values()
    assert _modinfo("vermagic", cell["modules"][0]["path"]).split()[0] == kernel_61.release
    assert _snapshot(source) == before
    (source / "Makefile").write_text("all:\n\t@echo up to date\n")
    (cell,) = _dlkm(source, "-k", kernel_61.id, "-o", tmp_path / "out", status=1).values()
    assert (cell["outcome"], cell["modules"]) == ("failed", [])


def test_the_same_bytes_wherever_it_is_built(tmp_path: Path, kernel_61: Kernel) -> None:
    first = shutil.copytree(HELLO, tmp_path / "hello")
    second = shutil.copytree(HELLO, tmp_path / "elsewhere" / "with a blank" / "hello")
    digests = set()
    for number, (source, more) in enumerate([(first, ()), (second, ()), (second, ("--no-sandbox",))]):
        (cell,) = _dlkm(source, "-k", kernel_61.id, "-o", tmp_path / str(number), "-j", str(number + 1), *more).values()
        digests.add(cell["modules"][0]["sha256"])
        assert str(tmp_path).encode() not in Path(cell["modules"][0]["path"]).read_bytes()
    assert len(digests) == 1


def test_two_at_once_of_one_source_into_one_directory(tmp_path: Path, kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    kernels = (kernel_61, kernel_61_rt, kernel_61)
    with ThreadPoolExecutor(max_workers=3) as pool:
        results = list(pool.map(lambda kernel: _dlkm(HELLO, "-k", kernel.id, "-o", tmp_path), kernels))
    for kernel, cells in zip(kernels, results, strict=True):
        (cell,) = cells.values()
        assert _modinfo("vermagic", cell["modules"][0]["path"]).split()[0] == kernel.release
    assert {path.name for path in tmp_path.iterdir()} == {f"hello@{kernel.id}" for kernel in kernels}


def test_a_source_with_links_out_of_it(tmp_path: Path, kernel_61: Kernel) -> None:
    """Directly through the library: a file outside is taken along, a directory outside is told."""
    source = _driver(tmp_path / "x", (DRIVERS / "nested/driver/Makefile").read_text().replace("nested", "x"))
    (source / "x.c").unlink()
    (source / "x.c").symlink_to(DRIVERS / "nested/driver/nested.c")
    (source / "common.h").symlink_to("../common.h")
    (source / "outside").symlink_to(tmp_path)
    shutil.copy(DRIVERS / "nested/common/common.h", tmp_path)
    heard: list[Event] = []
    options = BuildOptions(variables=(("ccflags-y", "-I$(CURDIR)"),))
    driver = find(source)
    cell = build(driver, kernel_61, options, tmp_path / "out", runner=Processes(), events=Events(heard.append))
    assert cell.outcome is BuildOutcome.BUILT, cell.reason
    (warning,) = [event.text for event in heard if event.kind is EventKind.WARNING]
    assert "outside" in warning


def test_the_sandbox_shows_the_target_and_nothing_else(tmp_path: Path, kernel_61_arm64: Kernel) -> None:
    """A Makefile that looks around, and tries what it must not."""
    makefile = """\
driver:
	uname -r; /bin/uname -m; /usr/bin/uname -srm; uname -a; uname --kernel-release
	ls /lib/modules /usr/src
	cut -d' ' -f1-3 /proc/version; cat /proc/sys/kernel/osrelease; grep -c . /boot/config-$$(uname -r)
	ls /boot/vmlinuz-$$(uname -r) /boot/System.map-$$(uname -r)
	depmod; /sbin/depmod -a; /usr/sbin/depmod; /sbin/modinfo --version | head -n 1
	! test -e $(OUTSIDE)
	! touch $(KERNEL_SRC)/written 2>/dev/null
	! (exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null
	test $$(ls /proc | grep -c '^[0-9]') -lt 20
	id -u; echo "$$HOME $$PWD $$SECRET"
"""
    source = _driver(tmp_path / "x", makefile)
    words = (source, "-k", kernel_61_arm64.id, "-o", tmp_path / "out", "--var", f"OUTSIDE={source}")
    (cell,) = _dlkm(*words, status=1).values()
    release = kernel_61_arm64.release
    lines = Path(cell["log"]).read_text().splitlines()
    said = [line for line in lines if "$(" not in line or line.startswith("+ ")]
    assert "make succeeded, but no module was made" in cell["reason"], said
    assert said.count(release) >= 3  # uname -r, its long name, /proc/sys/kernel/osrelease
    assert any(line.startswith("kmod version") for line in said)
    for line in (
        f"Linux version {release}",
        f"/boot/vmlinuz-{release}",
        "aarch64",
        f"Linux {release} aarch64",
        f"Linux dlkm {release} #1 SMP aarch64 GNU/Linux",
    ):
        assert line in said
    assert said[-3] == "/build/home /build/driver "
    headers = {name for name in said if name.startswith("linux-headers-")}
    assert headers == {path.name for path in (kernel_61_arm64.tree or tmp_path).glob("usr/src/linux-headers-*")}


@pytest.mark.parametrize("sandbox", [(), ("--no-sandbox",)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(
    tmp_path: Path, kernel_61: Kernel, number: signal.Signals, sandbox: tuple[str, ...]
) -> None:
    seconds = f"30.{os.getpid()}"
    source = _driver(tmp_path / "x", f"all:\n\techo x > x.ko; sleep {seconds}; echo\n")
    cache, out = tmp_path / "cache", tmp_path / "out"
    argv = [str(DLKM), "build", str(source), "-k", str(kernel_61.headers), "-o", str(out), *sandbox]
    child = subprocess.Popen(argv, env=environment({"XDG_CACHE_HOME": str(cache)}), stderr=subprocess.PIPE)
    _wait_until(lambda: bool(list(cache.glob("dlkm/build/job-*/driver/x.ko"))))
    child.send_signal(number)
    _output, errors = child.communicate(timeout=20)
    assert (child.returncode, b"interrupted" in errors) == (130, True)
    assert not list((cache / "dlkm/build").iterdir())
    assert not out.exists() or not list(out.iterdir())
    _wait_until(lambda: seconds not in _command_lines())


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _command_lines() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_refusals_name_the_command_that_helps(tmp_path: Path, kernel_61: Kernel) -> None:
    common = ("-o", tmp_path / "out")
    assert "no Makefile and no Kbuild" in _refused(tmp_path, "-k", kernel_61.id, *common, status=2)
    _refused(HELLO, "-k", "6.1.0-0-nobody", *common, status=2)
    _refused(HELLO, "-k", kernel_61.id, "--var", "no equals", *common, status=2)
    _refused(HELLO, "-k", kernel_61.id, "--target", "-f/etc/passwd", *common, status=2)
    _refused(HELLO, "-k", kernel_61.id, "--subdir", "..", *common, status=2)
    mine = tmp_path / "out" / f"hello@{kernel_61.id}"
    mine.mkdir(parents=True)
    (mine / "thesis.tex").write_text("")
    assert "no build made" in _refused(HELLO, "-k", kernel_61.id, *common, status=2)
    assert [path.name for path in mine.iterdir()] == ["thesis.tex"]


def test_where_nothing_can_be_written(tmp_path: Path, kernel_61: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    said = _refused(HELLO, "-k", kernel_61.id, "-o", tmp_path / "file" / "out", status=4)
    assert "Not a directory" in said
    (tmp_path / "cache" / "dlkm").mkdir(parents=True)
    (tmp_path / "cache" / "dlkm" / "build").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _refused(HELLO, "-k", str(kernel_61.headers), "-o", tmp_path / "out", status=4)
    assert not (tmp_path / "out").exists()


IN_ORDER = """\
ifneq ($(KBUILD_EXTMOD),)
obj-m := x.o
WAIT = touch $@; for n in $$(seq 100); do test -e $(obj)/$(1) && exit 0; sleep 0.1; done; exit 1
$(obj)/x.o: $(obj)/one $(obj)/two
$(obj)/one: ; $(call WAIT,two)
$(obj)/two: ; $(call WAIT,one)
else
all: clean modules pack
modules:
\t$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules
pack:
\tmkdir -p out && cp x.ko out/
clean:
\trm -f *.o
.PHONY: clean
endif
"""


@pytest.mark.parametrize("sandbox", [(), ("--no-sandbox",)])
def test_what_works_with_a_plain_make_does_in_parallel(
    tmp_path: Path, kernel_61: Kernel, sandbox: tuple[str, ...]
) -> None:
    """The driver's own goals come in their order; in Kbuild two rules run at once: each waits for the other."""
    source = _driver(tmp_path / "x", IN_ORDER)
    (cell,) = _dlkm(source, "-k", kernel_61.id, "-o", tmp_path / "out", "-j", "4", *sandbox).values()
    assert _names(cell) == {"x.ko"}


def test_results_may_lie_in_the_source(tmp_path: Path, kernel_61: Kernel) -> None:
    """The default: `out` in the directory one stands in. Earlier results are no source."""
    source = Path(shutil.copytree(HELLO, tmp_path / "hello"))
    for more in ((), (), ("-o", "."), ("-o", ".")):
        (cell,) = _dlkm("-k", kernel_61.id, *more, cwd=source).values()
        assert _names(cell) == {"hello.ko"}
    assert {path.name for path in source.iterdir()} == {"Makefile", "hello.c", "out", f"hello@{kernel_61.id}"}


def test_a_machine_without_the_tools(tmp_path: Path, kernel_61: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """PATH with nothing in it but what is linked there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    said = _refused(HELLO, "-k", kernel_61.id, "-o", tmp_path / "out", status=4)
    assert "apt-get install" in said
    for name in ("make", "bwrap"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    said = _refused(HELLO, "-k", kernel_61.id, "-o", tmp_path / "out", status=4)
    assert "apt-get install gcc-12" in said


def test_where_bubblewrap_is_forbidden_it_is_told_and_built_all_the_same(
    tmp_path: Path, kernel_61: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = tmp_path / "bin" / "bwrap"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{refusing.parent}:{os.environ['PATH']}")
    heard: list[Event] = []
    options = BuildOptions()
    assert open_workshop(options, Processes(), Events(heard.append)).bubblewrap is None
    cell = build(find(HELLO), kernel_61, options, tmp_path, runner=Processes(), events=Events(heard.append))
    assert cell.outcome is BuildOutcome.BUILT
    assert any("No permissions" in event.text for event in heard if event.kind is EventKind.WARNING)
