# SPDX-License-Identifier: GPL-2.0-or-later
"""Taking a snapshot of a target over ssh, in one go: the script goes in, the snapshot comes out."""

from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from dlkm.core.errors import FetchError, UsageError
from dlkm.core.events import Events
from dlkm.core.files import cannot_write, scratch_dir
from dlkm.core.processes import Runner, bound_to_us
from dlkm.core.tools import missing
from dlkm.kernel.snapshot import LIMIT, Snapshot, script

TIMEOUT = 600.0  # seconds: thirty megabytes over a slow line
_HINT = "a target that takes no ssh: dlkm kernel snapshot --script > s.sh, run it there, fetch what it writes"


def take(url: str, output: Path, runner: Runner, events: Events, ssh_config: Path | None = None) -> Path:
    """Write the snapshot of `ssh://[user@]host[:port]` to `output`, which appears when it is whole.

    `ssh_config` goes in place of the user's own (ssh -F): keys, names, known hosts.
    UsageError: no such URL; FetchError: ssh or the script failed, or what came is no snapshot; MissingToolError: ssh.
    """
    parts = _parsed(url)
    if runner.find("ssh") is None:
        raise missing("ssh")
    with scratch_dir(output.absolute().parent, ".snapshot-") as folder:
        part, said = folder / "snapshot", folder / "ssh.log"
        # The far end decides how much comes: prlimit ends it.
        bound = ["prlimit", f"--fsize={LIMIT}"] if runner.find("prlimit") is not None else []
        ssh: list[str | Path] = ["ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-E", said]
        own: list[str | Path] = ["-F", ssh_config.absolute()] if ssh_config is not None else []
        where = [
            *own,
            *(("-p", str(parts.port)) if parts.port else ()),
            *(("-l", parts.username) if parts.username else ()),
        ]
        with events.task(f"taking a snapshot of {parts.hostname}"):
            done = runner.run(
                [*bound_to_us(runner), *bound, *ssh, *where, "--", str(parts.hostname), "exec sh -s 2>/dev/null"],
                stdin=script().encode(),
                log=part,
                timeout=TIMEOUT,
            )
        if not done.ok:
            raise _failed(url, done.status, said, timed_out=done.timed_out)
        Snapshot.read(part)
        try:
            part.replace(output)
        except OSError as error:
            raise cannot_write(output, error) from error
    return output


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        good = parts.scheme == "ssh" and parts.hostname and parts.path in {"", "/"} and (parts.port or 1) > 0
    except ValueError:
        good, parts = False, urlsplit("")
    words = (parts.hostname or "", parts.username or "")
    if not good or any(word.startswith("-") for word in words) or parts.password is not None:
        raise UsageError(f"{url!r} names no target", hint="write ssh://user@host or ssh://user@host:port")
    return parts


def _failed(url: str, status: int, said: Path, *, timed_out: bool) -> FetchError:
    lines = said.read_text("utf-8", "replace").strip().splitlines()[-3:] if said.is_file() else []
    reason = "it took too long" if timed_out else "; ".join(lines) or f"ssh ended with status {status}"
    return FetchError(f"{url}: cannot take a snapshot: {reason}", hint=_HINT)
