# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that go with a driver and that the user names one by one: firmware and udev rules, with their places."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dlkm.core.errors import UsageError
from dlkm.core.files import inside
from dlkm.ko.module import Module
from dlkm.rootfs.conf import ConfDir
from dlkm.rootfs.packaged import Extra
from dlkm.rootfs.plan import Content
from dlkm.rootfs.root import Kind, Root

FIRMWARE = "usr/lib/firmware"
PACKED = ("", ".xz", ".zst")  # as the kernel's loader tries them (drivers/base/firmware_loader/main.c)


def firmware(texts: Sequence[str], modules: Sequence[Module]) -> Iterator[Extra]:
    """From FILE or FILE:NAME; without NAME by the one name that a module asks for, which ends in the file's own.

    UsageError for a file that cannot be read, a NAME that leads outside, and for several names that would fit.
    """
    asked = [name for module in modules for name in module.all("firmware")]
    for text in texts:
        path, name = _split(text)
        try:
            place = inside(name or _asked_for(path, asked))
        except ValueError as error:
            raise UsageError(f"--firmware {text}: {name} is no name below /lib/firmware") from error
        yield Extra(path=f"{FIRMWARE}/{place}", content=Content.of(path))


def udev_rules(paths: Sequence[Path], conf_dir: ConfDir) -> Iterator[Extra]:
    """Into the administrator's or the distribution's rules.d; UsageError for what udev would not read there."""
    folder = "etc/udev/rules.d" if conf_dir is ConfDir.ETC else "usr/lib/udev/rules.d"
    for path in paths:
        if not path.name.endswith(".rules"):
            raise UsageError(f"--udev-rules {path}: udev reads no file that does not end in .rules")
        yield Extra(path=f"{folder}/{path.name}", content=Content.of(path))


def lacking_firmware(root: Root, release: str, module: Module) -> tuple[str, ...]:
    """What a module may ask for and the root does not have, in any place where the kernel looks."""
    folders = (f"lib/firmware/updates/{release}", "lib/firmware/updates", f"lib/firmware/{release}", "lib/firmware")
    asked = dict.fromkeys(module.all("firmware"))
    return tuple(name for name in asked if not any(_is_there(root, f"{folder}/{name}") for folder in folders))


def _is_there(root: Root, path: str) -> bool:
    return any(root.place(path + suffix).kind is Kind.FILE for suffix in PACKED)


def _split(text: str) -> tuple[Path, str]:
    """A file may have a colon in its name."""
    file, colon, name = text.rpartition(":")
    return (Path(file), name) if colon and not Path(text).is_file() else (Path(text), "")


def _asked_for(path: Path, asked: Sequence[str]) -> str:
    names = {name + suffix for name in asked for suffix in PACKED if (name + suffix).rpartition("/")[2] == path.name}
    if len(names) > 1:
        what = f"--firmware {path}: the modules ask for several of that name: {', '.join(sorted(names))}"
        raise UsageError(what, hint=f"say which: --firmware {path}:{min(names)}")
    return names.pop() if names else path.name
