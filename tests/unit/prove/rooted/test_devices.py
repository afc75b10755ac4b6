# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices as /sys, /dev and udev's records show them, and which of them a module made."""

from pathlib import Path

from dlkm.prove.rooted.devices import made_by, snapshot
from dlkm.prove.rooted.nodes import Nodes
from dlkm.prove.rooted.observer import Ran
from dlkm.prove.rooted.subject import Device
from dlkm.rootfs.root import DirectoryRoot
from tests.unit.prove.rooted.support import Told
from tests.unit.rootfs.support import put

PLACE = "virtual/misc/gadget0"
NUMBER = "/sys/dev/char/10:122"
LINKS = {NUMBER: f"../../devices/{PLACE}", f"{NUMBER}/subsystem": "../../../class/misc"}
NET = {"/sys/class/net/dummy0": "../../devices/virtual/net/dummy0"}


def test_a_device_with_all_that_udev_gave_it() -> None:
    told = Told(
        files={
            f"{NUMBER}/uevent": b"MAJOR=10\nDEVNAME=ours/gadget0\n",
            "/run/udev/data/c10:122": b"S:our-gadget\nS:a/b\nI:123\n",
        },
        links=LINKS | NET,
        states={"/dev/ours/gadget0": "20640:0:44:10:122"},
    )
    found = snapshot(told)
    settings = {"mode": "0640", "owner": "0", "group": "44", "links": "a/b our-gadget"}
    assert found[PLACE] == Device(name="ours/gadget0", subsystem="misc", settings=settings)
    assert found["virtual/net/dummy0"] == Device(name="dummy0", subsystem="net", settings={})


class Unloading(Told):
    """A guest whose device goes with its module."""

    def run(self, *words: str, seconds: int = 30) -> Ran:
        if words[0] == "rmmod":
            self.targets.pop(NUMBER)
        elif words[0] == "modprobe":
            self.targets[NUMBER] = LINKS[NUMBER]
        self.ran.append(" ".join(words))
        return Ran(status=0, output="")


def test_what_goes_with_the_module_was_made_by_it() -> None:
    told = Unloading(links=LINKS | NET)
    assert made_by(told, "gadget") == frozenset({PLACE})
    assert [line.split()[0] for line in told.ran] == ["rmmod", "udevadm", "modprobe", "udevadm"]


def test_a_module_that_stays_keeps_its_secret() -> None:
    told = Told(links=LINKS, programs={"rmmod gadget": Ran(status=1, output="in use")})
    assert made_by(told, "gadget") is None
    assert told.ran == ["rmmod gadget"]


def test_rules_foretell_numbers_and_the_mode_of_a_group(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "etc/group": "root:*:0:\nvideo:*:44:\n",
            "etc/passwd": "root:*:0:0::/:\n",
            "etc/udev/rules.d/a.rules": 'KERNEL=="a", GROUP="video"\nKERNEL=="b", MODE="640", OWNER="nobody-there"\n'
            'KERNEL=="c", MODE="0666"\nKERNEL=="c", ATTR{x}=="1", MODE="0600"\n'
            'KERNEL=="d", SYMLINK+="one two"\nKERNEL=="d", SYMLINK+="three"\n',
        },
    )
    with DirectoryRoot(tmp_path) as root:
        nodes = Nodes(root)
        found = {name: nodes.foretold(Device(name=name, subsystem="misc", settings={})) for name in "abcde"}
    assert {name: dict(device.foretold) for name, device in found.items()} == {
        "a": {"group": "44", "mode": "0660"},
        "b": {"mode": "0640"},
        "c": {},
        "d": {"links": "one three two"},
        "e": {},
    }
    assert found["d"].places == ("etc/udev/rules.d/a.rules:5", "etc/udev/rules.d/a.rules:6")
