# SPDX-License-Identifier: GPL-2.0-or-later
"""Proofs of root filesystems: the document and the table for people."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.prove.accelerator import Accelerator
from dlkm.prove.attempt import Boot
from dlkm.prove.rooted.run import RootProof
from dlkm.prove.rooted.subject import Asking, Device, Fate, Foretold, Seen, Subject, Trial, Wish
from dlkm.report.prove_rootfs import rootfs_document, show
from dlkm.report.terminal import Colour, Terminal

KERNEL = "6.1.0-56-amd64"
FILE = f"usr/lib/modules/{KERNEL}/updates/hello.ko"
HELLO = Subject(module="hello", wish=Wish.AUTOLOAD, places=("etc/modules-load.d/hello.conf:1",))
DEVICE = Device(name="x", subsystem="misc", settings={"mode": "0600"}, foretold={"mode": "0640"}, places=("a.rules:1",))
BOOT = Boot(kernel=KERNEL, accelerator=Accelerator.TCG, seconds=20.0, resumed=False)


def _loads(boot: int, *devices: Device) -> Trial:
    return Trial(
        subject=HELLO,
        asking=Asking.BOOT,
        boot=boot,
        foretold=Foretold(fate=Fate.LOADS, file=FILE, parameters={"whom": "you", "hidden": "1"}),
        seen=Seen(fate=Fate.LOADS, files=(FILE,), parameters={"whom": "you"}, taint="OE", devices=devices),
    )


def _kept_out(name: str, file: str, seen: Fate = Fate.STAYS_OUT) -> Trial:
    subject = Subject(module=name, wish=Wish.BLACKLIST, places=(f"{file}:1",))
    foretold = Foretold(fate=Fate.STAYS_OUT, why=f"blacklisted by {file}:1")
    return Trial(subject=subject, asking=Asking.BOOT, boot=1, foretold=foretold, seen=Seen(fate=seen))


def _proof(*trials: Trial, notes: tuple[str, ...] = ()) -> RootProof:
    return RootProof(boots=(BOOT,), trials=trials, notes=notes)


def _shown(capsys: pytest.CaptureFixture[str], *trials: Trial) -> str:
    terminal = Terminal(colour=Colour.NEVER, quiet=True, verbose=False)
    show([(KERNEL, _proof(*trials))], terminal)
    terminal.flush()
    return capsys.readouterr().out


def test_the_document_has_the_words_of_every_proof_and_more() -> None:
    document = rootfs_document(Path("/r"), [(KERNEL, _proof(_loads(1, DEVICE), notes=("a note",)))])
    document = json.loads(json.dumps(document, default=str))
    (result,) = document["results"]
    assert (document["schema"], document["rootfs"], document["notes"]) == ("dlkm.prove/1", "/r", ["a note"])
    assert {"module", "kernel", "predicted", "observed", "agree"} <= set(result)
    assert {"outcome", "errno", "log"} <= set(result["predicted"]) & set(result["observed"])
    assert (result["wish"], result["asking"], result["boot"]) == ("autoload", "boot", 1)
    assert (result["agree"], result["as_meant"]) == (False, True)
    (device,) = result["observed"]["devices"]
    assert device == {
        "name": "x",
        "subsystem": "misc",
        "predicted": {"mode": "0640"},
        "observed": {"mode": "0600"},
        "rules": ["a.rules:1"],
        "agree": False,
    }


def test_boots_that_went_alike_share_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, _loads(1), _loads(2))
    assert "boot 1 and 2 (autoload, etc/modules-load.d/hello.conf:1)" in shown
    assert f"  {FILE}, taint OE\n" in shown
    assert "  whom=you\n  hidden is set to 1; /sys hides it\n" in shown
    assert "booted 6.1.0-56-amd64 (tcg): 20.0 s" in shown


def test_a_device_that_is_not_as_its_rule_says(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, _loads(1, DEVICE))
    assert "DIFFER" in shown
    assert "  made x (misc): mode 0600, by a.rules:1\n  predicted: x mode 0640\n" in shown


def test_a_distribution_s_long_list_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    crowd = [_kept_out(f"fb{number}", "lib/modprobe.d/fb.conf") for number in range(9)]
    one = _kept_out("stub", "etc/modprobe.d/stub.conf")
    loaded = _kept_out("fb9", "lib/modprobe.d/fb.conf", seen=Fate.LOADS)
    shown = _shown(capsys, *crowd, one, loaded)
    assert "fb3" not in shown
    assert "9 more blacklisted modules" in shown
    assert "stub" in shown
    assert "fb9" in shown


def test_trouble_is_shown_with_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    seen = Seen(fate=Fate.FAILS, trouble="the kernel panicked: x\x1b[2J", console=Path("/c.log"))
    trial = Trial(subject=HELLO, asking=Asking.BOOT, boot=1, foretold=Foretold(fate=Fate.LOADS), seen=seen)
    shown = _shown(capsys, trial)
    assert "the kernel panicked: x" in shown
    assert "(its console: /c.log)" in shown
    assert "\x1b" not in shown


def test_of_a_guest_that_was_lost_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    lost = Seen(fate=Fate.FAILS, trouble="the kernel panicked: no init")
    names = ["stub", *(f"fb{number}" for number in range(9))]
    kept_out = [_kept_out(name, "etc/stub.conf" if name == "stub" else "lib/fb.conf") for name in names]
    shown = _shown(capsys, *(replace(trial, seen=lost) for trial in (_loads(1), _loads(2), *kept_out)))
    assert f"hello, stub on {KERNEL}, boot 1:\n  the kernel panicked: no init\n" in shown
    assert shown.count("panicked") == 1
    assert "9 more blacklisted modules of the distribution's were not seen, either\n" in shown


def test_a_root_with_nothing_but_a_distribution_s_list(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, *(_kept_out(f"fb{number}", "lib/modprobe.d/fb.conf") for number in range(9)))
    assert shown.startswith("9 blacklisted modules of the distribution's stay out as predicted\n")
