# SPDX-License-Identifier: GPL-2.0-or-later
"""Which driver runs on which kernel: for terminals, as Markdown, as an HTML page that stands alone."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dlkm.matrix.fleet import CellState, Fleet, State
from dlkm.report.fleet import blocks, fleet_part, show_fleet, summary
from dlkm.report.fleet_html import fleet_html
from dlkm.report.fleet_markdown import fleet_markdown
from dlkm.report.terminal import Colour, Terminal

NASTY = "a.c:1: error: <script>alert('x|`y`')</script> & \x1b[31m"


def _cell(source: str, kernel: str, state: State, **more: object) -> CellState:
    return CellState(id=f"{source}@{kernel}", source=source, kernel=kernel, state=state, **more)  # type: ignore[arg-type]


def _fleet(*cells: CellState) -> Fleet:
    return Fleet(
        sources=tuple(dict.fromkeys(cell.source for cell in cells)),
        kernels=tuple(dict.fromkeys(cell.kernel for cell in cells)),
        cells={(cell.source, cell.kernel): cell for cell in cells},
    )


FLEET = _fleet(
    _cell("hello", "6.1", State.PROVEN, detail="2 tests"),
    _cell("hello", "6.12", State.LOAD_FAILS, detail="ENOEXEC", why=("x: no",), command=("dlkm", "check"), when="now"),
    _cell("b+c", "6.1", State.BUILD_FAILS, why=(NASTY,), log=Path("out/build.log")),
)


def _shown(fleet: Fleet, *, everything: bool = False) -> str:
    out = io.StringIO()
    show_fleet(fleet, Terminal(colour=Colour.NEVER, out=out, err=io.StringIO()), everything=everything)
    return out.getvalue()


def test_on_a_terminal() -> None:
    lines = _shown(FLEET).splitlines()
    assert [line.split("  ") for line in (re.sub("  +", "  ", line) for line in lines[:3])] == [
        ["SOURCE", "6.1", "6.12"],
        ["hello", "proven", "does not load: ENOEXEC"],
        ["b+c", "build fails", "-"],
    ]
    assert "hello@6.12: does not load: ENOEXEC\n  x: no\n  again: dlkm check  (now)" in _shown(FLEET)
    assert "\x1b" not in _shown(FLEET)
    assert lines[-1] == summary(FLEET) == "2 drivers, 2 kernels, 3 cells: 1 proven, 1 build fails, 1 does not load"


def test_many_that_fail_are_told_when_asked_for() -> None:
    fleet = _fleet(*(_cell("a", f"6.{number}", State.BUILD_FAILS, why=("no",)) for number in range(60)))
    assert "… and 20 more that need words" in _shown(fleet)
    assert _shown(fleet, everything=True).count("build fails\n  no") == 60


@pytest.mark.parametrize(
    ("width", "groups"), [(0, [["6.1", "6.12"]]), (30, [["6.1"], ["6.12"]]), (10, [["6.1"], ["6.12"]])]
)
def test_kernels_are_grouped_by_what_fits(width: int, groups: list[list[str]]) -> None:
    assert [list(group) for group in blocks(FLEET, width)] == groups


def test_the_part_of_the_document() -> None:
    states = fleet_part(FLEET)["states"]
    assert list(states) == ["hello@6.1", "hello@6.12", "b+c@6.1"]
    assert states["hello@6.12"]["state"] == "does not load"
    assert states["b+c@6.1"]["log"] == "out/build.log"


def _bars(line: str) -> int:
    """Bars that end a cell: those that no backslash stands before (GitHub's specification of tables)."""
    return len(re.findall(r"(?<!\\)\|", line))


def test_markdown_has_a_whole_table_and_no_html() -> None:
    text = fleet_markdown(FLEET)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {_bars(line) for line in table} == {4}
    assert len(table) == 4
    assert "✅ proven" in table[2]
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)  # code spans: CommonMark 6.1
    assert "<" not in outside
    assert "script" not in outside


class Page(HTMLParser):
    """What of a page can be checked: every tag is closed, and what it links to and where."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value is not None]
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action", "data", "srcset"}]
        assert tag != "th" or named["scope"] in {"row", "col"}
        if tag == "td":
            self.cells.append("")
        if tag not in {"meta", "link", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.cells[-1] += data


def test_html_stands_alone_and_is_well_formed() -> None:
    text = fleet_html(FLEET)
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "form"})
    assert len(set(page.ids)) == len(page.ids) == 2
    assert sorted(page.links) == sorted(f"#{name}" for name in page.ids)
    assert page.cells == ["proven", "does not load: ENOEXEC", "build fails", "left out"]
    assert {"caption", "main", "h1", "h2"} <= page.tags
    assert '<html lang="en">' in text
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert NASTY.partition("\x1b")[0].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace(
        "'", "&#x27;"
    ) in text  # fmt: skip


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_can_be_read() -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 between text and what is behind it, by day and by night."""
    style = re.search(r"<style>(.*)</style>", fleet_html(FLEET), re.DOTALL)
    assert style is not None
    palettes = re.findall(r":root \{(.*?)\}", style[1], re.DOTALL)
    assert len(palettes) == 2
    for palette in palettes:
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", palette))
        pairs = [(name, f"{name}-back") for name in ("good", "fair", "doubt", "bad")]
        for text, back in (*pairs, ("text", "back"), ("text", "head"), ("none", "back")):
            light, dark = sorted((_luminance(colours[text]), _luminance(colours[back])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, back)


def test_names_and_details_stay_what_they_are() -> None:
    fleet = _fleet(
        _cell("x|y", "6.1", State.LOAD_FAILS, detail="<i>|*"),
        _cell("x|y", "6.2<i>", State.LOADS),
    )
    page = Page()
    page.feed(fleet_html(fleet))
    assert page.cells == ["does not load: <i>|*", "loads"]
    assert "i" not in page.tags
    table = [line for line in fleet_markdown(fleet).splitlines() if line.startswith("|")]
    assert {_bars(line) for line in table} == {4}
    assert r"does not load: \<i\>\|\*" in table[2]


def test_an_empty_fleet() -> None:
    empty = _fleet()
    assert summary(empty) == "0 drivers, 0 kernels, 0 cells: "
    assert fleet_markdown(empty)
    assert fleet_html(empty)
