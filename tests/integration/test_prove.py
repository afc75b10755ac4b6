# SPDX-License-Identifier: GPL-2.0-or-later
"""Real boots in QEMU: modules that load, must not, or take the guest down; kept guests against fresh ones."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.build.job import build
from dlkm.build.options import BuildOptions
from dlkm.core.errors import ExitStatus, MissingToolError
from dlkm.core.events import Events
from dlkm.core.processes import Processes, environment
from dlkm.kernel.installed import Installed
from dlkm.kernel.kernel import Kernel
from dlkm.prove.agreement import Agreement
from dlkm.prove.attempt import Attempt, Observed, Proof, ProveOptions
from dlkm.prove.case import Expectation, prove_files, status_of
from dlkm.prove.run import prove
from dlkm.source.driver import find
from dlkm.verdict.verdict import Outcome

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "examples" / "hello"
MISBEHAVE = ROOT / "tests" / "drivers" / "misbehave"
LEAVES = ROOT / "tests" / "drivers" / "leaves"
DLKM = Path(sys.executable).with_name("dlkm")
LAYOUT = "hello: disagrees about version of symbol module_layout"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Kernel], Path]:
    """Builds a driver of one module."""

    def make(source: Path, kernel: Kernel) -> Path:
        output = tmp_path_factory.mktemp("out")
        cell = build(find(source), kernel, BuildOptions(), output, runner=Processes(), events=Events())
        (module,) = cell.modules
        return module.path

    return make


@pytest.fixture(scope="module")
def hello(built: Callable[[Path, Kernel], Path], kernel_61: Kernel) -> Path:
    return built(HELLO, kernel_61)


@pytest.fixture(scope="module")
def hello_rt(built: Callable[[Path, Kernel], Path], kernel_61_rt: Kernel) -> Path:
    return built(HELLO, kernel_61_rt)


@pytest.fixture(scope="module")
def misbehave(built: Callable[[Path, Kernel], Path], kernel_61: Kernel) -> Path:
    return built(MISBEHAVE, kernel_61)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> ProveOptions:
    """A cache that is empty at first and then holds one booted guest for all tests here."""
    return ProveOptions(cache=tmp_path_factory.mktemp("cache"))


def _prove(kernel: Kernel, attempts: list[Attempt], options: ProveOptions) -> Proof:
    return prove(kernel, attempts, options, Processes(), Events())


def _misbehaving(module: Path, *ways: str) -> list[Attempt]:
    return [Attempt(files=(module,), parameters=f"how={way}") for way in ways]


def _settled(observed: Observed) -> Observed:
    """Without the once-per-boot lines among the output."""
    return replace(observed, output=tuple(line for line in observed.output if "taint" not in line))


def test_reality_is_as_predicted(kernel_61: Kernel, hello: Path, hello_rt: Path, options: ProveOptions) -> None:
    found = prove_files(kernel_61, [hello, hello_rt], options, ["whom=tests"], Processes(), Events())
    loads, refused = found.cases
    assert [case.agreement for case in found.cases] == [Agreement.AGREES, Agreement.AGREES]
    assert (loads.observed.outcome, loads.observed.errno, loads.observed.log) == (Outcome.LOADS, None, ())
    assert "hello, tests" in loads.observed.output[-1]
    assert loads.observed.taint == "OE"
    assert (refused.observed.errno, refused.observed.log) == ("ENOEXEC", (LAYOUT,))
    assert [boot.kernel for boot in found.boots] == [kernel_61.id]


def test_a_kept_guest_answers_as_a_fresh_one(
    kernel_61: Kernel, hello: Path, hello_rt: Path, misbehave: Path, options: ProveOptions
) -> None:
    attempts = [
        Attempt(files=(hello,)),
        Attempt(files=(hello_rt,)),
        Attempt(files=(hello,), parameters="whom"),
        *_misbehaving(misbehave, "find-no-device"),
    ]
    kept = _prove(kernel_61, attempts, options)
    fresh = _prove(kernel_61, attempts, replace(options, fresh=True))
    assert [boot.resumed for boot in kept.boots] == [True]
    assert [boot.resumed for boot in fresh.boots] == [False]
    assert [_settled(one) for one in kept.observed] == [_settled(one) for one in fresh.observed]
    assert [one.errno for one in kept.observed] == [None, "ENOEXEC", "EINVAL", "ENODEV"]
    assert kept.observed[3].accepted is True
    assert kept.boots[0].seconds < 0.5 * fresh.boots[0].seconds


def test_what_takes_the_guest_down_fails_and_the_others_go_on(
    kernel_61: Kernel, hello: Path, misbehave: Path, options: ProveOptions
) -> None:
    ways = ["panic", "crash", "power-off", "hang", "babble", "forge", "stay"]
    proof = _prove(kernel_61, [*_misbehaving(misbehave, *ways), Attempt(files=(hello,))], replace(options, timeout=4.0))
    answers = dict(zip([*ways, "hello"], proof.observed, strict=True))
    troubles = {way: answer.trouble or "" for way, answer in answers.items()}
    assert troubles["panic"] == "the kernel panicked: as asked"
    assert troubles["crash"].startswith("the kernel crashed: BUG: kernel NULL pointer dereference")
    assert troubles["power-off"] == "the machine was powered off"
    assert troubles["hang"] == "the guest said nothing for 4 s"
    assert troubles["babble"] != ""
    assert troubles["forge"] == "something else than the guest wrote to its channel"
    for way in ways[:-1]:
        assert answers[way].outcome is Outcome.FAILS
        assert answers[way].errno is None
        console = answers[way].console
        assert console is not None
        assert console.is_file()
    assert answers["hang"].output[-1].endswith("will hang")
    assert answers["stay"].outcome is Outcome.LOADS
    assert answers["hello"] == replace(answers["hello"], outcome=Outcome.LOADS, errno=None, trouble=None)
    assert len(proof.boots) == len(ways) + 1  # also the module that stays spends its guest


def test_what_crashes_when_it_is_unloaded_did_load(
    kernel_61: Kernel, built: Callable[[Path, Kernel], Path], hello: Path, options: ProveOptions
) -> None:
    found = prove_files(kernel_61, [built(LEAVES, kernel_61), hello], options, [], Processes(), Events())
    leaves, other = found.cases
    assert [case.agreement for case in found.cases] == [Agreement.AGREES, Agreement.AGREES]
    assert (leaves.observed.outcome, leaves.observed.afterwards) == (Outcome.LOADS, True)
    words = "afterwards, the kernel panicked: Attempted to kill init!"
    assert (leaves.observed.trouble or "").startswith(words)
    assert other.observed.trouble is None
    assert status_of(found, Expectation.LOADS) is ExitStatus.NO


def test_a_kept_guest_that_does_not_resume_is_left(kernel_61: Kernel, hello: Path, options: ProveOptions) -> None:
    """Whole by its digest, but no state of any machine."""
    (state,) = (options.cache / "guests").glob("*.state")
    key = state.stem.partition("-")[0]
    state.unlink()
    junk = b"QEVM" + bytes(1000)
    (state.parent / f"{key}-{hashlib.sha256(junk).hexdigest()}.state").write_bytes(junk)
    proof = _prove(kernel_61, [Attempt(files=(hello,))], options)
    assert [boot.resumed for boot in proof.boots] == [False]
    assert proof.observed[0].outcome is Outcome.LOADS
    assert [path.stat().st_size > len(junk) for path in state.parent.glob("*.state")] == [True]


def test_the_command_line_is_the_guests(kernel_61: Kernel, hello: Path, options: ProveOptions) -> None:
    """Without the driver that reads payloads, too: then they come in the initramfs of another boot."""
    cmdline = "module.sig_enforce=1 module_blacklist=qemu_fw_cfg"
    proof = _prove(kernel_61, [Attempt(files=(hello,))], replace(options, cmdline=cmdline))
    assert proof.observed[0].errno == "EKEYREJECTED"
    assert proof.observed[0].log == ("Loading of unsigned module is rejected",)
    assert len(proof.boots) == 2


def test_a_kernel_that_has_fallen_silent_is_waited_for(kernel_61: Kernel, hello: Path, options: ProveOptions) -> None:
    """It has said of each of tracefs's files at its boot, and then of each needed module, that they are restricted."""
    locked = replace(options, cmdline="lockdown=confidentiality")
    (refused,) = _prove(kernel_61, [Attempt(files=(hello,) * 12)], locked).observed
    line = "Lockdown: <comm>: unsigned module loading is restricted; see man kernel_lockdown.7"
    assert (refused.errno, refused.log, len(refused.notes)) == ("EPERM", (line,), 11)


def test_a_kernel_that_does_not_come_up_is_a_failed_proof(
    kernel_61: Kernel, hello: Path, options: ProveOptions
) -> None:
    proof = _prove(kernel_61, [Attempt(files=(hello,))], replace(options, cmdline="rdinit=/absent init=/absent"))
    assert proof.observed[0].outcome is Outcome.FAILS
    assert (proof.observed[0].trouble or "").startswith("the kernel panicked: ")
    assert proof.observed[0].console is not None


def test_arm64(kernel_61_arm64: Kernel, hello: Path, options: ProveOptions) -> None:
    assert kernel_61_arm64.modules is not None
    dummy = Installed(kernel_61_arm64.modules).find("dummy")
    assert dummy is not None
    for resumed in (False, True):
        proof = _prove(kernel_61_arm64, [Attempt(files=(dummy,)), Attempt(files=(hello,))], options)
        assert [boot.resumed for boot in proof.boots] == [resumed]
        assert [one.outcome for one in proof.observed] == [Outcome.LOADS, Outcome.FAILS]
        assert proof.observed[1].log == ("Invalid architecture in ELF header: 62",)


def _dlkm(*words: str | Path, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    argv = [str(DLKM), "prove", *(str(word) for word in words)]
    done = subprocess.run(argv, env=environment(env), capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr
    return done


def test_from_the_source_in_one_go(kernel_61: Kernel, hello_rt: Path, tmp_path: Path) -> None:
    words: list[str | Path] = [HELLO, hello_rt, "-k", kernel_61.id, "-o", tmp_path / "out", "--json"]
    done = _dlkm(*words)
    assert done.returncode == 1, done.stderr  # one of them does not load
    document = json.loads(done.stdout)
    assert document["schema"] == "dlkm.prove/1"
    assert [result["observed"]["outcome"] for result in document["results"]] == ["loads", "fails"]
    assert [result["agree"] for result in document["results"]] == [True, True]
    assert _dlkm(*words, "--expect", "agree").returncode == 0


def test_without_qemu(kernel_61: Kernel, hello: Path, tmp_path: Path) -> None:
    done = _dlkm(hello, "-k", kernel_61.id, env={"PATH": str(tmp_path)})
    assert done.returncode == 4
    assert "qemu-system-x86" in done.stderr


def test_without_a_compiler_for_the_guest(kernel_61: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found but QEMU."""
    found = Processes.find

    def only_qemu(self: Processes, program: str) -> Path | None:
        return found(self, program) if program.startswith("qemu") else None

    monkeypatch.setattr(Processes, "find", only_qemu)
    with pytest.raises(MissingToolError) as caught:
        _prove(kernel_61, [], ProveOptions(cache=tmp_path))
    assert "gcc" in (caught.value.hint or "")


def test_late_words_of_a_needed_module_are_not_those_of_the_next(
    kernel_61: Kernel, options: ProveOptions, tmp_path: Path
) -> None:
    source = ROOT / "tests" / "drivers" / "late"
    cell = build(find(source), kernel_61, BuildOptions(), tmp_path, runner=Processes(), events=Events())
    paths = {module.path.stem: module.path for module in cell.modules}
    (observed,) = _prove(kernel_61, [Attempt(files=(paths["late"], paths["after"]))], options).observed
    assert "after: number 1" in observed.output
    assert "late: said late" not in observed.output


def test_what_a_killed_proof_left_goes_with_the_next(kernel_61: Kernel, hello: Path, options: ProveOptions) -> None:
    """A directory as SIGKILL leaves it: old, and locked by nobody."""
    left = options.cache / "prove" / "dlkm-prove-killed"
    left.mkdir(parents=True)
    (left / "initrd").write_bytes(bytes(1000))
    os.utime(left, (0, 0))
    _prove(kernel_61, [Attempt(files=(hello,))], options)
    assert list((options.cache / "prove").iterdir()) == []


def test_a_build_that_failed_is_told_in_the_document(kernel_61: Kernel, tmp_path: Path) -> None:
    broken = ROOT / "tests" / "drivers" / "broken"
    done = _dlkm(broken, "-k", kernel_61.id, "-o", tmp_path, "--json")
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    (failed,) = document["failed"]
    assert (document["results"], failed["id"]) == ([], f"broken@{kernel_61.id}")
    assert Path(failed["log"]).is_file()
