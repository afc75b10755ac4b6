# SPDX-License-Identifier: GPL-2.0-or-later
"""Many cells in one run: they share the cores by one job server, and an interrupt ends them all, tidily."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_builds_known")]

DLKM = Path(sys.executable).with_name("dlkm")
SOURCE = Path(__file__).parents[1] / "drivers" / "kdir" / "kdir.c"
# Each object waits for rules that tell when they begin and end; x.c is a real module, so that the cell is built.
SLOW = """\
ifneq ($(KBUILD_EXTMOD),)
obj-m := x.o
STEPS := $(addprefix $(obj)/step,1 2 3 4)
$(obj)/x.o: $(STEPS)
$(STEPS): ; @echo "begin $$(date +%s.%N)"; sleep SECONDS; echo "end $$(date +%s.%N)"; touch $@
else
all: ; $(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules
endif
"""


def _slow(folder: Path, seconds: str) -> Path:
    folder.mkdir()
    shutil.copy(SOURCE, folder / "x.c")
    (folder / "Makefile").write_text(f"# {folder.name}\n{SLOW.replace('SECONDS', seconds)}")
    return folder


def _most_at_once(*logs: Path) -> int:
    times = [
        (float(when), 1 if what == "begin" else -1)
        for log in logs
        for what, when in re.findall(r"^(begin|end) ([0-9.]+)$", log.read_text(), re.MULTILINE)
    ]
    assert len(times) == 8 * len(logs)
    most = running = 0
    for _when, change in sorted(times):
        running += change
        most = max(most, running)
    return most


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_all_cells_together_keep_to_the_jobs(tmp_path: Path, kernel_61: Kernel, jobs: int) -> None:
    sources = [_slow(tmp_path / name, "0.3") for name in ("a", "b")]
    words: list[str | Path] = [*sources, "-k", kernel_61.id, "-o", tmp_path / "out", "-j", str(jobs), "--json"]
    done = subprocess.run(
        [DLKM, "build", *words], env=environment(), capture_output=True, text=True, check=True, timeout=120
    )
    cells = json.loads(done.stdout)["cells"]
    assert [cell["id"] for cell in cells] == [f"{name}@{kernel_61.id}" for name in ("a", "b")]
    assert _most_at_once(*(Path(cell["log"]) for cell in cells)) == jobs


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_cells(tmp_path: Path, kernel_61: Kernel, number: signal.Signals) -> None:
    sources = [_slow(tmp_path / name, "600.25") for name in ("a", "b", "c")]
    cache = tmp_path / "cache"
    env = environment({"XDG_CACHE_HOME": str(cache)})
    words: list[str | Path] = [*sources, "-k", str(kernel_61.headers), "-o", tmp_path / "out", "-j", "2"]
    child = subprocess.Popen([DLKM, "build", *words], env=env, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(_sleepers()) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(_sleepers()) >= 2
    child.send_signal(number)
    _said, errors = child.communicate(timeout=30)
    assert (child.returncode, "Traceback" in errors) == (130, False), errors
    assert _sleepers() == []
    assert list((cache / "dlkm" / "build").glob("job-*")) == []
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


GIVER = """\
#include <linux/module.h>
int NAME_answer(void);
int NAME_answer(void) { return 42; }
EXPORT_SYMBOL_GPL(NAME_answer);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("gives");
"""
USER = """\
#include <linux/module.h>
#include <linux/init.h>
int GIVER_answer(void);
static int __init use(void) { return GIVER_answer() == 42 ? 0 : -EINVAL; }
module_init(use);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("uses");
"""
PLAIN = "obj-m := NAME.o\nall: ; $(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules\n"
LOOKS_BESIDE = "KBUILD_EXTRA_SYMBOLS := $(CURDIR)/../giver/Module.symvers\nexport KBUILD_EXTRA_SYMBOLS\n"


def _written(folder: Path, makefile: str, text: str) -> Path:
    folder.mkdir()
    (folder / "Makefile").write_text(makefile.replace("NAME", folder.name))
    (folder / f"{folder.name}.c").write_text(text.replace("NAME", folder.name))
    return folder


@pytest.mark.parametrize("sandbox", [(), ("--no-sandbox",)])
def test_symbols_of_one_driver_reach_the_other(tmp_path: Path, kernel_61: Kernel, sandbox: tuple[str, ...]) -> None:
    """Given in the wrong order; one of the users looks for its giver in the directory beside it."""
    use = USER.replace("GIVER", "giver")
    sources = [
        _written(tmp_path / "plain", PLAIN, use),
        _written(tmp_path / "beside", LOOKS_BESIDE + PLAIN, use),
        _written(tmp_path / "giver", PLAIN, GIVER),
    ]
    words: list[str | Path] = [*sources, "-k", kernel_61.id, "-o", tmp_path / "out", "--json", *sandbox]
    done = subprocess.run(
        [DLKM, "build", *words], env=environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cells = json.loads(done.stdout)["cells"]
    assert [cell["id"].partition("@")[0] for cell in cells] == ["plain", "beside", "giver"]
    for cell in cells[:2]:
        (module,) = cell["modules"]
        shown = subprocess.run(["modinfo", "-F", "depends", module["path"]], capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == "giver"


def test_a_ring_is_named(tmp_path: Path, kernel_61: Kernel) -> None:
    both = GIVER + "int OTHER_answer(void);\nint use(void);\nint use(void) { return OTHER_answer(); }\n"
    sources = [
        _written(tmp_path / "one", PLAIN, both.replace("OTHER", "two")),
        _written(tmp_path / "two", PLAIN, both.replace("OTHER", "one")),
    ]
    words: list[str | Path] = [*sources, "-k", kernel_61.id, "-o", tmp_path / "out"]
    done = subprocess.run(
        [DLKM, "build", *words], env=environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert "one → two → one" in done.stderr
    assert "two_answer" in done.stdout


def _sleepers() -> list[str]:
    """The steps of this test that run now, whoever their parents are."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if words == b"sleep\x00600.25\x00":
            found.append(entry.name)
    return found
