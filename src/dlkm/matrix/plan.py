# SPDX-License-Identifier: GPL-2.0-or-later
"""From sources, kernels, the project file and flags to cells with their settings. Pure: looks at no file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from dlkm.core.errors import NothingSelectedError
from dlkm.kernel.kernel import Kernel
from dlkm.matrix.declaration import Declared, GuestTestTable, Settings, Step
from dlkm.matrix.selector import Selector
from dlkm.matrix.sources import Source

if TYPE_CHECKING:
    from dlkm.matrix.reader import ProjectFile

Value_co = TypeVar("Value_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Stated(Generic[Value_co]):
    """A setting's value, and where it was said: "dlkm.toml:12", "--var"."""

    value: Value_co
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSetting:
    """What holds for a whole run, for people: "output", its value, and where it was said."""

    name: str
    value: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSettings:
    """What holds for a cell once the cascade has come to its end; `targets` None: the default goal."""

    variables: Mapping[str, Stated[str]] = field(default_factory=dict)
    targets: Stated[tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Why a cell is expected to fail. `strict`: if it does not, that counts as a failure."""

    reason: str
    strict: bool
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedKernel:
    """A kernel, and the numbers of the project file's entries that name it."""

    kernel: Kernel
    entries: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """One source for one kernel. `failures` says which steps are expected to fail."""

    id: str
    source: Source
    kernel: Kernel
    settings: CellSettings
    failures: Mapping[Step, Expected] = field(default_factory=dict)
    tests: tuple[GuestTestTable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A cell that is not built, and the selector that says so."""

    id: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The cells of a run, sources outermost, and what was left out. `warnings` are for the user."""

    cells: tuple[PlannedCell, ...]
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line says; it wins over the file."""

    variables: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


def plan(
    sources: Sequence[Source], kernels: Sequence[PlannedKernel], flags: Flags, file: "ProjectFile | None" = None
) -> Plan:
    """Every cell that include and `--only` choose and neither exclude nor `--skip` does.

    NothingSelectedError when a selector that includes chooses nothing, or nothing is left.
    """
    return _Planner(sources, kernels, flags, file).plan()


class _Planner:
    """One run of the planner: the project's own words are held against all cells, the flags' against what is left."""

    def __init__(
        self, sources: Sequence[Source], kernels: Sequence[PlannedKernel], flags: Flags, file: "ProjectFile | None"
    ) -> None:
        self._flags = flags
        self._file = file
        self._declared = file.declared if file is not None else Declared()
        self._cells = {f"{source.name}@{one.kernel.id}": (source, one) for source in sources for one in kernels}
        self._left_out: dict[str, str] = {}
        self._warnings: list[str] = []
        self._settled: dict[tuple[tuple[int, ...], ...], CellSettings] = {}

    def plan(self) -> Plan:
        everything = list(self._cells)
        chosen = self._chosen(everything)
        overrides = self._by_cell("overrides", [one.select for one in self._declared.overrides])
        failures = self._by_cell("expected-failures", [one.select for one in self._declared.expected_failures])
        tests = self._by_cell("tests", [one.select for one in self._declared.tests])
        cells = tuple(
            self._cell(cell, overrides.get(cell, ()), failures.get(cell, ()), tests.get(cell, ())) for cell in chosen
        )
        return Plan(
            cells=cells,
            left_out=tuple(LeftOut(id=cell, why=self._left_out[cell]) for cell in everything if cell in self._left_out),
            warnings=tuple(self._warnings),
        )

    def _chosen(self, cells: list[str]) -> list[str]:
        declared, flags = self._declared, self._flags
        cells = self._included(cells, [self._selector("include", n, text) for n, text in enumerate(declared.include)])
        cells = self._excluded(cells, [self._selector("exclude", n, text) for n, text in enumerate(declared.exclude)])
        cells = self._included(cells, [Selector(text, "--only") for text in flags.only])
        cells = self._excluded(cells, [Selector(text, "--skip") for text in flags.skip])
        if not cells:
            raise NothingSelectedError("no cell is left", hint="dlkm matrix -v shows which there are")
        return cells

    def _included(self, cells: list[str], selectors: Sequence[Selector]) -> list[str]:
        if not selectors:
            return cells
        chosen: set[str] = set()
        for selector in selectors:
            found = set(filter(selector, cells))
            if not found:
                raise self._nothing(selector)
            chosen |= found
        self._leave_out((cell for cell in cells if cell not in chosen), "what is included")
        return [cell for cell in cells if cell in chosen]

    def _nothing(self, selector: Selector) -> NothingSelectedError:
        """With what a user may have meant."""
        import difflib

        gone = next(filter(selector, self._left_out), None)
        if gone is not None:
            return NothingSelectedError(f"{selector} chooses only cells that are left out by {self._left_out[gone]}")
        known = {part for cell in self._cells for part in (cell, *cell.split("@", 1))}
        close = difflib.get_close_matches(selector.text, sorted(known), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "dlkm matrix lists the cells"
        return NothingSelectedError(f"{selector} chooses no cell", hint=hint)

    def _excluded(self, cells: list[str], selectors: Sequence[Selector]) -> list[str]:
        for selector in selectors:
            found = set(filter(selector, cells))
            if not found and not any(map(selector, self._left_out)):
                self._warnings.append(f"{selector} chooses no cell, so it leaves none out")
            self._leave_out(found, str(selector))
            cells = [cell for cell in cells if cell not in found] if found else cells
        return cells

    def _leave_out(self, cells: Iterable[str], why: str) -> None:
        self._left_out |= dict.fromkeys(cells, why)

    def _by_cell(self, key: str, selects: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """For each cell the numbers of the tables that choose it; a table that chooses none is worth a word."""
        found: dict[str, tuple[int, ...]] = {}
        for number, text in enumerate(selects):
            selector = self._selector(key, number, text)
            chosen = list(filter(selector, self._cells))
            if not chosen:
                self._warnings.append(f"{selector} chooses no cell, so it is of no effect")
            for cell in chosen:
                found[cell] = (*found.get(cell, ()), number)
        return found

    def _selector(self, key: str, number: int, text: str) -> Selector:
        return Selector(text, self._where(key, number))

    def _where(self, *place: str | int) -> str:
        return self._file.where(*place) if self._file is not None else ""

    def _cell(
        self, cell: str, overrides: tuple[int, ...], failures: tuple[int, ...], tests: tuple[int, ...]
    ) -> PlannedCell:
        source, kernel = self._cells[cell]
        key = (kernel.entries, source.entries, overrides)
        if key not in self._settled:
            self._settled[key] = self._settings(kernel.entries, source.entries, overrides)
        return PlannedCell(
            id=cell,
            source=source,
            kernel=kernel.kernel,
            settings=self._settled[key],
            failures=self._expected(failures),
            tests=tuple(self._declared.tests[number] for number in tests),
        )

    def _expected(self, failures: tuple[int, ...]) -> Mapping[Step, Expected]:
        """Of several tables for one step the first counts."""
        found: dict[Step, Expected] = {}
        for number in failures:
            table = self._declared.expected_failures[number]
            where = self._where("expected-failures", number)
            found.setdefault(table.step, Expected(reason=table.reason, strict=table.strict, where=where))
        return found

    def _settings(self, kernels: tuple[int, ...], sources: tuple[int, ...], overrides: tuple[int, ...]) -> CellSettings:
        """The cascade, the weakest first."""
        variables: dict[str, Stated[str]] = {}
        targets: Stated[tuple[str, ...]] | None = None
        for place, level in self._levels(kernels, sources, overrides):
            for name, value in level.variables.items():
                variables[name] = Stated(value, self._where(*place, "variables", name))
            if level.targets is not None:
                targets = Stated(level.targets, self._where(*place, "targets"))
        variables |= {name: Stated(value, "--var") for name, value in self._flags.variables.items()}
        if self._flags.targets:
            targets = Stated(self._flags.targets, "--target")
        return CellSettings(variables=variables, targets=targets)

    def _levels(
        self, kernels: tuple[int, ...], sources: tuple[int, ...], overrides: tuple[int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], Settings]]:
        declared = self._declared
        yield (), declared
        yield from ((("kernels", number), declared.kernels[number]) for number in kernels)
        if self._file is not None:  # the entries of sources that only the command line names are none of a file's
            yield from ((("sources", number), declared.sources[number]) for number in sources)
        yield from ((("overrides", number), declared.overrides[number]) for number in overrides)
