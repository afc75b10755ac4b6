# SPDX-License-Identifier: GPL-2.0-or-later
"""The C text among a recipe's sources, wherever they lie: in files, archives, repositories. Unpacks nothing."""

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO

from dlkm.core.processes import Runner
from dlkm.source.symbols import FILE_LIMIT, SUFFIXES, TOTAL_LIMIT, texts_below
from dlkm.yocto.evaluation import Evaluation, SourceEntry
from dlkm.yocto.fetch import Fetched

_MEMBERS = 200_000  # of one archive
_SECONDS = 60.0
_PATCHES = (".patch", ".diff")
_UNREADABLE = (OSError, EOFError, ValueError, zlib.error, tarfile.TarError, zipfile.BadZipFile, NotImplementedError)


def texts_of(runner: Runner, one: Evaluation, fetched: Fetched) -> Iterator[bytes]:
    """The text of every C file and patch that SRC_URI names; what cannot be read is passed over."""
    for entry in one.sources:
        if entry.path:
            yield from _texts(runner, entry, revision_of(entry, fetched))


def revision_of(entry: SourceEntry, fetched: Fetched) -> str:
    """The revision of a repository, "" for what is none."""
    return fetched.revisions.get(entry.key, "") if entry.key else entry.revision


def _texts(runner: Runner, entry: SourceEntry, revision: str) -> Iterator[bytes]:
    path = Path(entry.path)
    if revision:
        yield from _in_repository(runner, path, revision)
    elif path.is_dir():
        yield from texts_below(path)
    elif path.name.endswith((*SUFFIXES, *_PATCHES)):
        with suppress(OSError), path.open("rb") as stream:
            yield stream.read(FILE_LIMIT)
    elif path.is_file():
        with suppress(*_UNREADABLE), path.open("rb") as stream:
            yield from _in_archive(stream)


def _in_repository(runner: Runner, clone: Path, revision: str) -> Iterator[bytes]:
    """As `git archive` gives them of a clone."""
    if not clone.is_dir() or runner.find("git") is None:
        return
    patterns = [f":(glob)**/*{suffix}" for suffix in SUFFIXES]
    argv = ["git", f"--git-dir={clone}", "archive", "--format=tar", revision, *patterns]
    done = runner.run(argv, timeout=_SECONDS, env={"GIT_NO_LAZY_FETCH": "1"})
    if not done.ok:  # one of the patterns found nothing
        done = runner.run(argv[: -len(patterns)], timeout=_SECONDS, env={"GIT_NO_LAZY_FETCH": "1"})
    with suppress(*_UNREADABLE):
        yield from _in_archive(BytesIO(done.output))


def _in_archive(stream: IO[bytes]) -> Iterator[bytes]:
    if zipfile.is_zipfile(stream):
        yield from _in_zip(stream)
        return
    stream.seek(0)
    left = TOTAL_LIMIT
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for number, member in enumerate(archive):
            left -= max(0, member.size)
            if left < 0 or number > _MEMBERS:
                return
            if member.isreg() and member.name.endswith(SUFFIXES):
                held = archive.extractfile(member)
                if held is not None:
                    yield held.read(FILE_LIMIT)


def _in_zip(stream: IO[bytes]) -> Iterator[bytes]:
    left = TOTAL_LIMIT
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist()[:_MEMBERS]:
            if left > 0 and member.filename.endswith(SUFFIXES):
                with suppress(*_UNREADABLE, RuntimeError), archive.open(member) as held:
                    text = held.read(FILE_LIMIT)
                    left -= len(text)
                    yield text
