# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes .rpm (format 4): lead, signature header, header, cpio payload. Source: rpm's docs/manual/format_*.md.

Not by rpmbuild: what it writes depends on the macros and the version of the machine's rpm, and it expands macros, shell
commands among them, in texts that come out of other people's sources.
"""

import hashlib
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from dlkm.core.cpio import Entry, archive
from dlkm.package.compression import LEVELS, Compression, compressed
from dlkm.package.contents import folders_in_tree
from dlkm.package.names import Format, Version, package_name
from dlkm.package.package import Package
from dlkm.package.relations import Relation, Term, parse
from dlkm.package.rpmheader import Builder, Type
from dlkm.package.rpmtags import COMPARISONS, LEAD_MAGIC, RELATIONS, SCRIPTS, FileFlag, Sense, Tag
from dlkm.package.stamp import Stamp

_SHA256 = 8  # the number of an algorithm in OpenPGP
_SHELL = "/bin/sh"
_COMPRESSORS = {Compression.GZ: "gzip", Compression.XZ: "xz", Compression.ZST: "zstd"}
# What rpm must be able to do in order to read a package, and since which version it is.
_FEATURES = {
    "CompressedFileNames": "3.0.4-1",
    "FileDigests": "4.6.0-1",
    "PayloadFilesHavePrefix": "4.0-1",
}
_OF_COMPRESSION = {Compression.XZ: ("PayloadIsXz", "5.2-1"), Compression.ZST: ("PayloadIsZstd", "5.4.18-1")}
_WHEN = {
    "preinst": Sense.SCRIPT_PRE,
    "postinst": Sense.SCRIPT_POST,
    "prerm": Sense.SCRIPT_PREUN,
    "postrm": Sense.SCRIPT_POSTUN,
}
_SENSES = {text: sense for sense, text in COMPARISONS.items()}
_DIRECTORY_SIZE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One file, link or directory of the payload, as the header lists it."""

    folder: str
    name: str
    mode: int
    data: bytes = b""
    link: str = ""
    flags: int = 0

    @property
    def size(self) -> int:
        return len(self.link.encode("utf-8", "surrogateescape")) if self.link else len(self.data)


def write_rpm(package: Package, how: Compression, stamp: Stamp, sink: BinaryIO) -> None:
    """Write a package in the words of its format."""
    files = list(_files(package))
    payload = archive(
        Entry(
            name=f".{file.folder}{file.name}", mode=file.mode, data=file.data or file.link.encode(), mtime=stamp.epoch
        )
        for file in files
    )
    packed = compressed(payload, how)
    header = _header(package, files, how, stamp, packed)
    sink.write(_lead(package))
    signature = _signature(header, packed, len(payload))
    sink.write(signature + b"\0" * (-len(signature) % 8))
    sink.write(header)
    sink.write(packed)


def _lead(package: Package) -> bytes:
    """What only very old programs read: format 3.0, a binary package, for Linux."""
    name = _label(package).encode("utf-8", "replace")[:65]
    return LEAD_MAGIC + bytes([3, 0, 0, 0, 0, 1]) + name.ljust(66, b"\0") + bytes([0, 1, 0, 5]) + bytes(16)


def _label(package: Package) -> str:
    version = Version.parse(package.version, Format.RPM)
    return f"{package.name}-{version.without_epoch}"


def _signature(header: bytes, packed: bytes, plain: int) -> bytes:
    """Digests over what follows."""
    builder = Builder(Tag.SIGNATURES)
    builder.text(Tag.SHA1, hashlib.sha1(header, usedforsecurity=False).hexdigest())
    builder.text(Tag.SHA256, hashlib.sha256(header).hexdigest())
    builder.numbers(_SIGNED_SIZE, [len(header) + len(packed)])
    builder.blob(_SIGNED_MD5, hashlib.md5(header + packed, usedforsecurity=False).digest())
    builder.numbers(_SIGNED_PAYLOAD, [plain])
    return builder.build()


_SIGNED_SIZE, _SIGNED_MD5, _SIGNED_PAYLOAD = 1000, 1004, 1007  # these numbers mean other things in the main header


def _header(package: Package, files: Sequence[_File], how: Compression, stamp: Stamp, packed: bytes) -> bytes:
    builder = Builder(Tag.IMMUTABLE)
    _describe(builder, package, stamp)
    _list_files(builder, files, stamp)
    _relate(builder, package, how)
    for kind, (body, program) in SCRIPTS.items():
        interpreter, text = _script(getattr(package.scripts, kind))
        if text:
            builder.text(body, text)
            if len(interpreter) > 1:
                builder.texts(program, interpreter)
            else:
                builder.text(program, interpreter[0])
    builder.text(Tag.PAYLOAD_FORMAT, "cpio")
    builder.text(Tag.PAYLOAD_COMPRESSOR, _COMPRESSORS[how])
    builder.text(Tag.PAYLOAD_FLAGS, str(LEVELS[how]))
    builder.texts(Tag.PAYLOAD_DIGEST, [hashlib.sha256(packed).hexdigest()])
    builder.numbers(Tag.PAYLOAD_DIGEST_ALGORITHM, [_SHA256])
    return builder.build()


def _describe(builder: Builder, package: Package, stamp: Stamp) -> None:
    version = Version.parse(package.version, Format.RPM)
    builder.texts(Tag.I18N, ["C"])
    builder.text(Tag.NAME, package.name)
    builder.text(Tag.VERSION, version.upstream)
    builder.text(Tag.RELEASE, version.revision or "0")
    if version.epoch:
        builder.numbers(Tag.EPOCH, [int(version.epoch)])
    builder.translated(Tag.SUMMARY, " ".join(package.summary.split()))
    builder.translated(Tag.DESCRIPTION, package.description)
    builder.translated(Tag.GROUP, package.section)
    builder.numbers(Tag.BUILD_TIME, [stamp.epoch])
    builder.text(Tag.BUILD_HOST, "reproducible")
    builder.text(Tag.LICENSE, package.licence)
    builder.text(Tag.PACKAGER, package.maintainer)
    if package.homepage:
        builder.text(Tag.URL, package.homepage)
    builder.text(Tag.OS, "linux")
    builder.text(Tag.ARCH, package.arch)
    builder.text(Tag.PLATFORM, f"{package.arch}-linux")
    builder.text(Tag.SOURCE_RPM, f"{package.recipe or package.name}-{version.without_epoch}.src.rpm")
    builder.text(Tag.RPM_VERSION, "4.18.0")
    builder.text(Tag.ENCODING, "utf-8")
    builder.numbers(Tag.CHANGELOG_TIME, [stamp.epoch])
    builder.texts(Tag.CHANGELOG_NAME, [f"{package.maintainer} - {version}"])
    builder.texts(Tag.CHANGELOG_TEXT, ["- Packaged from what was built."])
    builder.numbers(Tag.SIZE, [sum(len(file.read()) for file in package.files)])


def _list_files(builder: Builder, files: Sequence[_File], stamp: Stamp) -> None:
    """What is known of each file, in the order of the payload."""
    if not files:
        return
    folders = list(dict.fromkeys(file.folder for file in files))
    count = len(files)
    builder.texts(Tag.BASENAMES, [file.name for file in files])
    builder.numbers(Tag.DIR_INDEXES, [folders.index(file.folder) for file in files])
    builder.texts(Tag.DIR_NAMES, folders)
    builder.numbers(Tag.FILE_SIZES, [_DIRECTORY_SIZE if stat.S_ISDIR(file.mode) else file.size for file in files])
    builder.numbers(Tag.FILE_MODES, [file.mode for file in files], Type.INT16)
    builder.numbers(Tag.FILE_RDEVS, [0] * count, Type.INT16)
    builder.numbers(Tag.FILE_MTIMES, [stamp.epoch] * count)
    builder.texts(
        Tag.FILE_DIGESTS,
        [hashlib.sha256(file.data).hexdigest() if stat.S_ISREG(file.mode) else "" for file in files],
    )
    builder.texts(Tag.FILE_LINKS, [file.link for file in files])
    builder.numbers(Tag.FILE_FLAGS, [file.flags for file in files])
    builder.texts(Tag.FILE_USERS, ["root"] * count)
    builder.texts(Tag.FILE_GROUPS, ["root"] * count)
    builder.numbers(Tag.FILE_VERIFY, [0xFFFFFFFF] * count)
    builder.numbers(Tag.FILE_DEVICES, [1] * count)
    builder.numbers(Tag.FILE_INODES, list(range(1, count + 1)))
    builder.texts(Tag.FILE_LANGS, [""] * count)
    builder.numbers(Tag.FILE_DIGEST_ALGORITHM, [_SHA256])


def _files(package: Package) -> Iterator[_File]:
    """Sorted by path, as the payload must be; rpm removes only directories that a package names."""
    entries: dict[str, _File] = {}
    for path in (*folders_in_tree(package), *package.folders):
        folder, _, name = path.rstrip("/").rpartition("/")
        entries[path] = _File(folder=f"{folder}/", name=name, mode=stat.S_IFDIR | 0o755)
    for file in package.files:
        folder, _, name = file.path.rpartition("/")
        config = FileFlag.CONFIG | FileFlag.NO_REPLACE if file.path in package.conffiles else 0
        if file.link is not None:
            entries[file.path] = _File(folder=f"{folder}/", name=name, mode=stat.S_IFLNK | 0o777, link=file.link)
        else:
            mode = stat.S_IFREG | file.mode
            entries[file.path] = _File(folder=f"{folder}/", name=name, mode=mode, data=file.read(), flags=config)
    yield from (entries[path] for path in sorted(entries))


def _relate(builder: Builder, package: Package, how: Compression) -> None:
    own = (Term(package.name, "=", str(Version.parse(package.version, Format.RPM))),)
    for kind, (names, flags, versions) in RELATIONS.items():
        rows = [_row(parse(text)) for text in getattr(package, kind)]
        if kind == "provides":
            rows.append(_row(own))
        if kind == "depends":
            rows += [*_interpreters(package), *_features(package, rows, how)]
        rows = sorted(set(rows))
        builder.texts(names, [name for name, _flags, _version in rows])
        builder.numbers(flags, [sense for _name, sense, _version in rows])
        builder.texts(versions, [text for _name, _sense, text in rows])


def _row(relation: Relation) -> tuple[str, int, str]:
    """A relation as rpm has it: name, flags, version; alternatives are a name in brackets."""
    if len(relation) > 1:
        parts = " or ".join(" ".join(filter(None, _words(term))) for term in relation)
        return f"({parts})", 0, ""
    name, sense, version = _words(relation[0])
    return name, int(_SENSES[sense]) if sense else 0, version


def _words(term: Term) -> tuple[str, str, str]:
    name = term.name if "(" in term.name or term.name.startswith("/") else package_name(term.name, Format.RPM)
    return name, term.sense, str(Version.parse(term.version, Format.RPM)) if term.sense else ""


def _interpreters(package: Package) -> Iterator[tuple[str, int, str]]:
    for kind, when in _WHEN.items():
        interpreter, text = _script(getattr(package.scripts, kind))
        if text:
            yield interpreter[0], int(when | Sense.INTERP), ""


def _features(
    package: Package, rows: Sequence[tuple[str, int, str]], how: Compression
) -> Iterator[tuple[str, int, str]]:
    """What rpm must be able to do."""
    needed = dict(_FEATURES) | dict([_OF_COMPRESSION[how]] if how in _OF_COMPRESSION else [])
    versions = [package.version, *(version for _name, _sense, version in rows)]
    programs = [_script(getattr(package.scripts, kind))[0] for kind in _WHEN]
    for feature, since, wanted in (
        ("RichDependencies", "4.12.0-1", any(name.startswith("(") for name, _sense, _version in rows)),
        ("ScriptletInterpreterArgs", "4.0.3-1", any(len(words) > 1 for words in programs)),
        ("TildeInVersions", "4.10.0-1", any("~" in version for version in versions)),
        ("CaretInVersions", "4.15.0-1", any("^" in version for version in versions)),
    ):
        if wanted:
            needed[feature] = since
    for feature, since in needed.items():
        yield f"rpmlib({feature})", int(Sense.RPMLIB | Sense.LESS | Sense.EQUAL), since


def _script(script: str) -> tuple[list[str], str]:
    """The program that runs a script, with its options, and the text as rpmbuild has it: without that line, unended."""
    first, _, rest = script.partition("\n")
    words = first[2:].split()
    if script.startswith("#!/") and words:
        return words, rest.rstrip("\n")
    return [_SHELL], script.rstrip("\n")
