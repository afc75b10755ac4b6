# SPDX-License-Identifier: GPL-2.0-or-later
"""Relations between packages, and control files."""

import pytest

from dlkm.core.errors import MalformedError
from dlkm.package.control import described, parse_control, relations, write_control
from dlkm.package.names import Format
from dlkm.package.relations import Term, each_term, for_control, parse, write


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("a", (Term("a"),)),
        ("a (>= 1.0)", (Term("a", ">=", "1.0"),)),
        ("a >= 1.0", (Term("a", ">=", "1.0"),)),
        ("a (<< 1)", (Term("a", "<", "1"),)),
        ("a | b (= 2)", (Term("a"), Term("b", "=", "2"))),
        ("kmod(hello.ko)", None),
        ("a (", None),
        ("a b", None),
        ("", None),
        ("a (>= )", None),
    ],
)
def test_parsing(text: str, parsed: tuple[Term, ...] | None) -> None:
    if parsed is None:
        with pytest.raises(MalformedError):
            parse(text)
    else:
        assert parse(text) == parsed
        assert parse(write(parsed)) == parsed


def test_as_a_control_file_has_them() -> None:
    given = ["A_b (< 1.0-r0)", "c > 2", "d | e (= 1:1-1)", "f", "f"]
    assert for_control(given, Format.DEB) == ("a-b (<< 1.0-r0)", "c (>> 2)", "d | e (= 1:1-1)", "f")
    assert for_control(["A_b"], Format.IPK) == ("A_b",)


def test_changing_terms() -> None:
    def change(term: Term) -> tuple[Term, ...] | None:
        return {"gone": None, "two": (Term("x"), Term("y"))}.get(term.name, (term,))

    assert each_term(["a", "gone", "two", "gone | a", "a"], change) == ("a", "x | y")


def test_control_files_are_read_as_they_are_written() -> None:
    text = write_control(
        {"Package": "a", "Depends": ("b", "c (= 1)"), "Section": "", "Description": described("s  t", "x\n\ny")}
    )
    assert text == "Package: a\nDepends: b, c (= 1)\nDescription: s t\n x\n .\n y\n"
    fields = parse_control(text)
    assert fields == {"Package": "a", "Depends": "b, c (= 1)", "Description": "s t\nx\n.\ny"}
    assert relations(fields["Depends"]) == ("b", "c (= 1)")


def test_no_text_becomes_another_field() -> None:
    assert parse_control(
        write_control({"Package": "a", "Description": described("x\nEvil: 1", "a\nEvil: 2\n\x00\x1f b")})
    ) == {
        "Package": "a",
        "Description": "x Evil: 1\na\nEvil: 2\n   b",
    }


def test_control_files_that_are_none() -> None:
    assert parse_control("\n\npackage: a\npre-DEPENDS:b\nX:\n 1\n\nNext: x\n") == {
        "Package": "a",
        "Pre-Depends": "b",
        "X": "\n1",
    }
    with pytest.raises(ValueError):
        parse_control("no colon\n")
