# SPDX-License-Identifier: GPL-2.0-or-later
"""What a pasted message means: cause, check, fix. Texts are those of messages.toml and explain.toml, none are here."""

import os
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from dlkm.core.data import data_table
from dlkm.core.errnos import errno_names
from dlkm.core.names import is_module_file, module_name, normalise_module_name
from dlkm.verdict.era import rules
from dlkm.verdict.pasted import Reader
from dlkm.verdict.verdict import Finding, Outcome, Severity, Verdict

_OTHER = "errno-other"
_FOREIGN = "errno-foreign"  # an error in words that no English program has
_SHOWN = 8  # symbols named one by one

_WORD, _FREE = r"\S+?", r".*?"
_MODULE = r"(?:\(missing \.modinfo section or name field\)|[^\s:;<>\[\]'`\"]+)"
_CAPTURES = defaultdict(lambda: _WORD, {"module": _MODULE}) | dict.fromkeys(
    ("theirs", "ours", "value", "values", "reason", "licence", "error", "file", "folder", "command", "where", "hash"),
    _FREE,
)
# What else the tables call the module, and what only a running kernel knows.
_SAME = {"name": "module", "early": "module", "mod": "module"}
_PLACES = {"<addr>": r"\S+", "<comm>": r".+?"}
_PIECE = re.compile(r"(\{\w+\}|<addr>|<comm>)")
_BEFORE = re.compile(r"^(?:PKCS7: |Modules: |module: )?(?:(?:module )?\{(?:name|mod|early|module)\}: )?")
_WORDS = 2  # of a text's own without which it could be anything
_ERR = re.compile(r"\(err (-?\d{1,5})\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One cause. `line` is the first line that tells of it, `also` the others; `rule` None: nothing is known of it.

    `subjects` are all the symbols (or sections, parameters) the lines name. `agrees`: whether the verdict on the module
    at hand says the same, None where it was not asked or has no say; `here` is what it says.
    """

    line: str
    also: tuple[str, ...] = ()
    rule: str | None = None
    module: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    subjects: tuple[str, ...] = ()
    notice: bool = False
    cause: str = ""
    check: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    agrees: bool | None = None
    here: str = ""


def explain(
    text: str, *, file: str | None = None, kernel: str | None = None, verdict: Verdict | None = None
) -> tuple[Message, ...]:
    """What each distinct line of a text means, in order; lines that tell of one cause are one message."""
    told = [recognise(line) for line in Reader(_is_known, _begins).logged(text)]
    groups = _combined([one for one in told if one.keys])
    known = {id(one) for group in groups for one in group}
    lone = [[one] for one in told if id(one) not in known]
    order = {id(one): place for place, one in enumerate(told)}
    first = sorted((*groups, *lone), key=lambda group: min(order[id(one)] for one in group))
    return tuple(_message(group, order, file=file, kernel=kernel, verdict=verdict) for group in first)


def _is_known(line: str) -> bool:
    keys = recognise(line).keys
    return bool(keys) and keys != (_OTHER,)


def _begins(line: str) -> bool:
    """Whether it is a message by itself, more than a program's words for an errno."""
    return _is_known(line) and line.rstrip(".").casefold() not in _errors()


# ---- one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A line and what it says. `keys` are the rules whose text it is, the likeliest first; none: not known."""

    line: str
    keys: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    program: bool = False

    @property
    def module(self) -> str | None:
        """The module's name, where the line has one."""
        file = self.values.get("file", "")
        named = self.values.get("module") or (module_name(file) if is_module_file(file) else None)
        return normalise_module_name(named) if named else None

    @property
    def errno(self) -> str | None:
        """The errno that goes with it."""
        return self.values.get("errno")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    keys: tuple[str, ...]
    literal: str
    weight: int
    pattern: re.Pattern[str]
    frame: bool


def recognise(line: str) -> Told:
    """The line as one of the texts that are known; the most specific one counts."""
    for template in _templates():
        match = template.pattern.search(line) if template.literal in line else None
        if match is None:
            continue
        if template.frame:
            return _program(line, match.groupdict())
        number = _ERR.search(line)
        values = match.groupdict() | ({"number": number[1]} if number else {})
        errno = _errno_in(values) or _errno_of(template.keys[0])
        return Told(line=line, keys=template.keys, values=values | ({"errno": errno} if errno else {}))
    return _program(line, {"error": line}) if line.casefold() in _errors() else Told(line=line)


def _program(line: str, values: dict[str, str]) -> Told:
    """A program's line: what it says at its end names the errno."""
    error = values["error"].casefold().rstrip(".")
    key, errno = _errors().get(error, (_OTHER if error.startswith("unknown error") else _FOREIGN, ""))
    return Told(line=line, keys=(key,), values=values | {"errno": errno or "an error"}, program=True)


def _errno_in(values: Mapping[str, str]) -> str | None:
    number = values.get("number", "")
    return errno_names().get(abs(int(number))) if _ERR.fullmatch(f"(err {number})") and number.startswith("-") else None


def _errno_of(key: str) -> str | None:
    told: str | None = _entry(key).get("errno")
    rule = rules().get(key)
    return told or (rule.errno if rule is not None else None)


@cache
def _templates() -> tuple[_Template, ...]:
    """Every text, those with the most words of their own first."""
    keys: dict[str, list[str]] = defaultdict(list)
    for key, template in kernel_texts():
        keys[template].append(key)
    for key, entry in _explained().items():
        for template in entry.get("texts", ()):
            keys[template].append(key)
    for template, names in tuple(keys.items()):
        bare = _BEFORE.sub("", template, count=1)
        if len(_PIECE.sub(" ", bare).split()) >= _WORDS:  # people quote without the name before the colon, too
            keys[bare] += names
    frames = [text for texts in data_table("explain.toml")["frames"].values() for text in texts]
    made = [_template(text, tuple(dict.fromkeys(names)), frame=False) for text, names in keys.items()]
    made += [_template(text, (), frame=True) for text in frames]
    return tuple(sorted(made, key=lambda one: -one.weight))


def kernel_texts() -> Iterator[tuple[str, str]]:
    """Every text of messages.toml with its rule."""
    for key, variants in data_table("messages.toml").items():
        for variant in [variants] if isinstance(variants, dict) else variants:
            for line in variant["lines"]:
                yield key, line


def _template(text: str, keys: tuple[str, ...], *, frame: bool) -> _Template:
    pattern, seen, literals = "", set(), []
    for piece in _PIECE.split(text):
        name = _SAME.get(piece[1:-1], piece[1:-1])
        if piece in _PLACES:
            pattern += _PLACES[piece]
        elif not _PIECE.fullmatch(piece):
            pattern += re.escape(piece)
            literals.append(piece)
        elif name in seen:
            pattern += f"(?P={name})"
        else:
            pattern += f"(?P<{name}>{_CAPTURES[name]})"
            seen.add(name)
    stop = "?" if text.endswith(".") else ""
    whole = re.compile(rf"(?:^|(?<=\s)){pattern}{stop}\s*$")
    longest = max(literals, key=len).removesuffix(".")
    return _Template(keys=keys, literal=longest, weight=sum(map(len, literals)), pattern=whole, frame=frame)


# ---- several lines of one cause


def _combined(told: Sequence[Told]) -> list[list[Told]]:
    """The lines of each cause, the one that tells it first: the kernel's before a program's."""
    groups: list[list[Told]] = []
    for one in sorted(told, key=lambda one: one.program):
        home = next((group for group in groups if _belongs(one, group)), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    return groups


def _belongs(one: Told, group: Sequence[Told]) -> bool:
    first = group[0]
    if None not in {one.module, first.module} and one.module != first.module:
        return False
    if one.program and not first.program:
        return not _entry(first.keys[0]).get("notice") and first.errno == one.errno
    if one.keys[0] == first.keys[0] and _rest(one) == _rest(first):
        return True
    subject = one.values.get("subject")
    return first.keys[0] in one.keys and subject is not None and subject in _subjects(group)


def _rest(one: Told) -> dict[str, str]:
    """What has to be the same in lines that differ in the symbol alone; a program's words may differ."""
    without = {"subject", "file", "module", "error"} if one.program else {"subject"}
    return {name: value for name, value in one.values.items() if name not in without}


def _subjects(group: Iterable[Told]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.values["subject"] for one in group if "subject" in one.values))


# ---- the answer


def _message(
    group: Sequence[Told], order: Mapping[int, int], *, file: str | None, kernel: str | None, verdict: Verdict | None
) -> Message:
    lines = [one.line for one in sorted(group, key=lambda one: order[id(one)])]
    if not group[0].keys:
        return Message(line=lines[0])
    key, entry = group[0].keys[0], _entry(group[0].keys[0])
    values = {name: value for one in reversed(group) for name, value in one.values.items()}
    module = next((one.module for one in group if one.module), None)
    filled = _filled(values, _subjects(group), file=file, kernel=kernel, module=module)
    quoted = _Values({name: shlex.quote(value) for name, value in filled.items()})
    if _subjects(group):
        quoted["subject"] = shlex.quote(_subjects(group)[0])
    message = Message(
        line=lines[0],
        also=tuple(lines[1:]),
        rule=key,
        module=module,
        values=values,
        subjects=_subjects(group),
        notice=entry.get("notice", False),
        cause=entry["cause"].format_map(filled),
        check=tuple(command.format_map(quoted) for command in entry["check"]),
        fix=tuple(step.format_map(filled) for step in entry["fix"]),
    )
    return message if verdict is None or message.notice else _compared(message, group[0], verdict)


class _Values(dict[str, str]):
    """What fills a text; what no line told stands there in capitals."""

    def __missing__(self, name: str) -> str:
        return name.upper()


def _filled(
    values: Mapping[str, str], subjects: Sequence[str], *, file: str | None, kernel: str | None, module: str | None
) -> "_Values":
    """The values of a text: those captured, those given, and place-holders in capitals for the rest."""
    given = values.get("file", "")
    filled = _Values(values)
    filled["module"] = module or "MODULE"
    filled["file"] = file or given or f"{module or 'MODULE'}.ko"
    filled["kernel"] = kernel or "KERNEL"
    if subjects:
        more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
        filled["subject"] = ", ".join(subjects[:_SHOWN]) + more
    if "theirs" in values:
        filled["difference"] = _difference(values["theirs"], values["ours"])
        filled["their_release"] = values["theirs"].partition(" ")[0]
    return filled


def _difference(theirs: str, ours: str) -> str:
    """Where two vermagics part; with symbol versions on both sides the release does not count (same_magic), unless
    nothing else differs: then the module has lost them.
    """
    left, right = theirs.split(), ours.split()
    if "modversions" in left and "modversions" in right and left[1:] != right[1:]:
        left, right = left[1:], right[1:]
    elif "modversions" in left and left[:1] != right[:1]:
        return "only the release differs, which counts for a module that has no symbol versions in it (__versions)"
    alone = [f"{word!r} only in the module's" for word in left if word not in right]
    alone += [f"{word!r} only in the kernel's" for word in right if word not in left]
    return ", ".join(alone) or "the words are the same, their order or the blanks are not"


def _compared(message: Message, told: Told, verdict: Verdict) -> Message:
    """The message beside the verdict on the module at hand."""
    if message.module is not None and message.module != normalise_module_name(verdict.module):
        return replace(message, here=f"the message is about {message.module}, the file at hand is {verdict.module}")
    if verdict.outcome is Outcome.CANNOT_TELL:
        return replace(message, here="the files at hand do not tell whether this happens: see dlkm check")
    if told.program:
        agrees = verdict.errno is not None and verdict.errno == told.errno
    else:
        predicted = {(one.keys, one.values.get("subject")) for one in map(recognise, verdict.log)}
        agrees = (told.keys, told.values.get("subject")) in predicted
    if not agrees:
        return replace(message, agrees=False, here=_other(verdict))
    finding = _finding(told, verdict.findings)
    if finding is None:
        return replace(message, agrees=True)
    # "build it for this kernel" is what most of the fixes say already, with the kernel's name in it
    repeated = "dlkm build" in finding.hint and any("dlkm build" in step for step in message.fix)
    fix = (finding.hint, *message.fix) if finding.hint and not repeated else message.fix
    return replace(message, agrees=True, here=finding.message, fix=fix)


def _other(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.LOADS:
        return "this file should load on this kernel: was it another file, or another kernel?"
    said = verdict.log[0] if verdict.log else "no line at all"
    return f"this kernel should refuse this file in another way: {verdict.errno}, with {said!r}"


def _finding(told: Told, findings: Iterable[Finding]) -> Finding | None:
    """The finding that the line is about; for a program's line the one that decides."""
    errors = [one for one in findings if one.severity is Severity.ERROR and not one.masked]
    names = {key.partition("/")[0] for key in told.keys}
    return next((one for one in errors if told.program or one.rule in names), None)


# ---- the tables


@cache
def _explained() -> dict[str, dict[str, Any]]:
    """What explain.toml says, by its own names."""
    return {key: entry for key, entry in data_table("explain.toml").items() if key != "frames"}


@cache
def _by_rule() -> dict[str, dict[str, Any]]:
    return {rule: entry for key, entry in _explained().items() for rule in entry.get("rules", (key,))}


@cache
def _entry(key: str) -> dict[str, Any]:
    """What is said of a rule: by its own name, by that of the rule it is a case of, or what the rule says itself."""
    known = _by_rule().get(key) or _explained().get(key) or _by_rule().get(key.partition("/")[0])
    if known is not None:
        return known
    rule = rules()[key]
    return {"cause": rule.message, "check": ["dlkm check {file} -k {kernel}"], "fix": [rule.hint] if rule.hint else []}


@cache
def _errors() -> dict[str, tuple[str, str]]:
    """Entry and errno by what a program says: the system's own words, and those that programs put in their place."""
    system = {os.strerror(number).casefold(): name for number, name in reversed(errno_names().items()) if number < 512}
    known = {text: (f"errno-{name}", name) for text, name in system.items()}
    found = {text: (key if key in _explained() else _OTHER, name) for text, (key, name) in known.items()}
    for key, entry in _explained().items():
        for text in entry.get("errors", ()):
            found[text.casefold()] = (key, entry.get("errno", key.removeprefix("errno-")))
    return found
