# SPDX-License-Identifier: GPL-2.0-or-later
"""modprobe.d, modules-load.d and depmod.d of a root filesystem: what the tools there read, and what we add to it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dlkm.core.errors import UsageError
from dlkm.core.names import normalise_module_name
from dlkm.rootfs.root import Kind, Root

# Earlier directories hide files of the same name in later ones (modprobe.d(5), modules-load.d(5), depmod.d(5)).
MODPROBE_DIRS = ("etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d")
LOAD_DIRS = ("etc/modules-load.d", "run/modules-load.d", "usr/local/lib/modules-load.d", "usr/lib/modules-load.d",
             "lib/modules-load.d")  # fmt: skip
DEPMOD_DIRS = ("etc/depmod.d", "run/depmod.d", "usr/local/lib/depmod.d", "usr/lib/depmod.d", "lib/depmod.d")

MOST_CONF_FILES = 10_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,126}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ConfDir(StrEnum):
    """Whose configuration it is: the administrator's (/etc) or the distribution's (/usr/lib)."""

    ETC = "etc"
    USR = "usr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One line of modprobe.d: `blacklist NAME`, `options NAME …`, `alias WILDCARD NAME` …; `file` is its path."""

    kind: str
    name: str
    rest: str = ""
    file: str = ""

    @property
    def text(self) -> str:
        """The line as it is written."""
        return " ".join(part for part in (self.kind, self.name, self.rest) if part)

    def about(self, module: str) -> bool:
        """Whether it names this module; '-' and '_' are the same, as for kmod."""
        return normalise_module_name(self.name) == normalise_module_name(module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be configured; `lines` are those of modprobe.d, in the order of their kinds."""

    autoload: tuple[str, ...] = ()
    lines: tuple[Directive, ...] = ()

    def load_files(self) -> dict[str, bytes]:
        """File name → bytes for modules-load.d."""
        return {f"{name}.conf": f"{name}\n".encode() for name in _once(self.autoload)}

    def modprobe_files(self) -> dict[str, bytes]:
        """File name → bytes for modprobe.d: one file a module."""
        files: dict[str, bytes] = {}
        for name in _once([line.name for line in self.lines]):
            mine = dict.fromkeys(line.text for line in self.lines if line.about(name))
            files[f"{name}.conf"] = "".join(f"{line}\n" for line in mine).encode()
        return files


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What a root filesystem's configuration says already."""

    directives: tuple[Directive, ...] = ()
    autoload: Mapping[str, str] = field(default_factory=dict)  # name as written → file

    def blacklisted(self, module: str) -> Directive | None:
        """The line that blacklists a module."""
        return next((line for line in self.directives if line.kind == "blacklist" and line.about(module)), None)


def wanted(
    *, autoload: Sequence[str], options: Sequence[str], blacklist: Sequence[str], softdep: Sequence[str]
) -> Wanted:
    """From the words of the command line; UsageError for what kmod would not understand, or would take for more."""
    for name in (*autoload, *blacklist):
        _check_name(name)
    lines = (
        *(Directive(kind="blacklist", name=name) for name in blacklist),
        *(_with_rest("options", text, "'NAME parameter=value …'") for text in options),
        *(_softdep(text) for text in softdep),
    )
    return Wanted(autoload=tuple(autoload), lines=lines)


def load_dir(conf_dir: ConfDir) -> str:
    """Where modules-load.d files go."""
    return "etc/modules-load.d" if conf_dir is ConfDir.ETC else "usr/lib/modules-load.d"


def modprobe_dir(root: Root, conf_dir: ConfDir) -> str:
    """Where modprobe.d files go. Where /usr is not merged, kmod reads /lib/modprobe.d and older ones nothing else."""
    if conf_dir is ConfDir.ETC:
        return "etc/modprobe.d"
    split = root.place("lib").kind is Kind.DIRECTORY and root.place("lib").path == "lib"
    return "lib/modprobe.d" if split else "usr/lib/modprobe.d"


def present(root: Root) -> Present:
    """Read a root's modprobe.d and modules-load.d; odd lines are skipped, as kmod skips them."""
    autoload: dict[str, str] = {}
    for name, data in conf_files(root, LOAD_DIRS).items():
        for line in data.decode("utf-8", "replace").splitlines():
            word = line.strip()
            if word and word[0] not in "#;":
                autoload.setdefault(word, f"modules-load.d/{name}")
    directives = []
    for name, data in conf_files(root, MODPROBE_DIRS).items():
        for line in logical_lines(data):
            words = line.split(None, 2)
            if len(words) > 1:
                rest = words[2] if len(words) > 2 else ""
                directives.append(Directive(kind=words[0], name=words[1], rest=rest, file=f"modprobe.d/{name}"))
    return Present(directives=tuple(directives), autoload=autoload)


def conf_files(root: Root, folders: Sequence[str]) -> dict[str, bytes]:
    """The *.conf files that a tool reads from these directories: file name → bytes, sorted by name."""
    found: dict[str, bytes] = {}
    for folder in folders:
        for entry in root.entries(folder)[:MOST_CONF_FILES]:
            name = entry.path.rpartition("/")[2]
            if name.endswith(".conf") and name not in found:
                found[name] = root.read(f"{folder}/{name}") or b""
    return dict(sorted(found.items()))


def logical_lines(data: bytes) -> Iterator[str]:
    """Lines as kmod reads them: a backslash at the end joins, '#' begins a comment, blank ones are left out."""
    joined = data.decode("utf-8", "surrogateescape").replace("\\\n", "")
    for line in joined.split("\n"):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield stripped


def _once(names: Sequence[str]) -> list[str]:
    """Each module once, in the first spelling given."""
    chosen: dict[str, str] = {}
    for name in names:
        chosen.setdefault(normalise_module_name(name), name)
    return list(chosen.values())


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"{name!r} is no module name", hint="letters, digits, '_' and '-'")


def _with_rest(kind: str, text: str, form: str) -> Directive:
    name, _, rest = text.strip().partition(" ")
    if not rest.strip():
        raise UsageError(f"--{kind} {text!r} says nothing", hint=f"write --{kind} {form}")
    # A second line could hold any command of modprobe.d, `install` among them.
    if _CONTROL.search(text) or text.rstrip().endswith("\\"):
        raise UsageError(f"--{kind} {text!r}: is not one line")
    _check_name(name)
    return Directive(kind=kind, name=name, rest=rest.strip())


def _softdep(text: str) -> Directive:
    line = _with_rest("softdep", text, "'NAME pre: OTHER… post: OTHER…'")
    words = line.rest.split()
    if words[0] not in {"pre:", "post:"} or not set(words) - {"pre:", "post:"}:
        raise UsageError(f"--softdep {text!r}: no modules after 'pre:' or 'post:'",
                         hint="write --softdep 'NAME pre: OTHER… post: OTHER…'")  # fmt: skip
    return line
