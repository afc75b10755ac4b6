# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference page on what the loader asks and says, by release: from eras.toml, messages.toml and rules.toml."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dlkm.core.arch import arch_named
from dlkm.core.data import data_table
from dlkm.kernel.kernel import Kernel
from dlkm.verdict.era import era_of, rules

# One release of each era, and what the column is called.
ERAS = {
    "5.10.0": "5.10",
    "5.10.26": "5.10.26, 5.12",
    "5.16": "5.15.54, 5.16",
    "6.4": "6.4",
    "6.12.117": "6.12.117",
    "6.13": "6.13",
    "6.14": "6.14",
    "6.16": "6.16",
}
INTRODUCTION = """
# The loader's steps and texts, by release

What `dlkm check` knows of the kernel's module loader, as its tables have it; [what they were read
from](../explanation/load-rules.md) is another page. Each kernel has the last era that it reached; a stable release
named beside a mainline one took the change into its branch.

## Steps

The numbers are the order. A step without a number does not exist in that era.
"""


def page() -> str:
    """The whole page, without the mark that it is made."""
    return "".join([INTRODUCTION, *_steps(), *_habits(), *_sections(), *_texts()])


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def _head(*names: str) -> str:
    return "\n" + _row(names) + "|" + "---|" * len(names) + "\n"


def _steps() -> Iterator[str]:
    orders = [era_of(Kernel(id=one, release=one, arch=arch_named("x86_64"), origin="")).checks for one in ERAS]
    yield _head("step", *ERAS.values())
    for step in dict.fromkeys(step for order in reversed(orders) for step in order):
        yield _row([step, *(order.index(step) + 1 if step in order else "" for order in orders)])


def _when(entry: Mapping[str, Any]) -> str:
    """The kernels that an entry is for, in words."""
    words = []
    if "since" in entry:
        words.append(_points(entry["since"]))
    if "until" in entry:
        words.append(f"before {_points(entry['until'], start='')}")
    words += [", ".join(entry[key]) for key in ("arch", "distro") if key in entry]
    words += [f"with CONFIG_{entry['option']}"] if "option" in entry else []
    return "; ".join(words) or "all others"


def _points(since: str | Sequence[str], start: str = "from ") -> str:
    points = [since] if isinstance(since, str) else since
    branches = [point for point in points if point.count(".") > 1]
    mainline = [f"{start}{point}" for point in points if point.count(".") == 1]
    return ", ".join([*(f"{point} in its branch" for point in branches), *mainline])


def _habits() -> Iterator[str]:
    yield "\n## Habits\n"
    yield _head("habit", "kernels")
    for name, entry in data_table("eras.toml")["feature"].items():
        yield _row([name, _when(entry)])


def _sections() -> Iterator[str]:
    yield "\n## Sections and relocations\n"
    yield _head("what", "kernels", "which")
    eras = data_table("eras.toml")
    for key in ("arch-sections", "finish-sections"):
        for entry in eras[key]:
            yield _row([key, _when(entry), ", ".join(f"`{name}`" for name in entry["list"])])
    for entry in eras["relocations"]:
        numbers = sorted(number for _, types in entry["list"] for number in types)
        yield _row(["relocation types", _when(entry), ", ".join(map(str, numbers))])
    for entry in eras["relocations-by-option"]:
        for option, types in entry["list"]:
            yield _row(["relocation types", _when(entry | {"option": option}), ", ".join(map(str, types))])


def _texts() -> Iterator[str]:
    yield "\n## Rules\n\nA rule without a text is silent. `<addr>`, `<comm>`: what only the running kernel knows.\n"
    yield _head("rule", "errno", "kernels", "the log says")
    texts = data_table("messages.toml")
    for name, rule in rules().items():
        if rule.severity not in {"error", "unsure"}:
            continue
        found = texts.get(name, [])
        for entry in ([found] if isinstance(found, dict) else found) or [{"lines": []}]:
            said = "<br>".join(f"`{line}`" for line in entry["lines"]) or "nothing"
            yield _row([name, rule.errno or "cannot tell", _when(entry), said])
