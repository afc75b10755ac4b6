# SPDX-License-Identifier: GPL-2.0-or-later
"""What one source gave for one kernel, and what the user asks of its packages, as values. Reads no file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dlkm.core.arch import Arch
from dlkm.package.package import Package, PackageFile, related
from dlkm.package.relations import Relation, Term, each_term

REVISION = "1"


@dataclass(frozen=True, kw_only=True)
class Lot:
    """Packages in Yocto's words, all for one kernel.

    `source` tells sources apart. `machine` is the architecture's word on Yocto ("qemux86_64"). `in_tree` are the
    kernel's own modules as package names have them, None where nobody knows. `literal`: made by a recipe, whose scripts
    a Yocto system is to get as they are.
    """

    source: str
    release: str
    origin: str
    arch: Arch
    machine: str
    packages: tuple[Package, ...]
    in_tree: frozenset[str] | None = None
    literal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user says of the packages; "" where the source decides.

    `load` and `probe` are the files of modules-load.d and modprobe.d by name, `load_dir` and `probe_dir` where they go;
    `files` are others that go with the driver: firmware, udev rules.
    """

    name: str = ""
    version: str = ""
    revision: str = ""
    epoch: str = ""
    maintainer: str = ""
    load: Mapping[str, bytes] = field(default_factory=dict)
    probe: Mapping[str, bytes] = field(default_factory=dict)
    load_dir: str = "/etc/modules-load.d"
    probe_dir: str = "/etc/modprobe.d"
    files: tuple[PackageFile, ...] = ()

    def stated(self, version: str) -> str:
        """`[EPOCH:]VERSION[-REVISION]` with what is asked for in the place of what it says, and a revision always."""
        epoch, _, rest = version.rpartition(":")
        upstream, dash, revision = rest.rpartition("-")
        if not dash:
            upstream, revision = rest, ""
        text = f"{self.version or upstream}-{self.revision or revision or REVISION}"
        return f"{self.epoch or epoch}:{text}" if self.epoch or epoch else text

    def applied(self, package: Package) -> Package:
        """The package with what is asked for in the place of what it says."""
        maintainer = self.maintainer or package.maintainer
        return replace(package, version=self.stated(package.version), maintainer=maintainer)

    def restated(self, packages: Sequence[Package]) -> tuple[Package, ...]:
        """Packages that belong together; what names one of them in just its version follows it."""
        changed = {(one.name, one.version): self.stated(one.version) for one in packages}

        def change(term: Term) -> Relation:
            return (replace(term, version=changed.get((term.name, term.version), term.version)),)

        return tuple(self.applied(related(one, lambda texts: each_term(texts, change))) for one in packages)
