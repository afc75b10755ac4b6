# SPDX-License-Identifier: GPL-2.0-or-later
"""Real Debian kernels for contract and integration tests, from the user's own pool: fetched once, kept afterwards."""

import pytest

from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve


def fetched(spec: str) -> Kernel:
    """The one kernel that a SPEC names, added to the user's pool when it is not there."""
    (kernel,) = resolve([spec], Pool(), Events(), Processes())
    return kernel


@pytest.fixture(scope="session")
def kernel_61() -> Kernel:
    """The newest 6.1 for amd64."""
    return fetched("debian:latest-6.1-amd64")


@pytest.fixture(scope="session")
def kernel_61_rt(kernel_61: Kernel) -> Kernel:
    """The real-time flavour with the same ABI number."""
    return fetched(f"debian:{kernel_61.release.removesuffix('-amd64')}-rt-amd64")


@pytest.fixture(scope="session")
def kernel_61_arm64(kernel_61: Kernel) -> Kernel:
    """The same ABI number for arm64."""
    return fetched(f"debian:{kernel_61.release.removesuffix('-amd64')}-arm64")


@pytest.fixture(scope="session")
def kernel_612() -> Kernel:
    """The newest 6.12 for amd64 that this machine's sources offer."""
    return fetched("debian:latest-6.12-amd64")
