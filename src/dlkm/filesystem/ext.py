# SPDX-License-Identifier: GPL-2.0-or-later
"""An image of ext2, ext3 or ext4: its members, read by e2fsprogs' debugfs without root and without mounting.

debugfs trusts what it finds, so it runs where it can write one directory alone, and no more than a limit. Members are
asked for by inode number: what they are called is never part of a command.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dlkm.core.errors import MalformedError
from dlkm.core.files import scratch_dir
from dlkm.core.processes import Completed, Runner, bound_to_us, failed
from dlkm.core.tools import missing
from dlkm.filesystem.members import LIMIT, Form, Member, Members, kind_of
from dlkm.filesystem.place import Kind, joined

TIMEOUT = 600.0  # seconds that debugfs may take
ROOT = 2  # the inode of the root directory (fs/ext4/ext4.h: EXT4_ROOT_INO)
_MAGIC, _MAGIC_AT = b"\x53\xef", 0x438  # s_magic of the superblock
_SUPERBLOCK = 1024  # where it lies, and how long it is
_STATE, _INCOMPATIBLE = 0x3A, 0x60  # s_state, s_feature_incompat
_HAS_ERRORS, _NEEDS_RECOVERY, _64BIT = 0x2, 0x4, 0x80
_BLOCKS, _BLOCKS_HIGH, _BLOCK_SIZE = 0x4, 0x150, 0x18  # s_blocks_count_lo and _hi, s_log_block_size
_MOST_SHIFT = 6  # a block of 64 KiB (fs/ext4/ext4.h: EXT4_MAX_BLOCK_LOG_SIZE is 16)
_SAYS = 512 << 20  # bytes that it may say; a root filesystem's directories are 10 MB
_COMMAND = re.compile(r"^\S+: ")  # what debugfs was doing
_BANNER = re.compile(rb"debugfs \d+\.\d+\S* \([^)\n]*\)\n")
_LISTED = re.compile(rb"/(\d+)/([0-7]{6})/(\d+)/(\d+)/([^/]*)/(\d*)/\n")
_FAST_LINK = 60  # bytes of a link's text that fit into the inode


class ExtImage:
    """An open image; nothing is written to it."""

    form = Form.EXT

    def __init__(self, path: Path, scratch: Path, runner: Runner) -> None:
        """MalformedError when it cannot be read; MissingToolError without debugfs or bubblewrap."""
        self.path = path
        self.members = Members(path)
        self._scratch, self._runner = scratch, runner
        _require_whole(path)
        self._read()

    def fetch(self, files: Mapping[str, Member], into: Path) -> None:
        """As in `Holder`."""
        with scratch_dir(self._scratch) as out:
            commands = [f"dump <{member.key}> /tmp/out/{number}" for number, member in enumerate(files.values())]
            self._ask(commands, out)
            for number, (name, member) in enumerate(files.items()):
                dumped = out / str(number)
                if dumped.stat().st_size < member.size:
                    raise MalformedError(f"{self.path}: {name} is cut off")
                os.truncate(dumped, member.size)  # of what lies in the inode it gives all that fits in there
                dumped.rename(into / name)

    def _read(self) -> None:
        folders: dict[int, str] = {ROOT: ""}
        seen = {ROOT}
        links: dict[str, Member] = {}
        while folders:
            further: dict[int, str] = {}
            for inode, member, name in self._listed(list(folders)):
                path = joined(folders[inode], name)
                if member.kind is Kind.LINK:
                    links[path] = member
                    continue
                self.members.add(path, member)
                if member.kind is Kind.DIRECTORY:
                    if member.key in seen:
                        raise MalformedError(f"{self.path}: the directory {path!r} is in two places")
                    seen.add(member.key)
                    further[member.key] = path
            folders = further
        self._add_links(links)

    def _listed(self, folders: Sequence[int]) -> Iterator[tuple[int, Member, str]]:
        """What is in directories: the inode of the directory, the member, its name."""
        commands = [f"ls -p <{inode}>" for inode in folders]
        with scratch_dir(self._scratch) as out:
            said = self._ask(commands, out)
        place = 0
        for inode, command in zip(folders, commands, strict=True):
            place = self._behind(command, said, place)
            while (match := _LISTED.match(said, place)) is not None:
                place = match.end()
                name = match[5].decode("utf-8", "surrogateescape")
                member = _member(match)
                if name == "." and inode == ROOT:
                    self.members.add("", member)
                elif member.key and name not in {".", ".."}:  # an entry that is not in use has no inode
                    yield inode, member, name
            place += said[place : place + 1] == b"\n"

    def _add_links(self, links: Mapping[str, Member]) -> None:
        short = {path: member for path, member in links.items() if member.size < _FAST_LINK}
        said = self._about(short, "stat")
        place = 0
        for path, member in short.items():
            place = self._behind(f"stat <{member.key}>", said, place)
            mark = b'Fast link dest: "'
            start = said.find(mark, place) + len(mark)
            if said[start + member.size : start + member.size + 2] != b'"\n' or start < place + len(mark):
                raise MalformedError(f"{self.path}: the link {path!r} cannot be read")
            place = start + member.size + 2
            self._add_link(path, member, said[start : start + member.size])
        long = {path: member for path, member in links.items() if member.size >= _FAST_LINK}
        said = self._about(long, "cat")
        place = 0
        for path, member in long.items():
            start = self._behind(f"cat <{member.key}>", said, place)
            place = start + member.size
            self._add_link(path, member, said[start:place])

    def _about(self, members: Mapping[str, Member], verb: str) -> bytes:
        with scratch_dir(self._scratch) as out:
            return self._ask([f"{verb} <{member.key}>" for member in members.values()], out)

    def _add_link(self, path: str, member: Member, target: bytes) -> None:
        self.members.add(path, replace(member, target=target.decode("utf-8", "surrogateescape")))

    def _behind(self, command: str, said: bytes, place: int) -> int:
        """Where the answer to a command begins: debugfs says each before it answers."""
        said_before = f"debugfs: {command}\n".encode()
        if not said.startswith(said_before, place):
            raise MalformedError(f"{self.path}: a directory of it is damaged, or holds names that no file can have")
        return place + len(said_before)

    def _ask(self, commands: Sequence[str], out: Path) -> bytes:
        """What debugfs answers; files that it is told to dump are written to /tmp/out, which is `out`."""
        return ask(self.path, commands, out, self._runner) if commands else b""


def ask(image: Path, commands: Sequence[str], out: Path, runner: Runner, *, write: bool = False) -> bytes:
    """debugfs' answers to commands in which the directory `out` is /tmp/out; `write` lets it change the image.

    MalformedError when it complains of anything; MissingToolError without it or bubblewrap.
    """
    _require("debugfs", runner)
    (out / "commands").write_text("".join(f"{command}\n" for command in commands), "utf-8", "surrogateescape")
    limits = f"ulimit -f {LIMIT // 512}"
    program = f"debugfs {'-w ' if write else ''}-f /tmp/out/commands /tmp/image >/tmp/out/said 2>/tmp/out/errors"
    inside: list[str | Path] = [*("--bind", out, "/tmp/out"), "sh", "-c", f"{limits}; exec {program}"]  # noqa: S108 — the sandbox's own
    done = runner.run([*_box(image, runner, write=write), *inside], timeout=TIMEOUT)
    if not (out / "errors").exists():
        raise failed(done, f"cannot read {image}", MalformedError)
    complaint = _BANNER.sub(b"", _read(out / "errors"), count=1).decode("utf-8", "replace").strip()
    if complaint or not done.ok:
        first = complaint.splitlines()[0] if complaint else "debugfs ended early"
        raise MalformedError(f"{image}: cannot be read: {_COMMAND.sub('', first, count=1)}")
    return _read(out / "said")


def fsck(image: Path, runner: Runner) -> Completed:
    """What e2fsck says of an image that it may not change; not ok when anything is wrong."""
    _require("e2fsck", runner)
    return runner.run([*_box(image, runner, write=False), "e2fsck", "-fn", "/tmp/image"], timeout=TIMEOUT)  # noqa: S108


def _require(program: str, runner: Runner) -> None:
    for name in (program, "bwrap"):
        if runner.find(name) is None:
            raise missing(name)


def _box(image: Path, runner: Runner, *, write: bool) -> list[str | Path]:
    """Words before a command: it sees the image as /tmp/image and can write nothing else."""
    return [
        *bound_to_us(runner),
        *("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-all"),  # noqa: S108
        *("--die-with-parent", "--new-session"),
        *("--bind" if write else "--ro-bind", image, "/tmp/image"),  # noqa: S108
    ]


def trouble_of(image: Path) -> str:
    """Why an image is not quite what it seems, in words; empty for one that is clean."""
    block = _superblock(image)
    if _number(block, _INCOMPATIBLE) & _NEEDS_RECOVERY:
        return "was not unmounted: its journal holds what is still to be written"
    if _number(block, _STATE, 2) & _HAS_ERRORS:
        return "is marked as having errors"
    return ""


def _require_whole(image: Path) -> None:
    """MalformedError for a file that ends before its file system does."""
    block = _superblock(image)
    high = _number(block, _BLOCKS_HIGH) if _number(block, _INCOMPATIBLE) & _64BIT else 0
    blocks, shift = high << 32 | _number(block, _BLOCKS), _number(block, _BLOCK_SIZE)
    has = image.stat().st_size
    if len(block) < _SUPERBLOCK or shift > _MOST_SHIFT or has < blocks << 10 + shift:
        raise MalformedError(f"{image}: is cut off after {has} bytes: the file system in it is larger")


def _superblock(image: Path) -> bytes:
    with image.open("rb") as stream:
        stream.seek(_SUPERBLOCK)
        return stream.read(_SUPERBLOCK)


def _number(block: bytes, place: int, size: int = 4) -> int:
    return int.from_bytes(block[place : place + size], "little")


def holds_ext(start: bytes) -> bool:
    """Whether such an image begins so."""
    return start[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(_SAYS + 1)
    if len(data) > _SAYS:
        raise MalformedError(f"the image's directories are larger than {_SAYS} bytes")
    return data


def _member(match: re.Match[bytes]) -> Member:
    mode = int(match[2], 8)
    return Member(
        kind=kind_of(mode),
        mode=stat.S_IMODE(mode),
        uid=int(match[3]),
        gid=int(match[4]),
        size=int(match[6] or 0),
        key=int(match[1]),
    )
