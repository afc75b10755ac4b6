# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a guest fell silent, in its console's words."""

from pathlib import Path

import pytest

from dlkm.prove import trouble
from dlkm.prove.trouble import explain, keep_console


@pytest.mark.parametrize(
    ("console", "words"),
    [
        (b"[ 1.2] Kernel panic - not syncing: as asked\r\n[ 1.3] CPU: 0\r\n", "the kernel panicked: as asked"),
        (
            b"[ 1.2] BUG: x\r\n[ 1.3] Kernel panic - not syncing: Fatal exception\r\n",
            "the kernel panicked: Fatal",
        ),
        (b"[ 1.2] reboot: Power down\r\n", "the machine was powered off"),
        (b"[ 1.2] reboot: Restarting system\r\n", "the machine was restarted"),
        (
            b"[ 1.2] BUG: kernel NULL pointer dereference, address: 8\r\n",
            "the kernel crashed: BUG: kernel NULL",
        ),
        (b"[ 1.2] Internal error: Oops: 96000046 [#1] SMP\r\n", "the kernel crashed: Internal error: Oops: 96000046"),
        (b"nothing of that kind \xff", "the guest said nothing for 5 s"),
        (b"", "the guest said nothing for 5 s"),
    ],
)
def test_explanations(console: bytes, words: str) -> None:
    assert explain("the guest said nothing for 5 s", console).startswith(words)


def test_consoles_are_kept_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "MOST_CONSOLES", 2)
    paths = [keep_console(tmp_path, "6.1.0-56-amd64", b"%d" % number) for number in range(3)]
    assert [path is not None and path.exists() for path in paths] == [False, True, True]
    assert paths[2] is not None
    assert paths[2].read_bytes() == b"2"
