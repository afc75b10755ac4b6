# SPDX-License-Identifier: GPL-2.0-or-later
"""What is refused for a root: what no other module can mend. A module that only lacks another one is let in."""

from pathlib import Path

import pytest

from dlkm.ko.module import module_of
from dlkm.rootfs.admission import refusals
from dlkm.rootfs.root import DirectoryRoot
from dlkm.rootfs.stage import Given
from tests.unit.verdict.trials import CRCS, World, module
from tests.unit.verdict.world import make_kernel

HAVE = ("giver",)
OTHER = CRCS | {"_printk": 1}
UNKNOWN = ("_printk", "nobody_knows_this")
GIVER = ("_printk", "modular_symbol")  # exported by the kernel's module `giver`


@pytest.mark.parametrize(
    ("data", "installed", "refused"),
    [
        (module(undefined=UNKNOWN), HAVE, ["unknown-symbol"]),
        (module(undefined=UNKNOWN, info=[("depends", "giver")]), HAVE, ["unknown-symbol"]),
        (module(undefined=UNKNOWN, info=[("depends", "stran-ger")]), HAVE, []),
        (module(undefined=UNKNOWN, info=[("depends", "stranger")], vermagic="6.1.0-9-amd64 SMP "), HAVE, ["vermagic"]),
        (module(undefined=GIVER, info=[("depends", "giver")]), HAVE, []),
        (module(undefined=GIVER, info=[("depends", "giver")]), (), []),
        (module(undefined=GIVER, info=[("depends", "giver")], versions=OTHER), (), ["crc-mismatch"]),
    ],
)
def test_only_what_cannot_be_mended_is_refused(
    tmp_path: Path, data: bytes, installed: tuple[str, ...], refused: list[str]
) -> None:
    kernel = make_kernel(tmp_path / "kernel", World(installed=installed))
    (tmp_path / "root").mkdir()
    path = tmp_path / "tiny.ko"
    path.write_bytes(data)
    given = Given(module=module_of(data, path), release=kernel.release, kernel=kernel)
    with DirectoryRoot(tmp_path / "root") as root:
        verdicts = list(refusals(root, [given]))
    assert [bool(verdicts)] == [bool(refused)]
    for rule in refused:
        assert rule in {finding.rule for finding in verdicts[0].findings}
