# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm kernel diff` as lines and as a document; renders, computes nothing."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from dlkm.core.names import format_crc
from dlkm.kernel.diff import Change, Difference, TypeChange, VersionChange
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.portrait import certificate_name
from dlkm.report.document import document

SHOWN = 12  # of each kind, unless all are asked for
MEMBERS = 6  # lines of a type

_T = TypeVar("_T")


def diff_document(one: Kernel, other: Kernel, found: Difference) -> dict[str, Any]:
    """`dlkm kernel diff --json`; `null` before or after: that kernel does not have it."""
    return document(
        "kernel-diff",
        before=one.id,
        after=other.id,
        vermagic=_change(found.vermagic) if found.vermagic is not None else None,
        options=[_change(change) for change in found.options],
        exports={
            "added": list(found.added),
            "removed": list(found.removed),
            "changed": [
                {"name": name, "before": format_crc(before), "after": format_crc(after)}
                for name, before, after in found.versions
            ],
            "licence": [_change(change) for change in found.licences],
            "namespace": [_change(change) for change in found.namespaces],
        },
        certificates={
            "added": [certificate_name(raw) for raw in found.certificates_added],
            "removed": [certificate_name(raw) for raw in found.certificates_removed],
        },
        types=None
        if found.types is None
        else [{"name": one.name, "before": list(one.before), "after": list(one.after)} for one in found.types],
        unknown=list(found.unknown),
    )


def diff_lines(one: Kernel, other: Kernel, found: Difference, *, all_of_it: bool) -> Iterator[str]:
    """The same for people: counts, and some of each kind."""
    limit = None if all_of_it else SHOWN
    yield f"from {one.id} to {other.id}"
    if found.vermagic is not None:
        yield f"vermagic: '{found.vermagic.before}' becomes '{found.vermagic.after}'"
    yield from _section("options that differ", found.options, _option, limit)
    yield from _section("exports added", found.added, str, limit)
    yield from _section("exports removed", found.removed, str, limit)
    yield from _section("exports with another version", found.versions, _version, limit)
    yield from _section("exports for other licences", found.licences, _arrow, limit)
    yield from _section("exports in another namespace", found.namespaces, _arrow, limit)
    yield from _section("certificates added", found.certificates_added, certificate_name, limit)
    yield from _section("certificates removed", found.certificates_removed, certificate_name, limit)
    if found.types is None:
        yield "types: not both kernels carry type information (BTF)"
    else:
        yield from _section("types that changed", found.types, lambda change: _type(change, limit), limit)
    yield from (f"not known: {what}" for what in found.unknown)
    if found.same:
        yield "no difference"


def _section(title: str, items: Sequence[_T], shown: Callable[[_T], str], limit: int | None) -> Iterator[str]:
    if not items:
        return
    yield f"{title}: {len(items)}"
    yield from (f"  {shown(item)}" for item in items[:limit])
    if limit is not None and len(items) > limit:
        yield f"  … and {len(items) - limit} more (-v shows all)"


def _change(change: Change) -> dict[str, str | None]:
    return {"name": change.name, "before": change.before, "after": change.after}


def _option(change: Change) -> str:
    return f"CONFIG_{change.name}: {change.before or 'n'} → {change.after or 'n'}"


def _arrow(change: Change) -> str:
    return f"{change.name}: {change.before or 'none'} → {change.after or 'none'}"


def _version(change: VersionChange) -> str:
    return f"{change.name}: {format_crc(change.before)} → {format_crc(change.after)}"


def _type(change: TypeChange, limit: int | None) -> str:
    lines = [f"-{line}" for line in change.before] + [f"+{line}" for line in change.after]
    shown = lines if limit is None else lines[:MEMBERS]
    more = [] if len(shown) == len(lines) else [f"… {len(lines) - len(shown)} more"]
    return "\n      ".join([change.name, *shown, *more])
