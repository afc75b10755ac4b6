# SPDX-License-Identifier: GPL-2.0-only
"""Recipes as bb reads them: the old override syntax is translated on the way, and old layouts are noted."""

import io
import re
from pathlib import Path
from typing import Any

_LIMIT = 4 << 20  # bytes of a recipe
_OWN = re.compile(r"\s*S\s*[:?]?=")
_OLD_PLACE = re.compile(r"\$\{WORKDIR\}/(sources-unpack|sources|git)\b")


# What could be the old override syntax. Names of today that look like it: tasks, module_conf_NAME, …
_NOT_OLD = (
    r"do_[a-z0-9]+\b[^_]|module_(?:conf|autoload)_|(?:BBFILE|LAYER)[A-Z_]*_[a-z0-9-]+\s*\+?="
    r"|(?:def|inherit|inherit_defer|require|include|addtask|deltask|EXPORT_FUNCTIONS)\s"
)
_PERHAPS_OLD = re.compile(
    r"_(?:append|prepend|remove)(?![a-z0-9])|_\$\{|Var\w*\(\s*f?[\"'][^\"'\n]*_(?![A-Z])"
    r"|^(?!" + _NOT_OLD + r")(?:export\s+|python\s+|fakeroot\s+)*"
    r"[^\s=\[(#]{0,300}_(?![A-Z])[^\s=\[(]{0,300}\s*(?:\[|\(|[?:+.]*=)",
    re.MULTILINE,
)


def surely_new(text: str) -> bool:
    """Whether there is nothing to translate, by a look that takes a hundredth of what loading the translator takes."""
    return _PERHAPS_OLD.search(text) is None


class Reader:
    """Opens the files of a recipe for bb; `notices` are what was replaced, or is spelt otherwise today."""

    def __init__(self, own: str) -> None:
        self.own = own  # our own classes are spelt right
        self.notices: list[dict[str, Any]] = []

    def open(self, name: str, *_arguments: object, **_keywords: object) -> io.StringIO:
        """In place of the built-in: the text, translated."""
        with Path(name).open("rb") as stream:
            data = stream.read(_LIMIT + 1)
        if len(data) > _LIMIT:
            raise OSError(27, f"is larger than {_LIMIT} bytes")
        text = data.decode("utf-8", "replace")
        if name.startswith(self.own):
            return io.StringIO(text)
        if surely_new(text):
            return io.StringIO(text)
        from dlkm.yocto.overrides import translate

        translated, notices = translate(text, Path(name).name)
        for notice in notices:
            self._note(name, notice.line, notice.message.removeprefix(f"{Path(name).name}:{notice.line}: "))
        return io.StringIO(translated)

    def _note(self, name: str, line: int, message: str) -> None:
        entry = {"file": name, "line": line, "message": message}
        if entry not in self.notices:
            self.notices.append(entry)

    def note_old_places(self, name: str, places: dict[str, str]) -> None:
        """Note `${WORKDIR}/sources` and the like where this release has them elsewhere."""
        try:
            lines = Path(name).read_text("utf-8", "replace").splitlines()
        except OSError:
            return
        for number, line in enumerate(lines, 1):
            # Of S itself more is said where it is settled.
            for match in () if _OWN.match(line) else _OLD_PLACE.finditer(line.partition("#")[0]):
                now = places.get(match[1])
                if now is not None:
                    self._note(name, number, f"{match[0]} holds on some releases only: write {now}")


def read_through(reader: Reader) -> None:
    """From now on bb's parsers open files with this reader."""
    import bb.parse

    bb.parse.BBHandler.open = reader.open
    bb.parse.ConfHandler.open = reader.open
