# SPDX-License-Identifier: GPL-2.0-or-later
"""Values of parameters that no line of the boot's program could carry."""

from pathlib import Path

from tests.unit.verdict.trials import World, with_parameter
from tests.unit.verdict.world import ask


def test_a_number_of_more_digits_than_python_reads(tmp_path: Path) -> None:
    world = World(conditions={"params": ("count=" + "9" * 100_000,)})
    assert ask(tmp_path, with_parameter("int"), world).errno == "ERANGE"
