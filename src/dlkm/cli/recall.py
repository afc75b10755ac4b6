# SPDX-License-Identifier: GPL-2.0-or-later
"""An answer that was given before, as long as nothing that it rests on has changed. Decides nothing, and loads little.

What is kept of an answer is the text, and of every file and directory it rests on (modules, kernel, this program) the
device, number, size and times. As git does, a file that was changed shortly before it was read is not relied on: a
second change would leave no trace in its times. The time of the last change of a file's state (ctime) cannot be set, so
that a file which was replaced or rewritten and given its old times is noticed, too.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from struct import Struct

TYPE_CHECKING = False  # typing's own takes as long to load as the rest of this
if TYPE_CHECKING:
    from dlkm.core.kept import Kept

    States = dict[bytes, bytes | None]

_FACTS = Struct("<QQQqq").pack
_ABSENT = bytes(40)
_HEAD = Struct("<4sII")  # mark, number of files, bytes of their names
_MARK = b"dlk1"
MANY = 1000  # files that are worth a second process
_VERBS = frozenset({"audit", "check"})
# Whatever else the environment says changes no answer.
_ASKED = ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "NO_COLOR", "PATH", "PYTHONPATH", "PYTHONHOME")
_FINE, _COARSE = 100_000_000, 2_500_000_000  # nanoseconds in which a file system may give two changes one time


def recalled(argv: Sequence[str], kept: "Kept | None" = None) -> bytes | None:
    """What this command line wrote when it said yes and would again; None when that must be found out."""
    if not argv or argv[0] not in _VERBS or sys.stdout is None:
        return None
    from dlkm.core.kept import Kept

    raw = (kept or Kept()).get(question(argv))
    if raw is None or len(raw) < _HEAD.size:
        return None
    mark, count, size = _HEAD.unpack_from(raw)
    end = _HEAD.size + size
    facts = raw[end : end + len(_ABSENT) * count]
    if mark != _MARK or not _hold(raw[_HEAD.size : end].split(b"\0"), facts):
        return None
    return raw[end + len(facts) :]


def keep(argv: Sequence[str], states: "States", text: bytes, kept: "Kept | None" = None) -> bool:
    """Keep an answer that rests on the files and directories with these states.

    Not kept when one of them changed so late that a second change could go unnoticed; gives whether it was.
    """
    names = sorted(states)
    found = [state for name in names if (state := states[name]) is not None]
    if len(found) < len(names):
        return False
    blob = b"\0".join(names)
    answer = _HEAD.pack(_MARK, len(names), len(blob)) + blob + b"".join(found) + text
    from dlkm.core.kept import Kept

    (kept or Kept()).put(question(argv), answer)
    return True


def states_of(files: Iterable[str], since: int) -> "States":
    """What files and directories are, absent ones included; None for one whose change could go unnoticed.

    Relative names are of the directory that is part of the question; `since` is when the first of all was read, in
    nanoseconds since the epoch. They may be read before or after this: what changes in between is no longer so.
    """
    names = sorted({os.fsencode(name) for name in files})
    from dlkm.core.children import Child

    half = len(names) // 2 if len(names) >= MANY else 0
    child = Child.start(lambda: [_settled(name, since) for name in names[:half]]) if half else None
    states = [_settled(name, since) for name in names[half:]]
    states = (child.collect() if child is not None else []) + states
    return dict(zip(names, states, strict=True))


def question(argv: Sequence[str]) -> bytes:
    """All that an answer depends on besides files."""
    told = (
        *argv,
        "",
        os.getcwd(),  # noqa: PTH109 — pathlib takes longer to load than all of this
        *(f"{name}={os.environ.get(name)}" for name in _ASKED),
        str(sys.stdout.isatty()),
        str(os.geteuid()),
        *os.uname(),
        sys.version,
        sys.executable,
    )
    return "\0".join(told).encode("utf-8", "surrogateescape")


def _hold(names: Sequence[bytes], facts: bytes) -> bool:
    """Whether all files are what they were; of thousands another process looks at half."""
    half = len(names) // 2 if len(names) >= MANY else 0
    child = os.fork() if half else 0
    if half and not child:
        os._exit(not _are(names[:half], facts[: half * len(_ABSENT)]))
    good = _are(names[half:], facts[half * len(_ABSENT) :])
    status = os.waitpid(child, 0)[1] if child else 0
    return good and status == 0


def _are(names: Sequence[bytes], facts: bytes) -> bool:
    return b"".join(map(_state, names)) == facts


def _state(name: bytes) -> bytes:
    try:
        status = os.stat(name)  # noqa: PTH116 — thousands of them
    except OSError:
        return _ABSENT
    return _FACTS(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _settled(name: bytes, since: int) -> bytes | None:
    """As `_state`; None for a file that may change once more without a trace, or did after it was read."""
    try:
        status = os.stat(name)  # noqa: PTH116 — thousands of them
    except OSError:
        return _ABSENT
    changed = max(status.st_ctime_ns, status.st_mtime_ns)
    if changed > since - (_FINE if status.st_ctime_ns % 1_000_000 else _COARSE):
        return None
    return _FACTS(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
