# SPDX-License-Identifier: GPL-2.0-or-later
"""What the udev rules of a root filesystem foretell of a device that a module made. Reads, and boots nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath

from dlkm.prove.rooted.subject import Device
from dlkm.rootfs.root import Root
from dlkm.rootfs.udevrules import Rule, rules_of, settings_for

_NAMED_BY = {"owner": "etc/passwd", "group": "etc/group"}
WITH_GROUP = "0660"  # the mode of a node that only a group is given (systemd src/udev/udev-node.c)


@dataclass(frozen=True)
class Nodes:
    """The rules and the accounts of one root filesystem."""

    root: Root

    def foretold(self, device: Device) -> Device:
        """The device with what the rules say of it; what they leave open is left out."""
        known = {"KERNEL": PurePosixPath(device.name).name, "SUBSYSTEM": device.subsystem, "ACTION": "add"}
        found: dict[str, str] = {}
        places: list[str] = []
        for word, given in settings_for(self._rules, known).items():
            values = [one.value for one in given if one.value is not None]
            if values and (word == "links" or len(values) == len(given)):
                found[word] = self._value(word, values)
                places += [one.place for one in given if one.value is not None]
        if "mode" not in found and found.get("group", "0") != "0":
            found["mode"] = WITH_GROUP
        return replace(device, foretold=_numeric(found), places=tuple(dict.fromkeys(places)))

    def _value(self, word: str, values: list[str]) -> str:
        if word == "links":
            return " ".join(sorted(" ".join(values).split()))
        return self._numbers(word).get(values[-1], values[-1]) if word in _NAMED_BY else values[-1]

    def _numbers(self, word: str) -> Mapping[str, str]:
        text = (self.root.read(_NAMED_BY[word]) or b"").decode("utf-8", "replace")
        lines = (line.split(":") for line in text.splitlines())
        return {parts[0]: parts[2] for parts in lines if len(parts) > 2}

    @cached_property
    def _rules(self) -> tuple[Rule, ...]:
        return rules_of(self.root)


def _numeric(found: dict[str, str]) -> dict[str, str]:
    """A mode as /dev shows it; an account that the root does not have is ignored by udev, so nothing is foretold."""
    if "mode" in found:
        found["mode"] = found["mode"].zfill(4)
    return {word: value for word, value in found.items() if word not in _NAMED_BY or value.isdecimal()}
