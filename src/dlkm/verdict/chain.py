# SPDX-License-Identifier: GPL-2.0-or-later
"""From a module's verdict to why its users fail: the chain down to the one to blame. Reads no file itself."""

from collections.abc import Callable, Sequence
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.names import normalise_module_name
from dlkm.kernel.facts import Facts
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.supply import Refusal
from dlkm.verdict.verdict import Outcome, Severity, Verdict

_CHAINED = frozenset({"provider-refused", "provider-unsure"})
_THERE = "EEXIST"  # refused because it is loaded: its symbols are there


def refusal_in(verdict: Verdict, handed: Sequence[Refusal]) -> Refusal | None:
    """Why users of the module fail; None when it loads or is loaded. `handed` are why its own givers were refused."""
    if verdict.outcome is Outcome.LOADS or verdict.errno == _THERE:
        return None
    unsure = verdict.outcome is Outcome.CANNOT_TELL
    wanted = Severity.WARNING if unsure else Severity.ERROR
    deciding = [one for one in verdict.findings if one.severity is wanted and not one.masked]
    name = normalise_module_name(verdict.module)
    if not deciding:
        return Refusal(chain=(name,), why=verdict.errno or "", unsure=unsure)
    if deciding[-1].rule in _CHAINED and handed:
        return Refusal(chain=(name, *handed[-1].chain), why=handed[-1].why, unsure=unsure)
    why = deciding[-1].message
    return Refusal(chain=(name,), why=f"{verdict.errno}, {why}" if verdict.errno else why, unsure=unsure)


class Chain:
    """Installed modules that other modules need, each judged once."""

    def __init__(self, refusal_of: Callable[[Path], Refusal | None], facts: Facts, conditions: Conditions) -> None:
        self._refusal_of = refusal_of
        self._facts = facts
        self._loaded = frozenset(map(normalise_module_name, conditions.loaded))
        self._listed = conditions.blacklisted
        self._known: dict[str, Refusal | None] = {}

    def refusal(self, name: str, *, whole: bool) -> Refusal | None:
        """Why the installed module will not load; None when it will, or is there. Without `whole`, only by its name."""
        if name in self._loaded:
            return None
        if name in self._listed:
            return Refusal(chain=(name,), why="EPERM, it is named in module_blacklist= on the kernel's command line")
        if not whole:
            return None
        if name not in self._known:
            self._known[name] = None  # modules in a ring: the one asked first does not wait for itself
            self._known[name] = self._asked(name)
        return self._known[name]

    def _asked(self, name: str) -> Refusal | None:
        path = self._facts.installed.find(name) if self._facts.installed is not None else None
        try:
            return self._refusal_of(path) if path is not None else None
        except DlkmError as error:
            return Refusal(chain=(name,), why=error.what)
