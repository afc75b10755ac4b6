# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual is true: its reference is what the code says, its links lead somewhere."""

import re
from pathlib import Path

import pytest

from dlkm.cli.main import VERBS
from dlkm.core.errors import ExitStatus
from tools.reference import FOLDER, PAGES, STATUS_WORDS

ROOT = Path(__file__).parents[2]
ADVICE = [ROOT / "src/dlkm/data" / f"{name}.toml" for name in ("rules", "explain", "why", "audit", "recipe-rules")]
MANUAL = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == PAGES[name](), "run .venv/bin/python -m tools.reference"


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_can_be_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    for page in MANUAL:
        if page.name not in {"README.md", "index.md"}:
            assert str(page.relative_to(ROOT / "docs")) in index, page


def test_every_status_is_explained() -> None:
    assert set(STATUS_WORDS) == set(ExitStatus)


@pytest.mark.parametrize("page", [*ADVICE, *MANUAL], ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    """What the manual and the findings tell to run."""
    told = re.findall(r"(?:`|'|: |\"|^)dlkm ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)
    assert set(told) <= set(VERBS)
