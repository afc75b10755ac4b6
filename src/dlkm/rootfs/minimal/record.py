# SPDX-License-Identifier: GPL-2.0-or-later
"""dpkg's database of a root into which packages were unpacked: all of them installed. Sources: deb(5), dpkg(1)."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlkm.core.files import scratch_dir
from dlkm.kernel import archive

ADMIN = "var/lib/dpkg"
_EMPTY = ("available", "diversions", "statoverride")


def write_record(root: Path, debs: Sequence[Path]) -> None:
    """Write it; MalformedError for a file that is no package."""
    admin = root / ADMIN
    for folder in ("info", "triggers", "updates", "parts", "alternatives"):
        (admin / folder).mkdir(parents=True, exist_ok=True)
    for name in _EMPTY:
        (admin / name).write_bytes(b"")
    (admin / "info/format").write_text("1\n")
    stanzas = [_record(root, deb) for deb in sorted(debs)]
    (admin / "status").write_text("\n".join(stanzas), "utf-8")


def _record(root: Path, deb: Path) -> str:
    """The package's files below info/; its stanza of the status file."""
    info = root / ADMIN / "info"
    with scratch_dir(root / ADMIN, "control-") as folder:
        archive.unpack(deb, folder, of="control")
        control = (folder / "control").read_text("utf-8")
        fields = dict(line.split(": ", 1) for line in control.splitlines() if ": " in line and line[0] != " ")
        name = fields["Package"]
        stem = f"{name}:{fields['Architecture']}" if fields.get("Multi-Arch") == "same" else name
        for path in folder.iterdir():
            if path.name != "control":
                path.rename(info / f"{stem}.{path.name}")
    names = sorted({f"/{path}" for path in archive.names_in(deb) if path})
    (info / f"{stem}.list").write_text("".join(f"{path}\n" for path in ["/.", *names]), "utf-8")
    _note_triggers(root / ADMIN / "triggers", info / f"{stem}.triggers", name)
    conffiles = "".join(_conffiles(root, info / f"{stem}.conffiles"))
    head, _, rest = control.partition("\n")
    return f"{head}\nStatus: install ok installed\n{rest.rstrip()}\n{conffiles}"


def _conffiles(root: Path, listed: Path) -> Iterator[str]:
    """The field of that name: each file with its MD5, by which dpkg sees who changed it."""
    if listed.is_file():
        yield "Conffiles:\n"
        for name in listed.read_text("utf-8").split("\n"):
            if name.startswith("/"):
                data = (root / name.lstrip("/")).read_bytes()
                yield f" {name} {hashlib.md5(data, usedforsecurity=False).hexdigest()}\n"


def _note_triggers(folder: Path, listed: Path, package: str) -> None:
    """Who is interested in what (deb-triggers(5)): paths in one file, other names in a file each."""
    lines = listed.read_text("utf-8").splitlines() if listed.is_file() else []
    for words in (line.split() for line in lines):
        if len(words) == 2 and words[0].startswith("interest"):
            mark = "/noawait" if words[0].endswith("noawait") else ""
            is_path = words[1].startswith("/")
            with (folder / ("File" if is_path else words[1])).open("a", encoding="utf-8") as stream:
                stream.write(f"{words[1]} {package}{mark}\n" if is_path else f"{package}{mark}\n")
