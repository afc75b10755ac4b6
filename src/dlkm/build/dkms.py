# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver made as DKMS makes it: what its dkms.conf says, as steps, and what came of them. Runs and installs nothing.

The rules are those of dkms(8) and of the program itself (DKMS 3); what DKMS skips is skipped here. bash reads the conf
in the sandbox, in a step of its own; what it told is in the sandbox's words, whatever place it was read in.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dlkm.build.environment import SERIAL_OUTSIDE_KBUILD
from dlkm.build.order import Order
from dlkm.build.ran import Ran
from dlkm.build.steps import Plan, Step, environment_of
from dlkm.build.view import View, translated
from dlkm.build.work import Made, Named
from dlkm.core.errors import MalformedError
from dlkm.core.events import Events
from dlkm.kernel.distribution import distribution_of
from dlkm.source.copy import Listing
from dlkm.source.dkms import CONF, DkmsConf, DkmsModule, Target, looks_around, names_in, read_conf, table

SCRIPT = "dlkm-dkms"  # our interpreter of a dkms.conf, first in PATH
# How many jobs there may be is the job server's to say, whatever number a conf writes into its command.
_JOBS = re.compile(r"(?<=\s)(?:-j\s*\d*|--jobs(?:=\d+)?)(?=\s|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """Where DKMS keeps a driver, below its tree."""

    name: str
    version: str

    @property
    def place(self) -> str:
        """Below DKMS's tree."""
        return f"{self.name}/{self.version}"

    def folder(self, view: View) -> str:
        """Where the copy is, as the view has it."""
        return f"{view.dkms}/{self.place}/build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A dkms.conf read for a kernel's `release`; it speaks of places as the `usual` view has them."""

    conf: DkmsConf
    yard: Yard
    usual: View
    release: str

    @property
    def folder(self) -> str:
        """Where it says that the copy is built."""
        return self.yard.folder(self.usual)

    @property
    def own(self) -> Yard:
        """Where it is to be kept by what it says of itself."""
        return Yard(name=self.conf.package, version=self.conf.version)

    @property
    def make(self) -> str:
        """MAKE, without a number of jobs."""
        return _JOBS.sub("", self.conf.make)

    @property
    def only_cleans(self) -> bool:
        """Whether CLEAN is but a goal of make's, which has nothing to do in a fresh copy."""
        return _CLEAN_GOAL.fullmatch(self.conf.clean.strip()) is not None


def yard_of(order: Order) -> Yard:
    """From the text of the dkms.conf, before bash reads it."""
    name, version = (text if _is_name(text) else "driver" for text in names_in(order.driver.path / CONF))
    return Yard(name=name, version=version)


def _is_name(text: str) -> bool:
    return bool(text) and "/" not in text and text not in {".", ".."}


def conf_plan(order: Order, yard: Yard, view: View) -> Plan:
    """Let bash read the conf; what it tells is for `told_by`."""
    step = Step(
        argv=(SCRIPT, "conf", yard.name, yard.version),
        environment=_environment(order, yard, view),
        folder=yard.folder(view),
        told=True,
        silent=True,
    )
    return Plan(steps=(step,), yard=yard.place)


def told_by(order: Order, ran: Ran) -> bytes:
    """What bash told; MalformedError when it failed."""
    if ran.status != 0:
        why = "ran into its time limit" if ran.status < 0 else f"ended with status {ran.status}"
        words = ran.log.read_text("utf-8", "replace").strip().splitlines()
        raise MalformedError(f"{order.driver.path / CONF}: {why}{': ' + words[-1] if words else ''}")
    return ran.told


def conf_of(order: Order, yard: Yard, told: bytes, usual: View) -> DkmsConf:
    """The conf for the order's kernel; MalformedError when DKMS would refuse it too."""
    config = order.kernel.config
    target = Target(
        release=order.kernel.release,
        machine=order.kernel.arch.uname,
        kernel_dir=usual.kernel_dir,
        build_dir=yard.folder(usual),
        options=frozenset(f"CONFIG_{name}" for name, value in config.options.items() if value in {"y", "m"}),
        clang=config.on("CC_IS_CLANG"),
    )
    return read_conf(order.driver.path / CONF, told, target)


def _environment(order: Order, yard: Yard, view: View) -> Mapping[str, str]:
    words, patterns = table()["words"], table()["words"]["patterns"]
    own = {
        "CC": order.compiler.path.name,
        "DKMS_ARRAYS": " ".join(words["arrays"]),
        "DKMS_JOBS": "1",
        "DKMS_KERNEL": view.kernel_dir,
        "DKMS_LINK": _link(order) if view.sandboxed else "",
        "DKMS_MACHINE": order.kernel.arch.uname,
        "DKMS_PATTERNS": " ".join(f"{word}={subject}" for word, subject in patterns.items()),
        "DKMS_RELEASE": order.kernel.release,
        "DKMS_SINGLE": " ".join(words["single"]),
        "DKMS_SOURCE": "/usr/src",
        "DKMS_TREE": view.dkms,
        "PWD": yard.folder(view),
    }
    return {**environment_of(order, view), **own}


def _link(order: Order) -> str:
    """How /usr/src holds the driver: a conf that looks there itself is to find what DKMS has, directories."""
    return "copy" if looks_around(order.driver.path / CONF) else "link"


class Dkms:
    """The steps of one build, in DKMS's order: patch, prepare, clean, make, strip, finish."""

    def __init__(self, order: Order, yard: Yard, conf: DkmsConf, source: Listing) -> None:
        self._order, self._yard, self._conf, self._source = order, yard, conf, source

    def plan(self, view: View, usual: View) -> Plan:
        """The steps as a view has them; the conf speaks of the usual one."""
        return Plan(steps=tuple(step for _meaning, step in self._steps(view, usual)), yard=self._yard.place)

    def made(self, ran: Ran, events: Events, usual: View) -> Made:
        """What the steps' statuses mean."""
        steps = list(self._steps(usual, usual))
        status, refused = 0, ""
        for (meaning, step), ended in zip(steps, ran.statuses, strict=False):
            if meaning == "script" and ended != 0 and not refused:
                events.warning(
                    f"{self._order.driver.name}: the script {step.shown.partition(' ')[0]} of dkms.conf failed; "
                    "going on, as DKMS does"
                )
            elif meaning == "make":
                status = ended
                if status == 0 and (missing := self._missing(ran)):
                    refused = f"make succeeded, but dkms.conf's BUILT_MODULE_NAME is not there: {missing}"
            elif meaning == "patch" and ended != 0:
                refused = f"dkms.conf: PATCH {step.environment['DKMS_PATCH']} does not apply: see the log"
        return Made(
            status=status,
            folder=ran.seen(self._yard.folder(usual)),
            commands=tuple(step.argv for _meaning, step in steps[: len(ran.statuses)]),
            named=tuple(self._named()),
            refused=refused,
        )

    def refused(self) -> str:
        """Why nothing can be run, or ""."""
        root = self._order.driver.path
        for name in self._conf.patches:
            path = root / "patches" / name
            if not path.resolve().is_relative_to(root) or not path.is_file():
                return f"dkms.conf: PATCH {name} is not in patches/"
        return ""

    def warn(self, events: Events) -> None:
        """Say what is odd about the conf."""
        driver = self._order.driver.name
        if self._conf.obsolete:
            events.warning(
                f"{self._order.identity}: OBSOLETE_BY={self._conf.obsolete_by}: this kernel has its own; "
                "DKMS builds the driver and does not install it"
            )
        for words in (self._conf.pre_build, self._conf.post_build):
            if words and not self._has(words):
                events.warning(
                    f"{driver}: the script {words.partition(' ')[0]} of dkms.conf is not there or not executable; "
                    "going on"
                )

    def _has(self, words: str) -> bool:
        path = self._order.driver.path / words.partition(" ")[0]
        return path.is_file() and bool(path.stat().st_mode & 0o100)

    def _missing(self, ran: Ran) -> str:
        return ", ".join(str(one.built) for one in self._conf.modules if not (ran.copy / one.built).is_file())

    def _named(self) -> Iterator[Named]:
        for module in self._conf.modules:
            yield Named(built=module.built, name=module.name, destination=self._destination(module))

    def _destination(self, module: DkmsModule) -> str:
        kernel = self._order.kernel
        distribution = distribution_of(kernel.release, kernel.origin)
        return str(table()["destinations"].get(distribution, module.location)).rstrip("/")

    def _steps(self, view: View, usual: View) -> Iterator[tuple[str, Step]]:
        conf, plain = self._conf, _environment(self._order, self._yard, view)
        for name in conf.patches:
            environment = {**plain, "DKMS_PATCH": name}
            yield (
                "patch",
                self._run(view, 'patch -p1 < "./patches/$DKMS_PATCH"', environment, f"patch -p1 < patches/{name}"),
            )
        yield from self._script(view, conf.pre_build, ("run",), plain)
        clean = translated(conf.clean, usual, view)
        if not self._is_clean(clean):
            yield "clean", self._run(view, clean, plain, clean, required=False)
        command, variables = self._make(translated(conf.make, usual, view), plain)
        strip = f"{self._order.kernel.arch.cross_compile}strip"
        stripped = (str(module.built) for module in conf.modules if module.strip)
        yield "make", self._run(view, command, variables, command, how=("make", strip, *stripped))
        made = (str(module.built) for module in conf.modules)
        yield from self._script(view, conf.post_build, ("after", *made), plain)

    def _script(
        self, view: View, words: str, how: Sequence[str], plain: Mapping[str, str]
    ) -> Iterator[tuple[str, Step]]:
        """One of the driver's scripts; DKMS goes on when it fails, and so does this."""
        if words and self._has(words):
            environment = {**plain, "DKMS_WORDS": f"{self._yard.folder(view)}/{words}"}
            yield "script", self._run(view, "exec $DKMS_WORDS", environment, words, how=how, required=False)

    def _make(self, command: str, plain: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
        """The command, as DKMS begins it; variables of the user's go to every make below it."""
        options, flags = self._order.options, ""
        if command.startswith("make"):
            command = f"make KERNELRELEASE={self._order.kernel.release}{command.removeprefix('make')}"
        else:
            # DKMS leaves these serial; Kbuild's own makes can always run side by side.
            flags = f" {_in_flags([SERIAL_OUTSIDE_KBUILD])}"
        if options.variables:
            flags += f" -- {_in_flags([f'{name}={value}' for name, value in options.variables])}"
        return _JOBS.sub("", command), {**plain, **({"MAKEFLAGS": flags} if flags else {})}

    def _is_clean(self, command: str) -> bool:
        """Whether a clean goal has nothing to do: a thirtieth of a build is saved by not asking it."""
        return _CLEAN_GOAL.fullmatch(command.strip()) is not None and not any(
            entry.place.endswith(_BUILT) for entry in self._source.entries
        )

    def _run(
        self,
        view: View,
        command: str,
        environment: Mapping[str, str],
        shown: str,
        *,
        how: Sequence[str] = ("run",),
        required: bool = True,
    ) -> Step:
        """A command of the conf's; `how` is what our script does with it, and with what."""
        return Step(
            argv=(SCRIPT, how[0], self._yard.name, self._yard.version, command, *how[1:]),
            environment=environment,
            folder=self._yard.folder(view),
            shown=shown,
            required=required,
        )


_CLEAN_GOAL = re.compile(r"make(?:\s+[^;&|<>`]*)?\s+clean")
_BUILT = (".o", ".a", ".so", ".cmd", ".mod", ".d")  # what a clean goal is there for; Kbuild's own is not copied anyway


def excluded(yard: Yard, conf: DkmsConf, view: View) -> Made:
    """A driver that is not for this kernel."""
    return Made(status=0, folder=yard.folder(view), commands=(), skipped=f"dkms.conf: {conf.excluded}")


def _in_flags(words: Sequence[str]) -> str:
    """Words as MAKEFLAGS holds them."""
    return " ".join(re.sub(r"([\\\s])", r"\\\1", word.replace("$", "$$")) for word in words)
