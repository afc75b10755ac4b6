# SPDX-License-Identifier: GPL-2.0-or-later
"""The program itself, from the shell: exit statuses and where its words go."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlkm.cli.main import VERBS
from dlkm.kernel.kernel import Kernel

pytestmark = pytest.mark.integration
DLKM = Path(sys.executable).with_name("dlkm")


def _dlkm(*words: str, stdout: int | None = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DLKM, *words], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )


def test_version_and_help() -> None:
    assert _dlkm("--version").stdout.startswith("dlkm ")
    overview = _dlkm("--help")
    assert overview.returncode == 0
    assert all(verb in overview.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    told = _dlkm(verb, "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert f"dlkm {verb}" in told.stdout


@pytest.mark.parametrize("words", [(), ("nonsense",), ("check",), ("build", "-j", "0", "-k", "x"), ("kernel", "fly")])
def test_wrong_usage_is_2_and_says_so(words: tuple[str, ...]) -> None:
    told = _dlkm(*words)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("dlkm: error: ")


def test_json_is_one_document_and_nothing_else() -> None:
    assert json.loads(_dlkm("kernel", "list", "--json").stdout)["schema"] == "dlkm.kernel/1"


@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_a_full_disk_behind_standard_output_is_an_error_with_one_line(extra: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        told = _dlkm("kernel", "list", *extra, stdout=full.fileno())
    assert told.returncode == 4
    assert told.stderr == "dlkm: error: cannot write standard output: No space left on device\n"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    line = f"{DLKM} inspect --help | head -n 1; echo ${{PIPESTATUS[0]}}"
    told = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert told.stderr == ""
    assert told.stdout.splitlines()[-1] == "0"


def test_the_answer_no_stays_no_when_the_reader_leaves(tmp_path: Path, kernel_61: Kernel) -> None:
    (tmp_path / "text.ko").write_text("no module")
    line = f"{DLKM} check {tmp_path} -k {kernel_61.id} | true; echo ${{PIPESTATUS[0]}}"
    told = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (told.stdout, told.stderr) == ("1\n", "")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_closed_streams_change_no_status(closed: str) -> None:
    line = f"{DLKM} kernel show no-such-kernel {closed}"
    assert subprocess.run(["bash", "-c", line], capture_output=True, check=False).returncode == 2


def test_one_path_that_is_none_does_not_hide_the_others(tmp_path: Path, kernel_61: Kernel) -> None:
    os.mkfifo(tmp_path / "pipe.ko")
    (tmp_path / "text.ko").write_text("no module")
    words = [str(tmp_path / "missing.ko"), str(tmp_path / "pipe.ko"), str(tmp_path / "text.ko")]
    told = _dlkm("check", *words, "-k", kernel_61.id, "--json")
    document = json.loads(told.stdout)
    assert told.returncode == 2
    assert [Path(result["path"]).name for result in document["results"]] == ["text.ko"]
    assert len(document["errors"]) == 2


def test_control_characters_of_names_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in _dlkm("inspect", "a\x1b[31m.ko").stderr


def test_a_report_goes_into_no_directory_that_is_not_there(tmp_path: Path, kernel_61: Kernel) -> None:
    target = tmp_path / "none" / "report.sarif"
    assert _dlkm("check", str(tmp_path), "-k", kernel_61.id, "--sarif", str(target)).returncode == 2
    assert not target.parent.exists()
