# SPDX-License-Identifier: GPL-2.0-or-later
"""Which packages a lot makes on a system, and what they are called; relations are still in Yocto's words.

On Yocto a target has one kernel, elsewhere several side by side. So there what belongs to one kernel carries its
release in the name, what all kernels share (configuration) has a package of its own, as no two packages may have one
file (Debian Policy 10.7.4), and the others follow the newest kernel.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dlkm.package.contents import lies_in_tree, releases_of
from dlkm.package.lot import Lot
from dlkm.package.names import Format, package_name
from dlkm.package.package import Package, blank
from dlkm.package.ready import Role
from dlkm.package.relations import parse
from dlkm.package.systems import System, abi_of, called_there, flavour_of, is_for_developers

_SHARED = "-conf"  # ends the name of what the packages of all kernels share
_EVERYWHERE = ("all", "noarch", "any", "allarch")  # what makers call packages for all architectures


@dataclass(frozen=True, kw_only=True)
class Shaped:
    """A package with its final name, version and files; `called` and `was` are Yocto's name and version.

    `instead_of` is the package that it can only be installed in the place of, "" for none.
    """

    lot: Lot
    called: str
    was: str
    package: Package
    role: Role
    instead_of: str = ""


def shaped(lot: Lot, form: Format, system: System) -> Iterator[Shaped]:
    """The packages of a lot."""
    for original in lot.packages if system is System.YOCTO else _worth_having(lot):
        name = package_name(called_there(original.name, system), form)
        package = replace(original, name=name, arch=_arch(original, lot, form, system))
        made = [(original.name, package)]
        if system is not System.YOCTO and releases_of(package):
            made = list(_for_one_kernel(original.name, package, lot, form))
        for called, tied in made:
            rises = system is not System.YOCTO or not lot.literal
            one = tied if releases_of(tied) else _following(tied, lot, form, rises=rises)
            yield Shaped(
                lot=lot,
                called=called,
                was=original.version,
                package=one,
                role=_role(one),
                instead_of=tied.name if one.name != tied.name and one.files and form is Format.DEB else "",
            )


def _worth_having(lot: Lot) -> Iterator[Package]:
    """Without what Yocto makes empty in every case, and without an empty Module.symvers, which says nothing.

    What lies in /etc is configuration (Debian Policy 10.7.2), whether or not CONFFILES names it.
    """
    tied = {package.name for package in lot.packages if releases_of(package)}
    for package in lot.packages:
        files = tuple(file for file in package.files if not file.path.endswith("/Module.symvers") or file.read())
        needed = {term.name for text in package.depends for term in parse(text)}
        if files or package.folders or (needed & tied and not is_for_developers(package.name)):
            marked = (file.path for file in files if file.path.startswith("/etc/") and file.link is None)
            yield replace(package, files=files, conffiles=tuple(dict.fromkeys((*package.conffiles, *marked))))


def _role(package: Package) -> Role:
    if releases_of(package):
        return Role.MODULES
    if package.name.endswith(_SHARED):
        return Role.CONFIGURATION
    return Role.OTHER if package.files or package.folders else Role.META


def _arch(package: Package, lot: Lot, form: Format, system: System) -> str:
    """The format's word for it."""
    if package.arch in _EVERYWHERE:
        return _everywhere(form)
    if form is Format.DEB:
        return lot.arch.debian
    if system is System.YOCTO:
        return re.sub(r"[^A-Za-z0-9_.+-]", "-", package.arch or lot.machine)
    return lot.arch.rpm


def _everywhere(form: Format) -> str:
    return "noarch" if form is Format.RPM else "all"


def _for_one_kernel(called: str, package: Package, lot: Lot, form: Format) -> Iterator[tuple[str, Package]]:
    """It carries the release in its name, and gives away what does not lie in the kernel's own directory."""
    ending = package_name(f"x-{lot.release}", form)[1:]
    base = package.name.removesuffix(ending)
    shared = tuple(file for file in package.files if not lies_in_tree(file))
    own = replace(package, name=base + ending, files=tuple(file for file in package.files if lies_in_tree(file)))
    if shared:
        common = replace(
            blank(package, name=f"{base}{_SHARED}", arch=_everywhere(form)),
            summary=f"{package.summary}: what all kernels share",
            files=shared,
            folders=package.folders,
            conffiles=package.conffiles,
        )
        own = replace(own, conffiles=(), folders=(), depends=(*own.depends, f"{common.name} (>= {package.version})"))
        yield common.name, common
    if own.name == package.name:
        yield called, own
    else:
        yield own.name, replace(own, provides=(*own.provides, package.name))
        meta = blank(package, name=package.name, arch=package.arch)
        yield called, replace(meta, depends=(f"{own.name} (= {package.version})",))


def _following(package: Package, lot: Lot, form: Format, *, rises: bool) -> Package:
    """It follows the newest kernel of its flavour, which is part of its name; where it `rises`, so does its version.

    Of two flavours' packages that hold files only one can be installed: dpkg lets no two packages have one file.
    """
    if _role(package) is Role.CONFIGURATION:
        return package
    flavour = flavour_of(lot.release)
    return replace(
        package,
        name=package_name(f"{package.name}-{flavour}", form) if flavour else package.name,
        version=f"{package.version}+k{abi_of(lot.release)}" if rises else package.version,
    )
