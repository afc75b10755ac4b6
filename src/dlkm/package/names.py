# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and versions of packages as each format allows them. Looks nothing up."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from dlkm.core.errors import UsageError


class Format(StrEnum):
    """The formats that packages are written in."""

    DEB = "deb"
    IPK = "ipk"
    RPM = "rpm"


# What may stand in a name: Debian Policy 5.6.1, rpm's build/parsePreamble.cc; opkg takes what Yocto writes.
_NOT_IN_NAME = {Format.DEB: r"[^a-z0-9+.-]", Format.IPK: r"[^A-Za-z0-9+._~-]", Format.RPM: r"[^A-Za-z0-9+._-]"}
_NOT_IN_VERSION = {Format.DEB: r"[^A-Za-z0-9.+~-]", Format.IPK: r"[^A-Za-z0-9.+~_-]", Format.RPM: r"[^A-Za-z0-9.+~^_]"}
_WHOLE = re.compile(r"(?:(\d+):)?(.*?)(?:-([^-]*))?", re.DOTALL)
_PIECES = re.compile(r"(\D*)(\d*)")


def legitimised(module: str) -> str:
    """A module's name as part of a package's (OpenEmbedded's lib/oe/package.py: legitimize_package_name)."""
    return module.lower().translate(str.maketrans("_@,/", "-++-"))


def module_package(module: str, release: str) -> str:
    """What Yocto calls the package of a module (kernel-module-split.bbclass)."""
    return f"kernel-module-{legitimised(module)}-{release}"


def package_name(name: str, form: Format) -> str:
    """A name with what the format does not take replaced: in a .deb small letters only, and '-' for '_' and '~'."""
    lowered = name.lower() if form is Format.DEB else name
    return re.sub(_NOT_IN_NAME[form], "-", lowered).lstrip("+.-_~") or "package"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version in its three parts, as the format takes them; `epoch` is "" or a number, `revision` may be ""."""

    epoch: str
    upstream: str
    revision: str

    @classmethod
    def parse(cls, text: str, form: Format) -> Self:
        """Any text; what the format does not take becomes '.', and what begins with no digit gets one."""
        match = _WHOLE.fullmatch(text.strip())
        assert match is not None
        epoch, upstream, revision = match[1] or "", match[2], match[3] or ""
        if form is Format.RPM:  # as package_rpm.bbclass: '-' parts version and release there
            upstream = upstream.replace("-", "+")
        wrong = _NOT_IN_VERSION[form]
        return cls(
            epoch=epoch if int(epoch or 0) else "",
            upstream=_begun(re.sub(wrong, ".", upstream)),
            revision=re.sub(rf"{wrong}|-", ".", revision),
        )

    @property
    def without_epoch(self) -> str:
        """As in a file's name."""
        return f"{self.upstream}-{self.revision}" if self.revision else self.upstream

    def __str__(self) -> str:
        return f"{self.epoch}:{self.without_epoch}" if self.epoch else self.without_epoch


def upstream_version(text: str) -> str:
    """A driver's own word for its version as one that every format takes: "v5.6.4_2 (beta)" → "5.6.4.2.beta"."""
    cleaned = re.sub(r"[^A-Za-z0-9.+~]+", ".", text.strip()).strip(".")
    return _begun(re.sub(r"^[vV](?=\d)", "", cleaned))


def _begun(text: str) -> str:
    return text if text[:1].isdigit() else f"0.{text}" if text else "0"


def order(version: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """A key that sorts as dpkg does (lib/dpkg/version.c: verrevcmp), and "6.13-rc1" before "6.13"."""
    text = re.sub(r"-(?=rc\d)", "~", version)
    return tuple((_weights(word), int(number or 0)) for word, number in _PIECES.findall(text))


def _weights(word: str) -> tuple[int, ...]:
    """'~' comes before the end, letters before everything else."""
    return (*(-1 if one == "~" else ord(one) if one.isalpha() else ord(one) + 256 for one in word), 0)


def check_epoch(text: str) -> str:
    """An epoch that all formats take (a whole number of 31 bits), or ""; UsageError for any other."""
    if text and not (text.isascii() and text.isdigit() and int(text) < 1 << 31):
        raise UsageError(f"--epoch {text}: is no whole number")
    return str(int(text)) if text else ""


def check_name(text: str) -> str:
    """A name that all formats take as it is, or ""; UsageError for any other."""
    if text and any(package_name(text, form) != text for form in Format):
        raise UsageError(f"--name {text}: is no name of a package", hint="small letters, digits, '+', '-' and '.'")
    return text
