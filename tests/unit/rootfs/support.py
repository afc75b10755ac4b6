# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of root filesystems share: snapshots of trees, small modules, a depmod that only lists files."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dlkm.core.events import Events
from dlkm.core.names import is_module_file
from dlkm.core.processes import Completed
from dlkm.ko.module import Module, read_module
from dlkm.rootfs.conf import ConfDir, Wanted, wanted
from dlkm.rootfs.root import DirectoryRoot
from dlkm.rootfs.stage import Given, Staging, stage
from tests.unit.ko.elf_builder import Exported, tiny_module
from tests.unit.rootfs.index_builder import index

RELEASE = "6.1.0-56-amd64"
NOTHING = wanted(autoload=[], options=[], blacklist=[], softdep=[])


def snapshot(top: Path, *, but: Path | None = None) -> dict[str, tuple[object, ...]]:
    """Everything below a directory, links not followed: kind, permissions, content. `but` is left out."""
    return {str(path.relative_to(top)): _state(path) for path in _below(top) if but is None or not _is_in(path, but)}


def tiny(folder: Path, name: str = "hello", *, file_name: str | None = None, depends: str = "", release: str = RELEASE,
         undefined: Sequence[str] = ("_printk",), exports: Sequence[str] = (), parm: str = "") -> Module:  # fmt: skip
    """A module file, and what the reader makes of it."""
    entries = [("license", "GPL"), ("depends", depends), ("name", name), ("vermagic", f"{release} SMP mod_unload ")]
    if parm:
        entries.append(("parmtype", parm))
    image = tiny_module(modinfo=entries, undefined=undefined, exports=[Exported(name=one, crc=1) for one in exports])
    path = folder / (file_name or f"{name}.ko")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image.build())
    return read_module(path)


def put(root: Path, files: Mapping[str, bytes | str]) -> None:
    """Files of a root; a text that begins with '->' makes a link."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str) and content.startswith("->"):
            path.symlink_to(content[2:].strip())
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


class ListingDepmod:
    """In the place of kmod's: what lies in updates/ wins, and nothing has aliases; remembers what it was given."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.configuration: dict[str, str] = {}
        self.says = b""
        self.status = 0
        self.installed = True

    def find(self, program: str) -> Path | None:
        return Path("/sbin") / program if self.installed else None

    def run(self, argv: Sequence[str | Path], **_options: object) -> Completed:
        words = tuple(str(word) for word in argv)
        base = Path(words[words.index("-b") + 1], "lib", "modules", words[-1])
        conf = Path(words[words.index("-C") + 1])
        self.configuration = {path.name: path.read_text() for path in conf.iterdir()}
        self.seen = sorted(_modules(base))
        chosen: dict[str, str] = {}
        for path in sorted(self.seen, key=lambda path: (not path.startswith("updates/"), path)):
            chosen.setdefault(Path(path).name.partition(".")[0].replace("-", "_"), path)
        (base / "modules.dep").write_text("".join(f"{path}:\n" for path in sorted(chosen.values())))
        (base / "modules.dep.bin").write_bytes(index({name: f"{path}:" for name, path in chosen.items()}))
        (base / "modules.builtin.bin").write_bytes(index(dict.fromkeys(_builtin(base), "")))
        (base / "modules.alias").write_text("# Aliases\n")
        return Completed(argv=words, status=self.status, output=b"", errors=self.says)


def planned(
    root: Path,
    *modules: Module,
    asked: Wanted = NOTHING,
    conf_dir: ConfDir = ConfDir.ETC,
    runner: ListingDepmod | None = None,
) -> Staging:
    """The staging of modules for RELEASE with the listing depmod."""
    given = [Given(module=module, release=RELEASE) for module in modules]
    with DirectoryRoot(root) as opened:
        return stage(opened, given, asked, conf_dir=conf_dir, runner=runner or ListingDepmod(), events=Events())


def _builtin(base: Path) -> Iterator[str]:
    listed = base / "modules.builtin"
    if listed.is_file():
        for line in listed.read_text().splitlines():
            yield line.rpartition("/")[2].partition(".")[0].replace("-", "_")


def _modules(base: Path) -> Iterator[str]:
    for folder, _folders, names in os.walk(base, followlinks=True):
        yield from (str(Path(folder, name).relative_to(base)) for name in names if is_module_file(name))


def _below(top: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(top):
        yield from (Path(folder) / name for name in (*folders, *names))


def _is_in(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _state(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return "link", path.readlink()
    if stat.S_ISREG(status.st_mode):
        return "file", mode, hashlib.sha256(path.read_bytes()).hexdigest()
    return "directory" if stat.S_ISDIR(status.st_mode) else "other", mode
