# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user asks of recipes."""

import pytest

from dlkm.core.errors import UsageError
from dlkm.yocto.options import RecipeOptions


@pytest.mark.parametrize("name", ["", "../x", "a b", "${X}", "-x"])
def test_a_machine_is_a_name(name: str) -> None:
    with pytest.raises(UsageError):
        RecipeOptions(machine=name)
    with pytest.raises(UsageError):
        RecipeOptions(distro=name)


def test_names_of_real_machines() -> None:
    RecipeOptions(machine="imx8mp-lpddr4-evk", distro="fsl-imx-wayland")
