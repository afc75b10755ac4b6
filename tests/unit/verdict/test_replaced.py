# SPDX-License-Identifier: GPL-2.0-or-later
"""A given module in the place of one of the kernel's own: its users are looked at closely, and nobody else."""

from pathlib import Path

import pytest

from dlkm.verdict.batch import judge_all
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.quick import Quick
from dlkm.verdict.verdict import Outcome, Verdict
from tests.unit.ko.elf_builder import Exported
from tests.unit.verdict.trials import CRCS, World, module
from tests.unit.verdict.world import make_kernel

IN_TREE = [("intree", "Y")]
SAME, CHANGED = (Exported(name="modular_symbol", crc=crc) for crc in (CRCS["modular_symbol"], 7))
USER = module("user", undefined=["modular_symbol"], info=IN_TREE)
OTHER = module("other", info=IN_TREE)


@pytest.mark.parametrize(
    ("twin", "errno"),
    [
        (module("giver", exports=[SAME]), None),
        (module("giver", exports=[CHANGED]), "EINVAL"),
        (module("giver"), "ENOENT"),
        (module("stranger", exports=[Exported(name="own_symbol", crc=7)]), None),
    ],
    ids=["same", "other version", "exports nothing", "another module"],
)
def test_users_of_a_replaced_module(
    twin: bytes, errno: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = make_kernel(tmp_path, World())
    paths = [tmp_path / name for name in ("twin.ko", "user.ko", "other.ko")]
    for path, data in zip(paths, (twin, USER, OTHER), strict=True):
        path.write_bytes(data)
    plain: dict[str, bool] = {}
    look = Quick.look

    def noted(quick: Quick, path: str) -> tuple[str, str] | None:
        found = look(quick, path)
        plain[Path(path).name] = found is not None
        return found

    monkeypatch.setattr(Quick, "look", noted)
    of_twin, user, other = judge_all(kernel, paths, Conditions())
    assert isinstance(of_twin, Verdict)
    assert isinstance(user, Verdict)
    assert isinstance(other, Verdict)
    assert (of_twin.outcome, other.outcome) == (Outcome.LOADS, Outcome.LOADS)
    assert (user.outcome, user.errno) == (Outcome.FAILS if errno else Outcome.LOADS, errno)
    assert plain["other.ko"], "what has nothing to do with it needs no closer look"
