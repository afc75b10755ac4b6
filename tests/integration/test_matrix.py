# SPDX-License-Identifier: GPL-2.0-or-later
"""A project as a user has one: dlkm.toml with drivers of every kind, built, judged, proven and reported."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel

pytestmark = pytest.mark.integration

DLKM = Path(sys.executable).with_name("dlkm")

# What make was given can be read off the module.
SOURCE = """\
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
static int count = 1;
module_param(count, int, 0444);
static int __init begin(void) { pr_info("NAME begins, count %d\\n", count); return count < 0 ? -EINVAL : 0; }
static void __exit end(void) {}
module_init(begin);
module_exit(end);
MODULE_INFO(given, GIVEN);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("one of a project's");
"""
KBUILD = 'obj-m := NAME.o\nGIVEN ?= nothing\nccflags-y += -DGIVEN=\\"$(GIVEN)\\"\n'
MAKE = KBUILD + "all modules:\n\t$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules\n"
INSTALL = "modules_install:\n\t$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules_install\n"
WAITS = "ifeq ($(KERNELRELEASE),)\n$(shell while [ ! -e $(CURDIR)/go ]; do sleep 0.2; done)\nendif\n"
DKMS = """\
PACKAGE_NAME=byconf
PACKAGE_VERSION=1.0
BUILT_MODULE_NAME[0]=byconf
DEST_MODULE_LOCATION[0]=/extra
"""
RECIPE = """\
SUMMARY = "A module by recipe"
LICENSE = "CLOSED"
inherit module
SRC_URI = "file://Makefile file://byrecipe.c"
S = "${UNPACKDIR}"
"""
PROGRAM = """\
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
	char text[32] = "";
	FILE *file = fopen("/sys/module/plain/parameters/count", "r");

	if (!file || !fgets(text, sizeof(text), file))
		return 1;
	printf("count is %s", text);
	return argc != 2 || strncmp(text, argv[1], strlen(argv[1])) != 0;
}
"""
PROJECT = """\
kernels = ["KERNEL", {spec = "OTHER", variables = {GIVEN = "by-kernel"}}]
sources = ["drivers/*", "recipes/byrecipe_1.0.bb"]
exclude = ["{byconf,byrecipe,broken}@OTHER", "nobody@*"]
variables = { GIVEN = "by-project" }

[[overrides]]
select = "byrecipe"
variables = { GIVEN = "by-override" }

[[expected-failures]]
select = "broken"
reason = "never worked"

[[tests]]
name = "counts"
select = "plain@KERNEL"
parameters = "count=7"
log = ["plain begins, count 7"]
run = "tests/count.c"
arguments = ["7"]
timeout = 20

[[tests]]
name = "refuses"
select = "plain@KERNEL"
parameters = "count=-1"
errno = "EINVAL"

[[tests]]
name = "scripted"
select = "plain@KERNEL"
run = "tests/look.sh"
"""


@dataclass(frozen=True)
class Said:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` wrote."""
        document: dict[str, Any] = json.loads(self.out)
        return document


@dataclass(frozen=True)
class Place:
    """A project's directory."""

    folder: Path
    env: Mapping[str, str]

    def dlkm(self, *words: str, status: int = 0) -> Said:
        """Run a command there."""
        done = subprocess.run(
            [DLKM, *words], cwd=self.folder, env=self.env, capture_output=True, text=True, check=False, timeout=600
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == status, done.stdout + done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def driver(self, name: str, makefile: str = MAKE, source: str = SOURCE, **more: str) -> Path:
        """One more driver."""
        folder = self.folder / "drivers" / name
        folder.mkdir(parents=True)
        (folder / "Makefile").write_text(makefile.replace("NAME", name))
        (folder / f"{name}.c").write_text(source.replace("NAME", name))
        for file, text in more.items():
            (folder / file.replace("_", ".")).write_text(text)
        return folder


def _given(cell: Mapping[str, Any]) -> str:
    """What the module says that make was given."""
    (module,) = cell["modules"]
    shown = subprocess.run(["modinfo", "-F", "given", module["path"]], capture_output=True, text=True, check=True)
    return shown.stdout.strip()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, kernel_61: Kernel, kernel_61_rt: Kernel) -> Place:
    """A Makefile, a bare Kbuild, a dkms.conf, a recipe, and a driver that does not compile."""
    place = Place(tmp_path_factory.mktemp("project"), environment({"DLKM_CACHE": os.environ["DLKM_CACHE"]}))
    text = PROJECT.replace("KERNEL", kernel_61.id).replace("OTHER", kernel_61_rt.id)
    (place.folder / "dlkm.toml").write_text(text)
    place.driver("plain")
    place.driver("broken", source="int x = nowhere;\n")
    place.driver("byconf", makefile=MAKE, dkms_conf=DKMS)
    files = place.folder / "recipes" / "files"
    files.mkdir(parents=True)
    (files / "Makefile").write_text((MAKE + INSTALL).replace("NAME", "byrecipe"))
    (files / "byrecipe.c").write_text(SOURCE.replace("NAME", "byrecipe"))
    (place.folder / "recipes" / "byrecipe_1.0.bb").write_text(RECIPE)
    (place.folder / "tests").mkdir()
    (place.folder / "tests" / "count.c").write_text(PROGRAM)
    (place.folder / "tests" / "look.sh").write_text("#!/bin/sh -e\ngrep -q '^plain ' /proc/modules\nuname -r\n")
    return place


@pytest.fixture(scope="module")
def built(place: Place) -> Said:
    """The whole project, once."""
    return place.dlkm("build", "--json")


def test_the_cells_are_listed_before_anything_is_built(place: Place, kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    said = place.dlkm("matrix", "--json")
    one, other = kernel_61.id, kernel_61_rt.id
    cells = {cell["id"]: cell for cell in said.document["cells"]}
    assert list(cells) == [f"broken@{one}", f"byconf@{one}", f"plain@{one}", f"plain@{other}", f"byrecipe@{one}"]
    assert cells[f"plain@{other}"]["variables"] == {"GIVEN": {"value": "by-kernel", "from": "dlkm.toml:1"}}
    assert cells[f"plain@{one}"]["tests"] == ["counts", "refuses", "scripted"]
    assert cells[f"broken@{one}"]["expected_failures"]["build"]["reason"] == "never worked"
    assert [left["id"] for left in said.document["left_out"]] == [
        f"{name}@{other}" for name in ("broken", "byconf", "byrecipe")
    ]
    assert "'nobody@*' chooses no cell" in said.err
    assert not (place.folder / "out").exists()


def test_every_cell_is_built_with_its_own_settings(
    place: Place, built: Said, kernel_61: Kernel, kernel_61_rt: Kernel
) -> None:
    cells = {cell["id"]: cell for cell in built.document["cells"]}
    given = {name: _given(cell) for name, cell in cells.items() if cell["outcome"] == "built"}
    assert given == {
        f"byconf@{kernel_61.id}": "by-project",
        f"plain@{kernel_61.id}": "by-project",
        f"plain@{kernel_61_rt.id}": "by-kernel",
        f"byrecipe@{kernel_61.id}": "by-override",
    }
    broken = cells[f"broken@{kernel_61.id}"]
    assert (broken["outcome"], broken["expected_failure"]) == ("failed", "never worked")
    assert (broken["error"]["file"], broken["error"]["line"]) == ("broken.c", 1)
    assert "nowhere" in Path(broken["log"]).read_text()
    assert built.err.count("building") == 1, "off a terminal there is one line for the whole"


def test_a_flag_wins_over_the_file(place: Place, built: Said, kernel_61: Kernel) -> None:
    said = place.dlkm("build", "--json", "--only", f"plain@{kernel_61.id}", "--var", "GIVEN=by-flag", "-o", "other")
    (cell,) = said.document["cells"]
    assert _given(cell) == "by-flag"
    assert Path(cell["modules"][0]["path"]).parent.parent == place.folder / "other"


def test_nothing_changed_nothing_is_made(place: Place, built: Said) -> None:
    cells = place.dlkm("build", "--json", "--skip", "{broken,byrecipe}").document["cells"]
    assert {cell["outcome"] for cell in cells} == {"built"}
    assert all(cell["cached"] for cell in cells)


def test_words_that_choose_nothing(place: Place, built: Said) -> None:
    assert "did you mean plain?" in place.dlkm("build", "--only", "plane", status=6).err
    assert "--skip: 'plane' chooses no cell" in place.dlkm("matrix", "--skip", "plane").err
    assert "no cell is left" in place.dlkm("build", "--skip", "*", status=6).err


def test_the_table_and_the_reasons(place: Place, built: Said, kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    said = place.dlkm("build", "--only", f"*@{kernel_61.id}", "--skip", "byrecipe")
    assert f"broken@{kernel_61.id}: failed, as expected: broken.c:1: error:" in said.out
    assert "(the whole log: out/broken@" in said.out
    assert said.out.splitlines()[-1] == "3 cells: 2 built; 1 failed, as expected; 2 from the cache"


def test_a_terminal_shows_how_far_it_is_and_how_long_it_takes(place: Place, built: Said, kernel_61: Kernel) -> None:
    ours, theirs = os.openpty()
    words = ["build", "--only", f"{{broken,plain}}@{kernel_61.id}", "--color", "never"]
    env = {**place.env, "TERM": "xterm", "COLUMNS": "120"}
    child = subprocess.Popen([DLKM, *words], cwd=place.folder, env=env, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the other end is closed
        while piece := os.read(ours, 1 << 16):
            shown += piece
    os.close(ours)
    assert child.wait(60) == 0
    text = shown.decode("utf-8", "replace")
    assert re.search(r"[01] of 2 cells", text)
    assert f"building broken@{kernel_61.id}" in text
    assert re.search(r"about \d+ s left|\d s left|any moment", text)
    assert "failed" not in text, "one that is expected to fail is no failure"


@pytest.fixture(scope="module")
def proven(place: Place, built: Said) -> Said:
    """All of it in booted kernels."""
    return place.dlkm("prove", "--json", "--skip", "{byconf,byrecipe}")


def test_the_kernels_own_words_and_the_projects_tests(place: Place, proven: Said, kernel_61: Kernel) -> None:
    document = proven.document
    assert {(one["observed"]["outcome"], one["agree"]) for one in document["results"]} == {("loads", True)}
    tests = {test["name"]: test for test in document["tests"]}
    assert {name: test["outcome"] for name, test in tests.items()} == {
        "counts": "passed",
        "refuses": "passed",
        "scripted": "passed",
    }
    assert tests["counts"]["program"]["said"] == ["count is 7"]
    assert "plain begins, count 7" in tests["counts"]["log"]
    assert tests["scripted"]["program"]["said"] == [kernel_61.release]
    assert {test["cell"] for test in tests.values()} == {f"plain@{kernel_61.id}"}


def test_the_report_tells_how_far_each_cell_is(
    place: Place, proven: Said, kernel_61: Kernel, kernel_61_rt: Kernel
) -> None:
    place.dlkm("check", "--only", "byconf")
    states = place.dlkm("matrix", "--report", "--json").document["states"]
    assert {name: state["state"] for name, state in states.items()} == {
        f"plain@{kernel_61.id}": "proven",
        f"plain@{kernel_61_rt.id}": "proven",
        f"byconf@{kernel_61.id}": "loads",
        f"byrecipe@{kernel_61.id}": "built",
        f"broken@{kernel_61.id}": "known to fail",
    }
    assert states[f"plain@{kernel_61.id}"]["command"] == ["dlkm", "prove", "--only", f"plain@{kernel_61.id}"]
    assert "| `plain` | ✅ proven | ✅ proven |" in place.dlkm("matrix", "--report", "markdown").out
    assert place.dlkm("matrix", "--report", "html").out.startswith("<!doctype html>")


def test_what_was_found_out_does_not_outlive_its_module(place: Place, proven: Said, kernel_61: Kernel) -> None:
    cell = f"plain@{kernel_61.id}"
    source = place.folder / "drivers" / "plain" / "plain.c"
    before = source.read_text()
    try:
        source.write_text(before.replace("count = 1", "count = 2"))
        place.dlkm("build", "--only", cell)
        state = place.dlkm("matrix", "--report", "--json").document["states"][cell]
        assert (state["state"], len(state["notes"])) == ("built", 1)
        assert "is of other modules than are there now" in state["notes"][0]
    finally:
        source.write_text(before)
    place.dlkm("build", "--only", cell)
    assert place.dlkm("matrix", "--report", "--json").document["states"][cell]["state"] == "proven"


def test_a_project_whose_expectations_are_wrong(tmp_path: Path, kernel_61: Kernel) -> None:
    place = Place(tmp_path, environment({"DLKM_CACHE": os.environ["DLKM_CACHE"]}))
    place.driver("plain")
    place.driver("broken", source="int x = nowhere;\n")
    known = "[[expected-failures]]\nselect = 'plain'\nreason = 'x'\n"
    text = f"kernels = ['{kernel_61.id}']\nsources = ['drivers/*']\n{known}"
    (tmp_path / "dlkm.toml").write_text(text)
    said = place.dlkm("build", status=1)
    assert f"plain@{kernel_61.id}: built, against expectation" in said.out
    assert said.out.splitlines()[-1] == "2 cells: 1 failed; 1 built, against expectation"
    (tmp_path / "dlkm.toml").write_text(f"{text}strict = false\n")
    assert "against expectation" in place.dlkm("build", "--skip", "broken").out


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, kernel_61: Kernel) -> None:
    place = Place(tmp_path, environment({"DLKM_CACHE": str(tmp_path / "actions")}))
    place.driver("a")
    slow = place.driver("b", makefile=WAITS + MAKE)
    (tmp_path / "dlkm.toml").write_text(f"kernels = ['{kernel_61.id}']\nsources = ['drivers/*']\n")
    child = subprocess.Popen(
        [DLKM, "build", "-j", "1", "-v"],
        cwd=tmp_path,
        env=place.env,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    finished = tmp_path / "out" / f"a@{kernel_61.id}" / "build.json"
    assert child.stderr is not None
    makes = (line for line in child.stderr if line.startswith("+ cd "))
    assert len([next(makes, ""), next(makes, "")]) == 2  # the second one's: the first cell is over and kept
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "1 of 2 cells are finished and kept; the same command goes on from there" in err
    assert (out, finished.is_file(), (tmp_path / "out" / f"b@{kernel_61.id}").exists()) == ("", True, False)
    (slow / "go").write_text("")
    cells = {cell["id"].partition("@")[0]: cell for cell in place.dlkm("build", "--json").document["cells"]}
    assert {name: (cell["outcome"], cell["cached"]) for name, cell in cells.items()} == {
        "a": ("built", True),
        "b": ("built", False),
    }


def test_what_is_wrong_in_the_file(tmp_path: Path) -> None:
    place = Place(tmp_path, environment())
    (tmp_path / "dlkm.toml").write_text("kernels = ['x']\n[[sources]]\npath = 'a'\nvarables = {}\n")
    for verb in ("matrix", "build", "check", "prove"):
        said = place.dlkm(verb, status=2)
        assert said.err.startswith(
            "dlkm: error: dlkm.toml:4: sources[1].varables: there is no such key; did you mean"
        ), verb
    (tmp_path / "dlkm.toml").write_text("")
    assert "dlkm.toml names no source" in place.dlkm("build", status=2).err
    (tmp_path / "dlkm.toml").unlink()
    assert "--only and --skip choose among the cells" in place.dlkm("check", "--only", "a", status=2).err
    schema = json.loads(place.dlkm("matrix", "--schema").out)
    assert schema["properties"]["tests"]["items"]["required"] == ["name"]
