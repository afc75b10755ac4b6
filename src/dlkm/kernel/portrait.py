# SPDX-License-Identifier: GPL-2.0-or-later
"""All that bears on loading a module into a kernel, each fact with where it comes from. Judges nothing."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dlkm.core.data import data_table
from dlkm.core.errors import DlkmError
from dlkm.core.names import Vermagic
from dlkm.kernel.config import LIMIT, Config
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel

# How a kernel carries its own configuration (kernel/configs.c), for who has nothing but its image.
_IKCONFIG = b"IKCFG_ST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact; `value` None where nothing at hand tells it. `source` is the file, or what it was concluded from."""

    name: str
    value: str | None
    source: str | None


def portrait(kernel: Kernel) -> tuple[Fact, ...]:
    """The facts, those that people ask for first in front."""
    facts = Facts(kernel)
    config, where = configuration(kernel)
    return (
        _modversions(facts, config, where),
        *_identity(facts, config, where),
        *_options(config, where),
        *_live(kernel),
        *_exports(facts),
        *_certificates(facts),
        *_types(facts),
    )


def configuration(kernel: Kernel) -> tuple[Config, str | None]:
    """The configuration, from its file or out of the image, and where it was found; an empty one where nowhere."""
    if kernel.config:
        return kernel.config, str(kernel.config_file)
    if kernel.image is None:
        return kernel.config, None
    from dlkm.kernel.image import read_image

    try:
        data = read_image(kernel.image).data
    except DlkmError:
        return kernel.config, None
    start = data.find(_IKCONFIG + b"\x1f\x8b")
    if start < 0:
        return kernel.config, None
    try:
        text = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data[start + len(_IKCONFIG) :], LIMIT)
    except (zlib.error, gzip.BadGzipFile):
        return kernel.config, None
    return Config.parse(text.decode("utf-8", "replace")), f"{kernel.image} (IKCONFIG)"


def _modversions(facts: Facts, config: Config, where: str | None) -> Fact:
    if config:
        return Fact(name="MODVERSIONS", value="yes" if config.on("MODVERSIONS") else "no", source=where)
    told = facts.modversions
    value = None if told is None else "yes" if told else "no"
    return Fact(name="MODVERSIONS", value=value, source="the vermagic" if value is not None else None)


def _identity(facts: Facts, config: Config, where: str | None) -> Iterator[Fact]:
    vermagic = facts.vermagic
    source = facts.origins.get("vermagic") if vermagic is not None else None
    yield Fact(name="vermagic", value=f"'{vermagic}'" if vermagic is not None else None, source=source)
    size = facts.struct_module_size
    yield Fact(
        name="struct module",
        value=f"{size} bytes" if size is not None else None,
        source=facts.origins.get("struct module") if size is not None else None,
    )
    compiler = config.get("CC_VERSION_TEXT") or facts.kernel.compiler
    yield Fact(name="compiler", value=compiler, source=(where or facts.kernel.origin) if compiler else None)
    if not config and vermagic is not None:
        words = Vermagic.parse(vermagic)
        yield Fact(name="smp", value="yes" if words.smp else "no", source="the vermagic")
        yield Fact(name="preemption", value=words.preempt or "not in the vermagic", source="the vermagic")


def _options(config: Config, where: str | None) -> Iterator[Fact]:
    for entry in _table():
        if not config:
            yield Fact(name=entry["name"], value=None, source=None)
            continue
        set_ = ((text, config.get(option)) for option, text in entry["options"].items())
        value = next((chosen if text == "*" else text for text, chosen in set_ if chosen not in {None, "n", ""}), "no")
        yield Fact(name=entry["name"], value=value, source=where)


def _table() -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = data_table("portrait.toml")["fact"]
    return facts


def _live(kernel: Kernel) -> Iterator[Fact]:
    """What a snapshot tells of the running machine, and what it lacks."""
    if not kernel.origin.startswith("snapshot:"):
        return
    from dlkm.kernel.snapshot import live

    found = live(kernel)
    if found is not None:
        enforced = None if found.sig_enforce is None else "yes" if found.sig_enforce else "no"
        values = {
            "command line": found.cmdline,
            "lockdown now": found.lockdown,
            "signatures enforced now": enforced,
            "loaded modules": str(len(found.loaded)) if found.loaded else None,
        }
        for name, value in values.items():
            yield Fact(name=name, value=value, source="the snapshot" if value is not None else None)
    for what in kernel.lacks:
        if what != "exports":
            yield Fact(name="lacking", value=what, source="the snapshot")


def _exports(facts: Facts) -> Iterator[Fact]:
    try:
        exports = facts.exports
    except DlkmError as error:
        yield Fact(name="exports", value=None, source=error.what)
        return
    named = [one for one in exports.values() if one.provider]
    source = facts.origins.get("exports") or None
    value = str(len(named)) if named else None
    if value is not None and not facts.exports_complete:
        value += " known, not all"
    yield Fact(name="exports", value=value, source=source if value is not None else None)
    spaces = {one.namespace for one in named if one.namespace}
    yield Fact(name="namespaces", value=str(len(spaces)) if named else None, source=source if named else None)


def _certificates(facts: Facts) -> Iterator[Fact]:
    certificates = facts.certificates
    image = str(facts.kernel.image)
    if certificates is None:
        yield Fact(name="certificate", value=None, source=None)
    elif not certificates:
        yield Fact(name="certificate", value="none is built in", source=image)
    for raw in certificates or ():
        yield Fact(name="certificate", value=certificate_name(raw), source=image)


def _types(facts: Facts) -> Iterator[Fact]:
    extent = facts.image.btf if facts.image is not None else None
    if extent is not None:
        yield Fact(name="types in the image", value=str(extent[0]), source=str(facts.kernel.image))


def certificate_name(raw: bytes) -> str:
    """A certificate (DER) in one line: its subject, its serial number, when it ends."""
    from cryptography import x509

    try:
        found = x509.load_der_x509_certificate(raw)
        subject, serial, end = found.subject.rfc4514_string(), found.serial_number, found.not_valid_after_utc
    except (ValueError, TypeError):
        import hashlib

        return f"a certificate with SHA-256 {hashlib.sha256(raw).hexdigest()}"
    return f"{subject}, serial {serial:x}, until {end:%Y-%m-%d}"
