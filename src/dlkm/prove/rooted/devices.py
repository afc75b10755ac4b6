# SPDX-License-Identifier: GPL-2.0-or-later
"""The devices of a booted root filesystem, and which of them a module makes: those that go when it is unloaded."""

import re
from pathlib import PurePosixPath

from dlkm.prove.rooted.observer import Observer
from dlkm.prove.rooted.subject import Device

NUMBERED, NETWORK = "/sys/dev/{char,block}/*", "/sys/class/net/*"
UDEV = "/run/udev/data"
SETTLE_TIME = 60  # seconds
_STATUS = re.compile(r"([0-7]{1,7}):([0-9]+):([0-9]+):")


def snapshot(observer: Observer) -> dict[str, Device]:
    """Every device with a node, and every network interface, by its place in /sys."""
    places = _places(observer)
    events = observer.read(f"{NUMBERED}/uevent")
    classes = observer.links(f"{NUMBERED}/subsystem")
    nodes = observer.status("/dev/{*,*/*,*/*/*}")
    records = observer.read(f"{UDEV}/*")
    found: dict[str, Device] = {}
    for path, place in places.items():
        kind, _, number = path.removeprefix("/sys/dev/").partition("/")
        if path.startswith("/sys/class/net/"):
            found[place] = Device(name=_last(path), subsystem="net", settings={})
            continue
        name = _fields(events.get(f"{path}/uevent", b"")).get("DEVNAME", _last(place))
        record = records.get(f"{UDEV}/{kind[0]}{number}", b"")
        settings = _of_node(nodes.get(f"/dev/{name}", "")) | _of_record(record)
        found[place] = Device(name=name, subsystem=_last(classes.get(f"{path}/subsystem", "")), settings=settings)
    return found


def made_by(observer: Observer, module: str) -> frozenset[str] | None:
    """The places of the devices that a loaded module made; it is unloaded and loaded again to find out.

    None when it cannot be unloaded.
    """
    before = set(_places(observer).values())
    if observer.run("rmmod", module).status != 0:
        return None
    _settle(observer)
    gone = before - set(_places(observer).values())
    observer.run("modprobe", module)
    _settle(observer)
    return frozenset(gone)


def _places(observer: Observer) -> dict[str, str]:
    """By the name that the kernel gives it, where it lies below /sys/devices."""
    links = observer.links(NUMBERED) | observer.links(NETWORK)
    return {path: target.partition("devices/")[2] for path, target in links.items() if "devices/" in target}


def _settle(observer: Observer) -> None:
    observer.run("udevadm", "settle", f"--timeout={SETTLE_TIME}", seconds=SETTLE_TIME + 5)


def _of_node(status: str) -> dict[str, str]:
    """From MODE:UID:GID:…"""
    found = _STATUS.match(status)
    if found is None:
        return {}
    return {"mode": f"{int(found[1], 8) & 0o7777:04o}", "owner": found[2], "group": found[3]}


def _of_record(record: bytes) -> dict[str, str]:
    """udev's own record of a device (systemd src/libsystemd/sd-device: device_update_db): S: is a link."""
    lines = record.decode("utf-8", "replace").splitlines()
    links = sorted(line[2:] for line in lines if line.startswith("S:"))
    return {"links": " ".join(links)} if links else {}


def _fields(text: bytes) -> dict[str, str]:
    lines = (line.partition("=") for line in text.decode("utf-8", "replace").splitlines())
    return {key: value for key, _, value in lines}


def _last(path: str) -> str:
    return PurePosixPath(path).name
