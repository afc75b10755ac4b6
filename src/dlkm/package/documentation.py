# SPDX-License-Identifier: GPL-2.0-or-later
"""What Debian's policy wants in every package: copyright and changelog. Writes nothing.

Source: Debian Policy 12.5 and 12.7, and the machine-readable form of debian/copyright.
"""

from dataclasses import replace

from dlkm.package.compression import Compression, compressed
from dlkm.package.names import Format, Version
from dlkm.package.package import Package, PackageFile
from dlkm.package.stamp import Stamp
from dlkm.source.spdx import common_texts, spdx

_FORM = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"


def documented(package: Package, stamp: Stamp) -> Package:
    """The package with both files, in the place of any it has."""
    folder = f"/usr/share/doc/{package.name}"
    own = {
        f"{folder}/copyright": _copyright(package).encode("utf-8", "surrogateescape"),
        f"{folder}/changelog.Debian.gz": compressed(
            _changelog(package, stamp).encode("utf-8", "surrogateescape"), Compression.GZ
        ),
    }
    kept = [file for file in package.files if file.path not in own]
    made = [PackageFile(path=path, mode=0o644, data=data) for path, data in own.items()]
    return replace(package, files=tuple(sorted([*kept, *made], key=lambda file: file.path)))


def _copyright(package: Package) -> str:
    holders = package.authors or (f"the authors of {package.recipe or package.name}",)
    licence = spdx(package.licence) or "unknown"
    texts = common_texts(package.licence)
    where = " ".join(f"/usr/share/common-licenses/{name}" for name in texts)
    words = f"On Debian systems the text is in {where}." if texts else "Ask the copyright holders for the text."
    lines = [f"Format: {_FORM}", "", "Files: *", "Copyright:", *(f" Copyright (C) {holder}" for holder in holders)]
    return "\n".join([*lines, f"License: {licence}", f" {words}", ""])


def _changelog(package: Package, stamp: Stamp) -> str:
    source = package.recipe or package.name
    version = Version.parse(package.version, Format.DEB)
    return (
        f"{source} ({version}) unstable; urgency=medium\n\n  * Packaged from what was built.\n\n"
        f" -- {package.maintainer}  {stamp.date}\n"
    )
