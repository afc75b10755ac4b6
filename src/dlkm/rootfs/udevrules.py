# SPDX-License-Identifier: GPL-2.0-or-later
"""udev's rules of a root filesystem, and what they set for a device whose name and class are known. Runs none of them.

Source: udev(7); systemd src/udev/udev-rules.c. What rests on more than the kernel's name, subsystem and action of a
device (its attributes, programs, imports) no file tells: such a rule leaves open what it would set.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dlkm.rootfs.conffiles import survey
from dlkm.rootfs.root import Root
from dlkm.rootfs.settings import read

RULES_DIRS = ("etc/udev/rules.d", "run/udev/rules.d", "usr/local/lib/udev/rules.d", "usr/lib/udev/rules.d",
              "lib/udev/rules.d")  # fmt: skip
SETTINGS = {"MODE": "mode", "OWNER": "owner", "GROUP": "group", "SYMLINK": "links"}
_TOKEN = re.compile(r'\s*([A-Z_]+)(?:\{([^}]*)\})?\s*(==|!=|\+=|-=|:=|=)\s*([ei]?)"((?:\\.|[^"\\])*)"\s*,?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One part of a rule: KEY{attribute} operator "value"."""

    key: str
    attribute: str
    operator: str
    value: str

    @property
    def matches(self) -> bool:
        """Whether it asks (else it sets)."""
        return self.operator in {"==", "!="}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line; `place` is its file and number."""

    place: str
    tokens: tuple[Token, ...]

    def value(self, key: str) -> str | None:
        """What it sets a key to."""
        return next((token.value for token in self.tokens if token.key == key and not token.matches), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a rule gives a device, and where it stands; `value` None: it may or may not."""

    value: str | None
    place: str


def rules_of(root: Root) -> tuple[Rule, ...]:
    """All rules in the order in which udev reads them; lines that udev would not understand are left out."""
    files = read(survey(root, RULES_DIRS, (".rules",)))
    return tuple(rule for file in files for rule in parse(file.data, file.path))


def parse(data: bytes, path: str) -> Iterator[Rule]:
    """The rules in a file: '#' begins a comment line, a backslash at the end joins lines."""
    text = ""
    first = 0
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        first = first if text else number
        stripped = line.strip()
        if stripped.startswith("#") or (not stripped and not text):
            continue
        text += stripped.removesuffix("\\")
        if not stripped.endswith("\\"):
            tokens = _tokens(text)
            if tokens:
                yield Rule(place=f"{path}:{first}", tokens=tokens)
            text = ""


def settings_for(rules: Sequence[Rule], device: Mapping[str, str]) -> dict[str, tuple[Given, ...]]:
    """What a device is given, by SETTINGS' words: the last of all values, but every link.

    `device` has udev's words for what is known of it: KERNEL, SUBSYSTEM, ACTION.
    """
    found: dict[str, tuple[Given, ...]] = {}
    final: set[str] = set()
    awaited: str | None = None
    certain = True
    for rule in rules:
        label = rule.value("LABEL")
        if awaited is not None and label == awaited:
            awaited, certain = None, True
        fits = _fits(rule, device)
        if (awaited is not None and certain) or fits is False:
            continue
        sure = fits is True and awaited is None
        for token in rule.tokens:
            word = SETTINGS.get(token.key)
            if word is not None and not token.matches and word not in final:
                _give(found, word, token, Given(value=_plain(token, device) if sure else None, place=rule.place))
                if token.operator == ":=" and sure:
                    final.add(word)
        target = rule.value("GOTO")
        if target is not None and awaited is None:
            awaited, certain = target, sure
        elif target is not None and target == awaited and fits is True:
            certain = True  # whichever way it came here, it goes there
    return found


def _give(found: dict[str, tuple[Given, ...]], word: str, token: Token, given: Given) -> None:
    """A value that is sure takes the place of all before it; links are added up."""
    adds = token.operator == "+=" or given.value is None
    found[word] = (*found.get(word, ()), given) if adds else (given,)


def _plain(token: Token, device: Mapping[str, str]) -> str | None:
    """A value without substitutions but that of the kernel's name; None where others are left."""
    value = token.value.replace("$kernel", "%k").replace("%k", device["KERNEL"]).replace('\\"', '"')
    return None if "%" in value or "$" in value else value


def _fits(rule: Rule, device: Mapping[str, str]) -> bool | None:
    """Whether all it asks for holds; None where that cannot be known."""
    answers = [_holds(token, device) for token in rule.tokens if token.matches]
    if False in answers:
        return False
    return None if None in answers else True


def _holds(token: Token, device: Mapping[str, str]) -> bool | None:
    known = device.get(token.key) if not token.attribute else None
    if known is None:
        return None
    fits = any(fnmatchcase(known, pattern) for pattern in token.value.split("|"))
    return fits is (token.operator == "==")


def _tokens(text: str) -> tuple[Token, ...]:
    """The parts of a line; none when it is not made of such parts from end to end."""
    found = []
    place = 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None:
            return ()
        key, attribute, operator, _, value = match.groups()
        found.append(Token(key=key, attribute=attribute or "", operator=operator, value=value))
        place = match.end()
    return tuple(found)
