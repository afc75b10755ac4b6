# SPDX-License-Identifier: GPL-2.0-or-later
"""A service that misbehaves as services do: what is taken from it is sound, and nobody waits for ever."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlkm.action import wire
from dlkm.action.digest import Digest, digest_of
from dlkm.action.outcome import Outcome, OutFile
from dlkm.action.store import Store
from dlkm.action.tree import Blobs, Folder
from dlkm.core.errors import UsageError
from dlkm.core.events import Event, Events
from dlkm.remote.address import Identity, parse_address
from dlkm.remote.channel import Channel, LostError, Patience, RefusedError
from dlkm.remote.messages import messages, to_wire
from dlkm.remote.service import Service
from tests.services.fake import Fake, reachable

pytestmark = pytest.mark.integration

QUICK = Patience(seconds=2.0, tries=4, pause=0.02)
BIG = b"0123456789abcdef" * 200_000  # 3.2 MB: more than goes into a batch
SCRIPT = "mkdir -p out/sub && cat input > out/sub/copy && cat big > out/big && ln -s copy out/sub/link && exit STATUS"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    folder = tmp_path / "worker"
    folder.mkdir()
    with Fake(folder) as service:
        yield service


class Told:
    """What was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, event: Event, /) -> None:
        self.texts.append(event.text)


def _service(
    fake: Fake,
    tmp_path: Path,
    *,
    patience: Patience = QUICK,
    told: Told | None = None,
    seconds: float = 30,
    token: Path | None = None,
) -> Service:
    channel = Channel(parse_address(fake.address), Identity(token=token), patience)
    events = Events(told or Told())
    return Service(channel, Store(tmp_path / "store", 1 << 30), events, output="out", seconds=seconds)


def _action(status: int = 0) -> tuple[Digest, Blobs]:
    blobs, root = Blobs(), Folder()
    root.put_file("input", blobs.put(b"input\n"))
    root.put_file("big", blobs.put(BIG))
    command = wire.command(
        ["/bin/sh", "-c", SCRIPT.replace("STATUS", str(status))], {"PATH": "/usr/bin:/bin"}, ["out"], {}
    )
    return blobs.put(wire.action(blobs.put(command), root.digest(blobs.keep), 60, {})), blobs


def _laid_out(tmp_path: Path, outcome: Outcome) -> Path:
    folder = tmp_path / f"laid-out-{time.monotonic_ns()}"
    assert Store(tmp_path / "store", 1 << 30).lay_out(outcome, folder)
    return folder


def _is_right(tmp_path: Path, outcome: Outcome) -> bool:
    folder = _laid_out(tmp_path, outcome)
    return (folder / "sub/link").read_bytes() == b"input\n" and (folder / "big").read_bytes() == BIG


def test_an_action_is_run_and_known_from_then_on(tmp_path: Path, fake: Fake) -> None:
    action, blobs = _action()
    service = _service(fake, tmp_path)
    assert service.known(action) is None
    answer = service.run(action, lambda: [blobs])
    assert (answer.status, answer.cached) == (0, False)
    assert _is_right(tmp_path, answer.outcome)
    assert set(fake.sent) == reachable(fake, action) == set(blobs.data)
    again = _service(fake, tmp_path / "other")
    known = again.known(action)
    assert known == answer.outcome
    assert _is_right(tmp_path / "other", known)
    assert len(fake.executed) == 1
    # What is there is not sent again.
    before = len(fake.sent)
    assert again.run(action, lambda: [blobs]).cached is True
    assert len(fake.sent) == before


def test_a_step_that_fails_is_an_answer(tmp_path: Path, fake: Fake) -> None:
    action, blobs = _action(status=1)
    service = _service(fake, tmp_path)
    answer = service.run(action, lambda: [blobs])
    assert (answer.status, service.known(action)) == (1, None)
    assert _is_right(tmp_path, answer.outcome)


@pytest.mark.parametrize(
    "faults",
    [
        {"unavailable": 3},
        {"wrong_bytes": 1},
        {"truncated": 2},
        {"broken": 2},
        {"lost_worker": 2},
        {"forgets_inputs": 1},
        {"cut_execution": 2},
        {"unavailable": 1, "truncated": 1, "broken": 1, "lost_worker": 1, "cut_execution": 1},
    ],
    ids=str,
)
def test_what_passes_is_waited_for(tmp_path: Path, fake: Fake, faults: dict[str, int]) -> None:
    action, blobs = _action()
    for name, value in faults.items():
        setattr(fake.faults, name, value)
    assert _is_right(tmp_path, _service(fake, tmp_path).run(action, lambda: [blobs]).outcome)


@pytest.mark.parametrize("name", ["unavailable", "wrong_bytes", "truncated", "lost_worker", "forgets_inputs"])
def test_what_does_not_pass_is_lost(tmp_path: Path, fake: Fake, name: str) -> None:
    action, blobs = _action()
    setattr(fake.faults, name, 1000)
    service = _service(fake, tmp_path)
    with pytest.raises(LostError):
        service.run(action, lambda: [blobs])
    # From then on nobody waits for it.
    calls, start = len(fake.calls), time.monotonic()
    with pytest.raises(LostError):
        service.run(action, lambda: [blobs])
    assert len(fake.calls) == calls
    assert time.monotonic() - start < 1


def test_a_service_that_does_not_answer_is_lost_in_time(tmp_path: Path, fake: Fake) -> None:
    fake.faults.hangs = True
    told = Told()
    service = _service(fake, tmp_path, patience=Patience(seconds=0.3, tries=3, pause=0.02), told=told)
    start = time.monotonic()
    assert service.known(_action()[0]) is None
    assert time.monotonic() - start < 10
    assert "going on without it" in told.texts[-1]
    assert service.known(_action()[0]) is None
    assert len(told.texts) == 1


def test_an_action_that_takes_too_long_is_lost(tmp_path: Path, fake: Fake) -> None:
    blobs = Blobs()
    command = blobs.put(wire.command(["/bin/sleep", "3"], {}, ["out"], {}))
    action = blobs.put(wire.action(command, Folder().digest(blobs.keep), 60, {}))
    service = _service(fake, tmp_path, seconds=0.5)
    with pytest.raises(LostError, match="not done within"):
        service.run(action, lambda: [blobs])


def test_a_service_that_went_away(tmp_path: Path, fake: Fake) -> None:
    action, blobs = _action()
    service = _service(fake, tmp_path)
    fake.stop()
    with pytest.raises(LostError, match=r"127\.0\.0\.1"):
        service.run(action, lambda: [blobs])


def test_one_that_only_keeps_results(tmp_path: Path, fake: Fake) -> None:
    fake.faults.runs = False
    with pytest.raises(RefusedError, match="runs no actions"):
        _service(fake, tmp_path).run(_action()[0], lambda: [_action()[1]])


def _tree(**fields: Any) -> Any:
    kinds = messages()
    return kinds.Tree(root=kinds.Directory(**fields))


def _result(fake: Fake, tree: Any) -> Any:
    data = tree if isinstance(tree, bytes) else tree.SerializeToString()
    fake.blobs[digest_of(data)] = data
    kinds = messages()
    return kinds.ActionResult(
        output_directories=[kinds.OutputDirectory(path="out", tree_digest=to_wire(digest_of(data)))]
    )


def _hostile(fake: Fake, what: str) -> Any:
    kinds, here = messages(), digest_of(b"x")
    fake.blobs[here] = b"x"
    file = kinds.FileNode(name="a", digest=to_wire(here))
    trees = {
        "up": _tree(files=[kinds.FileNode(name="..", digest=to_wire(here))]),
        "a way": _tree(files=[kinds.FileNode(name="../../x", digest=to_wire(here))]),
        "absolute": _tree(files=[kinds.FileNode(name="/etc/x", digest=to_wire(here))]),
        "no name": _tree(files=[kinds.FileNode(name="", digest=to_wire(here))]),
        "a link under a file": _tree(files=[file], symlinks=[kinds.SymlinkNode(name="a", target="/etc")]),
        "no digest": _tree(files=[kinds.FileNode(name="a")]),
        "a wrong digest": _tree(files=[kinds.FileNode(name="a", digest=kinds.Digest(hash="zz", size_bytes=1))]),
        "a negative size": _tree(files=[kinds.FileNode(name="a", digest=kinds.Digest(hash=here.hash, size_bytes=-1))]),
        "too much": _tree(files=[kinds.FileNode(name="a", digest=kinds.Digest(hash=here.hash, size_bytes=1 << 40))]),
        "no such child": _tree(directories=[kinds.DirectoryNode(name="d", digest=to_wire(here))]),
        "no message": b"\xff\xff\xff",
    }
    if what == "a huge tree":
        huge = kinds.Digest(hash=here.hash, size_bytes=1 << 40)
        return kinds.ActionResult(output_directories=[kinds.OutputDirectory(path="out", tree_digest=huge)])
    if what == "a blob that is not there":
        gone = to_wire(digest_of(b"gone"))
        return _result(fake, _tree(files=[kinds.FileNode(name="a", digest=gone)]))
    return _result(fake, trees[what])


HOSTILE = [
    *("up", "a way", "absolute", "no name", "a link under a file", "no digest", "a wrong digest", "a negative size"),
    *("too much", "no such child", "no message", "a huge tree", "a blob that is not there"),
]


@pytest.mark.parametrize("what", HOSTILE)
def test_a_result_that_is_not_sound_is_not_taken(tmp_path: Path, fake: Fake, what: str) -> None:
    action, blobs = _action()
    result, told = _hostile(fake, what), Told()
    fake.faults.results[action.hash] = result
    assert _service(fake, tmp_path, told=told).known(action) is None
    assert "not used" in told.texts[-1]
    fake.faults.answer = result
    with pytest.raises(LostError, match="no sound result"):
        _service(fake, tmp_path).run(action, lambda: [blobs])


def test_what_is_built_here_is_shared(tmp_path: Path, fake: Fake) -> None:
    store = Store(tmp_path / "store", 1 << 30)
    outcome = Outcome(
        files=(
            OutFile(path="log", digest=store.put(b"said\n")),
            OutFile(path="driver/x.ko", digest=store.put(BIG), executable=True),
        ),
        links=(("root/l", "x"),),
        folders=("driver", "empty", "root"),
    )
    action, blobs = _action()
    _service(fake, tmp_path).publish(action, outcome, blobs)
    other = _service(fake, tmp_path / "other").known(action)
    assert other is not None
    assert set(other.files) == set(outcome.files)
    assert (set(other.links), set(other.folders)) == (set(outcome.links), set(outcome.folders))
    assert (_laid_out(tmp_path / "other", other) / "driver/x.ko").read_bytes() == BIG


def test_where_sharing_is_not_allowed_it_is_told_once(tmp_path: Path, fake: Fake) -> None:
    fake.faults.denies = "UpdateActionResult"
    store, told = Store(tmp_path / "store", 1 << 30), Told()
    outcome = Outcome(files=(OutFile(path="log", digest=store.put(b"said\n")),))
    service = _service(fake, tmp_path, told=told)
    for status in range(3):
        service.publish(*_action(status)[:1], outcome, Blobs())
    assert len(told.texts) == 1
    assert "is not shared" in told.texts[0]
    assert fake.calls.count("UpdateActionResult") == 1


def test_a_token(tmp_path: Path) -> None:
    folder, token = tmp_path / "worker", tmp_path / "token"
    folder.mkdir()
    token.write_text("let-me-in\n")
    with Fake(folder, wants_token="let-me-in") as fake:
        with pytest.raises(UsageError, match="others may read this secret"):
            _service(fake, tmp_path, token=token)
        token.chmod(0o600)
        action, blobs = _action()
        assert _is_right(tmp_path, _service(fake, tmp_path, token=token).run(action, lambda: [blobs]).outcome)
        token.write_text("wrong\n")
        for wrong in (token, None):
            with pytest.raises(RefusedError, match="not authenticated"):
                _service(fake, tmp_path, token=wrong).run(action, lambda: [blobs])


def test_a_source_that_changes_while_it_is_sent_is_noticed(tmp_path: Path, fake: Fake) -> None:
    path = tmp_path / "x.c"
    path.write_bytes(b"one")
    digest = digest_of(b"one")
    path.write_bytes(b"two")
    with pytest.raises(Exception, match="changed while it was being sent"):
        _service(fake, tmp_path).run(_action()[0], lambda: [Blobs(paths={digest: path})])


def test_nothing_is_sent_that_was_not_asked_about(tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service may name what it likes as missing."""
    secret = digest_of(b"secret")
    everything = messages().FindMissingBlobsResponse(missing_blob_digests=[to_wire(secret)])
    monkeypatch.setattr(fake, "FindMissingBlobs", lambda *_arguments: everything)
    fake.faults.answer = messages().ActionResult(exit_code=1)
    action, blobs = _action()
    _service(fake, tmp_path).run(action, lambda: [blobs])
    assert fake.sent == []
