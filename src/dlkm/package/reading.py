# SPDX-License-Identifier: GPL-2.0-or-later
"""A package file (.deb, .ipk, .rpm), ours or anybody's, as a Package with its files in a directory.

Nothing of it is trusted: every size is bounded, nothing is written outside the directory, no script is run.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dlkm.core.errors import MalformedError
from dlkm.core.files import open_regular, scratch_dir
from dlkm.kernel.archive import Entry, Kind, Limits, everything, member, unpack
from dlkm.package.control import parse_control, relations
from dlkm.package.package import Package, PackageFile, Scripts
from dlkm.package.rpmheader import Header, read_header
from dlkm.package.rpmtags import COMPARISONS, LEAD_MAGIC, LEAD_SIZE, RELATIONS, SCRIPTS, FileFlag, Sense, Tag

SUFFIXES = (".deb", ".ipk", ".rpm")
LIMITS = Limits(size=4 << 30, entries=100_000)
_TEXT_LIMIT = 4 << 20  # bytes of a control file or a script
_AR = b"!<arch>\n"
_GZIP = b"\x1f\x8b"
_SOURCE_RPM = 1  # the type in its lead


def is_package(path: Path) -> bool:
    """Whether it is named as a package file is."""
    return path.name.endswith(SUFFIXES)


def read_package(path: Path, into: Path, limits: Limits = LIMITS) -> Package:
    """What a package file says, its files below `into` at the paths they have on the target.

    `arch` and `version` are as the file has them, alternatives in relations stay as `a | b`, an .rpm's Obsoletes are
    its `replaces`. UsageError when it cannot be read; MalformedError when it is no package, is damaged, holds device
    nodes, more than the limits, or what leads outside.
    """
    with open_regular(path) as stream:
        start = stream.read(LEAD_SIZE)
    try:
        if start[:4] == LEAD_MAGIC:
            return _rpm(path, start, into, limits)
        if start[:8] == _AR:
            return _deb(path, into, limits)
        if start[:2] == _GZIP:
            return _packed_ipk(path, into, limits)
    except ValueError as error:
        raise MalformedError(f"{path}: is no package that can be read: {error}") from error
    raise MalformedError(f"{path}: is no .deb, .ipk or .rpm", hint="its first bytes are none of theirs")


def _packed_ipk(path: Path, into: Path, limits: Limits) -> Package:
    """The older form of an .ipk: what is in an ar archive otherwise, in a compressed tar."""
    with scratch_dir(into, prefix=".ipk-") as folder:
        unpack(path, folder, limits=Limits(size=limits.size, entries=16))
        parts = {part: next(iter(sorted(folder.glob(f"{part}.tar*"))), None) for part in ("control", "data")}
        control, data = parts["control"], parts["data"]
        if control is None or data is None:
            raise MalformedError(f"{path}: is no .ipk: it has no {'data' if control else 'control'}.tar")
        return _described(
            lambda name: member(control, name, _TEXT_LIMIT), path, unpack(data, into, limits=limits), into
        )


def _deb(path: Path, into: Path, limits: Limits) -> Package:
    entries = unpack(path, into, everything, limits)
    return _described(lambda name: member(path, name, _TEXT_LIMIT, of="control"), path, entries, into)


def _described(read: Callable[[str], bytes | None], path: Path, entries: Sequence[Entry], into: Path) -> Package:
    """From the parts of control.tar and the files."""

    def text(name: str) -> str:
        return (read(name) or b"").decode("utf-8", "surrogateescape")

    fields = parse_control(text("control"))
    if not {"Package", "Version", "Architecture"} <= fields.keys():
        raise MalformedError(f"{path}: its control file does not say what it is")
    summary, _, description = fields.get("Description", "").partition("\n")
    files, folders = _files(path, entries, into)
    listed = {words[-1] for line in text("conffiles").splitlines() if (words := line.split())}
    depends = (*relations(fields.get("Pre-Depends", "")), *relations(fields.get("Depends", "")))
    return Package(
        name=_name(fields["Package"], path),
        version=fields["Version"],
        arch=fields["Architecture"],
        summary=summary,
        description="\n".join("" if line == "." else line for line in description.split("\n")),
        licence=fields.get("License", ""),
        section=fields.get("Section", ""),
        homepage=fields.get("Homepage", ""),
        recipe=fields.get("Source", ""),
        maintainer=fields.get("Maintainer", ""),
        depends=depends,
        files=files,
        folders=folders,
        conffiles=tuple(file.path for file in files if file.path in listed),
        scripts=Scripts(**{kind: text(kind) for kind in SCRIPTS}),
        **_fields(fields),
    )


def _fields(fields: Any) -> dict[str, Any]:
    words = ("recommends", "suggests", "provides", "replaces", "conflicts")
    return {word: relations(fields.get(word.capitalize(), "")) for word in words}


def _rpm(path: Path, lead: bytes, into: Path, limits: Limits) -> Package:
    if len(lead) < LEAD_SIZE or int.from_bytes(lead[6:8], "big") == _SOURCE_RPM:
        raise MalformedError(f"{path}: is a source package, which installs nothing")
    with open_regular(path) as stream:
        stream.seek(LEAD_SIZE)
        read_header(stream, alignment=8)  # the signatures
        header = read_header(stream)
    entries = unpack(path, into, everything, limits)
    files, folders = _files(path, entries, into)
    epoch = "".join(f"{number}:" for number in header.numbers(Tag.EPOCH)[:1])
    return Package(
        name=_name(header.text(Tag.NAME), path),
        version=f"{epoch}{header.text(Tag.VERSION)}-{header.text(Tag.RELEASE)}",
        arch=header.text(Tag.ARCH),
        summary=header.text(Tag.SUMMARY),
        description=header.text(Tag.DESCRIPTION),
        licence=header.text(Tag.LICENSE),
        section=header.text(Tag.GROUP),
        homepage=header.text(Tag.URL),
        recipe=header.text(Tag.SOURCE_RPM),
        maintainer=header.text(Tag.PACKAGER),
        files=files,
        folders=folders,
        conffiles=_configuration(header, {file.path for file in files}),
        scripts=Scripts(**{kind: _script(header, *tags) for kind, tags in SCRIPTS.items()}),
        **_relations_of(header),
    )


def _configuration(header: Header, there: set[str]) -> tuple[str, ...]:
    folders, indexes = header.texts(Tag.DIR_NAMES), header.numbers(Tag.DIR_INDEXES)
    listed = zip(header.texts(Tag.BASENAMES), indexes, header.numbers(Tag.FILE_FLAGS), strict=True)
    marked = [
        f"{folders[index]}{name}" for name, index, flags in listed if flags & FileFlag.CONFIG and index < len(folders)
    ]
    return tuple(path for path in marked if path in there)


def _script(header: Header, body: int, program: int) -> str:
    """With its first line, as the others have it; one that only names a program (ldconfig) runs that."""
    text, words = header.text(body), header.texts(program)
    if not text and not words:
        return ""
    whole = text if text.startswith("#!") else f"#!{' '.join(words) or '/bin/sh'}\n{text}"
    return whole if whole.endswith("\n") else f"{whole}\n"


def _relations_of(header: Header) -> dict[str, Any]:
    return {word: _relations(header, *tags) for word, tags in RELATIONS.items()}


def _relations(header: Header, names: int, flags: int, versions: int) -> tuple[str, ...]:
    """Without what rpm asks of itself."""
    found = zip(header.texts(names), header.numbers(flags), header.texts(versions), strict=True)
    return tuple(_relation(name, sense, version) for name, sense, version in found if not sense & Sense.RPMLIB)


def _relation(name: str, sense: int, version: str) -> str:
    comparison = COMPARISONS.get(Sense(sense & (Sense.LESS | Sense.GREATER | Sense.EQUAL)))
    return f"{name} ({comparison} {version})" if comparison is not None and version else name


def _name(name: str, path: Path) -> str:
    """A package's name, which becomes a file's."""
    if not name.isprintable() or "/" in name or name[:1] in {"", "."}:
        raise MalformedError(f"{path}: {name[:80]!r} is no name of a package")
    return name


def _files(path: Path, entries: Sequence[Entry], into: Path) -> tuple[tuple[PackageFile, ...], tuple[str, ...]]:
    """The files and links, sorted; then the directories that hold nothing."""
    files, folders, above = [], [], set()
    for entry in entries:
        place = into / entry.name
        if entry.kind is Kind.OTHER:
            raise MalformedError(f"{path}: holds a device node, pipe or socket at /{entry.name}")
        parts = entry.name.split("/")[:-1]
        above |= {"/".join(parts[:length]) for length in range(1, len(parts) + 1)}
        if entry.kind is Kind.DIRECTORY:
            folders.append(entry.name)
        elif entry.kind is Kind.LINK:
            files.append(PackageFile(path=f"/{entry.name}", mode=0o777, link=entry.target))
        elif place.is_symlink() or not place.is_file():
            raise MalformedError(f"{path}: /{entry.name} is a hard link to what is not there")
        else:
            files.append(PackageFile(path=f"/{entry.name}", mode=entry.mode, source=place))
    empty = tuple(f"/{name}" for name in sorted(folders) if name not in above)
    return tuple(sorted(files, key=lambda file: file.path)), empty
