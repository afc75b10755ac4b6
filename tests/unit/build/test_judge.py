# SPDX-License-Identifier: GPL-2.0-or-later
"""Which line is at fault when a build gives nothing, the wrong thing, or fails."""

from pathlib import Path

import pytest

from dlkm.build.harvest import Product
from dlkm.build.judge import Run, judge
from dlkm.build.kerneltree import tree_on_the_target
from dlkm.source.driver import find
from tests.unit.build.fakes import kernel

PATH = "obj-m := x.o\n\nKDIR := /usr/src/linux-headers-5.10\nall:\n\tmake -C $(KDIR) M=$(PWD)\n"
RIGHT = PATH.replace("5.10", "6.1.0-9-amd64")
UNAME = "obj-m := x.o\nall:\n\tmake -C /lib/modules/$(shell uname -r)/build M=$(PWD)\n"
RELEASE = "KVER := 5.10.0\nKDIR := /lib/modules/$(KVER)/build\nall:\n\tmake -C $(KDIR) M=$(PWD)\n"


def _reason(
    folder: Path, makefile: str, log: str, *, status: int = 0, wrong: str | None = None, sandboxed: bool = True
) -> str:
    (folder / "driver").mkdir(exist_ok=True)
    (folder / "driver" / "Makefile").write_text(makefile)
    (folder / "log").write_text(log)
    chosen = kernel(folder / "tree")
    found = () if wrong is None else (_wrong(wrong),)
    run = Run(status=status, log=folder / "log", folder="/build/driver", sandboxed=sandboxed)
    return judge(find(folder / "driver"), chosen, tree_on_the_target(chosen), run, found).reason


def _wrong(release: str) -> Product:
    return Product(
        path=Path("x.ko"), name="x.ko", sha256="", vermagic=f"{release} ", release=release, wrong=f"is for {release}"
    )


def _good(folder: Path) -> Product:
    release = "6.1.0-9-amd64"
    return Product(path=folder / "x.ko", name="x.ko", sha256="", vermagic=f"{release} ", release=release, wrong=None)


MISSING = "make: *** /usr/src/linux-headers-5.10: No such file or directory.  Stop.\n"


def test_a_path_that_is_written_in(tmp_path: Path) -> None:
    reason = _reason(tmp_path, PATH, MISSING, status=2)
    assert reason.startswith("Makefile:3: KDIR := /usr/src/linux-headers-5.10: ")
    assert "--var 'KDIR=$(KERNEL_SRC)'" in reason
    assert "No such file or directory" in reason


def test_a_release_that_is_written_in(tmp_path: Path) -> None:
    log = "/bin/sh: 1: cd: can't cd to /lib/modules/5.10.0/build\n"
    reason = _reason(tmp_path, RELEASE, log, status=2)
    assert reason.startswith("Makefile:1: KVER := 5.10.0: ")
    assert "--var KVER=6.1.0-9-amd64" in reason


def test_a_path_that_happens_to_be_right_is_not_blamed(tmp_path: Path) -> None:
    log = "make[1]: Entering directory '/usr/src/linux-headers-6.1.0-9-amd64'\nx.c:1:1: error: bad\n"
    assert _reason(tmp_path, RIGHT, log, status=2) == "x.c:1: error: bad"


@pytest.mark.parametrize("makefile", [PATH, UNAME])
def test_a_compilers_error_is_the_drivers_own(tmp_path: Path, makefile: str) -> None:
    assert _reason(tmp_path, makefile, "/build/driver/x.c:7:1: error: bad\n", status=2) == "x.c:7: error: bad"


@pytest.mark.parametrize(("makefile", "value"), [(PATH, "/usr/src/linux-headers-5.10"), (RELEASE, "5.10.0")])
@pytest.mark.parametrize(
    ("line", "sandboxed", "blamed"),
    [
        ("/build/driver/{}/x.c:7:1: error: bad\n", True, False),
        ("/build/driver/{}/x.c:7:1: error: bad\n", False, True),
        ("x.c:7:10: fatal error: {}/x.h: No such file or directory\n", True, True),
    ],
)
def test_a_path_that_the_log_happens_to_hold(
    tmp_path: Path, makefile: str, value: str, line: str, *, sandboxed: bool, blamed: bool
) -> None:
    reason = _reason(tmp_path, makefile, line.format(value), status=2, sandboxed=sandboxed)
    assert ("written in" in reason) is blamed


def test_uname_without_a_sandbox(tmp_path: Path) -> None:
    log = "make: *** /lib/modules/6.18.0/build: No such file or directory.  Stop.\n"
    reason = _reason(tmp_path, UNAME, log, status=2, sandboxed=False)
    assert reason.startswith("Makefile:3: make -C /lib/modules/$(shell uname -r)/build")


@pytest.mark.parametrize(("makefile", "start"), [(PATH, "Makefile:3: KDIR"), (UNAME, "Makefile:3: make")])
def test_modules_for_another_kernel_are_no_success(tmp_path: Path, makefile: str, start: str) -> None:
    reason = _reason(tmp_path, makefile, "", wrong="5.10")
    assert reason.startswith(start)
    assert "x.ko is for 5.10, not for 6.1.0-9-amd64" in reason


def test_a_kernel_looked_for_further_down_without_a_sandbox(tmp_path: Path) -> None:
    """No line of the driver's own Makefile can be named: one below it looks there."""
    makefile, log = (
        "all:\n\t$(MAKE) -C below\n",
        "make: *** /lib/modules/6.1.0-9-amd64/build: No such file or directory.  Stop.\n",
    )
    told = "without the sandbox only this machine's own kernels are found there"
    assert _reason(tmp_path, makefile, log, status=2, sandboxed=False).endswith(told)


def test_modules_for_another_kernel_and_nobody_knows_why(tmp_path: Path) -> None:
    reason = _reason(tmp_path, "all:\n\t./build.sh\n", "", wrong="5.10")
    assert "nothing in Makefile says why" in reason


def _script(folder: Path, text: str) -> None:
    (folder / "driver").mkdir(exist_ok=True)
    (folder / "driver" / "build.sh").write_text(text)


MISSING_BUILD = "make[1]: *** /lib/modules/5.10.0-1-x/build: No such file or directory.  Stop.\n"


def test_the_running_kernel_in_the_sandbox(tmp_path: Path) -> None:
    """Whatever way it found another release: the line that asks for the running kernel is named."""
    reason = _reason(tmp_path, UNAME, MISSING_BUILD, status=2)
    assert reason.startswith("Makefile:3: make -C /lib/modules/$(shell uname -r)/build")
    assert "is not 6.1.0-9-amd64" in reason


def test_a_variable_that_holds_the_running_release(tmp_path: Path) -> None:
    makefile = UNAME.replace("obj-m", "V := $(shell uname -r)\nobj-m").replace("$(shell uname -r)/", "$(V)/")
    reason = _reason(tmp_path, makefile, MISSING_BUILD, status=2)
    assert reason.startswith("Makefile:1: V := $(shell uname -r): ")
    assert "--var V=6.1.0-9-amd64" in reason


def test_the_running_kernel_is_not_blamed_for_what_is_the_targets(tmp_path: Path) -> None:
    log = "make: *** /lib/modules/6.1.0-9-amd64/nowhere: No such file or directory.  Stop.\n"
    reason = _reason(tmp_path, UNAME, log, status=2)
    assert reason == "make: /lib/modules/6.1.0-9-amd64/nowhere: No such file or directory."


@pytest.mark.parametrize(
    "script", ["make -C /usr/src/linux-headers-5.10 M=$PWD\n", "V=5.10\nmake -C /usr/src/linux-headers-$V M=$PWD\n"]
)
@pytest.mark.parametrize("makefile", ["all:\n\t./build.sh\n", UNAME])
def test_a_path_in_a_helper_script(tmp_path: Path, script: str, makefile: str) -> None:
    _script(tmp_path, f"#!/bin/sh\n{script}")
    reason = _reason(tmp_path, makefile, MISSING, status=2)
    assert reason.startswith(f"build.sh:2: {script.splitlines()[0]}: ")
    assert "$KERNEL_SRC" in reason


def test_a_release_in_a_helper_script_that_built_for_another(tmp_path: Path) -> None:
    _script(tmp_path, "# 5.10.1, 15.10, 5.10-rc1\nmake -C /home/me/linux-5.10/ M=$PWD\n")
    reason = _reason(tmp_path, "all:\n\t./build.sh\n", "", wrong="5.10")
    assert reason.startswith("build.sh:2: ")
    assert "x.ko is for 5.10, not for 6.1.0-9-amd64" in reason


def test_no_module(tmp_path: Path) -> None:
    reason = _reason(tmp_path, "help:\n\techo x\ndriver:\n\tmake -C k M=x\n", "")
    assert "help, driver" in reason
    assert "--target" in reason


def test_no_module_because_the_failure_was_swallowed(tmp_path: Path) -> None:
    reason = _reason(tmp_path, PATH, MISSING.replace("***", "*** [ignored]"))
    assert reason.startswith("Makefile:3: ")


def test_a_failure_that_says_nothing(tmp_path: Path) -> None:
    assert _reason(tmp_path, "all:\n\tfalse\n", "", status=2) == "make ended with status 2"


def test_a_good_build(tmp_path: Path) -> None:
    (tmp_path / "driver").mkdir()
    (tmp_path / "driver" / "Makefile").write_text(UNAME)
    (tmp_path / "log").write_text("x.c:1:1: warning: unused\n")
    chosen = kernel(tmp_path / "tree")
    run = Run(status=0, log=tmp_path / "log", folder="/build/driver", sandboxed=True)
    judgement = judge(find(tmp_path / "driver"), chosen, tree_on_the_target(chosen), run, (_good(tmp_path),))
    assert judgement.reason == ""
    assert [found.shown for found in judgement.diagnostics] == ["x.c:1: warning: unused"]
