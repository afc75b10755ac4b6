# SPDX-License-Identifier: GPL-2.0-or-later
"""The quick look says yes only where the rules would: on every trial, and on changed modules."""

import random
from pathlib import Path
from typing import Any

import pytest

from dlkm.kernel.facts import Facts
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.quick import Quick
from dlkm.verdict.verdict import Outcome
from tests.unit.verdict.trial_list import trials
from tests.unit.verdict.trials import PLAIN, SYMVERS, VERMAGIC, Trial, World, dropping, module
from tests.unit.verdict.world import ask, make_kernel

# Worlds that a Session never asks the quick look about: other modules come along.
TRIALS = tuple(trial for trial in trials() if not trial.world.along)

# A kernel without CONFIG_MODVERSIONS: no versions, no module_layout.
BARE_MAGIC = VERMAGIC.replace("modversions ", "")
BARE_WORLD = World(
    vermagic=BARE_MAGIC,
    without="MODVERSIONS",
    symvers="".join(f"0x00000000{line[10:]}\n" for line in SYMVERS.splitlines()[1:]),
)


def _bare(undefined: str = "_printk", **more: Any) -> bytes:
    return module(vermagic=BARE_MAGIC, undefined=(undefined,), change=dropping("__versions"), **more)


def _look(root: Path, data: bytes, world: World) -> tuple[str, str] | None:
    facts = Facts(make_kernel(root, world))
    conditions = Conditions(**world.conditions)
    quick = Quick(facts, conditions, era_of(facts.kernel))
    return quick.answer(data) if quick.usable else None


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)
def test_what_trips_a_rule_is_never_plain(trial: Trial, tmp_path: Path) -> None:
    assert _look(tmp_path, trial.bad, trial.world) is None


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)
def test_a_plain_twin_has_the_rules_verdict(trial: Trial, tmp_path: Path) -> None:
    world = trial.near or trial.world
    found = _look(tmp_path / "quick", trial.good, world)
    if found is not None:
        verdict = ask(tmp_path / "rules", trial.good, world)
        assert (verdict.outcome, verdict.findings) == (Outcome.LOADS, ())
        assert (verdict.module, verdict.taint) == found


def test_a_good_module_is_plain(tmp_path: Path) -> None:
    assert _look(tmp_path, PLAIN, World()) == ("tiny", "OE")
    assert _look(tmp_path / "intree", module(info=[("intree", "Y")]), World()) == ("tiny", "E")


def test_commands_for_other_modules_leave_it_plain(tmp_path: Path) -> None:
    world = World(conditions={"commands": (("other", "/bin/false"), ("helper_one", "/bin/true"))})
    assert _look(tmp_path / "alone", PLAIN, world) == ("tiny", "OE")
    assert _look(tmp_path / "third", module(info=[("depends", "third")]), world) == ("tiny", "OE")
    assert _look(tmp_path / "one", module(info=[("depends", "third,helper-one")]), world) is None


def test_without_versions_symbols_are_looked_for_by_name(tmp_path: Path) -> None:
    for number, (data, plain) in enumerate(
        (
            (_bare(), ("tiny", "OE")),
            (_bare(info=[("intree", "Y")]), ("tiny", "E")),
            (_bare("modular_symbol", info=[("intree", "Y")]), ("tiny", "E")),
            (_bare("modular_symbol"), None),
            (_bare("unknown_symbol"), None),
            (_bare("spaced_symbol"), None),
            (_bare("spaced_symbol", info=[("import_ns", "SPACE")]), ("tiny", "OE")),
            (module(vermagic=BARE_MAGIC), None),
            (module(change=dropping("__versions")), None),
        )
    ):
        assert _look(tmp_path / str(number), data, BARE_WORLD) == plain, number


@pytest.mark.parametrize(("release", "plain"), [("6.18.1", ("tiny", "OE")), ("6.12.1", None)])
def test_a_namespace_for_modules_is_open_to_those_it_names(
    release: str, plain: tuple[str, str] | None, tmp_path: Path
) -> None:
    magic = f"{release} SMP mod_unload modversions "
    symvers = SYMVERS.replace("\tSPACE\n", "\tmodule:other,ti*\n")
    world = World(release=release, origin="", vermagic=magic, symvers=symvers)
    for name, expected in (("tiny", plain), ("small", None)):
        data = module(name, undefined=("spaced_symbol",), vermagic=magic)
        assert _look(tmp_path / name, data, world) == expected


@pytest.mark.parametrize(("world", "good"), [(World(), PLAIN), (BARE_WORLD, _bare())])
def test_changed_bytes(world: World, good: bytes, tmp_path: Path) -> None:
    facts = Facts(make_kernel(tmp_path / "quick", world))
    quick = Quick(facts, Conditions(), era_of(facts.kernel))
    numbers = random.Random(61)
    plain = 0
    for number in range(400):
        data = bytearray(good)
        data[numbers.randrange(len(data))] ^= 1 << numbers.randrange(8)
        found = quick.answer(bytes(data))
        if found is not None:
            plain += 1
            verdict = ask(tmp_path / f"rules{number}", bytes(data), world)
            assert (verdict.outcome, verdict.findings) == (Outcome.LOADS, ())
            assert (verdict.module, verdict.taint) == found
    assert plain > 20
