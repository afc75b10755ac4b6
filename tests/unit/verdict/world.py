# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the kernel of a trial on disk, and asks for the verdict."""

from pathlib import Path

from dlkm.core.arch import arch_named
from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import module_of
from dlkm.verdict.check import candidate_of, judge
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.supply import Refusal, Supply
from dlkm.verdict.verdict import Verdict
from tests.unit.verdict.signing import certificate
from tests.unit.verdict.trials import OPTIONS, World, module


def make_kernel(root: Path, world: World) -> Kernel:
    """The kernel that a world describes, below a directory."""
    folder = root / "lib/modules" / world.release
    (folder / "kernel").mkdir(parents=True)
    for name in world.installed:
        (folder / f"kernel/{name}.ko").write_bytes(module(name, info=[("intree", "Y")], vermagic=world.vermagic or ""))
    (folder / "modules.order").write_text("".join(f"kernel/{name}.ko\n" for name in world.installed))
    (folder / "modules.builtin").write_text("".join(f"kernel/{name}.ko\n" for name in world.builtin))
    (folder / "modules.builtin.modinfo").write_text("".join(f"{entry}\0" for entry in world.builtin_info))
    options = [name for name in f"{OPTIONS} {world.with_}".split() if name not in world.without.split()]
    config, symvers = root / "config", root / "Module.symvers"
    config.write_text("".join(f"CONFIG_{name if '=' in name else f'{name}=y'}\n" for name in options))
    symvers.write_text(world.symvers or "")
    if world.image is not None:
        (root / "vmlinuz").write_bytes(world.image)
    return Kernel(
        id=world.release,
        release=world.release,
        arch=arch_named(world.arch),
        origin=world.origin,
        image=root / "vmlinuz" if world.image is not None else None,
        modules=folder,
        symvers=symvers if world.symvers is not None else None,
        config_file=config if world.config else None,
        vermagic=world.vermagic,
    )


def ask(root: Path, data: bytes, world: World) -> Verdict:
    """The verdict on bytes in a world."""
    facts = Facts(make_kernel(root, world))
    if world.certificates is not None:
        facts.__dict__["certificates"] = tuple(certificate(seed) for seed in world.certificates)
    if world.sysfs is not None:
        facts.__dict__["sysfs_names"] = world.sysfs
    along = tuple(module_of(one, root / f"along{number}.ko") for number, one in enumerate(world.along))
    doubtful = [module_of(one, root / f"unsure{number}.ko") for number, one in enumerate(world.unsure)]
    unusable = [(one, Refusal(chain=(one.name,), why="no one knows", unsure=True)) for one in doubtful]
    supply = Supply(facts=facts, along=along, refused=world.refused, unusable=unusable)
    candidate = candidate_of(root / "tiny.ko", data, facts.kernel)
    return judge(candidate, facts, Conditions(**world.conditions), supply)
