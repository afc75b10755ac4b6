# SPDX-License-Identifier: GPL-2.0-only
"""Patches of SRC_URI: which there are, with what options, and applying them in their order."""

from pathlib import Path
from typing import Any

import bb
import bb.fetch2

from oe import sources

_ENDINGS = (".patch", ".diff")
_PACKED = {".gz": ("gzip", "-dc"), ".xz": ("xz", "-dc"), ".bz2": ("bzip2", "-dc"), ".zst": ("zstd", "-dcq")}


def src_patches(d: Any) -> list[tuple[Path, int, str]]:
    """Each patch as its file, how many directories are stripped, and where below S it applies."""
    fetcher = bb.fetch2.Fetch(sources.urls_of(d), d)
    found = []
    for url in fetcher.urls:
        data = fetcher.ud[url]
        data.setup_localpath(d)
        path, parameters = Path(data.localpath), data.parm
        plain = path.name.removesuffix(path.suffix) if path.suffix in _PACKED else path.name
        if bb.utils.to_boolean(parameters.get("apply"), plain.endswith(_ENDINGS)) and not path.is_dir():
            level = parameters.get("striplevel") or parameters.get("pnum") or "1"
            if not level.isdigit():
                bb.fatal(f"{url}: striplevel={level} is no number")
            found.append((path, int(level), parameters.get("patchdir", "")))
    return found


def apply_all(d: Any) -> None:
    """Apply them; the first that does not apply stops, with what patch says of it."""
    source = Path(d.getVar("S"))
    for path, level, folder in src_patches(d):
        target = source / folder if folder else source
        if not target.is_dir():
            bb.fatal(f"{path.name} cannot be applied: there is no directory {target}")
        _apply(path, level, target, d)


def _apply(path: Path, level: int, target: Path, d: Any) -> None:
    packed = _PACKED.get(path.suffix)
    content = _processes().run([*packed, path]).output if packed else path.read_bytes()
    by_git = b"GIT binary patch" in content or (d.getVar("PATCHTOOL") == "git")
    # Without the variable git would look for a repository around, and apply nothing outside of it.
    command = (
        ["env", "GIT_DIR=/dev/null", "git", "apply", f"-p{level}", "-"]
        if by_git
        else ["patch", f"-p{level}", "--force", "--no-backup-if-mismatch", "--batch"]
    )
    done = _processes().run(command, cwd=target, stdin=content)
    said = (done.output + done.errors).decode("utf-8", "replace").strip()
    bb.note(f"applying {path.name}\n{said}")
    if not done.ok:
        bb.fatal(f"{path.name} does not apply in {target}:\n{said}")
    if "with fuzz" in said:
        bb.warn(f"{path.name} applies with fuzz: make it anew against this source\n{said}")


def _processes() -> Any:
    """Loaded when a program is run: reading a recipe runs none."""
    from dlkm.core.processes import Processes

    return Processes()
