# SPDX-License-Identifier: GPL-2.0-or-later
"""The fetch phase: what recipes name on the network comes into the download directory, checked. Runs no recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlkm.core.errors import DlkmError, FetchError, UsageError
from dlkm.core.files import cache_home, cannot_write, scratch_dir
from dlkm.yocto.asking import ask
from dlkm.yocto.confine import fetching_place
from dlkm.yocto.evaluation import Evaluation, Setting
from dlkm.yocto.mirror import mirror_lines
from dlkm.yocto.preset import downloads

_SECONDS = 3600.0
# The second: else no mirror is asked for what a repository that is here lacks (bb/fetch2/git.py: try_premirror).
_OFFLINE = {"BB_NO_NETWORK": "1", "BB_FETCH_PREMIRRORONLY": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came of one recipe's sources: an `error` with the URL that was refused or is missing, or none.

    `revisions` are those of its repositories, by bb's own key.
    """

    error: DlkmError | None = None
    revisions: Mapping[str, str] = field(default_factory=dict)


def fetch(place: Setting, evaluations: Sequence[Evaluation]) -> tuple[Fetched, ...]:
    """Fetch what each recipe needs."""
    wanted = [one for one in evaluations if one.fetch.get("urls")]
    if not wanted:
        return tuple(Fetched() for _ in evaluations)
    folder = downloads()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    with scratch_dir(cache_home() / "build", "fetch-") as scratch, place.events.task(_title(wanted)):
        request = {
            "mode": "fetch",
            "fetches": [dict(one.fetch) for one in wanted],
            "scratch": str(scratch),
            "premirrors": mirror_lines(place.options.mirror),
            "preset": {"DL_DIR": str(folder)} | (_OFFLINE if place.options.offline else {}),
        }
        command = fetching_place(place.bubblewrap, folder, scratch)
        answers = ask(place.runner, command, request, seconds=_SECONDS)
    found = {one.recipe.path: _fetched(one, answer) for one, answer in zip(wanted, answers, strict=False)}
    return tuple(found.get(one.recipe.path, Fetched()) for one in evaluations)


def _fetched(one: Evaluation, answer: Mapping[str, Any]) -> Fetched:
    revisions = {str(key): str(revision) for key, revision in answer.get("revisions", {}).items()}
    return Fetched(error=_problem(one, answer.get("problem")), revisions=revisions)


def _title(wanted: Sequence[Evaluation]) -> str:
    count = sum(len(one.fetch["urls"]) for one in wanted)
    return f"fetching {wanted[0].fetch['urls'][0].partition(';')[0] if count == 1 else f'{count} sources'}"


def _problem(one: Evaluation, problem: dict[str, str] | None) -> DlkmError | None:
    if problem is None:
        return None
    url, text = problem["url"].partition(";")[0], problem["text"].strip().replace("\n", "\n    ")
    place = _place(one, problem["url"])
    if problem["kind"] == "parameter":
        return UsageError(f"{place}: {url}: {text}")
    hint = None if problem["kind"] == "checksum" else "give a mirror that has it: --source-mirror URL|DIR"
    return FetchError(f"{place}: {url} cannot be fetched: {text}", hint=hint)


def _place(one: Evaluation, url: str) -> str:
    file, line = one.fetch.get("places", {}).get(url, ("", 0))
    return f"{file}:{line}" if file and line else str(one.recipe.path)
