# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm check` from the shell, again and again: the same answer as long as nothing changed, and within its memory."""

import lzma
import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path

import pytest
import zstandard

from dlkm.cli.recall import MANY
from dlkm.core.files import cache_home
from dlkm.kernel.installed import module_paths
from dlkm.kernel.kernel import Kernel
from dlkm.ko.decompress import LIMIT
from dlkm.ko.signature import signature_of

pytestmark = pytest.mark.contract

DLKM = Path(sys.executable).with_name("dlkm")
MEMORY = 300 << 20  # bytes, of all processes together
JOBS = 2


class Shell:
    """Runs the command with the user's kernels and a place of its own for answers, where nobody else keeps any."""

    def __init__(self, home: Path, kernel: Kernel) -> None:
        self._env = {**os.environ, "XDG_STATE_HOME": str(home / "state"), "XDG_CACHE_HOME": str(home / "cache")}
        self._kernel = kernel.id
        self._answers = home / "cache/dlkm/answers"
        self._answers.parent.mkdir(parents=True)
        for name in ("kernels", "images"):
            (self._answers.parent / name).symlink_to(cache_home() / name)

    def check(self, *paths: str) -> tuple[int, str]:
        """Exit status and answer."""
        command = [str(DLKM), "check", *paths, "-k", self._kernel, "-j", str(JOBS)]
        found = subprocess.run(command, check=False, capture_output=True, text=True, env=self._env, timeout=120)
        assert found.stderr == ""
        return found.returncode, found.stdout

    def full(self, path: str, unbuffered: str) -> tuple[int, str]:
        """Exit status and error where nothing can be written."""
        command = [str(DLKM), "check", path, "-k", self._kernel, "-j", str(JOBS)]
        env = {**self._env, "PYTHONUNBUFFERED": unbuffered}
        with Path("/dev/full").open("w") as sink:
            found = subprocess.run(command, check=False, stdout=sink, stderr=subprocess.PIPE, text=True, env=env)
        return found.returncode, found.stderr

    def kept(self) -> Path:
        """The one answer that was kept."""
        (path,) = self._answers.iterdir()
        return path


@pytest.fixture
def shell(tmp_path: Path, kernel_61: Kernel) -> Shell:
    return Shell(tmp_path / "home", kernel_61)


@pytest.fixture
def folder(tmp_path: Path, kernel_61: Kernel) -> Path:
    """Some of a kernel's modules, older than a moment."""
    assert kernel_61.modules is not None
    made = tmp_path / "modules"
    made.mkdir()
    for path in sorted(module_paths(kernel_61.modules / "kernel/drivers/net"))[:40]:
        shutil.copy(path, made)
    time.sleep(0.3)
    return made


def test_the_second_answer_is_the_first(shell: Shell, folder: Path) -> None:
    first = shell.check(str(folder))
    assert first[0] == 0
    kept = shell.kept()
    before = kept.stat().st_mtime_ns
    assert shell.check(str(folder)) == first
    assert kept.stat().st_mtime_ns > before  # it was asked for


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_is_given_again_to_a_full_disk(shell: Shell, folder: Path, unbuffered: str) -> None:
    said = "dlkm: error: cannot write standard output: No space left on device\n"
    assert shell.full(str(folder), unbuffered) == (4, said)
    assert shell.check(str(folder))[0] == 0
    assert shell.full(str(folder), unbuffered) == (4, said)


def test_a_changed_module_of_the_same_size_and_time_is_noticed(shell: Shell, folder: Path) -> None:
    assert shell.check(str(folder))[0] == 0
    module = next(folder.iterdir())
    status, data = module.stat(), bytearray(module.read_bytes())
    data[100] ^= 1
    module.write_bytes(data)
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert module.stat().st_mtime_ns == status.st_mtime_ns
    code, answer = shell.check(str(folder))
    assert code == 1
    assert f"{module}" in answer


def test_a_new_module_is_noticed(shell: Shell, folder: Path) -> None:
    assert shell.check(str(folder))[0] == 0
    (folder / "late.ko").write_bytes(b"no module")
    assert shell.check(str(folder))[0] == 1


def test_many_files_are_looked_at_while_they_are_judged(shell: Shell, tmp_path: Path, kernel_61: Kernel) -> None:
    """Known by their content: another process looks at them before they are judged."""
    assert kernel_61.modules is not None
    made = tmp_path / "many"
    made.mkdir()
    for path in list(module_paths(kernel_61.modules))[: MANY + 100]:
        (made / Path(path).name).symlink_to(path)
    first = shell.check(str(made))  # which may be the one that finds out what is known from then on
    assert first[0] == 0
    time.sleep(0.3)
    assert shell.check(str(made)) == first
    kept = shell.kept()
    before = kept.stat().st_mtime_ns
    assert shell.check(str(made)) == first
    assert kept.stat().st_mtime_ns > before
    one = next(made.iterdir())
    whole = one.read_bytes()
    one.unlink()
    one.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    code, answer = shell.check(str(made))
    assert (code, f"{one} " in answer) == (1, True)


@pytest.mark.parametrize("damage", [b"", b"dlk1", None])
def test_whatever_becomes_of_what_was_kept(shell: Shell, folder: Path, damage: bytes | None) -> None:
    first = shell.check(str(folder))
    kept = shell.kept()
    whole = kept.read_bytes()
    kept.write_bytes(whole.replace(b"loads", b"fails") if damage is None else damage)
    assert shell.check(str(folder)) == first
    assert kept.read_bytes() == whole  # made anew


def test_two_at_once(shell: Shell, folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(lambda _number: shell.check(str(folder)), range(4)))
    assert len(answers) == 1
    assert shell.check(str(folder)) in answers


def _largest(paths: Sequence[str]) -> list[str]:
    return sorted(paths, key=lambda path: Path(path).stat().st_size)[-150:]


@pytest.mark.parametrize("name", ["kernel_61", "kernel_612"])
def test_memory(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    kernel: Kernel = request.getfixturevalue(name)
    assert kernel.modules is not None
    files = list(module_paths(kernel.modules))
    asked = [str(kernel.modules)] if name == "kernel_61" else _largest(files)
    command = [str(DLKM), "check", *asked, "-k", kernel.id, "-j", str(JOBS), "-q"]
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    # An image of which nothing is kept yet is read by one process, before it has others beside it.
    assert _peak([str(DLKM), "check", files[0], "-k", kernel.id, "-q"], env) < MEMORY
    # The largest of the processes; what they share is counted for each.
    assert _peak(command, env) * JOBS < MEMORY


def _zstd(data: Iterable[bytes]) -> bytes:
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return b"".join((*map(packer.compress, data), packer.flush()))


def _gzip(data: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    return b"".join((*map(packer.compress, data), packer.flush()))


def _xz(data: Iterable[bytes]) -> bytes:
    return b"".join(map(cache(partial(lzma.compress, preset=0)), data))


@pytest.mark.parametrize("pack", [_zstd, _gzip, _xz])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 1), (LIMIT + (4 << 20), 3)])
def test_what_unpacks_to_much_takes_little_memory(
    kernel_61: Kernel, tmp_path: Path, pack: Callable[[Iterable[bytes]], bytes], size: int, status: int
) -> None:
    """A module whose signature is wrong, so that all of it is digested; a little larger, it is refused."""
    assert kernel_61.modules is not None
    whole = Path(next(iter(module_paths(kernel_61.modules)))).read_bytes()
    signature = signature_of(whole)
    assert signature is not None
    start, end = whole[: signature.body_size], whole[signature.body_size :]
    block = bytes(4 << 20)
    first, last = start + block[len(start) :], block[len(end) :] + end
    file = tmp_path / "large.ko"
    file.write_bytes(pack([first, *[block] * (size // len(block) - 2), last]))
    assert _peak([str(DLKM), "check", str(file), "-k", kernel_61.id, "-q"], status=status) * JOBS < MEMORY


# What a process held before it became another program counts for that one, too (fs/exec.c: exec_mmap), and so would the
# tests' own memory: a small process starts the command.
_STARTER = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def _peak(command: Sequence[str], env: dict[str, str] | None = None, status: int = 0) -> int:
    """Bytes of the largest process of a command that ends with this status."""
    starter = [sys.executable, "-I", "-S", "-c", _STARTER, *command]
    found = subprocess.run(starter, check=False, capture_output=True, text=True, env=env, timeout=120)
    assert found.returncode == status, found.stderr
    return int(found.stdout) * 1024


def test_the_peak_is_the_commands_own() -> None:
    """Whatever the tests hold, and all of what the command does."""
    held = b"x" * MEMORY
    assert _peak([sys.executable, "-I", "-S", "-c", ""]) < MEMORY // 4
    assert _peak([sys.executable, "-I", "-S", "-c", f"x = b'x' * {len(held)}"]) > MEMORY
