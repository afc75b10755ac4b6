# SPDX-License-Identifier: GPL-2.0-or-later
"""`source:`: kernels with their full source, prepared for modules: Debian's own, or any tree with a configuration.

Debian's must prove to be the shipped kernel's (sameness.py); of others nobody knows what they should be.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from dlkm.core.arch import Arch
from dlkm.core.errors import FetchError, MalformedError, UsageError
from dlkm.core.events import Events
from dlkm.core.files import StorageError, remove_tree, sha256_file, write_atomically
from dlkm.core.names import is_release
from dlkm.core.processes import Runner, bound_to_us, failed
from dlkm.kernel import archive, debian, rooted
from dlkm.kernel.adopt import adopt, free_id, present
from dlkm.kernel.compiler import compiler_for
from dlkm.kernel.config import Config, text_of
from dlkm.kernel.debian_source import apply_patches, fetch_source, source_package
from dlkm.kernel.demand import complete
from dlkm.kernel.directory import arch_of, vermagic_of
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.record import Unpacked
from dlkm.kernel.sameness import PROBE, verify
from dlkm.kernel.workbench import Workbench, require_tools

UNPACK_TIMEOUT = 1800.0  # seconds
# Options that describe the machine that configures, not the kernel (init/Kconfig, scripts/Kconfig.include).
_OF_THE_MACHINE = ("CC_", "GCC_", "CLANG_", "AS_", "LD_", "LLD_", "PAHOLE_", "RUSTC_", "TOOLCHAIN_", "HAVE_", "GCC1")


class Asked(Protocol):
    """What a user says besides the word; select.Given is one."""

    @property
    def mirrors(self) -> tuple[str, ...]: ...
    @property
    def config(self) -> Path | None: ...
    @property
    def symvers(self) -> Path | None: ...
    @property
    def release(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One source being prepared."""

    pool: Pool
    events: Events
    runner: Runner
    made: Path  # below the pool's scratch
    arch: Arch
    config: Path
    symvers: Path | None


def add(argument: str, pool: Pool, events: Events, runner: Runner, asked: Asked) -> Kernel:
    """The kernel that `source:ARGUMENT` names, prepared and in the pool.

    ARGUMENT is a release of Debian's, or a directory or a tarball with the source, which needs `--config`. FetchError:
    not to be had, does not build, or is not the shipped kernel's; MissingToolError: what preparing takes.
    """
    path = Path(argument).expanduser()
    if "/" in argument or path.exists():
        try:
            return _given(path, pool, events, runner, asked)
        except OSError as error:  # shutil's own error, of many files, is one too
            raise StorageError(f"source:{path} cannot be copied: {str(error)[:300]}") from error
    if asked.config is not None or asked.symvers is not None:
        raise UsageError(f"source:{argument}: --config and --symvers go with a directory or a tarball, not a release")
    return _debian(argument, pool, events, runner, asked.mirrors)


def _debian(release: str, pool: Pool, events: Events, runner: Runner, mirrors: Sequence[str]) -> Kernel:
    if not debian.is_flavoured(release):
        raise UsageError(
            f"source:{release}: is no release of a Debian kernel, and no directory or file lies there",
            hint="source:6.1.0-56-amd64, or any kernel's source: source:PATH --config FILE",
        )
    (shipped,) = debian.add(release, pool, events, runner, mirrors)[-1:]
    origin = f"source:{shipped.release}"
    package, version = source_package(shipped)
    if (known := _made_before(pool, origin, f"{package}={version}")) is not None:
        return known
    require_tools(runner)
    if shipped.symvers is None or shipped.config_file is None:
        raise UsageError(
            f"{shipped.id}: has no Module.symvers or no configuration", hint=f"dlkm kernel rm {shipped.id}"
        )
    name = free_id(pool, shipped.release, origin, "source")
    with pool.locked(name, events), pool.scratch(name) as made:
        if (known := _made_before(pool, origin, f"{package}={version}")) is not None:  # by another process
            return known
        with pool.downloads(name) as folder:
            deb, patches = fetch_source(shipped, pool, events, runner, mirrors, folder)
            packages: tuple[Unpacked, ...] = (Unpacked(name=package, version=version, sha256=sha256_file(deb)),)
            with events.task(f"unpacking {deb.name}"):
                tree = _unpack_deb(deb, made, shipped.release, runner)
            if patches is not None:
                packages += (Unpacked(name=patches.name, version=version, sha256=sha256_file(patches)),)
                with events.task(f"applying the patches of {patches.name}"):
                    apply_patches(shipped, patches, tree, made, runner)
        work = _Work(
            pool=pool,
            events=events,
            runner=runner,
            made=made,
            arch=shipped.arch,
            config=shipped.config_file,
            symvers=shipped.symvers,
        )
        bench = _prepare(work, tree, shipped.release)
        _link_installed(shipped, made / "tree")
        with events.task("comparing it with the shipped kernel"), _probe(made) as probe:
            same = verify(replace(bench, extra=((probe, PROBE),)), shipped, probe)
        events.info(f"{name}: {same}")
        return _put(work, name, origin, shipped.release, tree, packages)


def _made_before(pool: Pool, origin: str, package: str) -> Kernel | None:
    """The prepared source of that very package, whole; None where there is none."""
    known = next((kernel for kernel in pool.list() if kernel.origin == origin), None)
    if known is None or package not in known.packages or pool.damage(known.id, whole=False):
        return None
    return pool.take(known.id)


def _given(path: Path, pool: Pool, events: Events, runner: Runner, asked: Asked) -> Kernel:
    """A directory or a tarball of any kernel, with the configuration that the user names."""
    if not path.exists():
        raise UsageError(f"source:{path}: no such directory or file")
    origin = f"source:{path.resolve()}"
    config = asked.config or path / ".config"
    if asked.config is None and not config.is_file() and (before := _made_from(pool, origin)) is not None:
        return before
    if not config.is_file():
        raise UsageError(
            f"source:{path}: needs the kernel's configuration" + (f": {config} is no file" if asked.config else ""),
            hint="--config FILE: the target's /boot/config-… or /proc/config.gz; --symvers FILE: its Module.symvers",
        )
    _require_files(asked)
    arch = arch_of(config)
    if path.is_dir():
        _require_source(path, path)  # before anything is copied: it may be any directory, however large
    packages = tuple(_identity(path, config, asked))
    release = asked.release
    for known in pool.list():
        if known.origin == origin and (same := present(pool, known.release, packages, origin)) is not None:
            return same
    require_tools(runner)
    with pool.locked("0-source", events), pool.scratch("0-source") as made:
        with events.task(f"copying {path.name}"):
            tree = _copy_given(path, made)
        write_atomically(made / "config", text_of(config))
        work = _Work(
            pool=pool,
            events=events,
            runner=runner,
            made=made,
            arch=arch,
            config=made / "config",
            symvers=asked.symvers,
        )
        _prepare(work, tree, release)
        found = (tree / "include/config/kernel.release").read_text("utf-8", "replace").strip()
        if not is_release(found):
            raise MalformedError(f"source:{path}: calls itself {found[:80]!r}, which is no kernel release")
        tree = tree.rename(tree.with_name(f"linux-source-{found}"))
        (made / "config").unlink()
        name = free_id(pool, found, origin, "source")
        if asked.symvers is None:
            events.warning(f"{name}: no Module.symvers was given (--symvers): modules carry no symbol versions")
        return _put(work, name, origin, found, tree, packages)


def _require_files(asked: Asked) -> None:
    if asked.symvers is not None and not asked.symvers.is_file():
        raise UsageError(f"--symvers {asked.symvers}: is no file")
    if asked.release is not None and not is_release(asked.release):
        raise UsageError(f"--release {asked.release}: is no kernel release")


def _made_from(pool: Pool, origin: str) -> Kernel | None:
    """What was made of that path with a configuration given then; None for nothing, UsageError for several."""
    known = [kernel.id for kernel in pool.list() if kernel.origin == origin]
    if len(known) > 1:
        raise UsageError(f"{origin}: made {len(known)} kernels", hint=f"name one of them: {', '.join(known)}")
    return pool.take(known[0]) if known else None


def _identity(path: Path, config: Path, asked: Asked) -> Iterator[Unpacked]:
    """What the result depends on: a change of any of it makes the kernel anew."""
    if path.is_file():
        yield Unpacked(name=path.name, version="", sha256=sha256_file(path))
    else:
        newest = max((entry.stat().st_mtime_ns for entry in path.iterdir()), default=0)
        yield Unpacked(name=path.name, version=str(newest), sha256="")
    yield Unpacked(name="config", version=asked.release or "", sha256=sha256_file(config))
    if asked.symvers is not None:
        yield Unpacked(name="Module.symvers", version="", sha256=sha256_file(asked.symvers))


def _prepare(work: _Work, tree: Path, release: str | None) -> Workbench:
    """Configure and prepare; afterwards modules can be built there, and say that they are for `release`."""
    config = Config.read(work.config)
    place = f"/usr/src/{tree.name}"
    bench = Workbench(
        here=tree,
        place=place,
        arch=work.arch,
        compiler=compiler_for(config, work.arch, tree.name, work.runner, work.events),
        runner=work.runner,
        log=work.made / "prepare.log",
        release=release,
    )
    write_atomically(tree / ".config", work.config.read_bytes())
    with work.events.task(f"configuring {tree.name}"):
        bench.make("olddefconfig", doing=f"cannot configure {tree.name}")
        _tell_changes(config, Config.read(tree / ".config"), work.events)
    with work.events.task(f"preparing {tree.name}"):
        bench.make("modules_prepare", doing=f"cannot prepare {tree.name}")
    if release is not None:
        write_atomically(tree / "include/config/kernel.release", f"{release}\n")
    if work.symvers is not None:
        shutil.copyfile(work.symvers, tree / "Module.symvers")
        vmlinux = work.symvers.with_name("vmlinux")
        if vmlinux.is_file():
            shutil.copyfile(vmlinux, tree / "vmlinux")  # its types, for those of modules
    return bench


def _tell_changes(before: Config, after: Config, events: Events) -> None:
    """Options that the source does not have, or decides otherwise: the kernel is not quite the one that was meant."""
    changed = [
        name
        for name in before.options.keys() | after.options.keys()
        if before.get(name) != after.get(name) and not name.startswith(_OF_THE_MACHINE)
    ]
    if changed:
        shown = ", ".join(f"CONFIG_{name}" for name in sorted(changed)[:8])
        events.warning(f"the source changes {len(changed)} options of the configuration: {shown}")


def _put(work: _Work, name: str, origin: str, release: str, tree: Path, packages: Sequence[Unpacked]) -> Kernel:
    (work.made / "prepare.log").unlink(missing_ok=True)
    root = work.made / "tree"
    modules = rooted.modules_of(root, release) or root / "lib/modules" / release
    modules.mkdir(parents=True, exist_ok=True)
    for link in ("build", "source"):
        (modules / link).unlink(missing_ok=True)
        (modules / link).symlink_to(os.path.relpath(tree, modules))
    with work.events.task(f"recording {name}"):
        kernel = rooted.kernel_in(root, release, origin=origin, headers=tree, arch=work.arch)
        if kernel.vermagic is None:
            kernel = replace(kernel, vermagic=vermagic_of(release, work.arch, kernel.config))
        return adopt(work.pool, name, replace(kernel, source=tree), work.made, packages)


def _unpack_deb(deb: Path, made: Path, release: str, runner: Runner) -> Path:
    """The tree in a linux-source package, whose digest apt has checked."""
    parts = made / "package"
    done = runner.run([*bound_to_us(runner), "dpkg-deb", "--extract", deb, parts], timeout=UNPACK_TIMEOUT)
    if not done.ok:
        raise failed(done, f"cannot unpack {deb.name}", FetchError)
    tarball = next(parts.glob("usr/src/linux-source-*.tar.*"), None)
    if tarball is None:
        raise FetchError(f"{deb.name}: holds no usr/src/linux-source-….tar")
    tree = made / "tree/usr/src" / f"linux-source-{release}"
    tree.mkdir(parents=True)
    words: list[str | Path] = [
        "tar",
        "--extract",
        "--file",
        tarball,
        "--directory",
        tree,
        "--strip-components=1",
        "--no-same-owner",
    ]
    done = runner.run([*bound_to_us(runner), *words], timeout=UNPACK_TIMEOUT)
    if not done.ok:
        raise failed(done, f"cannot unpack {tarball.name}", FetchError)
    remove_tree(parts)
    return tree


def _copy_given(path: Path, made: Path) -> Path:
    """The source without what version control and earlier builds left in it; MalformedError for another's archive."""
    tree = made / "tree/usr/src/linux-source"
    if path.is_dir():
        left = shutil.ignore_patterns(".git", "*.o", "*.ko", "*.cmd", "*.a", "*.mod", "*.mod.c", ".tmp_*", "vmlinux*")
        shutil.copytree(path, tree, symlinks=True, ignore=left, ignore_dangling_symlinks=True)
        for generated in ("include/config", "include/generated", ".config", "Module.symvers"):
            target = tree / generated
            remove_tree(target) if target.is_dir() else target.unlink(missing_ok=True)
    else:
        archive.unpack(path, made / "unpacked")
        inside = [entry for entry in (made / "unpacked").iterdir() if entry.is_dir() and not entry.is_symlink()]
        tree.parent.mkdir(parents=True)
        (inside[0] if len(inside) == 1 else made / "unpacked").rename(tree)
        remove_tree(made / "unpacked")
        _require_source(tree, path)
    return tree


def _require_source(tree: Path, path: Path) -> None:
    """MalformedError, which says what of a source is missing, when `tree`, which came from `path`, is no kernel's."""
    missing = [name for name in ("Kconfig", "Makefile", "scripts") if not (tree / name).exists()]
    if missing:
        raise MalformedError(f"source:{path}: holds no kernel's source: {', '.join(missing)} missing at its top")


def _link_installed(shipped: Kernel, root: Path) -> None:
    """Image and modules of the shipped kernel beside the source: the same files, by hard links where that goes."""
    if shipped.modules is not None:
        complete(shipped.modules)
    for part in (shipped.image, shipped.config_file, shipped.modules):
        if part is None or shipped.tree is None or not part.is_relative_to(shipped.tree) or part.name == ".config":
            continue
        target = root / part.relative_to(shipped.tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        if part.is_dir():
            shutil.copytree(part, target, symlinks=True, copy_function=_link)
        else:
            _link(str(part), str(target))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, target)


@contextmanager
def _probe(made: Path) -> Iterator[Path]:
    path = made / "probe"
    path.mkdir()
    try:
        yield path
    finally:
        remove_tree(path)
