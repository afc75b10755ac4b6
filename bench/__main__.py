# SPDX-License-Identifier: GPL-2.0-or-later
"""`python -m bench [NAME…]`: takes the figures and prints the table; exit status 1 when an aim is missed."""

import sys
from importlib import import_module

from bench.figure import Figure

# Each has `figures() -> Iterator[Figure]`.
SCRIPTS = (
    "startup", "build_overhead", "build_cache", "inspect_module", "verdict", "audit", "recipes", "prove_boot",
    "kernels", "matrix", "packages", "stage",
)  # fmt: skip


def line(figure: Figure) -> str:
    """One row of the table."""
    if figure.peer is None:
        values = f"{figure.ours:9.3f} {'':>9} {figure.ours:7.3f}"
    else:
        values = f"{figure.ours:9.3f} {figure.peer:9.3f} {figure.ratio:7.2f}"
    verdict = "ok" if figure.reached else "MISSED"
    return f"{figure.claim:<62} {values} {figure.aim:6.2f}  {verdict}  {figure.note}".rstrip()


def main(names: list[str]) -> int:
    """Take all figures, or those of the scripts named."""
    print(f"{'claim':<62} {'ours (s)':>9} {'peer (s)':>9} {'ratio':>7} {'aim':>6}")
    missed = 0
    for name in names or SCRIPTS:
        for figure in import_module(f"bench.{name}").figures():
            print(line(figure), flush=True)
            missed += not figure.reached
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
