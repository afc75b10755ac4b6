# SPDX-License-Identifier: GPL-2.0-or-later
"""The fetch phase: what recipes name on the network comes into the download directory, checked. Runs no recipe."""

from collections.abc import Sequence

from dlkm.core.errors import DlkmError, FetchError, UsageError
from dlkm.core.files import cache_home, cannot_write, scratch_dir
from dlkm.yocto.asking import ask
from dlkm.yocto.confine import fetching_place
from dlkm.yocto.evaluation import Evaluation, Setting
from dlkm.yocto.options import mirror_lines
from dlkm.yocto.preset import downloads

_SECONDS = 3600.0


def fetch(place: Setting, evaluations: Sequence[Evaluation]) -> tuple[DlkmError | None, ...]:
    """Fetch what each recipe needs; for each None, or the FetchError with the URL that was refused or is missing."""
    wanted = [one for one in evaluations if one.fetch.get("urls")]
    if not wanted:
        return tuple(None for _ in evaluations)
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
            "preset": {"DL_DIR": str(folder)} | ({"BB_NO_NETWORK": "1"} if place.options.offline else {}),
        }
        command = fetching_place(place.bubblewrap, folder, scratch)
        answers = ask(place.runner, command, request, seconds=_SECONDS)
    problems = {
        one.recipe.path: _problem(one, answer.get("problem")) for one, answer in zip(wanted, answers, strict=False)
    }
    return tuple(problems.get(one.recipe.path) for one in evaluations)


def _title(wanted: Sequence[Evaluation]) -> str:
    count = sum(len(one.fetch["urls"]) for one in wanted)
    return f"fetching {wanted[0].fetch['urls'][0].partition(';')[0] if count == 1 else f'{count} sources'}"


def _problem(one: Evaluation, problem: dict[str, str] | None) -> DlkmError | None:
    if problem is None:
        return None
    url, text = problem["url"].partition(";")[0], problem["text"].strip()
    if problem["kind"] == "parameter":
        return UsageError(f"{one.recipe.path}: {url}: {text}")
    hint = None if problem["kind"] == "checksum" else "give a mirror that has it: --source-mirror URL|DIR"
    return FetchError(f"{one.recipe.path}: {url} cannot be fetched: {text}", hint=hint)
