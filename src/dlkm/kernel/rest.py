# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules of a kernel that nothing needs until somebody names them: chosen, packed in one file, unpacked from it.

`rest.json` lists them, and the pack itself, as a manifest does; while `rest.zst` is there they are packed. It holds
their bytes one after the other in the order of the list.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from dlkm.core.data import data_table
from dlkm.core.errors import DlkmError, MalformedError
from dlkm.core.files import cannot_write, write_atomically
from dlkm.core.names import is_module_file, module_name, normalise_module_name
from dlkm.kernel.kernel import Kernel, Packed
from dlkm.kernel.manifest import Entry, Manifest
from dlkm.kernel.record import PACK
from dlkm.kernel.symvers import Symvers

LIST = "rest.json"
_LEVEL = 3  # a fifth of the size in half a second; a higher one takes longer than unpacking the packages
_LIMIT = 1 << 30  # bytes of one module
_MODE = 0o644  # of every module that is packed, so that nothing else is to be remembered


def put_away(kernel: Kernel, made: Path, found: Manifest) -> tuple[Manifest, Packed | None]:
    """Pack what is not needed of the kernel that lies whole in `made`; what stays unpacked, and what does not.

    Only of a kernel whose Module.symvers tells which modules others need. One with its full source shares the files
    of the shipped kernel and has none packed.
    """
    names = list(_spare(kernel, made, found)) if kernel.source is None else []
    if not names:
        return found, None
    rest = {name: found.entries[name] for name in names}
    pack = _pack(made, rest)
    write_atomically(made / LIST, Manifest({PACK: pack} | rest).to_json())
    for name in rest:
        (made / name).unlink()
    stays = Manifest({name: entry for name, entry in found.entries.items() if name not in rest})
    return stays, Packed(files=len(rest), size=Manifest(rest).size, taken=pack.size)


def read(home: Path) -> tuple[Entry, Manifest]:
    """The pack, and what it holds; MalformedError for a list that is none of ours, OSError for none at all."""
    path = home / LIST
    entries = dict(Manifest.parse(path.read_bytes(), str(path)).entries)
    if PACK not in entries or any(entry.target is not None for entry in entries.values()):
        raise MalformedError(f"{path}: lists no packed modules")
    return entries.pop(PACK), Manifest(entries)


def differences(home: Path, *, whole: bool) -> Iterator[str]:
    """As Manifest.differences: of the pack while it is there, of the modules once they are unpacked."""
    pack, rest = read(home)
    packed = (home / PACK).exists()
    yield from (Manifest({PACK: pack}) if packed else rest).differences(home, whole=whole)


def unpack(home: Path, into: Path) -> list[str]:
    """Write the modules below `into`, each as the list has it; their names.

    MalformedError when the pack is not what it was, StorageError when they cannot be written.
    """
    import zstandard

    pack, rest = read(home)
    if next(Manifest({PACK: pack}).differences(home, whole=True), None) is not None:
        raise MalformedError(f"{home / PACK}: is not what it was")
    try:
        with (home / PACK).open("rb") as stream, zstandard.ZstdDecompressor().stream_reader(stream) as reader:
            for name, entry in rest.entries.items():
                data = reader.read(entry.size) if entry.size <= _LIMIT else b""
                if hashlib.sha256(data).hexdigest() != entry.sha256:
                    raise MalformedError(f"{home / PACK}: {name} is not what it was")
                _write(into / name, data, entry)
    except zstandard.ZstdError as error:
        raise MalformedError(f"{home / PACK}: {error}") from error
    return list(rest.entries)


def _write(path: Path, data: bytes, entry: Entry) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            stream.write(data)
            os.fchmod(stream.fileno(), _MODE)
        os.utime(path, ns=(entry.mtime, entry.mtime))
    except OSError as error:
        raise cannot_write(path, error) from error


def _pack(made: Path, rest: dict[str, Entry]) -> Entry:
    import zstandard

    path = made / PACK
    try:
        with path.open("xb") as stream:
            # As many threads on any machine, so that the bytes are the same.
            packer = zstandard.ZstdCompressor(level=_LEVEL, threads=2, write_checksum=True)
            with packer.stream_writer(stream, closefd=False) as sink:
                for name in rest:
                    sink.write((made / name).read_bytes())
        status = path.stat()
    except OSError as error:
        raise cannot_write(path, error) from error
    except zstandard.ZstdError as error:
        raise cannot_write(path, OSError(errno.EIO, str(error))) from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Entry(size=status.st_size, mtime=status.st_mtime_ns, sha256=digest)


def _spare(kernel: Kernel, made: Path, found: Manifest) -> Iterator[str]:
    """The kernel's own modules that export nothing, but those that guests are started with, and the first one listed:
    it shows how the kernel was built. What exports something needs only what does, too.
    """
    if kernel.modules is None or kernel.symvers is None:
        return
    try:
        needed = set(map(module_name, Symvers.read(kernel.symvers).providers)) | _for_guests()
        own = f"{kernel.modules.resolve().relative_to(made.resolve())}/kernel/"
    except (DlkmError, ValueError):
        return
    needed.add(_first_listed(kernel.modules / "modules.order"))
    # Links to one file would come back as several.
    for name, entry in found.entries.items():
        if not name.startswith(own) or not is_module_file(name) or entry.target is not None:
            continue
        status = (made / name).stat()
        alone = status.st_nlink == 1 and status.st_mode & 0o777 == _MODE and entry.size <= _LIMIT
        if alone and normalise_module_name(module_name(name)) not in needed:
            yield name


def _first_listed(order: Path) -> str:
    try:
        with order.open("r", encoding="utf-8", errors="replace") as stream:
            return module_name(stream.readline(4096).strip())
    except OSError:
        return ""


@cache
def _for_guests() -> frozenset[str]:
    table = data_table("unpacked.toml")
    return frozenset(table["modules"])
