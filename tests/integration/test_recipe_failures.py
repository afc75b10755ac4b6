# SPDX-License-Identifier: GPL-2.0-or-later
"""Recipes that go wrong, and recipes that mean harm: what is said, with which status, and that nothing is touched."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlkm.kernel.kernel import Kernel
from dlkm.package.store import read_packages

pytestmark = pytest.mark.integration

HEAD = 'LICENSE = "CLOSED"\ninherit module\nS = "${UNPACKDIR}"\n'
# A recipe that has no module to build: the tasks that cost nothing.
QUICK = 'LICENSE = "CLOSED"\nS = "${UNPACKDIR}"\ndo_compile() {\n\t:\n}\n'


ENDLESS = "python do_compile() {\n    bb.plain('begun')\n    while True:\n        pass\n}\n"
FORKING = """python {head} {{
    import os, time
    for _number in range({count}):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    time.sleep(60)
}}
"""
DEAF = """python () {
    import signal
    signal.alarm(0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while True:
        pass
}
"""


@dataclass(frozen=True)
class Said:
    """What a run of dlkm said."""

    status: int
    out: str
    err: str

    def cell(self) -> dict[str, Any]:
        """The only cell of its document."""
        (cell,) = json.loads(self.out)["cells"]
        found: dict[str, Any] = cell
        return found


class Workbench:
    """A directory with recipes, and dlkm run in it."""

    def __init__(self, folder: Path, kernel: Kernel) -> None:
        self.folder, self.kernel = folder, kernel

    def recipe(self, text: str, name: str = "tried_1.0.bb") -> Path:
        """Write one."""
        path = self.folder / "layer" / "recipes-tried" / "tried" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def build(self, *words: str | Path, timeout: float = 120) -> Said:
        """`dlkm build --json` of recipes."""
        return self.run("build", *words, "-k", self.kernel.id, "-o", self.folder / "out", "--json", timeout=timeout)

    def run(self, *words: str | Path, timeout: float = 120) -> Said:
        """Any verb."""
        argv = [sys.executable, "-m", "dlkm", *map(str, words)]
        done = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, timeout=timeout, check=False)
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def bench(tmp_path: Path, kernel_61: Kernel) -> Workbench:
    """An empty one."""
    return Workbench(tmp_path, kernel_61)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('SRC_URI = "file://x\n', ":4: unparsed line"),
        ("inherit frobnicator\n", ":4: Could not inherit file classes/frobnicator.bbclass"),
        ("require gone.inc\n", ":4: Could not include required file gone.inc"),
        ('SRC_URI = "${@1/0}"\n', ":4: SRC_URI: ZeroDivisionError: division by zero"),
        ('python () {\n    raise ValueError("so there")\n}\n', ":5: ValueError: so there"),
        ("do_install() {\n\t:\n", "unclosed function"),
        ("python () {\n    x = [\n}\n", "tried_1.0.bb"),
    ],
)
def test_a_recipe_that_cannot_be_read_names_the_line(text: str, said: str, bench: Workbench) -> None:
    found = bench.build(bench.recipe(HEAD + text))
    assert found.status == 3, found.err
    assert said in found.err
    assert "Traceback" not in found.err


def test_any_bytes_are_no_traceback(bench: Workbench) -> None:
    path = bench.recipe("")
    for content in (b"\xff\xfe\0\0", b"\0" * 5000, b"}" * 100, b"inherit " * 2000, b"A" * (5 << 20)):
        path.write_bytes(content)
        found = bench.run("recipe", "show", path)
        assert found.status in {0, 3}, found.err
        assert "Traceback" not in found.err


def test_a_recipe_that_never_ends_is_ended_and_hinders_no_other(bench: Workbench) -> None:
    endless = bench.recipe(HEAD + DEAF, "endless_1.0.bb")
    greedy = bench.recipe(HEAD + 'python () {\n    d.setVar("X", "x" * (8 << 30))\n}\n', "greedy_1.0.bb")
    good = bench.recipe(HEAD, "good_1.0.bb")
    found = bench.run("recipe", "show", endless, greedy, good, "--json")
    answers = {one["name"]: one for one in json.loads(found.out)["recipes"]}
    assert found.status == 3
    assert "took longer" in answers["endless"]["why"]
    assert "MemoryError" in answers["greedy"]["why"]
    assert answers["good"]["compatible"]


def test_reading_touches_nothing_and_reaches_nothing(bench: Workbench) -> None:
    places = [bench.folder / "layer/x", Path.home() / "x", Path("/usr/x"), Path("/etc/x"), Path("/x")]
    code = f"""
python () {{
    import socket
    said = []
    for place in {[str(place) for place in places]}:
        try:
            open(place, 'w').close()
            said.append('wrote ' + place)
        except OSError:
            pass
    try:
        socket.create_connection(('198.51.100.1', 80), 2)
        said.append('connected')
    except OSError as error:
        said.append(error.strerror)
    d.setVar('SAID', ' '.join(said))
    d.setVar('HOMES', ' '.join(os.listdir({str(Path.home())!r})) if os.path.isdir({str(Path.home())!r}) else '')
}}
"""
    path = bench.recipe(QUICK + code)
    variables = json.loads(bench.run("recipe", "show", path, "--json").out)["variables"]
    assert variables["SAID"] == "Network is unreachable"
    assert set(variables["HOMES"].split()) <= {".pyenv", ".cache", "x"}
    assert not any(place.exists() for place in places)


def test_tasks_touch_nothing_and_reach_nothing(bench: Workbench) -> None:
    code = f"""
do_install() {{
    install -d ${{D}}/etc
    for place in {bench.folder}/layer/x {Path.home()}/x /usr/x /etc/x; do
        if (: > $place) 2>/dev/null; then echo $place >> ${{D}}/etc/wrote; fi
    done
    if (exec 3<>/dev/tcp/198.51.100.1/80) 2>/dev/null; then echo net >> ${{D}}/etc/wrote; fi
    ls {Path.home()} > ${{D}}/etc/home 2>/dev/null || :
    echo done >> ${{D}}/etc/wrote
}}
"""
    found = bench.build(bench.recipe(QUICK + code))
    assert found.status == 0, found.err
    (package,) = (one for one in read_packages(bench.folder / "out" / found.cell()["id"]) if one.name == "tried")
    content = {file.path: file.source.read_text() for file in package.files if file.source is not None}
    assert content["/etc/wrote"] == "done\n"
    assert set(content["/etc/home"].split()) <= {".pyenv", ".cache"}


@pytest.mark.parametrize("task", ["do_compile() {\n\techo begun\n\twhile :; do :; done\n}\n", ENDLESS])
def test_a_task_that_never_ends_is_ended(bench: Workbench, task: str) -> None:
    path = bench.recipe('LICENSE = "CLOSED"\n' + task)
    found = bench.build(path, "--task-timeout", "3")
    cell = found.cell()
    assert (found.status, cell["outcome"]) == (1, "failed")
    assert cell["reason"].startswith("do_compile: took longer than 3 seconds and was ended")
    assert "begun" in cell["reason"]
    assert "begun" in Path(cell["log"]).read_text()


def test_a_task_that_makes_more_and_more_processes_is_ended(bench: Workbench) -> None:
    found = bench.build(bench.recipe('LICENSE = "CLOSED"\n' + FORKING.format(head="do_compile()", count=1500)))
    assert "do_compile: made more than 1000 processes and was ended" in found.cell()["reason"]


def test_recipes_that_spoil_no_other_answer(bench: Workbench) -> None:
    bench.recipe(HEAD + FORKING.format(head="()", count=400), "forking_1.0.bb")
    forged = """python () {
    import os
    for number in range(3, 40):
        try:
            os.write(number, b'{"defect": "forged", "number": 0}\\n')
        except OSError:
            pass
}
"""
    bench.recipe(HEAD + forged, "forged_1.0.bb")
    good = bench.recipe(HEAD, "good_1.0.bb")
    found = bench.run("recipe", "show", good.parent, "--json", "-j", "2")
    answers = {one["name"]: one for one in json.loads(found.out)["recipes"]}
    assert found.status == 3
    assert answers["good"]["compatible"]
    assert "made more than 200 processes" in answers["forking"]["why"]
    assert not answers["forged"]["compatible"]


def test_a_failed_task_shows_its_last_lines_at_the_line_of_the_recipe(bench: Workbench) -> None:
    text = QUICK.replace("\t:", "\techo one thing\n\tfrobnicate --all")
    found = bench.build(bench.recipe(text))
    cell = found.cell()
    line = text.splitlines().index("\tfrobnicate --all") + 1
    assert (found.status, cell["outcome"]) == (1, "failed")
    assert f"tried_1.0.bb:{line}: frobnicate: not found" in cell["reason"]
    assert "one thing" in cell["reason"]
    assert "one thing" in Path(cell["log"]).read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("do_install:append() {\n\techo before\n\tcp nowhere.txt ${D}/\n}\n", ":8: cp: cannot stat 'nowhere.txt'"),
        ("python do_made() {\n    x = {}\n    x['key']\n}\naddtask made before do_build\n", ":8: KeyError: 'key'"),
        ("do_install() {\n\tbbfatal no ${PN} today\n}\n", "do_install: no tried today"),
    ],
)
def test_a_failed_task_points_at_the_recipe(bench: Workbench, text: str, said: str) -> None:
    reason = bench.build(bench.recipe(QUICK + text)).cell()["reason"]
    assert said in reason
    assert "exec_func" not in reason


def test_a_compiler_error_is_the_reason(bench: Workbench) -> None:
    path = bench.recipe(HEAD + 'SRC_URI = "file://Makefile file://one.c"\n')
    files = path.parent / "files"
    files.mkdir()
    (files / "one.c").write_text("#include <linux/module.h>\nint x = y;\n")
    make = "$(MAKE) -C $(KERNEL_SRC) M=$(CURDIR)"
    (files / "Makefile").write_text(f"obj-m := one.o\nall:\n\t{make} modules\nmodules_install:\n\t{make} $@\n")
    cell = bench.build(path).cell()
    assert cell["outcome"] == "failed"
    assert "one.c:2: error: 'y' undeclared" in cell["reason"].replace("\u2018", "'").replace("\u2019", "'")


def test_a_file_that_is_not_beside_the_recipe(bench: Workbench) -> None:
    path = bench.recipe(QUICK + 'SRC_URI = "file://gone.c"\n')
    (path.parent / "files").mkdir()
    found = bench.build(path)
    assert found.status == 5
    assert "file://gone.c: no such file beside the recipe" in found.err
    assert str(path.parent / "files") in found.err


def test_a_licence_text_that_has_changed(bench: Workbench) -> None:
    text = QUICK.replace("CLOSED", "MIT") + 'SRC_URI = "file://COPYING"\n'
    lines = [b"first\n", b"second\r\n", b"third"]
    right = hashlib.md5(b"".join(lines[1:])).hexdigest()
    path = bench.recipe(text + f'LIC_FILES_CHKSUM = "file://COPYING;beginline=2;md5={"0" * 32}"\n')
    (path.parent / "files").mkdir()
    (path.parent / "files/COPYING").write_bytes(b"".join(lines))
    found = bench.build(path)
    assert found.status == 5
    assert f"has md5={right}" in found.err
    path.write_text(path.read_text().replace("0" * 32, right))
    assert bench.build(path).status == 0


def test_a_source_whose_checksum_differs_or_that_is_nowhere(bench: Workbench) -> None:
    mirror = bench.folder / "mirror"
    mirror.mkdir()
    (mirror / "blob-7f3a.bin").write_bytes(b"not this")
    url = "https://downloads.invalid/blob-7f3a.bin"
    path = bench.recipe(QUICK + f'SRC_URI = "{url}"\nSRC_URI[sha256sum] = "{"0" * 64}"\n')
    found = bench.build(path, "--source-mirror", mirror, "--offline")
    assert found.status == 5
    assert url in found.err
    found = bench.build(path, "--offline")
    assert found.status == 5
    assert url in found.err


def test_a_recipe_for_another_machine_is_skipped_with_the_reason(bench: Workbench) -> None:
    path = bench.recipe(QUICK + 'COMPATIBLE_MACHINE = "imx8"\n')
    cell = bench.build(path).cell()
    assert cell["outcome"] == "skipped"
    assert "COMPATIBLE_MACHINE" in cell["reason"]
    assert bench.build(path, "--machine", "imx8mp-evk").cell()["outcome"] == "built"


def test_what_needs_a_recipe_that_failed_is_not_tried(bench: Workbench) -> None:
    bench.recipe(QUICK.replace("\t:", "\tfalse"), "below_1.0.bb")
    above = bench.recipe(QUICK + 'DEPENDS += "below"\n', "above_1.0.bb")
    found = bench.build(above)
    outcomes = {cell["id"].partition("@")[0]: cell["outcome"] for cell in json.loads(found.out)["cells"]}
    assert outcomes == {"below": "failed", "above": "skipped"}
    assert found.status == 1


def test_links_that_lead_out_are_not_followed(bench: Workbench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine\n")
    code = f"""
do_trick() {{
    install -d ${{D}}${{includedir}}/x
    ln -sf {secret} ${{D}}${{includedir}}/x/Module.symvers
    rm -f /build/driver/tasks.log
    ln -s /dev/zero /build/driver/tasks.log
}}
addtask trick after do_package before do_build
do_install() {{
    install -d ${{D}}/etc
    ln -s {secret} ${{D}}/etc/link
}}
"""
    found = bench.build(bench.recipe(QUICK + code))
    assert found.status == 0, found.err
    output = bench.folder / "out" / found.cell()["id"]
    assert not [
        path for path in output.rglob("*") if not path.is_symlink() and path.is_file() and b"mine" in path.read_bytes()
    ]
    assert (output / "packages-split/tried/etc/link").is_symlink()
    assert (output / "build.log").read_bytes() == b""


def test_a_recipe_that_writes_over_its_list_of_packages(bench: Workbench) -> None:
    code = """
python do_forge() {
    import json
    name = d.getVar('WORKDIR') + '/dlkm-packages.json'
    entries = json.load(open(name))
    entries[0]['files'] = [{'path': '/../../../../../etc/passwd', 'mode': 420, 'link': None}]
    json.dump(entries, open(name, 'w'))
}
addtask forge after do_package before do_build
"""
    found = bench.build(bench.recipe(QUICK + 'ALLOW_EMPTY:${PN} = "1"\n' + code))
    assert found.status == 7
    assert "Traceback" not in found.err
