# SPDX-License-Identifier: GPL-2.0-or-later
"""A case of the judge: what is loaded, under which conditions, on which kernels; a pair trips a rule and just not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from dlkm.kernel.kernel import Kernel
from dlkm.verdict.era import era_of
from tests.judge.shop import Maker, built

# The kernel's command line by a word for it.
CONDITIONS = {
    "plain": "",
    "enforced": "module.sig_enforce=1",
    "locked": "lockdown=integrity",
    "listed": "module_blacklist=other,judge",
}


class Tells(StrEnum):
    """Whether files foretell a load."""

    ALWAYS = "always"
    PERHAPS = "perhaps"  # on some kernels they do not
    NOT = "not"


@dataclass(frozen=True, kw_only=True)
class Where:
    """The kernels that a case is for: from `since` on, before `until`, with a `feature` or `step` of eras.toml.

    `option` is one that their configuration has, `lacks` one that it has not; without one at hand it has all.
    """

    arch: str = ""
    feature: str = ""
    step: str = ""
    option: str = ""
    lacks: str = ""
    since: tuple[int, ...] = (0,)
    until: tuple[int, ...] = (9999,)

    def holds(self, kernel: Kernel) -> bool:
        """Whether it is for that kernel."""
        era = era_of(kernel)
        on = kernel.config.on if kernel.config else bool
        configured = (not self.option or on(self.option)) and not (self.lacks and on(self.lacks))
        featured = self.feature in {"", *era.features} and self.step in {"", *era.checks}
        return (
            configured and featured and self.arch in {"", kernel.arch.name} and self.since <= era.version < self.until
        )


@dataclass(frozen=True, kw_only=True)
class Load:
    """One load. `files` by module name, in their order; the last is the one asked about.

    `hidden` are installed modules that the prediction must take for missing. `loaded` is told to the prediction,
    and that no keys are enrolled unless `keys_unknown`.
    """

    files: tuple[tuple[str, Maker], ...]
    params: tuple[str, ...] = ()
    loaded: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    keys_unknown: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """A load with what is expected of its prediction: `rule` is among the findings that decide (`trips`), or in none.

    `rule` "" expects nothing but agreement. Where files do not tell, nothing is predicted, so nothing contradicted.
    """

    rule: str
    label: str
    load: Load
    trips: bool
    where: Where = field(default_factory=Where)
    condition: str = "plain"
    tells: Tells = Tells.ALWAYS

    @property
    def id(self) -> str:
        """A name that tells it from all others."""
        return f"{self.rule or 'also'}:{self.label}:{'trips' if self.trips else 'just not'}"


def load(maker: Maker, *before: tuple[str, Maker], name: str = "judge", **more: object) -> Load:
    """A load of one module of ours after others."""
    return Load(files=(*before, (name, maker)), **more)  # type: ignore[arg-type]


AS_IT_IS = load(built())


def pair(
    rule: str,
    bad: Load | Maker,
    good: Load | Maker = AS_IT_IS,
    *,
    label: str = "",
    where: Where | None = None,
    condition: str = "plain",
    tells: Tells = Tells.ALWAYS,
) -> Iterable[Case]:
    """One case that trips a rule, and one that just does not."""
    loads = [one if isinstance(one, Load) else load(one) for one in (bad, good)]
    for trips, one in zip((True, False), loads, strict=True):
        yield Case(
            rule=rule,
            label=label,
            load=one,
            trips=trips,
            where=where or Where(),
            condition=condition,
            tells=tells if trips else Tells.ALWAYS,
        )


def also(
    label: str,
    one: Load | Maker,
    *,
    where: Where | None = None,
    condition: str = "plain",
    tells: Tells = Tells.ALWAYS,
) -> Case:
    """A load of which nothing is expected but that the prediction is right."""
    wanted = one if isinstance(one, Load) else load(one)
    return Case(
        rule="", label=label, load=wanted, trips=False, where=where or Where(), condition=condition, tells=tells
    )
