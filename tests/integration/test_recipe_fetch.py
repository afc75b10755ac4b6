# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources of recipes from a server and from repositories on this machine: fetched, gone on with, checked, refused."""

import hashlib
import io
import re
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dlkm.core.errors import DlkmError, FetchError, UsageError
from dlkm.core.events import Events
from dlkm.core.processes import Processes, environment
from dlkm.yocto.evaluation import evaluate, setting
from dlkm.yocto.fetch import fetch
from dlkm.yocto.layers import locate
from dlkm.yocto.options import RecipeOptions
from dlkm.yocto.preset import downloads

pytestmark = pytest.mark.integration

HEAD = 'LICENSE = "CLOSED"\n'


@dataclass
class Server:
    """Files by their path. `cut`: only so many bytes are sent of what is asked for; `asked`: each path and Range."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: int | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on the loopback address."""
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            told.asked.append((self.path, asked))
            content = told.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = int(asked[6:].rstrip("-")) if asked else 0
            if start and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:][: told.cut])

        def log_message(self, *_arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield told
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download directory of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _fetched(folder: Path, text: str, mirror: str | None = None, *, offline: bool = False) -> DlkmError | None:
    """What went wrong with a recipe's sources."""
    path = folder / "layer" / "tried" / "tried_1.0.bb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + text)
    place = setting(Processes(), Events(), RecipeOptions(mirror=mirror, offline=offline), None)
    (one,) = evaluate(place, [locate(path)])
    assert one.error is None
    (got,) = fetch(place, [one])
    return got.error


def _archive(names: tuple[str, ...] = ("a.c",), size: int = 100_000) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in names:
            entry = tarfile.TarInfo(f"tried-1.0/{name}")
            entry.size = size
            archive.addfile(entry, io.BytesIO(b"x" * size))
    return data.getvalue()


def _source(server: Server, content: bytes, name: str = "/tried-1.0.tar") -> str:
    server.files[name] = content
    return f'SRC_URI = "{server.url}{name}"\nSRC_URI[sha256sum] = "{hashlib.sha256(content).hexdigest()}"\n'


def test_an_archive_comes_once(tmp_path: Path, server: Server) -> None:
    text = _source(server, _archive())
    assert _fetched(tmp_path, text) is None
    assert (downloads() / "tried-1.0.tar").read_bytes() == _archive()
    assert _fetched(tmp_path, text) is None
    assert len(server.asked) == 1


def test_a_download_that_broke_off_is_gone_on_with(tmp_path: Path, server: Server) -> None:
    text = _source(server, _archive())
    server.cut = 30_000
    assert isinstance(_fetched(tmp_path, text), FetchError)
    kept = (downloads() / "tried-1.0.tar.tmp").stat().st_size
    assert 30_000 <= kept < len(_archive())
    server.cut, server.asked = None, []
    assert _fetched(tmp_path, text) is None
    assert server.asked == [("/tried-1.0.tar", f"bytes={kept}-")]


def test_what_has_another_checksum_is_refused_and_not_kept(tmp_path: Path, server: Server) -> None:
    good = _archive()
    text = _source(server, good)
    server.files["/tried-1.0.tar"] = good[:-1] + b"!"
    error = _fetched(tmp_path, text)
    assert isinstance(error, FetchError)
    assert f"tried_1.0.bb:2: {server.url}/tried-1.0.tar cannot be fetched" in error.what
    assert hashlib.sha256(good).hexdigest() in error.what
    assert hashlib.sha256(server.files["/tried-1.0.tar"]).hexdigest() in error.what
    assert not list(downloads().glob("tried-1.0.tar*"))
    server.files["/tried-1.0.tar"] = good
    assert _fetched(tmp_path, text) is None


def test_what_was_begun_and_is_another_now_comes_anew(tmp_path: Path, server: Server) -> None:
    text = _source(server, _archive())
    downloads().mkdir(parents=True)
    (downloads() / "tried-1.0.tar.tmp").write_bytes(b"old" * 1000)
    assert _fetched(tmp_path, text) is None
    assert (downloads() / "tried-1.0.tar").read_bytes() == _archive()


def test_a_checksum_that_is_not_there_is_told(tmp_path: Path, server: Server) -> None:
    text = _source(server, _archive()).splitlines()[0]
    error = _fetched(tmp_path, text + "\n")
    assert isinstance(error, FetchError)
    assert f'SRC_URI[sha256sum] = "{hashlib.sha256(_archive()).hexdigest()}"' in error.what


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha512"])
def test_other_checksums(tmp_path: Path, server: Server, kind: str) -> None:
    first = _source(server, _archive()).splitlines()[0]
    digest = hashlib.new(kind, _archive()).hexdigest()
    assert _fetched(tmp_path, f'{first}\nSRC_URI[{kind}sum] = "{digest}"\n') is None
    error = _fetched(tmp_path, f'{first}\nSRC_URI[{kind}sum] = "{digest[::-1]}"\n')
    assert isinstance(error, FetchError)


def test_what_the_server_says_is_told(tmp_path: Path, server: Server) -> None:
    text = _source(server, _archive())
    del server.files["/tried-1.0.tar"]
    error = _fetched(tmp_path, text)
    assert isinstance(error, FetchError)
    assert "404" in error.what
    error = _fetched(tmp_path, text.replace(server.url, "http://127.0.0.1:1"))
    assert isinstance(error, FetchError)
    assert "refused" in error.what


def test_two_files_of_one_name(tmp_path: Path, server: Server) -> None:
    first = _source(server, _archive(("a.c",)), "/one/v1.tar")
    second = _source(server, _archive(("b.c",)), "/two/v1.tar")
    for text in (first, second, first):
        assert _fetched(tmp_path, text) is None
        (said,) = re.findall(r'sha256sum\] = "(\w+)"', text)
        assert hashlib.sha256((downloads() / "v1.tar").read_bytes()).hexdigest() == said


@pytest.mark.parametrize("name", ["git2/x.git/config", "../x", "/x", ".."])
def test_a_file_name_that_leads_elsewhere(tmp_path: Path, server: Server, name: str) -> None:
    text = _source(server, b"[core]\n").replace(".tar", f".tar;downloadfilename={name}", 1)
    error = _fetched(tmp_path, text)
    assert isinstance(error, UsageError)
    assert "no file name" in error.what
    assert not server.asked


def _git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    argv = ["git", *who, *words]
    done = subprocess.run(argv, cwd=folder, env=environment(None), capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A repository with a commit on `main` (tagged v1), one on `dev`, and one that is on no branch; their names."""
    folder = tmp_path_factory.mktemp("git") / "driver"
    folder.mkdir()
    _git(folder, "init", "-q")
    commits = {}
    for name in ("main", "dev", "lost"):
        if name != "main":
            _git(folder, "checkout", "-q", "-b", name, "main")
        (folder / f"{name}.c").write_text(name)
        _git(folder, "add", ".")
        _git(folder, "commit", "-q", "-m", name)
        commits[name] = _git(folder, "rev-parse", "HEAD")
    _git(folder, "tag", "v1", commits["main"])
    _git(folder, "update-ref", "refs/kept/lost", commits["lost"])
    _git(folder, "checkout", "-q", "main")
    _git(folder, "branch", "-q", "-D", "lost")
    return folder, commits


@pytest.mark.parametrize(
    ("parameters", "commit"),
    [
        ("branch=main", "main"),
        ("branch=dev", "dev"),
        ("nobranch=1", "lost"),
        ("branch=main;tag=v1", "main"),
        ("branch=main;destsuffix=src;name=driver", "main"),
        ("branch=main;subpath=sub", "main"),
    ],
)
def test_commits(tmp_path: Path, repository: tuple[Path, dict[str, str]], parameters: str, commit: str) -> None:
    folder, commits = repository
    name = "_driver" if "name=" in parameters else ""
    text = f'SRC_URI = "git://{folder};protocol=file;{parameters}"\nSRCREV{name} = "{commits[commit]}"\n'
    assert _fetched(tmp_path, text) is None


@pytest.mark.parametrize(
    ("url", "revision", "kind", "said"),
    [
        ("git://{};protocol=file;branch=main", "dev", FetchError, "Unable to find revision"),
        ("git://{};protocol=file;branch=main", None, FetchError, "Please set a valid SRCREV"),
        ("git://{};protocol=file;branch=gone", "main", FetchError, "branch gone"),
        ("git://{};protocol=file", "main", UsageError, "does not set any branch"),
        ("git://{}-gone;protocol=file;branch=main", "main", FetchError, "does not appear to be a git repository"),
        ("git://git.invalid/x.git;protocol=https;branch=main", "main", FetchError, "git.invalid"),
    ],
)
def test_what_git_refuses(
    tmp_path: Path,
    repository: tuple[Path, dict[str, str]],
    url: str,
    revision: str | None,
    kind: type[DlkmError],
    said: str,
) -> None:
    folder, commits = repository
    line = f'SRCREV = "{commits[revision]}"\n' if revision else ""
    error = _fetched(tmp_path, f'SUMMARY = "x"\nSRC_URI = " \\\n    {url.format(folder)} \\\n"\n{line}')
    assert isinstance(error, kind)
    assert said in error.what
    assert url.format(folder).partition(";")[0] in error.what
    assert "tried_1.0.bb:4: " in error.what


def _mirrors(folder: Path, source: Path) -> dict[str, str]:
    """The same repository in each form that a mirror may have."""
    for name in ("plain", "other-end", "by-host/git.example.com/bsp", "packed", "downloads/git2"):
        (folder / name).mkdir(parents=True)
    _git(folder, "clone", "-q", "--bare", str(source), "plain/driver.git")
    _git(folder, "clone", "-q", str(source), "other-end/driver")
    _git(folder, "clone", "-q", "--bare", str(source), "by-host/git.example.com/bsp/driver.git")
    _git(folder, "clone", "-q", "--bare", str(source), "downloads/git2/git.example.com.bsp.driver.git")
    with tarfile.open(folder / "packed" / "git2_git.example.com.bsp.driver.git.tar.gz", "w:gz") as archive:
        archive.add(folder / "plain" / "driver.git", ".")
    own = {"itself": str(source), "a URL": f"git://{source};protocol=file", "file:": f"file://{folder}/plain"}
    return own | {name: str(folder / name.partition("/")[0]) for name in ("plain", "other-end", "by-host", "packed")}


@pytest.mark.parametrize("form", ["plain", "other-end", "by-host", "packed", "itself", "a URL", "file:"])
def test_a_mirror_of_any_form(tmp_path: Path, repository: tuple[Path, dict[str, str]], form: str) -> None:
    source, commits = repository
    mirror = _mirrors(tmp_path / "mirrors", source)[form]
    url = "git://git.example.com/bsp/driver.git;protocol=https;branch=main"
    text = f'SRC_URI = "{url}"\nSRCREV = "{commits["main"]}"\n'
    assert _fetched(tmp_path, text, mirror=mirror) is None


def test_a_newer_mirror_has_what_the_repository_that_was_fetched_lacks(
    tmp_path: Path, repository: tuple[Path, dict[str, str]]
) -> None:
    source, commits = repository
    url = "git://git.example.com/bsp/driver.git;protocol=https;branch=main"
    assert _fetched(tmp_path, f'SRC_URI = "{url}"\nSRCREV = "{commits["main"]}"\n', str(source), offline=True) is None
    _git(source, "checkout", "-q", "main")
    _git(source, "commit", "-q", "--allow-empty", "-m", "newer")
    newer = f'SRC_URI = "{url}"\nSRCREV = "{_git(source, "rev-parse", "HEAD")}"\n'
    assert isinstance(_fetched(tmp_path, newer, offline=True), FetchError)
    assert _fetched(tmp_path, newer, str(source), offline=True) is None
