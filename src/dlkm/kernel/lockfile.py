# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm.lock`: the kernels of a project pinned by digest, so that a run elsewhere uses the same bytes or none."""

import fnmatch
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from dlkm.core.errors import FetchError, MalformedError, UsageError
from dlkm.core.files import open_regular, sha256_file, write_atomically
from dlkm.kernel import manifest, rest
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.manifest import Manifest
from dlkm.kernel.pool import Pool

NAME = "dlkm.lock"
FORMAT = 1
LIMIT = 4 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One kernel. `spec` is the word that named it, `digest` stands for its bytes, `packages` for what made it."""

    spec: str
    id: str
    release: str
    origin: str
    digest: str
    packages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lock:
    """All pins of a project."""

    pins: tuple[Pin, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file; UsageError when there is none, MalformedError when it is none of ours."""
        if not path.is_file():
            raise UsageError(f"{path}: no such file", hint="dlkm kernel lock SPEC... writes it")
        with open_regular(path) as stream:
            data = stream.read(LIMIT)
        try:
            table = json.loads(data)
            kernels = {FORMAT: table["kernels"]}[table["format"]]
            return cls(tuple(_pin(entry) for entry in kernels))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise MalformedError(f"{path}: is no lock file of format {FORMAT}") from error

    def write(self, path: Path) -> None:
        """The pins in the order of their words."""
        pins = sorted(self.pins, key=lambda pin: (pin.spec, pin.id))
        text = json.dumps({"format": FORMAT, "kernels": [asdict(pin) for pin in pins]}, indent=1)
        write_atomically(path, text + "\n")

    def with_pins(self, pins: Sequence[Pin]) -> "Lock":
        """Others of the same words are replaced."""
        words = {pin.spec for pin in pins}
        return Lock((*(pin for pin in self.pins if pin.spec not in words), *pins))

    def of(self, word: str) -> tuple[Pin, ...]:
        """What a word of `-k` means under `--locked`; UsageError when it is not pinned."""
        found = tuple(pin for pin in self.pins if word in {pin.spec, pin.id, pin.origin})
        found = found or tuple(pin for pin in self.pins if fnmatch.fnmatchcase(pin.id, word))
        if not found:
            known = ", ".join(dict.fromkeys(pin.spec for pin in self.pins)) or "nothing"
            raise UsageError(f"{word}: is not pinned by {NAME}, which has {known}", hint=f"dlkm kernel lock {word}")
        return found


def pin_of(spec: str, kernel: Kernel, pool: Pool) -> Pin:
    """The pin of a kernel as it is now."""
    record = pool.record(kernel.id)
    packages = {package.name: package.sha256 for package in record.packages} if record is not None else {}
    return Pin(
        spec=spec,
        id=kernel.id,
        release=kernel.release,
        origin=kernel.origin,
        digest=digest_of(kernel, pool),
        packages=packages,
    )


def require(pin: Pin, kernel: Kernel, pool: Pool) -> None:
    """FetchError when a kernel is not the pinned one, with what differs."""
    now = pin_of(pin.spec, kernel, pool)
    if now.digest == pin.digest and now.release == pin.release:
        return
    names = [name for name in pin.packages if now.packages.get(name) != pin.packages[name]]
    what = f": {', '.join(names)} differ" if names else ""
    raise FetchError(
        f"{kernel.id} is not the kernel that {NAME} pins for {pin.spec}{what} (release {now.release}, digest "
        f"{now.digest[:16]}, pinned {pin.release}, {pin.digest[:16]})",
        hint=f"take the new one: dlkm kernel lock {pin.spec}; or remove it and let the pinned one be fetched: "
        f"dlkm kernel rm {kernel.id}",
    )


def digest_of(kernel: Kernel, pool: Pool) -> str:
    """SHA-256 over names and contents, not times: the same wherever the same files were unpacked.

    A prepared source holds programs of the machine that prepared it: there what it was made from, configuration,
    Module.symvers and image count. So they do for a kernel that lies elsewhere.
    """
    whole = pool.home(kernel.id) / manifest.NAME
    if whole.is_file() and not kernel.origin.startswith("source:"):
        entries = dict(Manifest.parse(whole.read_bytes(), str(whole)).entries)
        if (whole.parent / rest.LIST).is_file():
            entries |= rest.read(whole.parent)[1].entries
        lines = [f"{name}\0{entry.target or entry.sha256}\n" for name, entry in sorted(entries.items())]
    else:
        record = pool.record(kernel.id)
        lines = [f"{package.name}\0{package.sha256}\n" for package in (record.packages if record is not None else ())]
        parts = {"config": kernel.config_file, "symvers": kernel.symvers, "image": kernel.image}
        lines += [f"{name}\0{sha256_file(path)}\n" for name, path in parts.items() if path is not None]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _pin(entry: Any) -> Pin:
    texts = {name: entry[name] for name in ("spec", "id", "release", "origin", "digest")}
    if not all(isinstance(value, str) for value in texts.values()):
        raise TypeError(entry)
    return Pin(**texts, packages={str(name): str(digest) for name, digest in entry["packages"].items()})
