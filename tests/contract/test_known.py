# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of real modules by their content is what the rules say, and nothing else is taken for known."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from dlkm.kernel.adopt import adopt
from dlkm.kernel.facts import Facts
from dlkm.kernel.installed import all_module_paths, module_paths
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.record import NAME as RECORD
from dlkm.kernel.record import Record
from dlkm.kernel.symvers import KERNEL, Symvers
from dlkm.verdict import known
from dlkm.verdict.batch import judge_all
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.known import Known, known_of, learn
from dlkm.verdict.quick import Quick
from dlkm.verdict.session import Session
from dlkm.verdict.verdict import Outcome, Verdict
from dlkm.verdict.whole import look_at_whole

pytestmark = pytest.mark.contract

SOME = 12  # modules of each kernel


@pytest.fixture(params=["kernel_61", "kernel_612"])
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Kernel:
    """A kernel in a pool of its own, of which some modules are known."""
    real: Kernel = request.getfixturevalue(request.param)
    assert real.tree is not None
    home = tmp_path / "pool" / real.id
    home.mkdir(parents=True)
    (home / "tree").symlink_to(real.tree)
    shutil.copy(real.tree.parent / RECORD, home)
    made = Record.read(home / RECORD).kernel(home)
    facts = Facts(made)
    quick = Quick(facts, Conditions(), era_of(made))
    assert facts.table is not None
    found = (quick.digest(str(path)) for path in _some(made))
    learn(made, filter(None, found), facts.table.providers - {KERNEL})
    return made


def _some(kernel: Kernel) -> list[Path]:
    assert kernel.modules is not None
    return list(map(Path, sorted(module_paths(kernel.modules))[:: 4000 // SOME]))


def _home(kernel: Kernel) -> Path:
    assert kernel.tree is not None
    return kernel.tree.parent


def _copies(kernel: Kernel, folder: Path) -> Iterator[Path]:
    folder.mkdir()
    for number, path in enumerate(_some(kernel)):
        suffix = path.name[path.name.index(".ko") :]
        yield Path(shutil.copy(path, folder / f"other{number}{suffix}"))


@pytest.fixture(scope="module")
def added(kernel_61: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    """A kernel that is added anew with all modules that serve others, and some that are packed then."""
    pool = Pool(tmp_path_factory.mktemp("added"), partial(look_at_whole, jobs=2))
    with pool.locked(kernel_61.id), pool.scratch(kernel_61.id) as made:
        assert kernel_61.tree is not None
        assert kernel_61.modules is not None
        assert kernel_61.symvers is not None
        modules = made / kernel_61.modules.relative_to(kernel_61.tree.parent)
        givers = {f"kernel/{one}.ko" for one in Symvers.read(kernel_61.symvers).providers - {KERNEL}}
        for name in givers:
            (modules / name).parent.mkdir(parents=True, exist_ok=True)
            (modules / name).symlink_to(kernel_61.modules / name)
        for path in _some(kernel_61):
            name = str(path.relative_to(kernel_61.modules))
            if name not in givers:
                (modules / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, modules / name)
        for path in kernel_61.modules.glob("modules.*"):
            shutil.copy(path, modules)
        parts = {"symvers": kernel_61.symvers, "image": kernel_61.image, "config_file": kernel_61.config_file}
        copies = {part: Path(shutil.copy(path, made / "tree")) for part, path in parts.items() if path is not None}
        there = replace(kernel_61, modules=modules, tree=made / "tree", headers=None, source=None)
        there = replace(there, **copies)  # type: ignore[arg-type]
        return adopt(pool, kernel_61.id, there, made)


def test_modules_are_known_once_their_kernel_is_added_and_stay_packed_until_the_rules_are_asked(added: Kernel) -> None:
    assert added.modules is not None
    found = known_of(added, Conditions())
    assert found is not None
    names = sorted(all_module_paths(added.modules))
    away = [name for name in names if not Path(name).exists()]
    assert len(away) > SOME // 2
    answers = judge_all(added, names, Conditions(), jobs=2)
    assert not any(Path(name).exists() for name in away)
    assert answers.by_content
    assert {answer.outcome for answer in answers if isinstance(answer, Verdict)} == {Outcome.LOADS}
    (answer, *_) = judge_all(added, away, Conditions(lockdown="integrity"))
    assert isinstance(answer, Verdict)
    assert all(Path(name).exists() for name in away)
    session = Session(added, Conditions())
    assert (
        dict(zip(names, answers, strict=True)).items() >= {name: session.verdict(Path(name)) for name in away}.items()
    )


def test_a_copy_under_another_name_has_the_rules_verdict(kernel: Kernel, tmp_path: Path) -> None:
    found = known_of(kernel, Conditions())
    assert found is not None
    session = Session(kernel, Conditions())
    for path in _copies(kernel, tmp_path / "copies"):
        verdict = session.verdict(path)
        assert (verdict.outcome, verdict.findings) == (Outcome.LOADS, ())
        assert found.look(str(path)) == (verdict.module, verdict.taint)


def test_changed_bytes_are_not_known(kernel: Kernel, tmp_path: Path) -> None:
    found = known_of(kernel, Conditions())
    assert found is not None
    numbers = random.Random(4)
    for path in _copies(kernel, tmp_path / "copies"):
        data = bytearray(path.read_bytes())
        data[numbers.randrange(len(data))] ^= 1 << numbers.randrange(8)
        path.write_bytes(data)
        assert found.look(str(path)) is None
        path.write_bytes(bytes(data[:-1]))
        assert found.look(str(path)) is None
    assert found.look(str(tmp_path)) is None
    assert found.look(str(tmp_path / "absent.ko")) is None


def test_other_conditions_are_the_rules_to_judge(kernel: Kernel) -> None:
    path = str(_some(kernel)[0])
    plain = known_of(kernel, Conditions())
    assert plain is not None
    seen = plain.look(path)
    assert seen is not None
    name = seen[0]
    for conditions in (
        Conditions(cmdline=f"module_blacklist={name}"),
        Conditions(lockdown="integrity"),
        Conditions(sig_enforce=True),
        Conditions(params=("a=b",)),
        Conditions(trusted_certs=(Path("/x"),)),
    ):
        assert known_of(kernel, conditions) is None
    (answer,) = judge_all(kernel, [path], Conditions(cmdline=f"module_blacklist={name}"))
    assert isinstance(answer, Verdict)
    assert answer.outcome is Outcome.FAILS
    (answer,) = judge_all(kernel, [path], Conditions(loaded=frozenset({name})))
    assert isinstance(answer, Verdict)
    assert answer.outcome is Outcome.FAILS


def test_what_was_damaged_counts_as_never_found(kernel: Kernel) -> None:
    path = _home(kernel) / known.NAME
    good = path.read_bytes()
    numbers = random.Random(5)
    for _ in range(50):
        changed = bytearray(good)
        changed[numbers.randrange(len(changed))] ^= 1 << numbers.randrange(8)
        path.write_bytes(changed)
        assert Known.read(_home(kernel)) is None
    for cut in (b"", good[:-1], good[:64], good + b"\n", b"\0" * 100):
        path.write_bytes(cut)
        assert Known.read(_home(kernel)) is None
    path.write_bytes(good)
    assert Known.read(_home(kernel)) is not None


def test_what_is_learnt_later_comes_to_what_was_known(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Known.read(_home(kernel))
    assert before is not None
    learn(kernel, [("0" * 64, ("late", ""))], before.givers)
    after = Known.read(_home(kernel))
    assert after is not None
    assert after.plain == {**before.plain, "0" * 64: ("late", "")}
    monkeypatch.setattr(known, "_MANY", len(after.plain))  # as many as anyone has: the old ones go
    learn(kernel, [("1" * 64, ("later", ""))], before.givers)
    alone = Known.read(_home(kernel))
    assert alone is not None
    assert alone.plain == {"1" * 64: ("later", "")}


def test_other_rules_or_another_kernel_know_nothing(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    home = _home(kernel)
    record = Record.read(home / RECORD)
    (home / RECORD).write_text(replace(record, manifest="0" * 64).to_json())
    assert Known.read(home) is None
    (home / RECORD).write_text(record.to_json())
    assert Known.read(home) is not None
    monkeypatch.setattr(known, "_rules", lambda: "others")
    assert Known.read(home) is None


def test_the_modules_that_serve_others_must_be_there(kernel: Kernel, tmp_path: Path) -> None:
    found = known_of(kernel, Conditions())
    assert found is not None
    assert not found.are_at_hand(tmp_path)
    assert known_of(replace(kernel, modules=tmp_path), Conditions()) is None


@pytest.mark.parametrize("word", ["numdummies=2", "numdummies=many", "nosuch=1", "numdummies", "dyndbg=+p"])
def test_what_modprobe_hands_to_a_known_module_is_judged(kernel: Kernel, word: str) -> None:
    """dummy takes a number: whatever comes of a word, it is what the rules say."""
    assert kernel.modules is not None
    (path,) = (one for one in module_paths(kernel.modules) if Path(one).name.startswith("dummy.ko"))
    facts = Facts(kernel)
    found = Quick(facts, Conditions(), era_of(kernel)).digest(path)
    assert found is not None
    assert facts.table is not None
    learn(kernel, [found], facts.table.providers - {KERNEL})
    conditions = Conditions(options=(("dummy", word),))
    (answer,) = judge_all(kernel, [path], conditions)
    assert answer == Session(kernel, conditions).verdict(Path(path))
