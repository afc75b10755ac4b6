# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a symbol went that nobody gives: as far as files tell. Decides nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.names import is_module_file, module_name
from dlkm.kernel.config import Config
from dlkm.kernel.symvers import KernelSymbol
from dlkm.ko.module import read_module
from dlkm.verdict.case import Case, Trip
from dlkm.verdict.namespaces import PREFIX
from dlkm.verdict.supply import near_name
from dlkm.verdict.why import Family, Telling, family_of, listed, message_of, renamed, text, to_build_for

_TRACED = 32  # symbols looked for one by one
_NEAR = 8  # of which near names are looked for, which takes a while
_IMPORTS = ("MODULE_IMPORT_NS({});", 'MODULE_IMPORT_NS("{}");')  # before and since 6.13 (include/linux/module.h)
_BESIDE = 64  # files in the module's directory that are read


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    """What was found out of one symbol. `specific`: it speaks of this symbol alone."""

    cause: str
    do: str


def nobody_gives(case: Case, trips: Sequence[Trip]) -> Iterator[Telling]:
    """Symbols that are missing for one cause are one telling."""
    names = list(dict.fromkeys(trip.subject for trip in trips))
    search = _Search(case, names)
    grouped: dict[_Where, list[Trip]] = {}
    for trip in trips:
        grouped.setdefault(search.where(trip.subject), []).append(trip)
    for where, same in grouped.items():
        yield Telling(message=f"{message_of(same)}: {where.cause}", hint=where.do)


def gpl_only(case: Case, trips: Sequence[Trip]) -> Iterator[Telling]:
    """With the kernels that give it to everybody: there it became so only since."""
    names = list(dict.fromkeys(trip.subject for trip in trips))[:_TRACED]
    others = case.supply.others
    rows = others.rows(names, case.facts.kernel) if others is not None else {}
    free = [{kernel for kernel, row in givers.items() if not row.gpl} for givers in rows.values()]
    kernels = sorted(set.intersection(*free)) if free else []
    message = message_of(trips)
    if kernels:
        message += f"; {text('gpl-now', kernels=listed(kernels), gives='gives' if len(kernels) == 1 else 'give')}"
    yield Telling(message=message, hint=trips[0].hint)


def not_imported(case: Case, trips: Sequence[Trip]) -> Iterator[Telling]:
    """What to import, in the way this kernel's headers take it."""
    names = list(dict.fromkeys(str(trip.values["namespace"]) for trip in trips))
    closed = [name for name in names if name.startswith(PREFIX)]
    spaces = [name for name in names if name not in closed]
    word, string = (" ".join(form.format(name) for name in spaces) for form in _IMPORTS)
    hints = [text("import-closed", namespace=name) for name in closed]
    if spaces and "string-namespaces" in case.era.features:
        hints.append(text("import-string", lines=string, other=word))
    elif spaces:
        hints.append(text("import-word", lines=word, other=string))
    yield Telling(message=message_of(trips), hint="; ".join(hints))


class _Search:
    """The questions asked for each symbol, the surest answer first."""

    def __init__(self, case: Case, names: Sequence[str]) -> None:
        self.case = case
        self.kernel = case.facts.kernel
        self.traced = frozenset(names[:_TRACED])
        self.near = frozenset(names[:_NEAR])
        others = case.supply.others
        self.elsewhere: Mapping[str, Mapping[str, KernelSymbol]] = (
            others.rows(self.traced, self.kernel) if others is not None else {}
        )
        self.beside = _exports_beside(case, self.traced)
        self.absent = tuple(_absent_depends(case))

    def where(self, symbol: str) -> _Where:
        """Where one symbol went."""
        asked = (
            self._beside,
            self._compiler,
            self._renamed,
            self._option_off,
            self._depends,
            self._elsewhere,
            self._near,
            self._option,
        )
        found = (question(symbol) for question in asked) if symbol in self.traced else iter(())
        return next((one for one in found if one is not None), self._nowhere())

    def _say(self, key: str, do: str = "", **values: object) -> _Where:
        values = {"kernel": to_build_for(self.kernel), "mod": self.case.struct_name, **values}
        return _Where(cause=text(key, **values), do=text(do or f"{key}-do", **values))

    def _beside(self, symbol: str) -> _Where | None:
        path = self.beside.get(symbol)
        return None if path is None else self._say("beside", owner=module_name(path.name), file=path)

    def _compiler(self, symbol: str) -> _Where | None:
        family = family_of(symbol)
        if family is None or not family.made_by_compiler:
            return None
        return self._family(family, off="compiler-off", unknown="compiler", unknown_do="compiler-off-do")

    def _option_off(self, symbol: str) -> _Where | None:
        return self._option(symbol) if self.kernel.config else None

    def _option(self, symbol: str) -> _Where | None:
        family = family_of(symbol)
        if family is None or family.made_by_compiler:
            return None
        return self._family(family, off="option-off", unknown="option", unknown_do="option-do")

    def _family(self, family: Family, *, off: str, unknown: str, unknown_do: str) -> _Where | None:
        config: Config = self.kernel.config
        if any(config.get(option) is not None for option in family.options):
            return None
        values = {"why": family.why, "option": family.options[0]}
        return self._say(off, **values) if config else self._say(unknown, unknown_do, **values)

    def _renamed(self, symbol: str) -> _Where | None:
        entry = renamed(symbol)
        if entry is None or self.kernel.version < entry.since:
            return None
        since = f"{entry.since.major}.{entry.since.minor}"
        return self._say("renamed", since=since, now=entry.now)

    def _elsewhere(self, symbol: str) -> _Where | None:
        kernels = sorted(self.elsewhere.get(symbol, {}))
        if not kernels:
            return None
        near = self._near_name(symbol)
        values = {"kernels": listed(kernels), "has": "has" if len(kernels) == 1 else "have", "first": kernels[0]}
        if near is None:
            return self._say("elsewhere", "elsewhere-only", **values)
        return self._say("elsewhere", near=text("near", near=near), **values)

    def _near(self, symbol: str) -> _Where | None:
        near = self._near_name(symbol)
        return None if near is None else self._say("near", near=near)

    def _near_name(self, symbol: str) -> str | None:
        return near_name(symbol, self.case.facts.exports) if symbol in self.near else None

    def _depends(self, _symbol: str) -> _Where | None:
        return self._say("depends", owner=listed(self.absent)) if self.absent else None

    def _nowhere(self) -> _Where:
        return self._say("nowhere")


def _exports_beside(case: Case, symbols: frozenset[str]) -> dict[str, Path]:
    """Files in the module's own directory that export one of these symbols; few are read."""
    try:
        files = sorted(path for path in case.candidate.path.parent.iterdir() if is_module_file(path.name))
    except OSError:
        return {}
    named = case.candidate.depends
    files.sort(key=lambda path: module_name(path.name) not in named)
    found: dict[str, Path] = {}
    for path in files[:_BESIDE]:
        if path == case.candidate.path or module_name(path.name) == case.struct_name:
            continue
        try:
            names = {export.name for export in read_module(path).exports}
        except DlkmError:
            continue
        for symbol in symbols & names:
            found.setdefault(symbol, path)
    return found


def _absent_depends(case: Case) -> Iterator[str]:
    """Modules that `depends=` names and that are nowhere."""
    installed = case.facts.installed
    for wanted in case.candidate.depends:
        there = wanted in case.facts.builtin or (installed is not None and installed.find(wanted) is not None)
        if not there and not case.supply.has(wanted):
            yield wanted
