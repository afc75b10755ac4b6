# SPDX-License-Identifier: GPL-2.0-or-later
"""What boot loaders hand to the kernel that keeps modules out: module_blacklist=, modprobe.blacklist=."""

import re
from collections.abc import Iterator

from dlkm.rootfs.auditrules import Found, places
from dlkm.rootfs.release import Release
from dlkm.rootfs.root import Kind, Root

_WORD = re.compile(r"\b((?:rd\.)?(?:driver\.blacklist|modprobe\.blacklist)|module_blacklist)=([^\s\"']+)")


def boot_findings(release: Release, cmdline: str) -> Iterator[Found]:
    """Modules that are to load, or were added, and that the command line names. `cmdline` is what the user gave."""
    meant = {file.name for file in release.added if file == release.loaded(file.name)}
    for wanted in release.settings.autoload:
        meant |= {one.name for one in release.lookup.ask(wanted.name).modules}
    for path, text in (*_files(release.root), ("--cmdline", cmdline)):
        for word, value in dict.fromkeys(match.groups() for match in _WORD.finditer(text)):
            for name in sorted({one.replace("-", "_") for one in value.split(",")} & meant):
                words: dict[str, object] = {"name": name, "word": word, "path": path}
                yield Found(rule="cmdline-blocks", kernel=release.release, path=path, module=name, words=words)


def _files(root: Root) -> Iterator[tuple[str, str]]:
    entries = [entry.path for folder in places("boot_entries") for entry in root.entries(folder)]
    for path in (*places("boot_loaders"), *(entry for entry in entries if entry.endswith(".conf"))):
        if root.place(path).kind is Kind.FILE:
            yield path, (root.read(path) or b"").decode("utf-8", "replace")
