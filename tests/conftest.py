# SPDX-License-Identifier: GPL-2.0-or-later
"""Real Debian kernels for contract and integration tests, from the user's own pool: fetched once, kept afterwards."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from dlkm.core.arch import arch_named
from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.demand import complete
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool
from dlkm.kernel.select import resolve
from dlkm.rootfs.minimal.fetch import Kind
from dlkm.rootfs.minimal.make import Maker


@pytest.fixture(scope="session", autouse=True)
def _builds_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is known of builds is known from this run: an earlier state of the code must not have made it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLKM_CACHE", str(tmp_path_factory.mktemp("actions")))
        yield


@pytest.fixture
def no_builds_known(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of builds when the test begins."""
    monkeypatch.setenv("DLKM_CACHE", str(tmp_path_factory.mktemp("actions")))


# A shell that starts a run in the background has it ignore SIGINT, and tests interrupt themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes, the machine decides: no test depends on it.
settings.register_profile("dlkm", deadline=None)
settings.load_profile("dlkm")


def fetched(spec: str) -> Kernel:
    """The one kernel that a SPEC names, added to the user's pool when it is not there, all its modules unpacked."""
    (kernel,) = resolve([spec], Pool(), Events(), Processes())
    if kernel.modules is not None:
        complete(kernel.modules)
    return kernel


def debian_root(into: Path, *kernels: Kernel, arch: str = "amd64", include: tuple[str, ...] = ()) -> Path:
    """A minimal Debian root filesystem with these kernels, in a new directory; made once, kept in the user's cache.

    `include` are packages that it holds beside the least.

    Its files share their bytes with the kept ones: replace them (as dpkg, depmod and we do), never write in them.
    """
    kind = Kind(suite="bookworm", arch=kernels[0].arch if kernels else arch_named(arch), include=include)
    Maker(runner=Processes(), events=Events()).put(kind, kernels, into, linked=True)
    return into


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


@pytest.fixture(scope="session")
def kernel_612_arm64(kernel_612: Kernel) -> Kernel:
    """The same 6.12 for arm64."""
    return fetched(f"debian:{kernel_612.release.removesuffix('-amd64')}-arm64")


@dataclass(frozen=True)
class Tally:
    """Loads in one boot kernel: how many there were, were as predicted, and cannot be foretold from files."""

    kernel: str
    condition: str
    loads: int
    agreements: int
    untold: int

    def line(self) -> str:
        """For the summary."""
        rest = self.loads - self.agreements - self.untold
        return (
            f"{self.kernel}, {self.condition}: {self.loads} loads, {self.agreements} as predicted, "
            f"{self.untold} that no file foretells, {rest} otherwise"
        )


_TALLIES = pytest.StashKey[list[Tally]]()


@pytest.fixture(scope="session")
def tallies(pytestconfig: pytest.Config) -> list[Tally]:
    """What the summary of the run is to tell of loads in booted kernels."""
    return pytestconfig.stash.setdefault(_TALLIES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The count of predictions that were held against booted kernels, and of those that were right."""
    found = config.stash.get(_TALLIES, [])
    if not found:
        return
    terminalreporter.section("predictions against booted kernels")
    for tally in found:
        terminalreporter.write_line(tally.line())
    sums = (sum(getattr(one, name) for one in found) for name in ("loads", "agreements", "untold"))
    terminalreporter.write_line(Tally("all kernels", "all conditions", *sums).line())
