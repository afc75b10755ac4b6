# SPDX-License-Identifier: GPL-2.0-or-later
"""What a rule is given, and what it may answer: a case, and trips. Knows no rule by name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dlkm.core.errors import MalformedError
from dlkm.kernel.facts import Facts
from dlkm.verdict.candidate import NO_NAME, Candidate
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import Era, rules
from dlkm.verdict.supply import Supply
from dlkm.verdict.trust import Answer, trust_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A rule that applies. `severity` is that of rules.toml: error, unsure, warning or note.

    `errno` and `lines` are what the kernel returns and logs; `subject` is what one of many trips of a rule is about
    (a symbol, a section).
    """

    rule: str
    severity: str
    errno: str | None
    lines: tuple[str, ...]
    message: str
    hint: str
    subject: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One file before one kernel: all that a rule may look at."""

    candidate: Candidate
    facts: Facts
    conditions: Conditions
    era: Era
    supply: Supply

    def trip(self, rule: str, *, errno: str | None = None, subject: str = "", **values: object) -> Trip:
        """The answer of a rule: its texts from the tables with `values` filled in; `errno` overrides the table's."""
        entry = rules()[rule]
        filled = {
            "name": self.log_name,
            "early": self.early_name,
            "mod": self.struct_name,
            "subject": subject,
            **values,
        }
        code = errno or entry.errno
        return Trip(
            rule=rule,
            severity=entry.severity,
            errno=code,
            lines=tuple(line.format_map(filled) for line in self.era.message(rule)),
            message=entry.message.format_map(filled),
            hint=entry.hint.format_map(filled),
            subject=subject,
            values=filled,
        )

    @cached_property
    def trust(self) -> Answer:
        """What the kernel makes of the file's signature."""
        return trust_of(self.candidate, self.facts, self.era, self.conditions.trusted_certs or ())

    @property
    def early_name(self) -> str:
        """The name the loader prints while it has only `.modinfo`."""
        return self._quietly(lambda: self.candidate.field("name") or "") or NO_NAME

    @property
    def log_name(self) -> str:
        """The name the loader prints before it knows struct module's."""
        return self._quietly(lambda: self.candidate.name) or NO_NAME

    @property
    def struct_name(self) -> str:
        """The name the loader prints once it has struct module."""
        if self._quietly(lambda: "yes" * self.candidate.has_struct):
            return self._quietly(lambda: self.candidate.struct_name)
        return self.log_name

    @staticmethod
    def _quietly(name: Callable[[], str]) -> str:
        try:
            return name()
        except MalformedError:
            return ""


Check = Callable[[Case], Iterable[Trip]]  # one step of the loader
