# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds known again by content: what did not change is not made, what may have changed is, and damage does no harm."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dlkm.build.kerneltree import tree_on_the_target
from dlkm.build.options import BuildOptions
from dlkm.build.order import Order
from dlkm.build.probe import answer_ahead, answer_in_make
from dlkm.build.scratch import Scratch
from dlkm.core.processes import environment
from dlkm.kernel.compiler import Compiler
from dlkm.kernel.kernel import Kernel
from dlkm.source.driver import find
from tests import builds
from tests.builds import DLKM, DRIVERS, HELLO, Cells, build_cells

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_builds_known")]

DKMS_CONF = f'{builds.DKMS_CONF}POST_BUILD="note.sh $kernelver"\n'


def _cells(*words: str | Path, status: int = 0, env: dict[str, str] | None = None) -> Cells:
    return build_cells(*words, status=status, env=env)[0]


def _cell(*words: str | Path, status: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    (cell,) = _cells(*words, status=status, env=env).values()
    return cell


def _store() -> Path:
    return Path(os.environ["DLKM_CACHE"])


def _kept(kind: str) -> list[Path]:
    return [path for path in (_store() / kind).rglob("*") if path.is_file()]


def _sha256(cell: dict[str, Any]) -> list[str]:
    return [module["sha256"] for module in cell["modules"]]


def test_nothing_changed_nothing_is_made(tmp_path: Path, kernel_61: Kernel) -> None:
    first = _cell(HELLO, "-k", kernel_61.id, "-o", tmp_path / "one")
    second = _cell(HELLO, "-k", kernel_61.id, "-o", tmp_path / "two", "-j", "1")
    assert (first["cached"], second["cached"]) == (False, True)
    assert _sha256(first) == _sha256(second)
    # The log is the one of the time it was made, to the second.
    assert Path(first["log"]).read_text() == Path(second["log"]).read_text()
    assert Path(first["symvers"]).read_text() == Path(second["symvers"]).read_text()
    assert json.loads((tmp_path / "two" / second["id"] / "build.json").read_text())["cell"]["cached"] is True


def test_without_a_compiler_on_the_second_time(tmp_path: Path, kernel_61: Kernel) -> None:
    """A make or a compiler that ran would leave its mark."""
    tools, mark = tmp_path / "tools", tmp_path / "ran"
    tools.mkdir()
    for name in ("make", "gcc-12"):
        (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {mark}\nexec /usr/bin/{name} "$@"\n')
        (tools / name).chmod(0o755)
    time.sleep(2.5)  # older than the clock's tick: so that the toolchain's digest is remembered
    words: list[str | Path] = [HELLO, "-k", kernel_61.id, "-o", tmp_path / "out", "--no-sandbox"]
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    for _time in range(2):
        assert _cell(*words, "--no-cache", env=path)["cached"] is False
    assert _cell(*words, env=path)["cached"] is False
    mark.unlink()
    assert _cell(*words, env=path)["cached"] is True
    assert not mark.exists()


def test_only_the_cells_of_a_changed_source_are_made(tmp_path: Path, kernel_61: Kernel, kernel_61_rt: Kernel) -> None:
    sources = [shutil.copytree(DRIVERS / name, tmp_path / name) for name in ("kdir", "kver", "kernel-dir")]
    words: list[str | Path] = [*sources, "-k", kernel_61.id, "-k", kernel_61_rt.id, "-o", tmp_path / "out"]
    assert {cell["cached"] for cell in _cells(*words).values()} == {False}
    for path in (tmp_path / "kver").iterdir():
        os.utime(path)  # a time alone is no change
    assert {cell["cached"] for cell in _cells(*words).values()} == {True}
    with (tmp_path / "kdir" / "kdir.c").open("a") as stream:
        stream.write("/* changed */\n")
    cells = _cells(*words)
    assert {name.partition("@")[0] for name, cell in cells.items() if not cell["cached"]} == {"kdir"}
    assert len(cells) == 6


def test_the_same_size_and_time_are_not_the_same_content(tmp_path: Path, kernel_61: Kernel) -> None:
    source = shutil.copytree(DRIVERS / "kdir", tmp_path / "kdir")
    words: list[str | Path] = [source, "-k", kernel_61.id, "-o", tmp_path / "out"]
    _cell(*words)
    time.sleep(2.5)
    assert _cell(*words)["cached"] is True  # remembered by its files' status from here on
    path = source / "kdir.c"
    status, text = path.stat(), path.read_text()
    path.write_text(text.replace("MODULE_LICENSE", "MODULE_LICENSE", 1).replace("include", "Include", 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert _cell(*words, status=1)["outcome"] == "failed"


CHANGES: dict[str, Callable[[list[str | Path]], tuple[list[str | Path], dict[str, str]]]] = {
    "a variable": lambda words: ([*words, "--var", "KCFLAGS=-DX"], {}),
    "a goal": lambda words: ([*words, "--target", "modules"], {}),
    "no sandbox": lambda words: ([*words, "--no-sandbox"], {}),
    "a time": lambda words: (words, {"SOURCE_DATE_EPOCH": "1"}),
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_what_decides_the_result_is_in_the_key(tmp_path: Path, kernel_61: Kernel, what: str) -> None:
    words: list[str | Path] = [HELLO, "-k", kernel_61.id, "-o", tmp_path / "out"]
    _cell(*words)
    changed, env = CHANGES[what](words)
    assert _cell(*changed, env=env)["cached"] is False
    assert _cell(*changed, env=env)["cached"] is True
    assert _cell(*words)["cached"] is True


def test_a_changed_header_of_a_kernel_is_seen(tmp_path: Path, kernel_61: Kernel) -> None:
    """In a tree of the user's own, changed in place, and back."""
    assert kernel_61.headers is not None
    assert kernel_61.tree is not None
    shutil.copytree(kernel_61.tree / "usr", tmp_path / "k" / "usr", symlinks=True)
    headers = tmp_path / "k" / kernel_61.headers.relative_to(kernel_61.tree)
    words: list[str | Path] = [HELLO, "-k", headers, "-o", tmp_path / "out"]
    first = _cell(*words)
    assert _cell(*words)["cached"] is True
    header = headers / "include/generated/autoconf.h"
    before = header.read_bytes()
    with header.open("ab") as stream:
        stream.write(b"/* changed */\n")
    assert _cell(*words)["cached"] is False
    header.write_bytes(before)
    again = _cell(*words)
    assert (again["cached"], _sha256(again)) == (True, _sha256(first))


def test_another_compiler_is_seen(tmp_path: Path, kernel_61: Kernel) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    compiler = tools / "gcc-12"
    compiler.write_text('#!/bin/sh\nexec /usr/bin/gcc-12 "$@"\n')
    compiler.chmod(0o755)
    words: list[str | Path] = [HELLO, "-k", kernel_61.id, "-o", tmp_path / "out"]
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    _cell(*words)
    assert _cell(*words, env=path)["cached"] is False
    assert _cell(*words, env=path)["cached"] is True
    compiler.write_text('#!/bin/sh\nexec /usr/bin/gcc-12 -DOTHER "$@"\n')
    assert _cell(*words, env=path)["cached"] is False


def _answers() -> list[list[str]]:
    """What is kept of a toolchain: who was asked, a status, and the words; of make's own questions, the commands."""
    (blob,) = (text for path in _kept("cas") if b"\0try-run\x1f" in (text := path.read_bytes()))
    return [row.split("\x1f") for row in blob.decode().split("\0") if row]


def test_a_kernel_hears_from_the_compiler_what_it_would_say(tmp_path: Path, kernel_61: Kernel) -> None:
    """Kbuild's questions are answered from what is kept: each as by the compiler itself, and nothing else is."""
    plain = _cell(HELLO, "-k", kernel_61.id, "-o", tmp_path / "plain", "--no-cache")
    assert _sha256(_cell(HELLO, "-k", kernel_61.id, "-o", tmp_path / "out")) == _sha256(plain)
    rows = _answers()
    by_make = [row for row in rows if row[0] == "try-run"]
    for some in (by_make, [row for row in rows if row not in by_make]):
        assert {row[1] for row in some} == {"0", "1"}
        assert len(some) > 15
    for name, status, *words in rows:
        asked = ["sh", "-c", *words] if name == "try-run" else [name, *words, "-o", "/dev/null"]
        env = {"PATH": os.environ["PATH"], "TMP": str(tmp_path / "tried")}
        tried = subprocess.run(asked, cwd=tmp_path, env=env, capture_output=True, check=False)
        assert (tried.returncode != 0) == (status == "1"), words
    assert {"gcc-12", "ld"} <= {row[2].split()[0] for row in by_make}


def test_only_what_was_asked_word_for_word_is_answered(tmp_path: Path, kernel_61: Kernel) -> None:
    """The answer here is one that the compiler would not give, so that it can be told from the compiler's own."""
    tools = tmp_path / "tools"
    tools.mkdir()
    compiler = Compiler(path=Path("/usr/bin/gcc-12"), family="gcc", major=12, stand_in="gcc")
    order = Order(driver=find(HELLO), kernel=kernel_61, options=BuildOptions(), compiler=compiler)
    asked = ("-Wall", "-c", "-x", "c", "/dev/null")
    told = "\x1f".join(("gcc-12", "1", *asked)).encode() + b"\0not a row\0gcc\x1f0\x1f-Wall\x1f/dev/null\0"
    answer_ahead(Scratch(tmp_path), order, str(tools), told)

    def status(name: str, *words: str) -> int:
        return subprocess.run([tools / name, *words], cwd=tmp_path, capture_output=True, check=False).returncode

    assert (status("gcc-12", *asked, "-o", "one"), (tmp_path / "one").exists()) == (1, False)
    assert (status("gcc", "-Wall", "/dev/null", "-o", "two"), (tmp_path / "two").read_bytes()) == (0, b"")
    for name, words in (("gcc", asked), ("gcc-12", ("-g", *asked)), ("gcc-12", ("-Wall", "-c", "-xc", "/dev/null"))):
        assert (status(name, *words, "-o", "real"), (tmp_path / "real").read_bytes()[:4]) == (0, b"\x7fELF")
    assert status("gcc-12", *asked, "-o", "three", "-Wall") == 0
    assert status("gcc-12", "-dumpversion") == 0


def test_make_says_only_what_was_asked_word_for_word(tmp_path: Path, kernel_61: Kernel) -> None:
    """The answers here are again not the compiler's own; what make or the shell might change is never said."""
    commands = (
        ("1", ' gcc-12 -Werror  -Wall -c -x c /dev/null -o "$TMP"'),
        ("0", ' gcc-12 -Werror  -none -c -x c /dev/null -o "$TMP"'),
        ("0", 'printf "%b\\n" "none $ at \\\\ all" | false'),
        ("0", "false # with a comment"),
        ("1", "true"),
    )
    told = "\0".join(f"try-run\x1f{status}\x1f{words}" for status, words in commands).encode()
    bind, covered, place = answer_in_make(Scratch(tmp_path), tree_on_the_target(kernel_61), told)
    assert (bind, place) == ("--ro-bind", "/usr/lib/linux-kbuild-6.1/scripts/Makefile.compiler")
    options = ("-Wall,no", "-none,no", " -none,no", "-Wextra,no", "-fother,no", "-none,$$(echo shell)", "'-none',no")
    asked = [f"call __cc-option,gcc-12,,{one}" for one in options]
    others = ('printf "%b\\n" "none $$ at \\\\ all" | false', "false", "true", "tru", "true ", "false # with a comment")
    asked += [f"call try-run,{one.replace('#', '$(hash)')},yes,no" for one in others]
    lines = ["hash := \\#", "PAHOLE_FLAGS = $(shell echo one >>told)", f"include {covered}"]
    lines += [f"$(info $({one}))" for one in asked] + ["export PAHOLE_FLAGS", "all: ; @echo; echo", ""]
    (tmp_path / "Makefile").write_text("\n".join(lines))
    said = subprocess.run(["make", "-s"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    expected = ["no", "-none", "no", "-Wextra", "no", "shell", "no", "yes", "no", "no", "no", "yes", ""]
    assert said.splitlines() == [*expected, "", ""]
    assert (tmp_path / "told").read_text() == "one\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, kernel_61: Kernel) -> tuple[Path, dict[str, Any]]:
    """A store in which one build is known, and its cell: to be copied."""
    folder = tmp_path_factory.mktemp("built")
    cell = _cell(HELLO, "-k", kernel_61.id, "-o", folder / "out", env={"DLKM_CACHE": str(folder / "store")})
    return folder / "store", cell


@pytest.mark.parametrize("kind", ["cas", "ac", "notes"])
@pytest.mark.parametrize("damage", ["flipped", "short", "empty", "gone"])
def test_damage_is_made_good(
    tmp_path: Path, kernel_61: Kernel, built: tuple[Path, dict[str, Any]], kind: str, damage: str
) -> None:
    words: list[str | Path] = [HELLO, "-k", kernel_61.id, "-o", tmp_path / "out"]
    store, first = built
    shutil.copytree(store, _store(), dirs_exist_ok=True)
    for path in _kept(kind):
        _damage(path, damage)
    second = _cell(*words)
    assert (second["cached"], _sha256(second)) == (kind == "notes", _sha256(first))
    assert Path(second["modules"][0]["path"]).read_bytes() == Path(first["modules"][0]["path"]).read_bytes()
    assert _cell(*words)["cached"] is True


def _damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.unlink()
    if how == "flipped":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if data else b"x")
    elif how == "short":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"" if data else b"x")


def test_failures_are_not_kept(tmp_path: Path, kernel_61: Kernel) -> None:
    words: list[str | Path] = [DRIVERS / "broken", "-k", kernel_61.id, "-o", tmp_path / "out"]
    first, second = _cell(*words, status=1), _cell(*words, status=1)
    assert (first["cached"], second["cached"]) == (False, False)
    assert first["reason"] == second["reason"]
    assert len(_kept("ac")) == 1  # what the compiler answers the kernel's Makefiles


def test_asked_not_to(tmp_path: Path, kernel_61: Kernel) -> None:
    words: list[str | Path] = [HELLO, "-k", kernel_61.id, "-o", tmp_path / "out"]
    assert _cell(*words, "--no-cache")["cached"] is False
    assert _kept("cas") == []
    _cell(*words)
    assert _cell(*words, "--no-cache")["cached"] is False


def test_where_nothing_can_be_kept_it_is_built_all_the_same(tmp_path: Path, kernel_61: Kernel) -> None:
    (tmp_path / "file").write_text("")
    words = [str(DLKM), "build", str(HELLO), "-k", kernel_61.id, "-o", str(tmp_path / "out")]
    env = environment({"DLKM_CACHE": str(tmp_path / "file")})
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0
    assert f"not kept for the next time: cannot write {tmp_path / 'file'}" in done.stderr


def test_from_any_directory_in_any_place(tmp_path: Path, kernel_61: Kernel, kernel_612: Kernel) -> None:
    """The same bytes: names of files in code, debug information, BTF; made anew, or known from another directory."""
    other = shutil.copytree(DRIVERS / "warns", tmp_path / "with a blank" / "warns")
    for kernel in (kernel_61, kernel_612):
        seen = []
        for source, more in (
            (DRIVERS / "warns", ()),
            (other, ()),
            (other, ("--no-cache",)),
            (other, ("--no-sandbox",)),
        ):
            cell = _cell(source, "-k", kernel.id, "-o", tmp_path / "out", *more)
            seen.append((cell["cached"], *_sha256(cell)))
        assert [cached for cached, _ in seen] == [False, True, False, False]
        assert len({digest for _, digest in seen}) == 1
    (module,) = (tmp_path / "out" / f"warns@{kernel_612.id}").glob("*.ko")
    shown = subprocess.run(["readelf", "-SW", module], capture_output=True, text=True, check=True)
    assert ".debug_info" in shown.stdout
    assert ".BTF" in shown.stdout


def test_with_a_kernel_in_any_directory(tmp_path: Path, kernel_61: Kernel) -> None:
    """Debug information names the kernel's files; it must not say where their owner put them."""
    assert kernel_61.headers is not None
    assert kernel_61.tree is not None
    shutil.copytree(kernel_61.tree / "usr", tmp_path / "one" / "usr", symlinks=True)
    headers, digests = kernel_61.headers.relative_to(kernel_61.tree), set()
    for place in ("one", "two"):
        if place == "two":
            (tmp_path / "one").rename(tmp_path / "two")
        for more in ((), ("--no-sandbox",)):
            words: list[str | Path] = [DRIVERS / "warns", "-k", tmp_path / place / headers, "-o", tmp_path / "out"]
            digests |= set(_sha256(_cell(*words, "--no-cache", *more)))
    assert len(digests) == 1


def test_what_another_driver_exports_is_in_the_key(tmp_path: Path, kernel_61: Kernel) -> None:
    make = "obj-m := NAME.o\nall: ; $(MAKE) -C $(KERNEL_SRC) M=$(CURDIR) modules\n"
    giver = "#include <linux/module.h>\nTYPE give(void);\nTYPE give(void) { return 1; }\nEXPORT_SYMBOL_GPL(give);\n"
    user = "#include <linux/module.h>\nint give(void);\nint use(void);\nint use(void) { return give(); }\n"
    end = 'MODULE_LICENSE("GPL");\nMODULE_DESCRIPTION("x");\n'
    for name, text in (("giver", giver.replace("TYPE", "int")), ("user", user)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Makefile").write_text(make.replace("NAME", name))
        (tmp_path / name / f"{name}.c").write_text(text + end)
    words: list[str | Path] = [tmp_path / "giver", tmp_path / "user", "-k", kernel_61.id, "-o", tmp_path / "out"]
    _cells(*words)
    assert [cell["cached"] for cell in _cells(*words).values()] == [True, True]
    (tmp_path / "giver" / "giver.c").write_text(giver.replace("TYPE", "int") + "/* same exports */\n" + end)
    assert [cell["cached"] for cell in _cells(*words).values()] == [False, True]
    (tmp_path / "giver" / "giver.c").write_text(giver.replace("TYPE", "long") + end)
    assert [cell["cached"] for cell in _cells(*words).values()] == [False, False]


def test_a_dkms_conf_is_read_once(tmp_path: Path, kernel_61: Kernel) -> None:
    source = shutil.copytree(DRIVERS / "kdir", tmp_path / "kdir")
    (source / "dkms.conf").write_text(DKMS_CONF)
    (source / "note.sh").write_text("#!/bin/sh\necho noted $1\nexit 3\n")
    (source / "note.sh").chmod(0o755)
    words: list[str | Path] = [source, "-k", kernel_61.id, "-o", tmp_path / "out"]
    first, second = _cell(*words), _cell(*words, "-j", "7")
    assert (first["cached"], second["cached"]) == (False, True)
    assert first["modules"] == second["modules"]
    assert first["modules"][0]["destination"] == "/updates/dkms"
    assert f"noted {kernel_61.release}" in Path(second["log"]).read_text()
    # What DKMS warns of is told again.
    said = subprocess.run(
        [str(DLKM), "build", *map(str, words)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "note.sh of dkms.conf failed; going on" in said.stderr
    (source / "dkms.conf").write_text(f'{DKMS_CONF}BUILD_EXCLUSIVE_KERNEL="^5\\."\n')
    assert _cell(*words)["outcome"] == "skipped"


def test_many_processes_at_once(tmp_path: Path, kernel_61: Kernel) -> None:
    def one(number: int) -> dict[str, Any]:
        return _cell(HELLO, "-k", kernel_61.id, "-o", tmp_path / str(number % 3))

    with ThreadPoolExecutor(max_workers=6) as pool:
        cells = list(pool.map(one, range(12)))
    assert len({digest for cell in cells for digest in _sha256(cell)}) == 1
    assert cells[-1]["cached"] is True


def test_the_verb(tmp_path: Path, kernel_61: Kernel) -> None:
    def cache(*words: str, status: int = 0) -> dict[str, Any]:
        argv = [str(DLKM), "cache", *words, "--json"]
        done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == status, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    words: list[str | Path] = [HELLO, "-k", kernel_61.id, "-o", tmp_path / "out"]
    _cell(*words)
    shown = cache("show")
    assert (shown["schema"], shown["actions"], shown["path"]) == ("dlkm.cache/1", 2, str(_store()))
    assert shown["size"] == sum(path.stat().st_size for kind in ("cas", "ac", "notes") for path in _kept(kind))
    assert cache("verify")["damaged"] == 0
    path = max(_kept("cas"), key=lambda one: one.stat().st_size)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    assert cache("verify", status=1)["damaged"] == 1
    assert cache("prune")["size"] == 0
    assert _cell(*words)["cached"] is False
    (toolchain,) = cache("toolchain", "-k", kernel_61.id)["toolchains"]
    assert {"compiler", "cc1", "as", "ld", "make"} <= {
        part["name"].removeprefix("compiler's ") for part in toolchain["parts"]
    }


def test_a_small_limit_is_kept_to(tmp_path: Path, kernel_61: Kernel) -> None:
    limit = {"DLKM_CACHE_SIZE": "1K"}
    words: list[str | Path] = [HELLO, "-k", kernel_61.id, "-o", tmp_path / "out"]
    assert _cell(*words, env=limit)["cached"] is False
    assert sum(path.stat().st_size for kind in ("cas", "ac", "notes") for path in _kept(kind)) <= 1024
    assert _cell(*words, env=limit)["cached"] is False
