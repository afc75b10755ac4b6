# SPDX-License-Identifier: GPL-2.0-or-later
"""What a boot's facts say of a module, and whether that is as foretold and as meant."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from dlkm.ko.module import Module
from dlkm.prove.agreement import Agreement
from dlkm.prove.rooted.expect import Foresight
from dlkm.prove.rooted.facts import Facts, Loaded
from dlkm.prove.rooted.settle import Settled
from dlkm.prove.rooted.subject import Asking, Device, Fate, Foretold, Seen, Subject, Trial, Wish
from dlkm.prove.rooted.weigh import agreement, as_meant, seen_in
from dlkm.prove.rooted.words import Saying

FILE, OTHER = "lib/modules/6.1/updates/hello.ko", "lib/modules/6.1/kernel/hello.ko"
EMPTY = Facts(
    settled=Settled(state="running", init=""),
    loaded={},
    every=frozenset(),
    builtin=frozenset(),
    accepted=frozenset(),
    said={},
    log=(),
)
LOADS = Foretold(fate=Fate.LOADS, file=FILE)
REFUSED = "hello: disagrees about version of symbol module_layout"


def _module(note: bytes | None, srcversion: str | None = None) -> Module:
    elf = SimpleNamespace(bytes_named=lambda _name: note)
    return cast("Module", SimpleNamespace(elf=elf, field=lambda _name: srcversion, parameters=()))


class Twins:
    """A foresight with two files of one name."""

    lent = frozenset({"ext4"})

    def __init__(self, ours: Module, theirs: Module, needs: tuple[str, ...] = ()) -> None:
        self.lookup = SimpleNamespace(module=lambda _name: SimpleNamespace(needs=needs))
        self._files = {FILE: ours, OTHER: theirs}

    def module(self, _name: str) -> Module:
        return self._files[FILE]

    def files(self, _name: str) -> Iterator[tuple[str, Module]]:
        return iter(self._files.items())


def _seen(facts: Facts, foretold: Foretold = LOADS, twins: Twins | None = None) -> Seen:
    twins = twins or Twins(_module(b"ours"), _module(b"theirs"))
    return seen_in(facts, "hello", foretold, cast("Foresight", twins))


def _loaded(**what: object) -> Facts:
    return replace(EMPTY, loaded={"hello": Loaded(**{"parameters": {}, **what})})  # type: ignore[arg-type]


def _said(kind: str, errno: str | None = None) -> Facts:
    return replace(EMPTY, said={"hello": Saying(kind=kind, line="its words", errno=errno)})


def _trial(foretold: Foretold, seen: Seen, wish: Wish = Wish.AUTOLOAD, asking: Asking = Asking.BOOT) -> Trial:
    return Trial(subject=Subject(module="hello", wish=wish), asking=asking, boot=1, foretold=foretold, seen=seen)


def _agreement(foretold: Foretold, seen: Seen) -> Agreement:
    return agreement(_trial(foretold, seen))


@pytest.mark.parametrize(("note", "files"), [(b"ours", (FILE,)), (b"theirs", (OTHER,)), (b"another", ())])
def test_the_loaded_file_is_told_by_its_build_id(note: bytes, files: tuple[str, ...]) -> None:
    assert _seen(_loaded(note=note)).files == files


def test_without_a_build_id_by_its_srcversion() -> None:
    twins = Twins(_module(None, "A"), _module(None, "B"))
    assert _seen(_loaded(srcversion="B"), twins=twins).files == (OTHER,)
    assert _seen(_loaded(), twins=twins).files == ()


def test_another_file_than_the_one_foretold_differs() -> None:
    assert _agreement(LOADS, _seen(_loaded(note=b"ours"))) is Agreement.AGREES
    assert _agreement(LOADS, _seen(_loaded(note=b"theirs"))) is Agreement.DIFFERS
    unknown = Foretold(fate=Fate.CANNOT_TELL, file=FILE)
    assert _agreement(unknown, _seen(_loaded(note=b"ours"))) is Agreement.OPEN
    assert _agreement(unknown, _seen(_loaded(note=b"theirs"))) is Agreement.DIFFERS


def test_parameters_are_compared_as_far_as_they_show() -> None:
    foretold = replace(LOADS, parameters={"whom": "you", "hidden": "1"})
    assert _agreement(foretold, _seen(_loaded(note=b"ours", parameters={"whom": "you"}))) is Agreement.AGREES
    assert _agreement(foretold, _seen(_loaded(note=b"ours", parameters={"whom": "me"}))) is Agreement.DIFFERS


def test_a_device_that_no_rule_was_applied_to_differs() -> None:
    device = Device(name="x", subsystem="misc", settings={"mode": "0600"}, foretold={"mode": "0640"})
    seen = replace(_seen(_loaded(note=b"ours")), devices=(device,))
    assert _agreement(LOADS, seen) is Agreement.DIFFERS
    applied = replace(
        device, settings={"mode": "0640", "links": "more links"}, foretold={"mode": "0640", "links": "more"}
    )
    assert _agreement(LOADS, replace(seen, devices=(applied,))) is Agreement.AGREES


def test_a_refusal_agrees_in_errno_and_log() -> None:
    foretold = Foretold(fate=Fate.FAILS, errno="ENOEXEC", log=(REFUSED,))
    facts = replace(
        _said("failed", "ENOEXEC"), log=("other: words", REFUSED, "hello: loading out-of-tree module taints kernel.")
    )
    seen = _seen(facts, foretold)
    assert (seen.fate, seen.errno, seen.log) == (Fate.FAILS, "ENOEXEC", (REFUSED,))
    assert _agreement(foretold, seen) is Agreement.AGREES
    assert _agreement(replace(foretold, errno="EINVAL"), seen) is Agreement.DIFFERS
    assert _agreement(replace(foretold, log=("hello: something else",)), seen) is Agreement.DIFFERS
    assert _agreement(LOADS, seen) is Agreement.DIFFERS


def test_what_its_own_init_answers_is_nobody_s_mistake() -> None:
    facts = replace(_said("failed", "ENODEV"), accepted=frozenset({"hello"}))
    seen = _seen(facts)
    assert (seen.fate, seen.errno, seen.accepted) == (Fate.FAILS, "ENODEV", True)
    assert _agreement(LOADS, seen) is Agreement.OPEN
    assert not as_meant(_trial(LOADS, seen))


def test_who_needs_one_whose_init_failed_is_nobody_s_mistake_either() -> None:
    twins = Twins(_module(None), _module(None), needs=("kernel/base.ko.xz", "kernel/other.ko"))
    facts = replace(_said("failed", "ENODEV"), accepted=frozenset({"base", "other"}), every=frozenset({"other"}))
    seen = _seen(facts, LOADS, twins)
    assert (seen.fate, seen.accepted, seen.unready) == (Fate.FAILS, False, ("base",))
    assert _agreement(LOADS, seen) is Agreement.OPEN
    assert _agreement(LOADS, replace(seen, unready=())) is Agreement.DIFFERS
    assert as_meant(_trial(LOADS, seen, Wish.ADDED, Asking.NAME))
    assert not as_meant(_trial(LOADS, seen))


def test_what_was_never_tried_stays_out() -> None:
    assert _seen(EMPTY).fate is Fate.STAYS_OUT
    assert _seen(_said("blacklisted")).fate is Fate.STAYS_OUT
    assert _agreement(LOADS, _seen(EMPTY)) is Agreement.DIFFERS


def test_who_fails_without_a_word_of_the_loader_is_found_in_the_log() -> None:
    assert _seen(replace(EMPTY, log=(REFUSED,))).fate is Fate.FAILS
    assert _seen(replace(EMPTY, accepted=frozenset({"hello"}))).fate is Fate.FAILS


def test_built_in_ones_are_there() -> None:
    foretold = Foretold(fate=Fate.LOADS, builtin=True)
    for facts in (replace(EMPTY, builtin=frozenset({"hello"})), _said("present"), EMPTY):
        seen = _seen(facts, foretold)
        assert (seen.fate, seen.builtin) == (Fate.LOADS, True)
        assert as_meant(_trial(foretold, seen))


def test_what_fails_without_a_word_is_not_told_from_what_was_never_tried() -> None:
    silent = Foretold(fate=Fate.FAILS, errno="EKEYREJECTED")
    assert _agreement(silent, _seen(EMPTY, silent)) is Agreement.OPEN
    assert _agreement(silent, _seen(_said("blacklisted"), silent)) is Agreement.DIFFERS
    assert _agreement(replace(silent, log=(REFUSED,)), _seen(EMPTY, silent)) is Agreement.DIFFERS


def test_what_is_there_before_the_init_is_no_answer_of_the_root_s() -> None:
    seen = seen_in(EMPTY, "ext4", LOADS, cast("Foresight", Twins(_module(b"ours"), _module(b"theirs"))))
    assert (seen.fate, seen.builtin) == (Fate.LOADS, True)


def test_a_guest_in_trouble_agrees_with_nothing() -> None:
    seen = Seen(fate=Fate.FAILS, trouble="it panicked")
    assert _agreement(Foretold(fate=Fate.CANNOT_TELL), seen) is Agreement.DIFFERS
    assert not as_meant(_trial(LOADS, seen))


@pytest.mark.parametrize(
    ("wish", "asking", "fate", "meant"),
    [
        (Wish.AUTOLOAD, Asking.BOOT, Fate.LOADS, True),
        (Wish.AUTOLOAD, Asking.BOOT, Fate.STAYS_OUT, False),
        (Wish.NAMED, Asking.BOOT, Fate.STAYS_OUT, False),
        (Wish.BLACKLIST, Asking.BOOT, Fate.STAYS_OUT, True),
        (Wish.BLACKLIST, Asking.BOOT, Fate.LOADS, False),
        (Wish.BLACKLIST, Asking.ALIAS, Fate.LOADS, False),
        (Wish.ADDED, Asking.BOOT, Fate.STAYS_OUT, True),
        (Wish.ADDED, Asking.NAME, Fate.FAILS, False),
        (Wish.ADDED, Asking.NAME, Fate.LOADS, True),
    ],
)
def test_what_is_meant(wish: Wish, asking: Asking, fate: Fate, meant: bool) -> None:  # noqa: FBT001
    assert as_meant(_trial(LOADS, Seen(fate=fate), wish, asking)) is meant


def test_a_module_whose_init_does_not_return_has_not_loaded() -> None:
    seen = _seen(replace(_loaded(note=b"ours"), unfinished=frozenset({"hello"})))
    assert (seen.fate, seen.said) == (Fate.FAILS, "its init() has not returned")
