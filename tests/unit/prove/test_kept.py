# SPDX-License-Identifier: GPL-2.0-or-later
"""The store of booted guests: whole or not there, the oldest gone first."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dlkm.core.arch import arch_named
from dlkm.prove import kept
from dlkm.prove.accelerator import Accelerator
from dlkm.prove.kept import ABANDONED, KeptGuests, Saving, key_of
from dlkm.prove.machine import Hardware


def _save(guests: KeptGuests, key: str, content: bytes) -> Path:
    path = guests.start_saving()
    assert path is not None
    path.write_bytes(content)
    Saving(guests, key, path).join()
    (found,) = guests.folder.glob(f"{key}-*")
    return found


def _content(guests: KeptGuests, key: str) -> bytes | None:
    with guests.opened(key) as stream:
        return stream.read() if stream is not None else None


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    guests = KeptGuests(folder=tmp_path / "guests")
    assert _content(guests, "key") is None
    _save(guests, "key", b"state")
    assert _content(guests, "key") == b"state"
    assert _content(guests, "other") is None


@pytest.mark.parametrize("damage", [b"", b"stat", b"statf", b"state and more"])
def test_a_damaged_one_is_none_and_goes(tmp_path: Path, damage: bytes) -> None:
    guests = KeptGuests(folder=tmp_path)
    path = _save(guests, "key", b"state")
    path.write_bytes(damage)
    assert _content(guests, "key") is None
    assert not path.exists()


def test_a_dropped_one_is_gone(tmp_path: Path) -> None:
    guests = KeptGuests(folder=tmp_path)
    _save(guests, "key", b"state")
    guests.drop("key")
    assert _content(guests, "key") is None


def test_the_least_recently_used_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_GUESTS", 2)
    guests = KeptGuests(folder=tmp_path)
    for age, key in enumerate(["a", "b", "c"]):
        os.utime(_save(guests, key, b"x"), (time.time() - 100 + age, time.time() - 100 + age))
        if key == "b":
            assert _content(guests, "a") == b"x"  # used just now
    assert [_content(guests, key) for key in "abc"] == [b"x", None, b"x"]


def test_bytes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 10)
    guests = KeptGuests(folder=tmp_path)
    os.utime(_save(guests, "a", bytes(8)), (1, 1))
    _save(guests, "b", bytes(8))
    assert _content(guests, "a") is None
    assert _content(guests, "b") == bytes(8)


def test_what_was_never_finished_goes(tmp_path: Path) -> None:
    guests = KeptGuests(folder=tmp_path)
    old, new = guests.start_saving(), guests.start_saving()
    assert old is not None
    assert new is not None
    os.utime(old, (time.time() - ABANDONED - 1,) * 2)
    guests.evict()
    assert not old.exists()
    assert new.exists()


def test_a_cache_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert KeptGuests(folder=tmp_path / "file" / "guests").start_saving() is None


def test_the_key_holds_all_that_matters(tmp_path: Path) -> None:
    machine = arch_named("x86_64").machine
    assert machine is not None
    program = tmp_path / "qemu"
    program.write_bytes(b"7.2")
    hardware = Hardware(machine=machine, accelerator=Accelerator.TCG, memory=512, cmdline="console=ttyS0")

    def keys() -> list[str]:
        return [
            key_of(hardware, "digest", b"initramfs", program, ""),
            key_of(replace(hardware, cmdline="console=ttyS0 lockdown=integrity"), "digest", b"initramfs", program, ""),
            key_of(replace(hardware, memory=768), "digest", b"initramfs", program, ""),
            key_of(replace(hardware, accelerator=Accelerator.KVM), "digest", b"initramfs", program, ""),
            key_of(hardware, "another", b"initramfs", program, ""),
            key_of(hardware, "digest", b"another", program, ""),
            key_of(hardware, "digest", b"initramfs", program, "boot"),
        ]

    before = keys()
    assert len(set(before)) == len(before)
    assert keys() == before
    program.write_bytes(b"8.0.0")
    assert not set(keys()) & set(before)
