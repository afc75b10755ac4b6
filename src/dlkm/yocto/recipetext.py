# SPDX-License-Identifier: GPL-2.0-or-later
"""A recipe as its text tells: statements with those of its includes, unconditional values, sources found beside it.

What only an evaluation tells (inline python, overrides of a machine) stays as it is written. Judges nothing.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dlkm.core.errors import DlkmError, MalformedError, UsageError
from dlkm.core.files import open_regular
from dlkm.source.makefile import Makefile, read_makefile
from dlkm.yocto.overrides import OPERATORS, translate
from dlkm.yocto.statements import Kind, Statement, read_statements

LIMIT = 1 << 20  # bytes of a recipe
_INCLUDES = 32  # files that a recipe may bring in
_SOURCES = 300  # entries of SRC_URI that are looked at
_LONGEST = 64 << 10  # characters of a value
_REFERENCE = re.compile(r"\$\{([^{}@$]+)\}")
_PYTHON = re.compile(r"\$\{@(?:\{[^{}]*\}|[^{}])*\}")
_INCLUDE = frozenset({"require", "include", "include_all"})
_SEARCHED = 64  # directories below FILESPATH that overrides may name
# bitbake.conf, as far as a text needs it to compare paths.
_PLACES = {
    "BPN": "${PN}",
    "P": "${PN}-${PV}",
    "BP": "${BPN}-${PV}",
    "B": "${S}",
    "base_prefix": "",
    "prefix": "/usr",
    "exec_prefix": "/usr",
    "sysconfdir": "/etc",
    "base_libdir": "/lib",
    "nonarch_base_libdir": "/lib",
    "libdir": "/lib",
    "nonarch_libdir": "/lib",
    "bindir": "/usr/bin",
    "sbindir": "/usr/sbin",
    "base_bindir": "/bin",
    "base_sbindir": "/sbin",
    "datadir": "/usr/share",
    "docdir": "/usr/share/doc",
    "mandir": "/usr/share/man",
    "includedir": "/usr/include",
    "localstatedir": "/var",
    "libexecdir": "/usr/libexec",
    "systemd_unitdir": "/lib/systemd",
    "systemd_system_unitdir": "/lib/systemd/system",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One entry of SRC_URI as written: `url` without its parameters. `line` is the statement's in this recipe, or 0."""

    url: str
    parameters: dict[str, str] = field(default_factory=dict)
    line: int = 0

    @property
    def scheme(self) -> str:
        """`file`, `git`, `https` …"""
        return self.url.partition("://")[0]

    @property
    def path(self) -> str:
        """What follows `://`."""
        return self.url.partition("://")[2]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe's text. `own` are its statements in today's spelling, `every` those and its includes' in order.

    `complete`: each file that it requires or includes was found beside it.
    """

    path: Path
    text: str
    own: tuple[Statement, ...]
    every: tuple[Statement, ...]
    complete: bool

    @cached_property
    def name(self) -> str:
        """PN, from the file's name."""
        return self.path.name.rsplit(".", 1)[0].split("_", 1)[0]

    @property
    def appends(self) -> bool:
        """Whether it is a .bbappend or an include file, which need not be whole."""
        return self.path.suffix != ".bb"

    @cached_property
    def classes(self) -> frozenset[str]:
        """The classes that it and its includes inherit, as far as they are named."""
        inherits = (one for one in self.every if one.kind is Kind.DIRECTIVE and one.name.startswith("inherit"))
        return frozenset(word.rsplit("/", 1)[-1] for one in inherits for word in one.value.split())

    def assignments(self, name: str, *, conditional: bool = True) -> tuple[Statement, ...]:
        """Its own statements that set a variable; also those under overrides when `conditional`."""
        return tuple(
            one for one in self.own if one.kind is Kind.ASSIGNMENT and _is_about(one, name, conditional=conditional)
        )

    def value(self, name: str) -> str:
        """The value without any override but `:append` and its like, expanded as far as the text tells; "" if unset."""
        return self.expand("${" + name + "}") if name in self._values or name in _PLACES else ""

    def words(self, name: str) -> tuple[str, ...]:
        """The value's words."""
        return tuple(self.value(name).split())

    def mentions(self, name: str) -> str:
        """All that is ever assigned to a variable, under any override, expanded."""
        about = (one for one in self.every if one.kind is Kind.ASSIGNMENT and _is_about(one, name, conditional=True))
        return self.expand(" ".join(one.value for one in about))

    def sets(self, name: str) -> bool:
        """Whether it or an include sets a variable, to nothing perhaps, under any override."""
        return any(one.kind is Kind.ASSIGNMENT and _is_about(one, name, conditional=True) for one in self.every)

    def split(self, text: str) -> tuple[str, ...]:
        """The words of a value, expanded; inline python, whose words the text does not tell, is one word: `$`."""
        return tuple(_PYTHON.sub(" $ ", self.expand(text)).split())

    def expand(self, text: str) -> str:
        """References replaced by what the text tells; `${@…}` and unknown names stay."""
        for _pass in range(20):
            changed = self._once(text)
            if changed in {text, ""}:
                break
            text = changed
        return text

    def _once(self, text: str) -> str:
        """Each reference replaced once; "" when the result would be out of proportion."""
        parts, length, start = list[str](), 0, 0
        for match in _REFERENCE.finditer(text):
            parts += (text[start : match.start()], self._values.get(match[1], match[0]))
            length += len(parts[-1]) + len(parts[-2])
            start = match.end()
            if length > _LONGEST:
                return ""
        return "".join([*parts, text[start:]])

    @cached_property
    def _values(self) -> dict[str, str]:
        version = self.path.name.rsplit(".", 1)[0].split("_", 1)[1:]
        values = _PLACES | {"PN": self.name, "PV": (version or ["1.0"])[0], "THISDIR": str(self.path.parent.absolute())}
        later: list[Statement] = []
        for one in self.every:
            base, *overrides = one.name.split(":")
            if one.kind is not Kind.ASSIGNMENT or one.flag:
                continue
            if not overrides:
                values[base] = _combined(values.get(base), one.operator, one.value)[:_LONGEST]
            elif len(overrides) == 1 and overrides[0] in OPERATORS:
                later.append(one)
        for one in later:
            base, operator = one.name.split(":")
            values[base] = _applied(values.get(base, ""), operator, one.value)[:_LONGEST]
        return values

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """All entries of SRC_URI, those under overrides too."""
        found: list[Source] = []
        own = {id(one) for one in self.own}
        for one in self.every:
            if one.kind is Kind.ASSIGNMENT and not one.flag and one.name.split(":")[0] == "SRC_URI":
                line = one.line if id(one) in own else 0
                if not one.name.endswith(":remove"):
                    found += (_source(word, line) for word in self.split(one.value) if "://" in word)
                if len(found) > _SOURCES:
                    break
        return tuple(found[:_SOURCES])

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Its physical lines."""
        return tuple(self.text.split("\n"))

    def find(self, name: str) -> Path | None:
        """The file or directory beside the recipe that `file://NAME` takes; None when there is none."""
        if name.startswith("/") or ".." in name.split("/") or "\0" in name or "$" in name:
            return None
        return next((folder / name for folder in self._searched if _exists(folder / name)), None)

    @cached_property
    def _searched(self) -> tuple[Path, ...]:
        """FILESPATH: FILESEXTRAPATHS, then the three usual directories; each also with the overrides below it."""
        extra = (part for part in self.mentions("FILESEXTRAPATHS").split(":") if part.startswith("/"))
        here = self.path.parent
        usual = (f"{self.name}-{self.value('PV')}", self.name, "files")
        folders = [Path(part) for part in extra] + [here / part for part in usual if "/" not in part]
        found: list[Path] = []
        for folder in folders:
            below = sorted(path for path in folder.iterdir() if path.is_dir()) if _is_dir(folder) else []
            found += [*below[:_SEARCHED], folder]
        return tuple(found)

    @cached_property
    def makefiles(self) -> tuple[Makefile, ...]:
        """The Makefiles and Kbuild files that SRC_URI takes from beside the recipe, also in directories."""
        local = [source.path for source in self.sources if source.scheme == "file"]
        built = self._built_in()
        # Where B is a directory of the sources, the Makefile there is the one that counts.
        names = [built] if built and built.split("/")[0] in {path.split("/")[0] for path in local} else local
        found = [path for name in names for path in self._makefiles_in(name)]
        return tuple(read_makefile(path, path.parent) for path in dict.fromkeys(found))

    def _built_in(self) -> str:
        """B below S, as far as the text tells; "" for S itself."""
        source, build = self.value("S"), self.value("B")
        below = build.removeprefix(f"{source}/") if source and build.startswith(f"{source}/") else ""
        return "" if "$" in below else below.strip("/")

    def _makefiles_in(self, name: str) -> Iterator[Path]:
        path = self.find(name.rstrip("/"))
        if path is None:
            return
        names = ("Makefile", "makefile", "GNUmakefile", "Kbuild")
        if path.name in names and path.is_file():
            yield path
        elif path.is_dir():
            yield from (path / name for name in names if (path / name).is_file())

    @cached_property
    def modules(self) -> frozenset[str] | None:
        """The names of the .ko files that are built, as their files are called; None when the text does not tell."""
        if any(source.scheme != "file" for source in self.sources) or not self.makefiles:
            return None
        lines = (line.text for makefile in self.makefiles for line in makefile.lines if not line.recipe)
        objects = [match[1] for line in lines if (match := re.match(r"\s*obj-(?:m|\$[({]\w+[)}])\s*[:+?]?=(.*)", line))]
        words = [word for text in objects for word in text.split()]
        if not words or any(not re.fullmatch(r"[\w./+-]+\.o", word) for word in words):
            return None
        return frozenset(word.rsplit("/", 1)[-1].removesuffix(".o") for word in words)


def read_recipe(path: Path, text: str | None = None) -> Recipe:
    """The recipe in a file (.bb, .bbappend, .inc), or `text` as if it stood there.

    UsageError when there is no such file, MalformedError when it is too large or no text.
    """
    own_text = _read(path) if text is None else text
    own = _statements(own_text, path)
    every, complete = _with_includes(path, own)
    return Recipe(path=path, text=own_text, own=own, every=every, complete=complete)


def _read(path: Path) -> str:
    with open_regular(path) as stream:
        data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise MalformedError(f"{path}: more than {LIMIT >> 20} MiB: no recipe")
    if b"\0" in data:
        raise MalformedError(f"{path}: holds NUL bytes: no recipe", offset=data.index(b"\0"))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path}: is no UTF-8 text", offset=error.start) from error


def _statements(text: str, path: Path) -> tuple[Statement, ...]:
    return read_statements(translate(text, path.name)[0])


def _with_includes(path: Path, own: tuple[Statement, ...]) -> tuple[tuple[Statement, ...], bool]:
    found: list[Statement] = []
    complete, seen, waiting = True, {path}, deque(own)
    name = path.name.rsplit(".", 1)[0].split("_", 1)[0]
    while waiting:
        one = waiting.popleft()
        found.append(one)
        if one.kind is not Kind.DIRECTIVE or one.name not in _INCLUDE:
            continue
        for word in one.value.split():
            file = path.parent / re.sub(r"\$\{B?PN\}", name, word)
            if "$" in str(file) or not _exists(file) or len(seen) > _INCLUDES:
                complete = False
            elif file not in seen:
                seen.add(file)
                waiting.extendleft(reversed(_included(file)))
    return tuple(found), complete


def _included(file: Path) -> tuple[Statement, ...]:
    try:
        return _statements(_read(file), file)
    except DlkmError as error:
        raise UsageError(error.what) from error


def _is_about(one: Statement, name: str, *, conditional: bool) -> bool:
    base, *overrides = one.name.split(":")
    return base == name and not one.flag and (conditional or not set(overrides) - OPERATORS)


def _combined(before: str | None, operator: str, value: str) -> str:
    match operator:
        case "?=" | "??=":
            return value if before is None else before
        case "+=":
            return value if before is None else f"{before} {value}"
        case "=+":
            return value if before is None else f"{value} {before}"
        case ".=":
            return (before or "") + value
        case "=.":
            return value + (before or "")
        case _:
            return value


def _applied(before: str, operator: str, value: str) -> str:
    if operator == "remove":
        return " ".join(word for word in before.split() if word not in value.split())
    return before + value if operator == "append" else value + before


def _source(word: str, line: int) -> Source:
    url, *parameters = word.split(";")
    pairs = (part.partition("=") for part in parameters)
    return Source(url=url, parameters={key: value for key, _equals, value in pairs if key}, line=line)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
