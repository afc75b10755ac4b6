# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules of a driver as packages, split as Yocto does it, in Yocto's words. Writes nothing.

Source: OpenEmbedded-Core's kernel-module-split.bbclass.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from dlkm.core.errors import MalformedError, UsageError
from dlkm.core.names import module_name, normalise_module_name
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import Module
from dlkm.package.lot import Asked
from dlkm.package.names import legitimised, module_package, order, upstream_version
from dlkm.package.package import Package, PackageFile, Scripts
from dlkm.source.dkms import CONF, names_in
from dlkm.source.spdx import by_module_licence

UPDATES = "updates"  # depmod's default order is "updates built-in": what lies here wins (depmod.d(5))
SECTION = "kernel"
_DEPMOD = '#!/bin/sh\nset -e\nif [ -z "$D" ]; then\n\tdepmod -a {R}\nelse\n\tdepmod -a -b "$D" {R}\nfi\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where modules go: the kernel's release, and the directory that holds those of all kernels there."""

    release: str
    tree: str = "/lib/modules"

    @classmethod
    def of(cls, release: str, kernel: Kernel | None) -> Self:
        """Where the kernel's own package puts its modules: below /usr since Debian 13."""
        if kernel is None or kernel.tree is None or kernel.modules is None:
            return cls(release=release)
        below_usr = kernel.modules.is_relative_to(kernel.tree / "usr")
        return cls(release=release, tree="/usr/lib/modules" if below_usr else "/lib/modules")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Driver:
    """What its packages share: `own` are the names of its modules."""

    place: Place
    version: str
    own: frozenset[str]


def split(name: str, source: Path | None, modules: Sequence[Module], place: Place, asked: Asked) -> tuple[Package, ...]:
    """A package for each module, and one called like the driver that depends on them all.

    UsageError for two files of one name, or a name that no package can hold.
    """
    version = asked.stated(driver_version(source, modules))
    own = frozenset(module_name(module.path.name) for module in modules)
    driver = _Driver(place=place, version=version, own=own)
    groups: dict[str, list[Module]] = {}
    for module in modules:
        groups.setdefault(module_package(_stem(module), place.release), []).append(module)
    made = [_of_modules(key, group, driver) for key, group in groups.items()]
    if source is not None and (source / CONF).is_file():  # Debian calls what DKMS builds the same modules from so
        made = [replace(package, conflicts=(f"{_base(name)}-dkms",)) for package in made]
    meta = Package(
        name=asked.name or f"{_base(name)}-modules",
        version=version,
        arch="",
        summary=f"{name} kernel modules",
        description=f"Brings the kernel modules of {name} for the newest kernel that they are packaged for.",
        licence=" & ".join(dict.fromkeys(package.licence for package in made if package.licence)),
        section=SECTION,
        maintainer=_maintainer(modules),
        authors=_authors(modules),
        depends=tuple(f"{package.name} (= {package.version})" for package in made),
    )
    return tuple(asked.applied(package) for package in (*made, meta))


def _base(name: str) -> str:
    """A driver's name without what packages add to it."""
    return legitimised(name).removesuffix("-dkms").removesuffix("-modules")


def driver_version(source: Path | None, modules: Sequence[Module]) -> str:
    """Its version: that of its dkms.conf, else the highest MODULE_VERSION; "0" where neither says one."""
    conf = source / CONF if source is not None else None
    try:
        stated = names_in(conf)[1] if conf is not None and conf.is_file() else ""
    except MalformedError:
        stated = ""
    found = [upstream_version(text) for text in (stated,) if text]
    found = found or [upstream_version(text) for module in modules if (text := module.field("version"))]
    return max(found, key=order, default="0")


def in_tree(facts: Facts) -> frozenset[str] | None:
    """The kernel's own modules as package names have them; None where nothing at hand lists them."""
    listed = set(facts.installed.names) if facts.installed is not None else set()
    if facts.symvers is not None:
        listed |= {module_name(symbol.provider) for symbol in facts.symvers.symbols.values() if symbol.provider}
    return frozenset(map(legitimised, listed)) or None


def _of_modules(key: str, group: Sequence[Module], driver: _Driver) -> Package:
    """The package of a module (or of several whose names become one)."""
    first, release = group[0], driver.place.release
    legal = legitimised(_stem(first))
    files = [_file(module, driver.place) for module in group]
    if len({file.path for file in files}) < len(files):
        twice = ", ".join(str(module.path) for module in group)
        raise UsageError(f"{twice}: several modules of one name for {release}", hint="package them apart")
    summary = f"{legal} kernel module"
    told = _plain(first.field("description") or "")
    script = _DEPMOD.format(R=shlex.quote(release))
    return Package(
        name=key,
        version=driver.version,
        arch="",
        summary=summary,
        description=f"{summary}; {told}" if told else summary,
        licence=licence_of(first),
        section=SECTION,
        maintainer=_maintainer(group),
        authors=_authors(group),
        depends=tuple(dict.fromkeys((f"kernel-{release}", *_needed(group, driver)))),
        provides=(f"kernel-module-{legal}",),
        files=tuple(files),
        scripts=Scripts(postinst=script, postrm=script),
    )


def _needed(group: Sequence[Module], driver: _Driver) -> Iterator[str]:
    """The packages of the modules it needs, those of the driver itself in just this version: they share symbols."""
    mine = {module_name(module.path.name) for module in group}
    for module in group:
        for name in map(normalise_module_name, module.depends):
            package = module_package(name, driver.place.release)
            if name in driver.own - mine:
                yield f"{package} (= {driver.version})"
            elif name not in mine:
                yield package


def licence_of(module: Module) -> str:
    """As LICENSE has it; the module's own words where the table has none, "" where it says nothing."""
    stated = _plain(module.license or "")
    return by_module_licence().get(stated, stated)


def _stem(module: Module) -> str:
    """The file's name without suffix, as it is written."""
    return module.path.name.partition(".ko")[0]


def _plain(text: str) -> str:
    """On one line, and UTF-8 whatever the source was written in."""
    return " ".join(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").split())


def _file(module: Module, place: Place) -> PackageFile:
    name = module.path.name
    if not name.isprintable() or any(0xDC80 <= ord(letter) <= 0xDCFF for letter in name):
        raise UsageError(f"{str(module.path)!r}: its name is none that a package can hold")
    return PackageFile(path=f"{place.tree}/{place.release}/{UPDATES}/{name}", mode=0o644, source=module.path)


def _authors(modules: Sequence[Module]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_plain(text) for module in modules for text in module.all("author")))


def _maintainer(modules: Sequence[Module]) -> str:
    """The first author who can be written to."""
    return next((author for author in _authors(modules) if is_address(author)), "")


def is_address(text: str) -> bool:
    """Whether it is "NAME <USER@HOST>"."""
    name, _, rest = text.partition(" <")
    user, _, host = rest.removesuffix(">").partition("@")
    return all((name, user, rest.endswith(">"), "." in host, text.isprintable())) and not set('<>,@"\\') & set(name)
