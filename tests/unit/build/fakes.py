# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that has the programs it is told to have, and a kernel that lies where it is told to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.core.arch import arch_named
from dlkm.core.processes import Completed
from dlkm.kernel.kernel import Kernel


@dataclass
class FakeRunner:
    """`programs` are in PATH (name → where); `answers` maps an argument that is looked for to status and output."""

    programs: Mapping[str, str]
    answers: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def run(self, argv: Sequence[str | Path], **_options: object) -> Completed:
        words = tuple(str(word) for word in argv)
        self.ran.append(words)
        status, said = next((self.answers[key] for key in self.answers if key in words), (0, ""))
        return Completed(argv=words, status=status, output=said.encode(), errors=said.encode() if status else b"")

    def end_all(self) -> None:
        pass

    def find(self, program: str) -> Path | None:
        place = self.programs.get(program)
        return None if place is None else Path(place)


def kernel(tree: Path, release: str = "6.1.0-9-amd64", arch: str = "x86_64") -> Kernel:
    """A kernel as its packages lay it out below `tree`: headers, what they include, kbuild."""
    headers = tree / f"usr/src/linux-headers-{release}"
    common = tree / "usr/src/linux-headers-6.1.0-9-common"
    kbuild = tree / "usr/lib/linux-kbuild-6.1/scripts"
    for folder in (headers, common, kbuild):
        folder.mkdir(parents=True)
    (headers / "Makefile").write_text(f"include $(dir $(lastword $(MAKEFILE_LIST)))../{common.name}/Makefile\n")
    (headers / "scripts").symlink_to("../../lib/linux-kbuild-6.1/scripts")
    (common / "Makefile").write_text("VERSION = 6\n")
    return Kernel(
        id=release, release=release, arch=arch_named(arch), origin=f"debian:{release}", headers=headers, tree=tree
    )
