# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read off a Makefile's text, for the shapes found in drivers."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.source.makefile import Makefile, SuspectKind, read_makefile
from dlkm.source.makelines import FILES_LIMIT


def _read(folder: Path, text: str | bytes) -> Makefile:
    path = folder / "Makefile"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_makefile(path, folder)


DRIVES = "obj-m := x.o\nall:\n\t$(MAKE) -C $(KDIR) M=$(PWD) modules\n"


@pytest.mark.parametrize(
    ("text", "drives", "objects"),
    [
        (DRIVES, True, True),
        ("obj-m += x.o\nFLAGS := -C $(KDIR) M=$(PWD)\nall:\n\tmake $(FLAGS)\n", True, True),
        ("all:\n\tmake -C /lib/modules/x/build \\\n\t\tSUBDIRS=$(PWD) modules\n", True, False),
        ('all:\n\t$(MAKE) -C "$(KDIR)" "M=$(PWD)"\n', True, False),
        ("export KBUILD_EXTMOD := $(PWD)\nall:\n\t$(MAKE) -C $(KDIR)\n", True, False),
        ("obj-m := x.o\n", False, True),
        ("obj-$(CONFIG_X) += x.o\n", False, True),
        ("ifdef A\n  obj-y += sub/\nendif\n", False, True),
        ("# make -C $(KDIR) M=$(PWD)\nobj-m := x.o\n", False, True),
        ("all:\n\t# make -C k M=x\n\t$(MAKE) -C src\n", False, False),
        ("M=foo\nobj-m := $(M).o\n", False, True),
        ("x-objs := a.o\n", False, False),
    ],
)
def test_who_drives_kbuild(tmp_path: Path, text: str, drives: bool, objects: bool) -> None:  # noqa: FBT001
    makefile = _read(tmp_path, text)
    assert (makefile.drives_kbuild, makefile.has_objects) == (drives, objects)


@pytest.mark.parametrize(
    "test",
    [
        "ifneq ($(KERNELRELEASE),)",
        "ifneq (${KERNELRELEASE},)",
        "ifeq ($(KERNELRELEASE),)",
        "ifneq (,$(KERNELRELEASE))",
        "ifneq ($(strip $(KERNELRELEASE)),)",
        'ifneq "$(KERNELRELEASE)" ""',
        "ifeq '$(KERNELRELEASE)' ''",
        "ifdef KERNELRELEASE",
        "ifndef KERNELRELEASE",
        "  ifndef   KERNELRELEASE",
    ],
)
def test_two_faces(tmp_path: Path, test: str) -> None:
    makefile = _read(tmp_path, f"{test}\nobj-m := x.o\nelse\nall:\n\tmake -C $(KDIR) M=$(PWD)\nendif\n")
    assert makefile.two_faced
    assert not makefile.wants_kernelrelease


@pytest.mark.parametrize(
    "text",
    [
        "all:\n\tmake -C /lib/modules/$(KERNELRELEASE)/build M=$(PWD)\n",
        "ifneq (,$(findstring rpi,$(KERNELRELEASE)))\nX=1\nendif\n",
        "ifeq ($(KERNELRELEASE),6.1.0)\nX=1\nendif\n",
    ],
)
def test_one_face_that_wants_the_release(tmp_path: Path, text: str) -> None:
    makefile = _read(tmp_path, text)
    assert not makefile.two_faced
    assert makefile.wants_kernelrelease


def test_goals(tmp_path: Path) -> None:
    text = ".PHONY: all\nexport X := 1\nall: modules\nmodules clean::\n\t:\n%.o: %.c\n$(OUT): a.c\nx.o: y.h\nA := b:c\n"
    makefile = _read(tmp_path, text)
    assert makefile.goals == ("all", "modules", "clean")
    assert makefile.default_goal == "all"
    assert _read(tmp_path, f"{text}.DEFAULT_GOAL := modules\n").default_goal == "modules"


@pytest.mark.parametrize(
    ("text", "kind", "value", "number"),
    [
        ("obj-m := x.o\n\nKDIR := /usr/src/linux-headers-6.1.0-1-amd64\n", SuspectKind.PATH,
         "/usr/src/linux-headers-6.1.0-1-amd64", 3),
        ("all:\n\tmake -C /lib/modules/6.1.0/build M=$(PWD)\n", SuspectKind.PATH, "/lib/modules/6.1.0/build", 2),
        ("all:\n\tmake -C /home/me/linux M=$(PWD)\n", SuspectKind.PATH, "/home/me/linux", 2),
        ("K = /home/me/linux\nall:\n\tmake -C $(K) M=$(PWD)\n", SuspectKind.PATH, "/home/me/linux", 1),
        ("KVER := 6.1.0-50-amd64\nK := /lib/modules/$(KVER)/build\n", SuspectKind.RELEASE, "6.1.0-50-amd64", 1),
        ("K := /lib/modules/$(shell uname -r)/build\n", SuspectKind.RUNNING, "uname -r", 1),
        ("K := /lib/modules/\\\n`uname -r`/build\n", SuspectKind.RUNNING, "uname -r", 1),
        ("K := /usr/src/linux-headers-$(shell uname -r)\n", SuspectKind.RUNNING, "uname -r", 1),
        ("R := $(word 3,$(shell uname -a))\n", SuspectKind.RUNNING, "uname -r", 1),
        ("V := $(shell python3 -c 'import os; print(os.uname()[2])')\n", SuspectKind.RUNNING, "uname -r", 1),
    ],
)  # fmt: skip
def test_lines_that_tie_to_one_kernel(tmp_path: Path, text: str, kind: SuspectKind, value: str, number: int) -> None:
    (suspect,) = _read(tmp_path, text).suspects
    assert (suspect.kind, suspect.value, suspect.line.number) == (kind, value, number)


@pytest.mark.parametrize("text", [DRIVES, "PREFIX := /usr/local\nVERSION := 1.2.3\nI := /lib/modules/$(KVER)/extra\n"])
def test_no_suspect(tmp_path: Path, text: str) -> None:
    assert _read(tmp_path, text).suspects == ()


def test_the_line_of_an_included_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "kernel.mk").write_text("# where\nKDIR := /usr/src/linux-headers-1\n")
    (suspect,) = _read(tmp_path, "-include $(src)/conf/kernel.mk\ninclude /etc/passwd\ninclude ../x $(Y)\n").suspects
    assert suspect.line.shown == "conf/kernel.mk:2: KDIR := /usr/src/linux-headers-1"


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    for number in range(FILES_LIMIT * 2):
        (tmp_path / f"{number}.mk").write_text(f"include {number + 1}.mk {number}.mk Makefile\nX{number} := 1\n")
    assert len(_read(tmp_path, "include 0.mk\n").assignments) == FILES_LIMIT - 1


def test_an_enormous_line_is_quick(tmp_path: Path) -> None:
    start = time.process_time()
    for unit in (b"a", b"$(", b"\\\n", b" ", b"M=", b"/a", b"ld", b"\t-C /usr/src/"):
        makefile = _read(tmp_path, unit * (900_000 // len(unit)))
        assert makefile.suspects is not None
        assert makefile.goals is not None
    assert time.process_time() - start < 10


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_makefile(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    makefile = _read(tmp_path_factory.mktemp("any"), data)
    assert isinstance(makefile.drives_kbuild, bool)
    assert isinstance(makefile.wants_kernelrelease, bool)
    assert isinstance(makefile.suspects, tuple)
    assert isinstance(makefile.goals, tuple)
