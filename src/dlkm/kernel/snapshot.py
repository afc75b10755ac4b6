# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of targets: the format, and how one becomes a kernel of the pool. data/snapshot.sh writes them.

A snapshot is text and files one behind the other, packed with gzip where the target has it:
`text NAME`, lines with a blank before each, an empty line; `file NAME SIZE`, the bytes; `none NAME PLACE`; `end`.
It comes from a machine that may be anyone's: nothing of it is believed before it is looked at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Self

from dlkm.core.arch import arch_named
from dlkm.core.data import data_text
from dlkm.core.errors import DlkmError, MalformedError, UsageError
from dlkm.core.events import Events
from dlkm.core.files import inside, open_regular, sha256_file
from dlkm.core.names import is_release
from dlkm.kernel import rooted
from dlkm.kernel.adopt import adopt, free_id, present
from dlkm.kernel.directory import vermagic_of
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.record import Unpacked
from dlkm.ko.decompress import decompress

LIMIT = 256 << 20  # bytes of a snapshot, packed and unpacked; a distribution's has 30 million
ENTRIES = 5000
HEAD = b"dlkm-snapshot 1\n"
_NAME = re.compile(r"[A-Za-z0-9._/@+-]{1,200}")

# Where a kernel's tree has them, by their names in a snapshot; {R} is the release. The rest lies in snapshot/.
_PLACES = {"config": "boot/config-{R}", "image": "boot/vmlinuz-{R}", "btf": "sys/kernel/btf/vmlinux"}
_FOLDERS = {"modules/": "lib/modules/{R}/", "module/": "lib/modules/{R}/", "modprobe.d/": "", "modules-load.d/": ""}

# What a verdict takes, and what its absence means.
FACTS = {
    "config": "configuration: which checks the kernel makes is guessed",
    "image": "image: what the kernel itself exports, with which versions, and the keys it trusts",
    "symvers": "the modules' exports with their versions",
    "btf": "types of the kernel",
    "kallsyms": "names of the kernel's symbols",
    "module": "one of its own modules: vermagic and the size of struct module",
    "lockdown": "lockdown",
    "sig_enforce": "whether signatures are enforced at run time",
    "keys": "the keys that were enrolled",
}


def script() -> str:
    """The shell script that takes a snapshot."""
    return data_text("snapshot.sh")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot holds, by name, and what the target could not read."""

    entries: Mapping[str, bytes]
    lacking: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file; MalformedError when it is none, is cut off, or holds what none holds."""
        with open_regular(path) as stream:
            data = stream.read() if path.stat().st_size <= LIMIT else b""
        if not data:
            raise MalformedError(f"{path}: is no snapshot: {'it is empty' if not path.stat().st_size else 'too large'}")
        return cls.parse(decompress(data, str(path), LIMIT), str(path))

    @classmethod
    def parse(cls, data: bytes, where: str) -> Self:
        """From its unpacked bytes, which may be anything."""
        start = data.find(HEAD)
        if not 0 <= start < 65536:  # a login may have said something first
            raise MalformedError(f"{where}: is no snapshot of a target", hint="dlkm kernel snapshot --script takes one")
        reader = _Reader(data, start + len(HEAD), where)
        while reader.entry():
            pass
        return cls(reader.entries, reader.lacking)

    def text(self, name: str) -> str | None:
        """A text or a small file as text, without the last line's end; None when it is not there."""
        raw = self.entries.get(name)
        return None if raw is None else raw.decode("utf-8", "replace").strip()

    @property
    def release(self) -> str:
        """`uname -r` of the target; MalformedError when it says none."""
        release = self.text("release") or ""
        if not is_release(release):
            raise MalformedError(f"the snapshot's kernel calls itself {release[:80]!r}, which is no kernel release")
        return release


class _Reader:
    """Takes a snapshot's bytes apart."""

    def __init__(self, data: bytes, place: int, where: str) -> None:
        self._data, self._place, self._where = data, place, where
        self.entries: dict[str, bytes] = {}
        self.lacking: dict[str, str] = {}

    def entry(self) -> bool:
        """Read one; False at the end."""
        line = self._line()
        kind, _, rest = line.partition(b" ")
        match kind:
            case b"end":
                return False
            case b"text":
                self._add(rest, self._text())
            case b"file":
                name, _, size = rest.rpartition(b" ")
                self._add(name, self._bytes(size))
            case b"none":
                name, _, path = rest.partition(b" ")
                self.lacking[name.decode("ascii", "replace")[:200]] = path.decode("utf-8", "replace")[:200]
            case b"":
                pass
            case _:
                raise self._malformed(f"{line[:40]!r} begins no entry")
        return True

    def _line(self) -> bytes:
        end = self._data.find(b"\n", self._place)
        if end < 0:
            raise self._malformed("it is cut off: its end is missing")
        line = self._data[self._place : end]
        self._place = end + 1
        return line

    def _text(self) -> bytes:
        start = self._place
        while self._data.startswith(b" ", self._place):
            self._line()
        return self._data[start : self._place].replace(b"\n ", b"\n").removeprefix(b" ")

    def _bytes(self, size: bytes) -> bytes:
        if not size.isdigit() or len(size) > 12 or self._place + int(size) > len(self._data):
            raise self._malformed(f"a file of {size[:20].decode('ascii', 'replace')!r} bytes does not lie within it")
        start = self._place
        self._place += int(size)
        return self._data[start : self._place]

    def _add(self, raw: bytes, content: bytes) -> None:
        name = raw.decode("ascii", "replace")
        try:
            good = _NAME.fullmatch(name) is not None and inside(name) == name
        except ValueError:
            good = False
        if not good or name in self.entries or len(self.entries) >= ENTRIES:
            raise self._malformed(f"{name[:80]!r} cannot be the name of a further entry")
        self.entries[name] = content

    def _malformed(self, why: str) -> MalformedError:
        return MalformedError(f"{self._where}: is no whole snapshot: {why}", offset=self._place)


def add(path: Path, pool: Pool, events: Events) -> Kernel:
    """The kernel of a snapshot, in the pool; what it lacks is a warning, and in the kernel's `lacks`."""
    if not path.is_file():
        raise UsageError(
            f"snapshot:{path}: no such file", hint="dlkm kernel snapshot ssh://user@host -o FILE takes one"
        )
    where = path.resolve()
    packages = (Unpacked(name=path.name, version="", sha256=sha256_file(where)),)
    snapshot = Snapshot.read(where)
    release = snapshot.release
    if (known := present(pool, release, packages)) is not None:
        return known
    name = free_id(pool, release, f"snapshot:{where}", "snapshot")
    with pool.locked(name, events), pool.scratch(name) as made:
        if (known := present(pool, release, packages)) is not None:  # another process has just made it
            return known
        _write(snapshot, made / "tree", release)
        kernel = _kernel(snapshot, made / "tree", f"snapshot:{where}")
        if missing := [what for what in kernel.lacks if what != "exports"]:
            events.warning(f"{name}: the snapshot lacks {'; '.join(missing)}")
        return adopt(pool, name, kernel, made, packages)


def _write(snapshot: Snapshot, tree: Path, release: str) -> None:
    """Each entry where a kernel's tree has it; names are known to stay inside."""
    for name, content in snapshot.entries.items():
        plain = decompress(content, name, LIMIT) if name == "config" else content
        path = tree / _place(name, content, release)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(plain)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise MalformedError(f"the snapshot's {name!r} is two things at once") from error


def _place(name: str, content: bytes, release: str) -> PurePosixPath:
    if name == "symvers":
        suffix = {b"\xfd7z": ".xz", b"\x1f\x8b": ".gz", b"\x28\xb5": ".zst"}
        packed = next((word for magic, word in suffix.items() if content.startswith(magic)), "")
        return PurePosixPath(f"lib/modules/{release}/symvers{packed}")
    if name in _PLACES:
        return PurePosixPath(_PLACES[name].replace("{R}", release))
    for start, place in _FOLDERS.items():
        if name.startswith(start):
            folder = place.replace("{R}", release)
            return PurePosixPath(folder + name.removeprefix(start) if folder else f"snapshot/{name}")
    return PurePosixPath(f"snapshot/{name}")


def _kernel(snapshot: Snapshot, tree: Path, origin: str) -> Kernel:
    release = snapshot.release
    (tree / "lib/modules" / release).mkdir(parents=True, exist_ok=True)
    try:
        arch = arch_named(snapshot.text("machine") or "")
    except UsageError as error:
        raise MalformedError(f"the snapshot's machine is not known: {error.what}") from error
    try:
        kernel = rooted.kernel_in(tree, release, origin=origin, arch=arch)
    except DlkmError as error:
        raise MalformedError(f"the snapshot's kernel cannot be read: {error.what}") from error
    vermagic = kernel.vermagic or _vermagic(snapshot)
    if vermagic is None and kernel.config:
        vermagic = vermagic_of(release, arch, kernel.config)
    return replace(kernel, vermagic=vermagic, lacks=_lacks(snapshot))


def _vermagic(snapshot: Snapshot) -> str | None:
    """As the target's modinfo prints that of its own modules, the blank at its end included."""
    for line in snapshot.entries.get("facts", b"").decode("utf-8", "replace").split("\n"):
        key, _, value = line.partition(":")
        if key == "vermagic" and value.lstrip().startswith(f"{snapshot.release} "):
            return value.lstrip()
    return None


def _lacks(snapshot: Snapshot) -> tuple[str, ...]:
    """What of FACTS is not there. "exports": the modules' are not all known, so nothing can be said not to exist."""
    there = {name.partition("/")[0] for name in snapshot.entries}
    if "module" not in there and _vermagic(snapshot) is not None:
        there.add("module")
    lacking = tuple(text for name, text in FACTS.items() if name not in there)
    return lacking if "symvers" in there else ("exports", *lacking)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """How a target ran when the snapshot was taken. None: it could not be read.

    `enrolled` are variables of its firmware with the keys that it trusts besides the kernel's own.
    """

    cmdline: str | None
    lockdown: str | None
    sig_enforce: bool | None
    loaded: frozenset[str]
    enrolled: tuple[Path, ...] | None


def live(kernel: Kernel) -> Live | None:
    """How the target of a snapshot ran; None for a kernel of another origin."""
    if not kernel.origin.startswith("snapshot:") or kernel.tree is None:
        return None
    folder = kernel.tree / "snapshot"
    lockdown = re.search(r"\[(none|integrity|confidentiality)\]", _read(folder / "lockdown") or "")
    enforced = (_read(folder / "sig_enforce") or "").strip()
    modules = (_read(folder / "modules") or "").splitlines()
    return Live(
        cmdline=_read(folder / "cmdline"),
        lockdown=lockdown[1] if lockdown is not None else None,
        sig_enforce=enforced == "Y" if enforced in {"Y", "N"} else None,
        loaded=frozenset(line.split(" ")[0] for line in modules if line),
        enrolled=_enrolled(folder / "efivars"),
    )


def _enrolled(variables: Path) -> tuple[Path, ...] | None:
    """What shim (MokListRT) and the firmware (db) vouch for; None for a machine whose firmware told nothing."""
    if not variables.is_dir():
        return None
    return tuple(sorted(path for path in variables.iterdir() if path.name.startswith(("db-", "MokListRT-"))))


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return None
