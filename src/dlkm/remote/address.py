# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a service is, grpc(s)://HOST[:PORT][/INSTANCE], and who we are to it: certificates, a token. Never connects."""

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dlkm.core.errors import UsageError

_PORTS = {"grpc": 8980, "grpcs": 443}
_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1")
_LIMIT = 1 << 20  # bytes of a certificate, a key, a token


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`target` is HOST:PORT as gRPC takes it; `instance` is "" for a service that has only one."""

    target: str
    host: str
    instance: str
    secure: bool

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine by an address that never leaves it."""
        return _LOOPBACK.fullmatch(self.host) is not None

    def __str__(self) -> str:
        return f"{'grpcs' if self.secure else 'grpc'}://{self.target}{'/' if self.instance else ''}{self.instance}"


def parse_address(text: str) -> Address:
    """From grpc(s)://HOST[:PORT][/INSTANCE]; UsageError for anything else."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    extra = parts.query or parts.fragment or parts.username is not None or parts.password is not None
    if parts.scheme not in _PORTS or not parts.hostname or extra or any(letter.isspace() for letter in text):
        raise UsageError(f"{text}: no address of a service", hint="grpc://HOST[:PORT][/INSTANCE], or grpcs:// with TLS")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(
        target=f"{host}:{port or _PORTS[parts.scheme]}",
        host=parts.hostname,
        instance=parts.path.strip("/"),
        secure=parts.scheme == "grpcs",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """How a service knows that it is us, and we that it is it: PEM files, and a file with a bearer token."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: Path | None = None

    def check(self, address: Address) -> None:
        """UsageError for what makes no sense together, or would show a secret."""
        if (self.certificate is None) is not (self.key is None):
            raise UsageError("a client certificate and its key come together", hint="--remote-cert and --remote-key")
        if not address.secure and (self.authority or self.certificate):
            raise UsageError(f"{address}: certificates are of no use without TLS", hint="write grpcs://")
        if not address.secure and self.token is not None and not address.is_loopback:
            raise UsageError(f"{address}: a token is not sent over an open connection", hint="write grpcs://")


def read_secret(path: Path) -> bytes:
    """The bytes of a key or token; UsageError when others may read it too, or it cannot be read."""
    data, mode = _read(path)
    if mode & 0o077:
        raise UsageError(f"{path}: others may read this secret", hint=f"chmod 600 {path}")
    return data


def read_public(path: Path) -> bytes:
    """The bytes of a certificate; UsageError when it cannot be read."""
    return _read(path)[0]


def _read(path: Path) -> tuple[bytes, int]:
    try:
        with path.open("rb") as stream:
            mode = path.stat().st_mode
            data = stream.read(_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(mode) or not data.strip() or len(data) > _LIMIT:
        raise UsageError(f"{path}: holds no certificate, key or token")
    return data, mode
