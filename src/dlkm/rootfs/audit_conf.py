# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration that no tool reads, and lines that mean nothing: modprobe.d, depmod.d, modules-load.d."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from dlkm.core.names import is_module_file
from dlkm.rootfs.auditrules import Found, Loader, loaders, places
from dlkm.rootfs.conffiles import ConfFile, Standing, survey
from dlkm.rootfs.kmod import Kmod
from dlkm.rootfs.modtree import module_of_path
from dlkm.rootfs.release import Release
from dlkm.rootfs.root import CONF_LIMIT, Kind, Root
from dlkm.rootfs.settings import LOAD_DIRS, Settings
from dlkm.rootfs.statements import MODPROBE_WORDS, Directive

_BASES = ("etc", "run", "usr/local/lib", "usr/lib", "lib")
_STANDING = {
    Standing.HIDDEN: "conf-hidden",
    Standing.DANGLING: "conf-dangling",
    Standing.NO_FILE: "conf-no-file",
    Standing.SUFFIX: "conf-not-read",
    Standing.FOLDER: "conf-not-read",
}


def conf_findings(root: Root, settings: Settings) -> Iterator[Found]:
    """What is wrong with the files and lines themselves, whatever the kernel."""
    for kind, tool, files in _kinds(settings):
        for file in files:
            yield from _of_file(file, tool)
        yield from _foreign_directories(root, settings.kmod, kind)
    yield from _never_read(root)
    yield from _bad_lines(settings)
    yield from _blacklist_names(settings)
    yield from _load_reader(root, settings)


def reader_of(root: Root) -> Loader | None:
    """The program of the root that loads what modules-load.d names."""
    return next(
        (one for one in loaders() if any(root.place(path).kind is Kind.FILE for path in one.files)),
        None,
    )


def _kinds(settings: Settings) -> tuple[tuple[str, str, Sequence[ConfFile]], ...]:
    return (
        ("modprobe.d", "modprobe", settings.modprobe),
        ("depmod.d", "depmod", settings.depmod),
        ("modules-load.d", "systemd-modules-load", settings.load),
    )


def _of_file(file: ConfFile, tool: str) -> Iterator[Found]:
    if file.standing is Standing.READ:
        if not file.whole:
            yield Found(rule="conf-too-large", path=file.path, words={"path": file.path, "limit": CONF_LIMIT})
        if tool != "systemd-modules-load" and b"\r\n" in file.data:
            yield Found(rule="conf-carriage-return", path=file.path, words={"path": file.path, "tool": tool})
        return
    if _is_meant(file):
        return
    yield Found(rule=_STANDING[file.standing], path=file.path,
                words={"path": file.path, "tool": tool, "other": file.by, **_why(file, tool)})  # fmt: skip


def _is_meant(file: ConfFile) -> bool:
    """Whether it says of itself that it is put aside, or what hides it says the same."""
    return any(fnmatchcase(file.name, pattern) for pattern in places("put_aside"))


def _why(file: ConfFile, tool: str) -> dict[str, str]:
    if file.standing is Standing.FOLDER:
        return {"why": f"{tool} does not look into directories", "hint": "move its files one directory up"}
    name = file.name
    why = f"{tool} takes files whose names end in '.conf' alone"
    return {"why": why, "hint": f"rename it: {name}.conf"}


def _foreign_directories(root: Root, kmod: Kmod, kind: str) -> Iterator[Found]:
    """Directories that another tool, or another version of it, reads."""
    reads = LOAD_DIRS if kind == "modules-load.d" else kmod.folders(kind)
    known = {root.place(folder).path for folder in reads}
    others = [folder for base in _BASES if root.place(folder := f"{base}/{kind}").path not in known]
    for file in survey(root, others):
        if file.standing is Standing.READ and not _is_meant(file):
            words = {
                "path": file.path,
                "why": f"the {kmod} of this root filesystem does not look into /{file.path.rpartition('/')[0]}",
                "hint": f"move it to /etc/{kind}",
            }
            yield Found(rule="conf-not-read", path=file.path, words=words)


def _never_read(root: Root) -> Iterator[Found]:
    for path in places("never_read"):
        place = root.place(path)
        if place.kind is Kind.FILE or (place.kind is Kind.DIRECTORY and root.entries(path)):
            target = "modules-load.d" if "load" in path else "depmod.d" if "depmod" in path else "modprobe.d"
            words = {
                "path": path,
                "why": "no modprobe, depmod or systemd of today looks there",
                "hint": f"move what is still meant into a file of /etc/{target} whose name ends in '.conf'",
            }
            yield Found(rule="conf-not-read", path=path, words=words)


def _bad_lines(settings: Settings) -> Iterator[Found]:
    for line in settings.bad_lines:
        if line.name != "\r":
            why, hint = _unheeded(line, settings.kmod) if line.kind else _blame(line)
            words = {"tool": "modprobe", "text": _cut(line.text), "why": why, "hint": hint}
            yield Found(rule="conf-bad-line", path=line.file, line=line.line, words=words)


def _unheeded(line: Directive, kmod: Kmod) -> tuple[str, str]:
    return f"{kmod} knows no '{line.kind}'", "install kmod, or say it in another way"


def _blame(line: Directive) -> tuple[str, str]:
    word = line.name
    if word in {"include", "config"}:
        return f"'{word}' is not followed any more", "copy what is included to a file of modprobe.d"
    if word in MODPROBE_WORDS:
        form = {"alias": "alias WILDCARD NAME", "blacklist": "blacklist NAME"}.get(word, f"{word} NAME …")
        return "something is missing, or brackets do not fit", f"write '{form}'"
    if word.lower() in MODPROBE_WORDS:
        return "its words are written small", f"write '{word.lower()}'"
    near = next((known for known in MODPROBE_WORDS if known[:4] == word[:4]), None)
    return f"it knows no '{_cut(word)}'", f"write '{near}'" if near else "delete it, or begin it with '#'"


def depmod_lines(release: Release) -> Iterator[Found]:
    """The lines of depmod.d that depmod skips, or that are not understood here."""
    for rule in release.precedence.bad:
        words = {"tool": "depmod", "text": _cut(" ".join(rule.words)), "why": "it knows no such line",
                 "hint": "write 'search DIRECTORY…' or 'override MODULE RELEASE DIRECTORY'"}  # fmt: skip
        yield Found(rule="conf-bad-line", path=rule.file, line=rule.line, words=words)
    for rule in release.precedence.unclear:
        yield Found(rule="conf-pattern", path=rule.file, line=rule.line, words={"text": _cut(" ".join(rule.words))})


def _blacklist_names(settings: Settings) -> Iterator[Found]:
    """Lines that name a file or a wildcard: kmod compares with names."""
    for line in settings.of_kind("blacklist"):
        name = line.name.rstrip("\r")
        what = "a file" if is_module_file(name) or "/" in name else "a wildcard" if set(name) & set("*?[") else None
        if what is not None:
            words = {"line": _cut(line.text), "what": what, "name": module_of_path(name).strip("*?[]") or "NAME"}
            yield Found(rule="blacklist-no-name", path=line.file, line=line.line, words=words)


def _load_reader(root: Root, settings: Settings) -> Iterator[Found]:
    """Whether anything reads modules-load.d, and the directories in which files of it are."""
    if not settings.autoload:
        return
    reader = reader_of(root)
    if reader is None:
        first = settings.autoload[0]
        yield Found(rule="autoload-nobody", path=first.file, words={"count": len(settings.autoload)})
    elif reader.directories:
        for path in dict.fromkeys(one.file for one in settings.autoload):
            if path.rpartition("/")[0] not in reader.directories:
                yield Found(rule="autoload-modprobe", path=path, words={"reader": reader.name, "path": path})


def _cut(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}…"
