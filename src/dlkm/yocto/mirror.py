# SPDX-License-Identifier: GPL-2.0-or-later
"""`--source-mirror` as lines of PREMIRRORS: where each kind of source is looked for first. Looks at names only."""

import re
from collections.abc import Iterator
from pathlib import Path

_KINDS = ("gitsm", "git", "https?", "ftp", "svn", "hg")
_REPOSITORIES = ("gitsm", "git")
_WEB = re.compile(r"(?P<protocol>https?|ftp)://(?P<rest>.+)")
_MOST = 500  # repositories of a mirror that are looked at by name


def mirror_lines(mirror: str | None) -> str:
    """PREMIRRORS for a URL or a directory of sources.

    A directory may hold archives and mirror tarballs (as SOURCE_MIRROR_URL), repositories by their last name or by
    host and path, may be another build's DL_DIR, or one repository itself. A URL may be any of these by http, ftp or
    file, or a repository's own (git://, gitsm://) with its parameters.
    """
    if not mirror:
        return ""
    if mirror.startswith(("git://", "gitsm://")):
        return " ".join(f"{kind}://.*/.* {kind}://{mirror.partition('://')[2]}" for kind in _REPOSITORIES)
    web = _WEB.fullmatch(mirror)
    if web is not None:
        place = f"{web['rest'].rstrip('/')}"
        return " ".join([*_archives(f"{web['protocol']}://{place}/"), *_below(place, web["protocol"])])
    if "://" in mirror and not mirror.startswith("file://"):
        return " ".join(_archives(f"{mirror.rstrip('/')}/"))
    folder = Path(mirror.removeprefix("file://")).resolve()
    if _is_repository(folder):
        return " ".join(f"{kind}://.*/.* {kind}://{folder};protocol=file" for kind in _REPOSITORIES)
    return " ".join([*_archives(f"file://{folder}/"), *_below(str(folder), "file"), *_by_name(folder)])


def _archives(place: str) -> Iterator[str]:
    """Files by their last name, and repositories packed into one."""
    return (f"{kind}://.*/.* {place}" for kind in _KINDS)


def _below(place: str, protocol: str) -> Iterator[str]:
    """Repositories by host and path, as in a DL_DIR, and by their last name; bb fills in the capitals."""
    for kind in _REPOSITORIES:
        for name in ("HOST/PATH", "git2/MIRRORNAME", "BASENAME"):
            yield f"{kind}://.*/.* {kind}://{place}/{name};protocol={protocol}"


def _by_name(folder: Path) -> Iterator[str]:
    """Repositories whose directory is called otherwise than the URL's last part: without `.git`, or with it."""
    try:
        found = [path for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern)) if _is_repository(path)]
    except OSError:
        return
    for path in found[:_MOST]:
        name = re.escape(path.name.removesuffix(".git"))
        for kind in _REPOSITORIES:
            yield f"{kind}://.*/(.*/)?{name}(\\.git)?$ {kind}://{path};protocol=file"


def _is_repository(path: Path) -> bool:
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())
