# SPDX-License-Identifier: GPL-2.0-or-later
"""What is to be tried and what was seen, as values. Starts and judges nothing."""

from dataclasses import dataclass, field
from pathlib import Path

from dlkm.core.files import cache_home
from dlkm.prove.accelerator import Accelerator
from dlkm.verdict.verdict import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What runs in the guest once the module is loaded: an executable's bytes, and busybox's where it is a script.

    It is ended after `seconds`.
    """

    data: bytes
    arguments: tuple[str, ...] = ()
    seconds: float = 60.0
    shell: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One module to load: `files` are what it needs, in load order, and last the module itself.

    `parameters` are the words given to it ("whom=me count=3"), `flags` those of finit_module(2).
    A needed file that fails to load does not end the attempt: the kernel's answer to the last file counts.
    `program` runs only when that answer was yes.
    """

    files: tuple[Path, ...]
    parameters: str = ""
    flags: int = 0
    program: Program | None = None

    @property
    def module(self) -> Path:
        """The file that is asked about."""
        return self.files[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How an attempt's program ended: `error` is an errno where it could not be started, `said` what it wrote.

    `signal` is 0 where none ended it; SIGALRM means that its time was over.
    """

    error: int
    status: int
    signal: int
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a booted kernel did with one module; comparable with a Verdict.

    `errno` is the name ("ENOEXEC"), None when it loaded or no call returned. `log` holds the lines with which the
    kernel refused, in a Verdict's form; `output` all else that was logged meanwhile, the module's own lines among it.
    `accepted`: the kernel took the module and called its init(); None when it could not be seen.
    `trouble` says why there is no proper answer (a panic, a hang, a forged line), or what came of the guest
    `afterwards`, until all was unloaded again; `console` is where the console of that boot was kept. `notes` tell of
    needed modules that did not load; `unready`: one of them was accepted, and its own init() failed. `ran` is None
    where no program was to run, or none could because the module did not load.
    """

    outcome: Outcome
    errno: str | None = None
    log: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    taint: str = ""
    accepted: bool | None = None
    trouble: str | None = None
    console: Path | None = None
    notes: tuple[str, ...] = ()
    unready: bool = False
    afterwards: bool = False
    ran: Ran | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One run of QEMU; `seconds` from its start to its last answer. `resumed`: from a kept guest."""

    kernel: str
    accelerator: Accelerator
    seconds: float
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The answers to all attempts, in their order, and the boots that gave them."""

    boots: tuple[Boot, ...]
    observed: tuple[Observed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveOptions:
    """How to prove. `accelerator` None: KVM where it works, else TCG. `cmdline` is added to the kernel's command line.

    `timeout` is how many seconds one attempt may take; `boot_timeout` how many a boot may.
    `fresh`: neither use nor keep a booted guest. `cache` is where guests, the guest program and consoles are kept.
    """

    accelerator: Accelerator | None = None
    cmdline: str = ""
    timeout: float = 60.0
    boot_timeout: float = 120.0
    fresh: bool = False
    cache: Path = field(default_factory=cache_home)
