# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages into files: all of them or none, each whole. Decides nothing about what they hold."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.files import cannot_write, held_dir
from dlkm.package.compression import Compression
from dlkm.package.deb import write_deb
from dlkm.package.documentation import documented
from dlkm.package.names import Format, Version
from dlkm.package.package import Package
from dlkm.package.ready import Ready
from dlkm.package.rpm import write_rpm
from dlkm.package.stamp import Stamp
from dlkm.package.systems import System
from dlkm.package.wording import worded

USUAL = {Format.DEB: Compression.XZ, Format.IPK: Compression.GZ, Format.RPM: Compression.XZ}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One package to write."""

    ready: Ready
    form: Format
    system: System
    compression: Compression

    @property
    def name(self) -> str:
        """The file's, as each format's own tools call it: an epoch is not in it."""
        return file_name(self.ready.package, self.form)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A package in the output directory."""

    job: Job
    path: Path
    size: int
    sha256: str


def file_name(package: Package, form: Format) -> str:
    """NAME_VERSION_ARCH.deb, and so on."""
    version = Version.parse(package.version, form).without_epoch
    if form is Format.RPM:
        return f"{package.name}-{version}.{package.arch}.rpm"
    return f"{package.name}_{version}_{package.arch}.{form}"


def write_all(jobs: Sequence[Job], output: Path, stamp: Stamp, workers: int) -> tuple[Written, ...]:
    """Write them aside, then put each in its place; StorageError when one cannot be written, and then there is none.

    UsageError when two have one name, or something that is no file is in the way.
    """
    names = [job.name for job in jobs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two packages would be the file {twice}", hint="package them apart, with -o")
    blocked = next((output / name for name in names if (output / name).is_dir()), None)
    if blocked is not None:
        raise UsageError(f"{blocked} is in the way", hint="choose another directory with -o")
    with held_dir(output, prefix=".dlkm-package-") as aside, ThreadPoolExecutor(max_workers=workers) as pool:
        written = list(pool.map(lambda job: _write(job, aside / job.name, stamp), jobs))
        try:
            for name in names:
                (aside / name).replace(output / name)
        except OSError as error:
            raise cannot_write(output, error) from error
    return tuple(
        Written(job=job, path=output / job.name, size=size, sha256=digest)
        for job, (size, digest) in zip(jobs, written, strict=True)
    )


def _check_paths(package: Package) -> None:
    """Lists of files have a line each: MalformedError for a name that would make two of one."""
    for path in (*(file.path for file in package.files), *package.folders, *package.conffiles):
        if any(ord(letter) < 32 for letter in path):
            raise MalformedError(f"{package.name}: {path!r} is no name that a package can hold")


def _write(job: Job, path: Path, stamp: Stamp) -> tuple[int, str]:
    """Its size and digest."""
    package = job.ready.package
    _check_paths(package)
    if job.system is not System.YOCTO:
        package = worded(package)
    if job.system is System.DEBIAN:
        package = documented(package, stamp)
    try:
        with path.open("w+b") as sink:
            if job.form is Format.RPM:
                write_rpm(package, job.compression, stamp, sink)
            else:
                write_deb(package, job.form, job.compression, stamp, sink)
            size = sink.tell()
            sink.seek(0)
            return size, hashlib.file_digest(sink, "sha256").hexdigest()
    except OSError as error:
        raise cannot_write(path.parent.parent / path.name, error) from error
