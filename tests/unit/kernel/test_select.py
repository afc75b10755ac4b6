# SPDX-License-Identifier: GPL-2.0-or-later
"""The words of -k: ids, globs, SPECs, directories; what each means and what is said when it means nothing."""

from pathlib import Path

import pytest

from dlkm.core.errors import DlkmError, MalformedError, NothingSelectedError, UsageError
from dlkm.core.events import Events
from dlkm.kernel import select
from dlkm.kernel.pool import Broken, Pool
from dlkm.kernel.spec import Spec, SpecKind, split_directory
from tests.unit.kernel.fake_debian import CONFIG, SYMVERS, FakeDebian

ID = "6.1.0-10-amd64"


def resolve(pool: Pool, *words: str) -> list[str]:
    return [kernel.id for kernel in select.resolve(words, pool, Events(), FakeDebian())]


@pytest.fixture
def filled(pool: Pool) -> Pool:
    select.add([f"debian:{ID}", "debian:6.1.0-9-amd64"], pool, Events(), FakeDebian())
    return pool


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A prepared build directory of 6.1.9-mine."""
    return _build(tmp_path / "build", "6.1.9-mine")


def _build(build: Path, release: str) -> Path:
    (build / "include/generated").mkdir(parents=True)
    (build / "include/generated/utsrelease.h").write_text(f'#define UTS_RELEASE "{release}"\n')
    (build / ".config").write_text(CONFIG + "CONFIG_SMP=y\nCONFIG_MODULE_UNLOAD=y\n")
    (build / "Makefile").write_text("VERSION = 6\n")
    (build / "Module.symvers").write_text(SYMVERS)
    return build


@pytest.mark.parametrize(
    ("text", "kind", "argument"),
    [
        ("6.1.0-56-amd64", SpecKind.NAME, "6.1.0-56-amd64"),
        ("6.1.0-*", SpecKind.NAME, "6.1.0-*"),
        ("debian:6.1.0-*-amd64", SpecKind.DEBIAN, "6.1.0-*-amd64"),
        ("running", SpecKind.RUNNING, ""),
        ("rootfs:/srv/root", SpecKind.ROOTFS, "/srv/root"),
        ("/usr/src/linux", SpecKind.DIRECTORY, "/usr/src/linux"),
        ("./debian:x", SpecKind.DIRECTORY, "./debian:x"),
        ("/src:/build", SpecKind.DIRECTORY, "/src:/build"),
        ("~/linux", SpecKind.DIRECTORY, "~/linux"),
    ],
)
def test_what_a_word_is(text: str, kind: SpecKind, argument: str) -> None:
    assert Spec.parse(text) == Spec(kind, argument)


@pytest.mark.parametrize("text", ["", "debian:", "rootfs:", "source:", "snapshot:"])
def test_words_that_are_not_taken(text: str) -> None:
    with pytest.raises(UsageError):
        Spec.parse(text)


def test_source_and_build_directory(tmp_path: Path) -> None:
    assert split_directory("/src:/build") == (Path("/src"), Path("/build"))
    odd = tmp_path / "a:b"
    odd.mkdir()
    assert split_directory(str(odd)) == (odd, odd)


def test_directories_need_no_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linux").mkdir()
    for text in ("linux", "linux:build"):
        assert Spec.parse(text) == Spec(SpecKind.DIRECTORY, text)
    assert Spec.parse("other:build").kind is SpecKind.NAME


def test_ids_globs_and_specs_name_kernels_once(filled: Pool) -> None:
    assert resolve(filled, ID) == [ID]
    assert resolve(filled, "6.1.0-*") == ["6.1.0-9-amd64", ID]
    assert resolve(filled, ID, "6.1.*", f"debian:{ID}") == [ID, "6.1.0-9-amd64"]


def test_a_glob_that_matches_nothing(filled: Pool) -> None:
    with pytest.raises(NothingSelectedError, match=r"9\.\*") as caught:
        resolve(filled, "9.*")
    assert "dlkm kernel add" in (caught.value.hint or "")
    with pytest.raises(NothingSelectedError):
        resolve(filled)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("6.1.0-55-amd64", "dlkm kernel add debian:6.1.0-55-amd64"),
        ("6.1.0-10-amd", f"did you mean {ID}"),
        ("nonsense", "dlkm kernel list"),
    ],
)
def test_a_name_that_is_not_there_says_what_to_do(filled: Pool, word: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(filled, word)
    assert hint in (caught.value.hint or "")


def test_a_build_directory_is_a_kernel_at_once(pool: Pool, build: Path) -> None:
    (kernel,) = select.resolve([str(build)], pool, Events(), FakeDebian())
    assert (kernel.id, kernel.release, kernel.arch.name, kernel.exports) == ("6.1.9-mine", "6.1.9-mine", "x86_64", 2)
    assert (kernel.headers, kernel.image, kernel.modules) == (build, None, None)
    assert kernel.vermagic == "6.1.9-mine SMP mod_unload modversions "
    assert pool.ids() == ()


def test_a_source_with_its_build_directory(pool: Pool, build: Path, tmp_path: Path) -> None:
    (tmp_path / "src/kernel/module").mkdir(parents=True)
    (kernel,) = select.resolve([f"{tmp_path / 'src'}:{build}"], pool, Events(), FakeDebian())
    assert (kernel.headers, kernel.source) == (build, tmp_path / "src")


def test_a_registered_directory_is_read_anew_each_time(pool: Pool, build: Path) -> None:
    select.add([str(build)], pool, Events(), FakeDebian())
    assert resolve(pool, "6.1.9-mine") == ["6.1.9-mine"]
    (build / "Module.symvers").write_text(SYMVERS * 2)
    (kernel,) = select.resolve(["6.1.*"], pool, Events(), FakeDebian())
    assert kernel.exports == 4
    assert resolve(pool, str(build)) == ["6.1.9-mine"]
    (build / "include/generated/utsrelease.h").write_text('#define UTS_RELEASE "6.2.0"\n')
    with pytest.raises(UsageError, match="no longer"):
        resolve(pool, "6.1.9-mine")
    assert [type(entry) for entry in select.present(pool)] == [Broken]


def test_two_directories_of_one_release_have_two_ids(pool: Pool, build: Path, tmp_path: Path) -> None:
    other = _build(tmp_path / "other", "6.1.9-mine")
    assert resolve(pool, str(build)) == resolve(pool, str(other)) == ["6.1.9-mine"]
    assert len(resolve(pool, str(build), str(other))) == 2
    both = [kernel.id for kernel in select.add([str(build), str(other)], pool, Events(), FakeDebian())]
    assert both[0] == "6.1.9-mine"
    assert both[1].startswith("6.1.9-mine@dir-")
    assert resolve(pool, both[1]) == [both[1]]


@pytest.mark.parametrize(
    ("lacks", "error", "words"),
    [
        (".config", UsageError, "is missing"),
        ("Makefile", UsageError, "is missing"),
        ("include/generated/utsrelease.h", UsageError, "not prepared"),
    ],
)
def test_an_incomplete_directory_says_what_is_missing(
    pool: Pool, build: Path, lacks: str, error: type[DlkmError], words: str
) -> None:
    (build / lacks).unlink()
    with pytest.raises(error, match=words) as caught:
        resolve(pool, str(build))
    assert caught.value.hint


def test_bytes_that_are_no_configuration_or_release(pool: Pool, build: Path) -> None:
    (build / "include/generated/utsrelease.h").write_text('#define UTS_RELEASE "../../x"\n')
    with pytest.raises(MalformedError):
        resolve(pool, str(build))
    (build / "include/generated/utsrelease.h").write_text('#define UTS_RELEASE "6.1.9"\n')
    (build / ".config").write_bytes(os_random())
    with pytest.raises(MalformedError):
        resolve(pool, str(build))


def os_random() -> bytes:
    return bytes(range(256)) * 100


def test_no_directory_and_a_file(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(UsageError, match="directory"):
            resolve(pool, str(path))


@pytest.mark.parametrize("modules", ["lib/modules", "usr/lib/modules"])
def test_a_root_filesystem(pool: Pool, tmp_path: Path, modules: str) -> None:
    root = tmp_path / "root"
    for release in ("6.1.9-a", "6.1.9-b"):
        (root / modules / release).mkdir(parents=True)
        (root / "boot").mkdir(exist_ok=True)
        (root / "boot" / f"config-{release}").write_text(CONFIG)
        (root / "boot" / f"vmlinuz-{release}").write_text("image")
    kernels = select.resolve([f"rootfs:{root}"], pool, Events(), FakeDebian())
    assert [(kernel.id, kernel.headers) for kernel in kernels] == [("6.1.9-a", None), ("6.1.9-b", None)]
    assert kernels[0].image == root / "boot/vmlinuz-6.1.9-a"
    assert kernels[0].modules == root / modules / "6.1.9-a"


def test_links_that_leave_a_root_filesystem_are_not_followed(pool: Pool, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "lib/modules/6.1.9").mkdir(parents=True)
    (root / "boot").mkdir()
    (root / "boot/config-6.1.9").write_text(CONFIG)
    (tmp_path / "outside").write_text("image of the host")
    (root / "boot/vmlinuz-6.1.9").symlink_to(tmp_path / "outside")
    (kernel,) = select.resolve([f"rootfs:{root}"], pool, Events(), FakeDebian())
    assert kernel.image is None
    (root / "boot/vmlinuz-6.1.9").unlink()
    (root / "boot/vmlinuz-6.1.9").symlink_to("vmlinuz-6.1.9")
    assert select.resolve([f"rootfs:{root}"], pool, Events(), FakeDebian())[0].image is None


def test_a_root_filesystem_without_a_kernel(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no kernel"):
        resolve(pool, f"rootfs:{tmp_path}")
    with pytest.raises(UsageError, match="no such directory"):
        resolve(pool, f"rootfs:{tmp_path / 'none'}")
