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

pytestmark = pytest.mark.integration

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
    (folder / "Makefile").write_text(SLOW.replace("SECONDS", seconds))
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
    words = [*sources, "-k", kernel_61.id, "-o", tmp_path / "out", "-j", str(jobs), "--json"]
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
    words = [*sources, "-k", str(kernel_61.headers), "-o", tmp_path / "out", "-j", "2"]
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
