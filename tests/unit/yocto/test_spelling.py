# SPDX-License-Identifier: GPL-2.0-or-later
"""The quick look that spares the translator never spares a text that it would change."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkm.yocto.overrides import translate
from dlkm.yocto.worker.spelling import Reader, surely_new

TESTS = Path(__file__).parents[2]
FILES = [path for path in sorted(TESTS.rglob("*")) if path.suffix in {".bb", ".bbappend", ".inc", ".bbclass"}]
NAMES = st.sampled_from(
    ["SRC_URI", "FILES", "do_install", "pkg_postinst", "module_conf_x", "RDEPENDS", "LICENSE", "do_x"]
)
SUFFIXES = st.sampled_from(
    ["_append", "_prepend", "_remove", "_${PN}", "_qemuarm64", "_class-native", "_mx8", ":append", ""]
)
ENDS = st.sampled_from([' = "x"', ' += "x"', "() {\n\t:\n}", '[x] = "y"', ' ?= "z"', "[dirs] = 'a'"])
BEFORE = st.sampled_from(["", "python ", "export ", "fakeroot ", "fakeroot python "])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_of_the_corpus(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not (translate(text, path.name)[1] and surely_new(text))


@given(BEFORE, NAMES, SUFFIXES, SUFFIXES, ENDS)
def test_of_statements(before: str, name: str, first: str, second: str, end: str) -> None:
    text = f"{before}{name}{first}{second}{end}\n"
    assert not (translate(text, "x.bb")[1] and surely_new(text)), text


@pytest.mark.parametrize(
    "text",
    ['S = "${UNPACKDIR}"\n', "do_install:append() {\n\t:\n}\n", 'module_conf_x = "y"\n', 'FILES:${PN} += "/etc"\n'],
)
def test_of_todays_syntax_nothing_is_translated(text: str) -> None:
    assert surely_new(text)


def test_old_places_are_noted_but_not_in_comments_and_not_of_s(tmp_path: Path) -> None:
    recipe = tmp_path / "x.bb"
    recipe.write_text('S = "${WORKDIR}/git"\n# ${WORKDIR}/sources/a\nX = "${WORKDIR}/sources/b ${WORKDIR}/other"\n')
    reader = Reader("/nowhere/")
    reader.note_old_places(str(recipe), {"sources": "${UNPACKDIR}", "git": "${S}"})
    assert [(notice["line"], "${UNPACKDIR}" in notice["message"]) for notice in reader.notices] == [(3, True)]


def test_what_bb_reads_is_the_translation(tmp_path: Path) -> None:
    recipe = tmp_path / "x.bb"
    recipe.write_text('FILES_${PN} = "/etc"\n')
    reader = Reader("/nowhere/")
    assert reader.open(str(recipe), "r").read() == 'FILES:${PN} = "/etc"\n'
    assert [notice["line"] for notice in reader.notices] == [1]


def test_our_own_files_are_read_as_they_are(tmp_path: Path) -> None:
    recipe = tmp_path / "x.bbclass"
    recipe.write_text('FILES_${PN} = "/etc"\n')
    reader = Reader(str(tmp_path))
    assert reader.open(str(recipe)).read() == 'FILES_${PN} = "/etc"\n'
    assert reader.notices == []
