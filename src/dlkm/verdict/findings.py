# SPDX-License-Identifier: GPL-2.0-or-later
"""From the trips of a rule to findings, in words for people. Decides nothing."""

from collections.abc import Iterator, Sequence

from dlkm.core.text import utf8
from dlkm.verdict.case import Case, Trip
from dlkm.verdict.mismatch import built_elsewhere, versions_differ
from dlkm.verdict.missing import gpl_only, nobody_gives, not_imported
from dlkm.verdict.verdict import Finding, Severity
from dlkm.verdict.why import Teller, Telling, message_of

# Rules of which more can be said than the tables have.
_TELLERS: dict[str, Teller] = {
    "crc-mismatch": versions_differ,
    "crc-mismatch/module-layout": versions_differ,
    "this-module-size": built_elsewhere,
    "vermagic": built_elsewhere,
    "unknown-symbol": nobody_gives,
    "gpl-only-symbol": gpl_only,
    "namespace": not_imported,
    "namespace-tolerated": not_imported,
}


def findings(case: Case, trips: Sequence[Trip], *, masked: bool) -> Iterator[Finding]:
    """One finding a rule and cause, whatever the number of symbols; what is masked is told briefly."""
    for rule in dict.fromkeys(trip.rule for trip in trips):
        same = [trip for trip in trips if trip.rule == rule]
        severity = Severity.WARNING if same[0].severity == "unsure" else Severity(same[0].severity)
        teller = None if masked else _TELLERS.get(rule)
        for telling in _plain(same) if teller is None else teller(case, same):
            yield Finding(
                rule=rule.partition("/")[0],
                severity=severity,
                message=utf8(telling.message),
                hint=utf8(telling.hint),
                masked=masked,
            )


def _plain(same: Sequence[Trip]) -> Iterator[Telling]:
    yield Telling(message=message_of(same), hint=same[0].hint)
