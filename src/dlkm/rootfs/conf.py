# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration that is to be added to a root filesystem: words of the command line to files of its directories."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dlkm.core.errors import UsageError
from dlkm.core.names import normalise_module_name
from dlkm.rootfs.root import Kind, Root
from dlkm.rootfs.statements import Directive

# Looked for below /lib alone where that is no link: by the kernel (firmware_class), by kmod, by udev (its rootlibdir).
_BELOW_LIB = frozenset({"modules", "firmware", "udev", "modprobe.d", "depmod.d"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,126}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ConfDir(StrEnum):
    """Whose configuration it is: the administrator's (/etc) or the distribution's (/usr/lib)."""

    ETC = "etc"
    USR = "usr"


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


def wanted(
    *,
    autoload: Sequence[str] = (),
    options: Sequence[str] = (),
    blacklist: Sequence[str] = (),
    softdep: Sequence[str] = (),
    install: Sequence[str] = (),
) -> Wanted:
    """From the words of the command line; UsageError for what kmod would not understand, or would take for more."""
    for name in (*autoload, *blacklist):
        _check_name(name)
    lines = (
        *(Directive(kind="blacklist", name=name) for name in blacklist),
        *(_with_rest("options", text, "'NAME parameter=value …'") for text in options),
        *(_softdep(text) for text in softdep),
        *(_with_rest("install", text, "'NAME COMMAND…'") for text in install),
    )
    return Wanted(autoload=tuple(autoload), lines=lines)


def load_dir(conf_dir: ConfDir) -> str:
    """Where modules-load.d files go."""
    return "etc/modules-load.d" if conf_dir is ConfDir.ETC else "usr/lib/modules-load.d"


def modprobe_dir(root: Root, conf_dir: ConfDir) -> str:
    """Where modprobe.d files go. Where /usr is not merged, kmod reads /lib/modprobe.d and older ones nothing else."""
    if conf_dir is ConfDir.ETC:
        return "etc/modprobe.d"
    return looked_for("usr/lib/modprobe.d", split=is_split(root))


def is_split(root: Root) -> bool:
    """Whether /lib is a directory of its own, and no link to /usr/lib; where there is neither, it will be one."""
    place = root.place("lib")
    if place.kind is Kind.MISSING:
        return root.place("usr/lib").kind is Kind.MISSING
    return place.path == "lib"


def looked_for(path: str, *, split: bool) -> str:
    """Where the target looks for what is meant for below usr/lib; of a merged /usr the link sees to the rest."""
    first, _, rest = path.removeprefix("usr/lib/").partition("/")
    below_lib = path.startswith("usr/lib/") and first in _BELOW_LIB
    return f"lib/{first}/{rest}".rstrip("/") if split and below_lib else path


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
