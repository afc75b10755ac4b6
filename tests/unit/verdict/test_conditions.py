# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel's command line decides; expected values as Debian's 6.1 and 6.12 behaved when booted with it."""

from pathlib import Path

import pytest

from dlkm.kernel.facts import Facts
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.early import disabling_word
from dlkm.verdict.era import era_of
from dlkm.verdict.signing import lockdown, sig_enforced
from tests.unit.verdict.trials import World
from tests.unit.verdict.world import make_kernel

LONG = "x" * 1020


@pytest.mark.parametrize(
    ("cmdline", "names"),
    [
        ("quiet module_blacklist=a,b", {"a", "b"}),
        ("module-blacklist=a", {"a"}),
        ('module_blacklist="a,b"', {"a", "b"}),
        ('"module_blacklist=a, b"', {"a", " b"}),
        ("module_blacklist=a module_blacklist=b", {"b"}),
        ("module_blacklist=a module_blacklist=", set()),
        ("module_blacklist=a module_blacklist", {"a"}),  # without a value it is not taken
        (f"module_blacklist=a module_blacklist=b,{LONG}xxx", {"a"}),  # nor with more than 1024 bytes
        ("-- module_blacklist=a", set()),  # init's
    ],
)
def test_names_that_are_kept_out(cmdline: str, names: set[str]) -> None:
    assert Conditions(cmdline=cmdline).blacklisted == names


@pytest.mark.parametrize(
    ("cmdline", "enforced"),
    [
        ("module.sig_enforce", {True}),
        ("module.sig-enforce=on", {True}),
        ("module.sig_enforce=1 module.sig_enforce=0", {True}),  # bool_enable_only
        ("module.sig_enforce=", {False, None}),
        ("-- module.sig_enforce=1", {False, None}),
    ],
)
def test_enforcing_signatures(tmp_path: Path, cmdline: str, enforced: set[bool | None]) -> None:
    assert sig_enforced(Facts(make_kernel(tmp_path, World())), Conditions(cmdline=cmdline)) in enforced


@pytest.mark.parametrize(
    ("cmdline", "level"),
    [
        ("lockdown=integrity lockdown=none", "integrity"),
        ("lockdown=confidentiality lockdown=integrity", "confidentiality"),
        ('lockdown="integrity"', "integrity"),
        ("lockdown=Integrity", "none"),
        ("-- lockdown=integrity", "none"),
    ],
)
def test_locking_down(tmp_path: Path, cmdline: str, level: str) -> None:
    assert lockdown(Facts(make_kernel(tmp_path, World())), Conditions(cmdline=cmdline)) == level


def test_a_switch_without_a_value_behind_its_equals_sign(tmp_path: Path) -> None:
    era = era_of(make_kernel(tmp_path, World()))
    assert disabling_word(Conditions(cmdline="nomodule="), era) is None
    assert disabling_word(Conditions(cmdline="nomodule"), era) == "nomodule"


@pytest.mark.parametrize(
    ("release", "truths"),
    [
        ("5.10.0-32-amd64", {"y": True, "on": True, "Of": False, "0": False, "true": None, "False": None, "e": None}),
        ("6.1.0-56-amd64", {"true": True, "False": False, "enabled": None, "o": None, "": None}),
        ("6.18.1", {"true": True, "Enabled": True, "disabled": False, "2": None}),
    ],
)
def test_what_is_a_yes_and_what_a_no(tmp_path: Path, release: str, truths: dict[str, bool | None]) -> None:
    era = era_of(make_kernel(tmp_path, World(release=release)))
    assert {word: era.truth(word) for word in truths} == truths
    assert era.truth(None) is True


@pytest.mark.parametrize(
    ("cmdline", "words"),
    [
        ("quiet hello.whom=you there.whom=me", ("whom=you",)),
        ('hello.whom="you two" x', ('whom="you two"',)),  # the kernel gets the quotes, and takes them off
        ('"hello.whom=you two"', ()),
        ("-- hello.count=3", ("count=3",)),  # modprobe knows no end of the kernel's words
        ("root=x.hello.y hello.loud", ("loud",)),
    ],
)
def test_what_modprobe_takes_from_the_command_line(cmdline: str, words: tuple[str, ...]) -> None:
    assert Conditions(cmdline=cmdline).params_of("hello") == words
