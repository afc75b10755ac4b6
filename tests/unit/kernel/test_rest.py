# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that are packed until somebody asks for one: which, what is still known of them, what can go wrong."""

import errno
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dlkm.core.arch import arch_named
from dlkm.core.errors import ExitStatus, FetchError
from dlkm.core.events import Event, EventKind, Events, telling
from dlkm.core.files import StorageError
from dlkm.kernel import rest
from dlkm.kernel.adopt import adopt
from dlkm.kernel.demand import complete, digests
from dlkm.kernel.facts import Facts
from dlkm.kernel.installed import Installed, all_module_paths, module_paths
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.lockfile import digest_of
from dlkm.kernel.manifest import Manifest
from dlkm.kernel.pool import Pool
from dlkm.kernel.record import PACK
from dlkm.package.split import in_tree

R = "6.1.0-9-amd64"
SYMVERS = "0x1\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n0x2\tmdio\tdrivers/net/mdio-core\tEXPORT_SYMBOL_GPL\t\n"
STAY = {"kernel/fs/first.ko", "kernel/drivers/net/mdio-core.ko", "kernel/drivers/firmware/qemu_fw_cfg.ko"}
LEAVES = {f"kernel/drivers/net/leaf-{number}.ko" for number in range(20)}
ALL = STAY | LEAVES | {"updates/given.ko"}


def make(pool: Pool, symvers: str | None = SYMVERS, *, source: bool = False, odd: str = "") -> Kernel:
    """A kernel of the pool with some modules; `odd` is executable."""
    with pool.locked(R), pool.scratch(R) as made:
        tree = made / "tree"
        modules = tree / "lib/modules" / R
        for name in (*STAY, *LEAVES, "updates/given.ko"):
            (modules / name).parent.mkdir(parents=True, exist_ok=True)
            (modules / name).write_bytes(name.encode() * 500)
            (modules / name).chmod(0o755 if name == odd else 0o644)
            os.utime(modules / name, ns=(1_000_000_007, 1_000_000_007))
        (modules / "modules.order").write_text("kernel/fs/first.ko\n", "utf-8")
        listed = tree / "Module.symvers"
        listed.write_text(symvers or "", "utf-8")
        kernel = Kernel(
            id=R,
            release=R,
            arch=arch_named("x86_64"),
            origin=f"debian:{R}",
            modules=modules,
            symvers=listed if symvers is not None else None,
            source=tree if source else None,
            tree=tree,
        )
        return adopt(pool, R, kernel, made)


def there(kernel: Kernel) -> set[str]:
    """The module files that lie unpacked."""
    return there_in(modules_of(kernel))


def there_in(modules: Path) -> set[str]:
    """The same of a modules directory."""
    return {str(path.relative_to(modules)) for path in modules.rglob("*.ko")}


def modules_of(kernel: Kernel) -> Path:
    assert kernel.modules is not None
    return kernel.modules


def test_what_others_need_stays_unpacked(pool: Pool) -> None:
    kernel = make(pool)
    assert there(kernel) == STAY | {"updates/given.ko"}
    assert kernel.packed is not None
    assert kernel.packed.files == len(LEAVES)
    assert pool.damage(R, whole=True) == ()


@pytest.mark.parametrize("given", [{"symvers": None}, {"symvers": "nonsense"}, {"source": True}])
def test_all_stays_where_nobody_tells_what_is_needed_and_beside_a_full_source(
    pool: Pool, given: dict[str, str]
) -> None:
    kernel = make(pool, **given)  # type: ignore[arg-type]
    assert there(kernel) == STAY | LEAVES | {"updates/given.ko"}
    assert kernel.packed is None


def test_a_file_with_another_mode_stays(pool: Pool) -> None:
    odd = min(LEAVES)
    assert odd in there(make(pool, odd=odd))


def test_who_asks_for_names_unpacks_nothing(pool: Pool) -> None:
    kernel = make(pool)
    installed = Installed(modules_of(kernel))
    assert set(installed.names) == {"first", "mdio_core", "qemu_fw_cfg", "given", *(f"leaf_{n}" for n in range(20))}
    packaged = in_tree(Facts(kernel))
    assert packaged is not None
    assert {"first", "mdio-core", "qemu-fw-cfg", "given", *(f"leaf-{n}" for n in range(20))} <= packaged
    assert there(kernel) == STAY | {"updates/given.ko"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda modules: list(module_paths(modules)),
        lambda modules: list(Installed(modules).files()),
        lambda modules: Installed(modules).find("leaf_3"),
        lambda modules: Installed(modules).load_order(["leaf-3"]),
        lambda modules: complete(modules / "kernel/drivers/net/leaf-3.ko"),
        lambda modules: complete(modules / "kernel/drivers/*/leaf-?.ko"),
    ],
)
def test_who_asks_for_one_gets_all_as_they_were(
    pool: Pool, ask: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlkm.kernel.installed.Installed._depends", lambda *_: [])
    kernel = make(pool)
    digest = digest_of(kernel, pool)
    told: list[Event] = []
    with telling.to(Events(told.append)), ThreadPoolExecutor(max_workers=1) as worker:
        worker.submit(ask, modules_of(kernel)).result()
    now = pool.get(R)
    assert now is not None
    assert there(now) == STAY | LEAVES | {"updates/given.ko"}
    assert now.packed is None
    assert kernel.packed is not None
    assert (now.size or 0) - (kernel.size or 0) == kernel.packed.size - kernel.packed.taken
    for name in LEAVES:
        status = (modules_of(now) / name).stat()
        assert (modules_of(now) / name).read_bytes() == name.encode() * 500
        assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o644, 1_000_000_007)
    assert digest_of(now, pool) == digest
    assert pool.damage(R, whole=True) == ()
    assert sum(event.kind is EventKind.INFO for event in told) == 1


def test_questions_by_name_unpack_nothing(pool: Pool) -> None:
    kernel = make(pool)
    installed = Installed(modules_of(kernel))
    assert installed.has("leaf-3")
    assert installed.holds("drivers/net/leaf-3")
    assert not installed.has("none")
    assert installed.find("none") is None
    assert installed.find("mdio_core") == modules_of(kernel) / "kernel/drivers/net/mdio-core.ko"
    assert there(kernel) == STAY | {"updates/given.ko"}


def test_what_is_packed_is_named_and_known_by_its_digest_and_stays_packed(pool: Pool) -> None:
    modules = modules_of(make(pool))
    assert {path.removeprefix(f"{modules}/") for path in all_module_paths(modules)} == ALL
    assert digests(modules) == {f"{modules}/{name}": hashlib.sha256(name.encode() * 500).hexdigest() for name in LEAVES}
    assert digests(modules / "kernel/fs") == {}
    assert there_in(modules) == STAY | {"updates/given.ko"}
    pack = pool.home(R) / PACK
    pack.write_bytes(pack.read_bytes()[:-1] + b"\0")
    assert digests(modules) == {}


def test_who_looks_at_a_whole_kernel_is_told_once_it_is_in_the_pool(tmp_path: Path) -> None:
    seen: list[object] = []

    def look(kernel: Kernel, made: Path, files: Manifest) -> Callable[[Kernel], None]:
        seen.append(
            (there(kernel), {f"{made}/{name}" for name in files.entries} >= set(module_paths(modules_of(kernel))))
        )
        return lambda found: seen.append((found.modules, there(found), (pool.home(R) / "kernel.json").is_file()))

    pool = Pool(tmp_path / "pool", look)
    kernel = make(pool)
    stays = STAY | {"updates/given.ko"}
    assert seen == [(ALL, True), (kernel.modules, stays, True)]


def test_the_digest_is_that_of_a_kernel_with_all_unpacked(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = digest_of(make(pool), pool)
    monkeypatch.setattr(rest, "put_away", lambda _kernel, _made, found: (found, None))
    whole = make(pool)
    assert whole.packed is None
    assert digest_of(whole, pool) == packed


@pytest.mark.parametrize("hurt", ["byte", "cut", "empty"])
def test_a_damaged_pack_is_noticed_and_nothing_of_it_used(pool: Pool, hurt: str) -> None:
    kernel = make(pool)
    path = pool.home(R) / PACK
    status, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes({"byte": bytes(data), "cut": bytes(data[:-1]), "empty": b""}[hurt])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(FetchError, match=f"kernel {R} is damaged: .*{PACK}") as caught:
        complete(modules_of(kernel))
    assert caught.value.status == ExitStatus.FETCH
    assert f"dlkm kernel add debian:{R}" in str(caught.value.hint)
    assert there(kernel) == STAY | {"updates/given.ko"}
    assert pool.damage(R, whole=True) == (str(path),)


def test_a_lost_pack_is_damage(pool: Pool) -> None:
    make(pool)
    (pool.home(R) / PACK).unlink()
    assert len(pool.damage(R, whole=False)) == len(LEAVES)


def test_a_changed_list_is_damage(pool: Pool) -> None:
    make(pool)
    (pool.home(R) / rest.LIST).write_text("{}", "utf-8")
    assert pool.damage(R, whole=False) == (str(pool.home(R) / rest.LIST),)


def test_a_full_disk_leaves_the_kernel_as_it_was(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = make(pool)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(StorageError, match=f"other modules of {R} cannot be unpacked"):
        complete(modules_of(kernel))
    monkeypatch.undo()
    assert there(kernel) == STAY | {"updates/given.ko"}
    assert pool.damage(R, whole=True) == ()


def test_what_was_broken_off_half_way_is_finished_by_the_next(pool: Pool) -> None:
    kernel = make(pool)
    half = modules_of(kernel) / min(LEAVES)
    half.write_bytes(b"of one that was killed")
    assert pool.damage(R, whole=True) == ()  # the pack is there and counts
    complete(modules_of(kernel))
    assert there(kernel) == STAY | LEAVES | {"updates/given.ko"}
    assert pool.damage(R, whole=True) == ()


def test_elsewhere_there_is_nothing_to_do(tmp_path: Path) -> None:
    complete(tmp_path)
    complete(tmp_path / "none")
    assert list(module_paths(tmp_path / "none")) == []
