# SPDX-License-Identifier: GPL-2.0-or-later
"""What a name stands for, and which of several files is taken: by our reading of kmod's tables, and by kmod itself."""

import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkm.core.names import module_name
from dlkm.core.processes import environment
from dlkm.kernel.kernel import Kernel
from dlkm.rootfs.conffiles import read_files
from dlkm.rootfs.index import Index
from dlkm.rootfs.lookup import Answer, By, Lookup
from dlkm.rootfs.precedence import Precedence
from dlkm.rootfs.root import DirectoryRoot
from dlkm.rootfs.settings import Settings
from tests.contract.modprobe import link_modules, modprobe
from tests.unit.rootfs.support import RELEASE, put, tiny

pytestmark = pytest.mark.contract

FOLDERS = ["kernel/a", "kernel/a/b", "updates", "updates/dkms", "extra", "weak-updates/x"]
WORDS = ["updates", "updates/dkms", "extra", "kernel", "kernel/a", "weak-updates", "built-in"]
CONFIGURATION = """\
alias nickname hello
alias block-major-7-* loop
alias odd[0-9]-x dummy
alias dummy0 dummy
blacklist floppy
blacklist snd-pcsp
blacklist hello
install ax25 /bin/false
install btrfs /bin/true
install nothing-at-all /bin/echo $CMDLINE_OPTS
softdep hello pre: crc32c nosuch post: loop
softdep dummy pre: loop
"""


def _run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in argv]
    return subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)


_lines = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True).map(
        lambda words: f"search {' '.join(words)}"
    ),
    st.builds(
        "override {} {} {}".format,
        st.sampled_from(["foo_bar", "foo-bar", "other"]),
        st.sampled_from(["*", r"6\.1\.0.*amd64", "5.10", "6[.]1[.]0-5[0-9]"]),
        st.sampled_from(FOLDERS),
    ),
    st.sampled_from(
        ["exclude updates", "override foo-bar *", "bad line", "# search extra", "search extra \\\nbuilt-in"]
    ),
)


@settings(max_examples=80, deadline=None)
@given(
    folders=st.lists(st.sampled_from(FOLDERS), min_size=2, max_size=4, unique=True),
    lines=st.lists(_lines, max_size=3),
    name=st.sampled_from(["foo-bar.ko", "foo_bar.ko"]),
)
def test_which_of_several_files_depmod_takes(folders: list[str], lines: list[str], name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        base = root / "lib/modules" / RELEASE
        for folder in folders:
            tiny(base / folder, "foo_bar", file_name=name)
        put(root, {"etc/depmod.d/a.conf": "".join(f"{line}\n" for line in lines)})
        done = _run("depmod", "-n", "-b", root, "-C", root / "etc/depmod.d", RELEASE)
        taken = re.findall(r"^(\S+\.ko):", done.stdout, re.MULTILINE)
        with DirectoryRoot(root) as opened:
            precedence = Precedence.of(read_files(opened, ("etc/depmod.d",)), RELEASE)
    assert precedence.unclear == ()
    candidates = [f"{folder}/{name}" for folder in folders if not precedence.excludes & set(folder.split("/"))]
    winner = precedence.winner(candidates) if candidates else None
    assert set(taken) <= set(candidates)
    assert taken == [winner] or (winner is None and len(taken) == (1 if candidates else 0))
    said = len([line for line in done.stderr.splitlines() if "ignoring bad line" in line])
    assert said == len(precedence.bad)


def test_files_that_tie_are_told_apart_by_nobody(tmp_path: Path) -> None:
    """Without a word on extra/, the directory's order decides, as kmod's own manual does not say."""
    assert Precedence().winner(["extra/a.ko", "kernel/a.ko"]) is None
    assert Precedence(searches=("extra", "built-in")).winner(["extra/a.ko", "kernel/a.ko"]) == "extra/a.ko"
    assert Precedence(searches=("updates",)).winner(["kernel/a.ko", "updates/a.ko"]) == "updates/a.ko"


@pytest.fixture(scope="module")
def root(kernel_61: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Debian's own modules, two of ours, and a configuration that says much of them."""
    top = tmp_path_factory.mktemp("lookup")
    base = link_modules(kernel_61, top)
    tiny(base / "updates", "hello", release=kernel_61.release)
    tiny(base / "updates", "dummy", release=kernel_61.release)
    put(top, {"etc/modprobe.d/a.conf": CONFIGURATION})
    assert _run("depmod", "-b", top, kernel_61.release).returncode == 0
    yield top
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def lookup(root: Path, kernel_61: Kernel) -> Lookup:
    base = root / "lib/modules" / kernel_61.release
    with DirectoryRoot(root) as opened:
        directives = Settings.of(opened).directives
    return Lookup(lambda name: (base / name).read_bytes() if (base / name).is_file() else None, directives)


def _samples(root: Path, release: str) -> list[str]:
    """Names, aliases as modules state them, and as devices do."""
    text = (root / "lib/modules" / release / "modules.alias").read_text()
    numbers = random.Random(7)
    aliases = [line.split(" ")[1] for line in text.splitlines() if line.startswith("alias ")]
    chosen = numbers.sample(aliases, 120)
    devices = ["".join(numbers.choice("0123456789ABCDEF") if letter == "*" else letter for letter in one)
               for one in numbers.sample(aliases, 120)]  # fmt: skip
    symbols = (root / "lib/modules" / release / "modules.symbols").read_text().splitlines()[1:]
    return [*chosen, *devices, *(line.split(" ")[1] for line in numbers.sample(symbols, 20))]


NAMES = ["hello", "nickname", "dummy", "dummy0", "loop", "odd5-x", "odd[0-9]-x", "oddx-x", "block-major-7-3", "floppy",
         "snd-pcsp", "snd_pcsp", "ax25", "btrfs", "nothing-at-all", "nosuch", "ext4", "fs-ext4", "fuse", "configfs",
         "unix", "net-pf-1", "pcspkr", "platform:pcspkr", "char-major-10-200", "tun", "a]b", "a[b"]  # fmt: skip


def test_names_and_aliases_resolve_as_modprobe_resolves_them(root: Path, kernel_61: Kernel, lookup: Lookup) -> None:
    differing = {}
    for name in (*NAMES, *_samples(root, kernel_61.release)):
        ours = [one.name for one in lookup.ask(name).modules]
        theirs = list(dict.fromkeys(modprobe(root, kernel_61.release, "--resolve-alias", name)))
        if ours != theirs:
            differing[name] = (ours, theirs)
    assert differing == {}
    assert lookup.faults == {}


def test_files_that_modprobe_inserts(root: Path, kernel_61: Kernel, lookup: Lookup) -> None:
    base = root / "lib/modules" / kernel_61.release
    for name in (*NAMES, *_samples(root, kernel_61.release)[::4]):
        answer = lookup.ask(name)
        lines = modprobe(root, kernel_61.release, "--show-depends", name)
        inserted = [line.split()[1].removeprefix(f"{base}/") for line in lines if line.startswith("insmod ")]
        _same(answer, list(dict.fromkeys(inserted)), lines)


def _same(answer: Answer, inserted: Sequence[str], lines: Sequence[str]) -> None:
    loaded = [one for one in answer.modules if one.blacklist is None or not answer.is_alias]
    for one in loaded:
        if one.command is not None:
            assert f"install {one.command.rest}" in [line.strip() for line in lines], answer
        elif one.builtin:
            assert f"builtin {one.name}" in lines, answer
        elif one.path is not None:
            assert one.path in inserted, answer
            assert set(one.needs) <= set(inserted), answer
            if len(loaded) == 1:
                assert [path for path in inserted if path in one.needs] == list(one.needs), answer
        for other in (*one.before, *one.after):
            assert any(module_name(path) in {other, "crc32c_generic", "crc32c_intel"} for path in inserted), answer
    if not loaded:
        assert not lines, answer


def test_a_blacklist_counts_for_aliases_and_with_b(root: Path, kernel_61: Kernel, lookup: Lookup) -> None:
    by_name, by_alias = lookup.ask("hello"), lookup.ask("nickname")
    assert (by_name.by, by_alias.by) == (By.NAME, By.CONFIGURED)
    assert by_name.modules == by_alias.modules
    assert by_name.modules[0].blacklist is not None
    assert modprobe(root, kernel_61.release, "--show-depends", "hello")
    assert modprobe(root, kernel_61.release, "--show-depends", "nickname") == []
    assert modprobe(root, kernel_61.release, "-b", "--show-depends", "hello") == []


def test_an_install_line_does_not_count_for_a_module_with_softdeps(
    root: Path, kernel_61: Kernel, tmp_path: Path, lookup: Lookup
) -> None:
    put(tmp_path, {"etc/modprobe.d/a.conf": "install dummy /bin/false\nsoftdep dummy pre: loop\n"})
    words = ("-C", tmp_path / "etc/modprobe.d", "-d", root, "-S", kernel_61.release, "--show-depends", "dummy")
    assert "install" not in _run("modprobe", *words).stdout
    with DirectoryRoot(tmp_path) as opened:
        directives = Settings.of(opened).directives
    base = root / "lib/modules" / kernel_61.release
    (found,) = Lookup(lambda name: (base / name).read_bytes(), directives).ask("dummy").modules
    assert (found.command, found.before) == (None, ("loop",))


def test_every_entry_of_every_index(root: Path, kernel_61: Kernel) -> None:
    base = root / "lib/modules" / kernel_61.release
    stated = {tuple(line.split()[1:3]) for line in (base / "modules.symbols").read_text().splitlines()[1:]}
    assert set(Index((base / "modules.symbols.bin").read_bytes(), "").items()) == stated
    listed = set((base / "modules.dep").read_text().splitlines())
    assert {line for _, line in Index((base / "modules.dep.bin").read_bytes(), "").items()} == listed
