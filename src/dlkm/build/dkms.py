# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver made as DKMS makes it: what its dkms.conf says, step by step, in the job's place. Installs nothing.

The rules are those of dkms(8) and of the program itself (DKMS 3); what DKMS skips is skipped here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from dlkm.build.environment import SERIAL_OUTSIDE_KBUILD
from dlkm.build.mounts import DKMS_TREE
from dlkm.build.work import Job, Made, Named
from dlkm.core.errors import MalformedError
from dlkm.kernel.distribution import distribution_of
from dlkm.source.dkms import CONF, DkmsConf, DkmsModule, Target, names_in, read_conf, table

_SCRIPT = "dlkm-dkms"  # our interpreter of a dkms.conf, first in PATH
_CONF_TIME = 60.0  # seconds; a dkms.conf greps a configuration, no more


@dataclass(frozen=True, slots=True, kw_only=True)
class _Yard:
    """Where DKMS keeps a driver: `here` on this machine, `seen` as the job's place sees it."""

    here: Path
    seen: str
    name: str
    version: str


def make_as_dkms(job: Job) -> Made:
    """Run a dkms.conf; MalformedError when DKMS would refuse it too."""
    _install_script(job)
    yard = _yard(job)
    conf = read_conf(job.driver.path / CONF, _told(job, yard), _target(job, yard))
    if conf.excluded is not None:
        return Made(status=0, folder=yard.seen, commands=(), skipped=f"dkms.conf: {conf.excluded}")
    if conf.obsolete_by:
        job.workshop.events.warning(
            f"{job.driver.name}: OBSOLETE_BY={conf.obsolete_by}: from then on DKMS leaves the kernel's own in its place"
        )
    return _Steps(job, yard, conf).made()


def _install_script(job: Job) -> None:
    path = job.scratch.tools / _SCRIPT
    path.write_text(files("dlkm.data").joinpath("dkms.sh").read_text("utf-8"), "utf-8")
    path.chmod(0o755)


def _yard(job: Job) -> _Yard:
    """Move the copy to where DKMS would build it; the usual place is a link to it from now on."""
    name, version = names_in(job.driver.path / CONF)
    name, version = (text if _is_name(text) else "driver" for text in (name, version))
    own = job.scratch.dkms / name / version
    own.mkdir(parents=True)
    job.scratch.driver.rename(own / "build")
    (own / "source").symlink_to("build")
    job.scratch.driver.symlink_to(own / "build")
    tree = DKMS_TREE if job.place.sandboxed else str(job.scratch.dkms)
    return _Yard(here=own / "build", seen=f"{tree}/{name}/{version}/build", name=name, version=version)


def _is_name(text: str) -> bool:
    return bool(text) and "/" not in text and text not in {".", ".."}


def _kernel_dir(job: Job) -> str:
    return f"/lib/modules/{job.kernel.release}/build" if job.place.sandboxed else job.place.around.kernel


def _environment(job: Job) -> Mapping[str, str]:
    words, patterns = table()["words"], table()["words"]["patterns"]
    own = {
        "CC": job.compiler.path.name,
        "DKMS_ARRAYS": " ".join(words["arrays"]),
        "DKMS_JOBS": str(job.options.jobs),
        "DKMS_KERNEL": _kernel_dir(job),
        "DKMS_LINK": "yes" if job.place.sandboxed else "",
        "DKMS_MACHINE": job.kernel.arch.uname,
        "DKMS_PATTERNS": " ".join(f"{word}={subject}" for word, subject in patterns.items()),
        "DKMS_RELEASE": job.kernel.release,
        "DKMS_SINGLE": " ".join(words["single"]),
        "DKMS_SOURCE": "/usr/src",
        "DKMS_TREE": DKMS_TREE if job.place.sandboxed else str(job.scratch.dkms),
    }
    return {**job.environment, **own}


def _told(job: Job, yard: _Yard) -> bytes:
    """What bash makes of the dkms.conf."""
    command = job.place.command((_SCRIPT, "conf", yard.name, yard.version), _environment(job), yard.seen)
    done = job.workshop.runner.run(command, cwd=job.scratch.path, timeout=_CONF_TIME)
    said = done.errors.decode("utf-8", "replace")
    with job.scratch.log.open("a", encoding="utf-8") as stream:
        stream.write(said)
    if not done.ok:
        why = "ran into its time limit" if done.timed_out else f"ended with status {done.status}"
        words = said.strip().splitlines()
        raise MalformedError(f"{job.driver.path / CONF}: {why}{': ' + words[-1] if words else ''}")
    return done.output


def _target(job: Job, yard: _Yard) -> Target:
    config = job.kernel.config
    return Target(
        release=job.kernel.release,
        machine=job.kernel.arch.uname,
        kernel_dir=_kernel_dir(job),
        build_dir=yard.seen,
        options=frozenset(f"CONFIG_{name}" for name, value in config.options.items() if value in {"y", "m"}),
        clang=config.on("CC_IS_CLANG"),
    )


class _Steps:
    """The steps of one build, in DKMS's order."""

    def __init__(self, job: Job, yard: _Yard, conf: DkmsConf) -> None:
        self._job, self._yard, self._conf = job, yard, conf
        self._environment = _environment(job)
        self._commands: list[tuple[str, ...]] = []

    def made(self) -> Made:
        """Patch, prepare, clean, make, strip, finish; the first step that must not fail and does ends it."""
        refused = self._patched()
        if refused:
            return self._made(0, refused)
        self._script(self._conf.pre_build)
        self._run(self._conf.clean, self._environment)
        command, environment = self._make()
        status = self._run(command, environment)
        if status != 0:
            return self._made(status)
        missing = [str(module.built) for module in self._conf.modules if not (self._yard.here / module.built).is_file()]
        if missing:
            return self._made(
                0, f"make succeeded, but dkms.conf's BUILT_MODULE_NAME is not there: {', '.join(missing)}"
            )
        self._strip()
        self._script(self._conf.post_build)
        return self._made(0)

    def _made(self, status: int, refused: str = "") -> Made:
        return Made(
            status=status,
            folder=self._yard.seen,
            commands=tuple(self._commands),
            named=tuple(self._named()),
            refused=refused,
        )

    def _named(self) -> Iterator[Named]:
        for module in self._conf.modules:
            yield Named(built=self._yard.here / module.built, name=module.name, destination=self._destination(module))

    def _destination(self, module: DkmsModule) -> str:
        kernel = self._job.kernel
        distribution = distribution_of(kernel.release, kernel.origin)
        return str(table()["destinations"].get(distribution, module.location)).rstrip("/")

    def _patched(self) -> str:
        """Apply the patches; why that failed, or ""."""
        for name in self._conf.patches:
            path = self._yard.here / "patches" / name
            if not path.resolve().is_relative_to(self._yard.here.resolve()) or not path.is_file():
                return f"dkms.conf: PATCH {name} is not in patches/"
            environment = {**self._environment, "DKMS_PATCH": name}
            if self._run('patch -p1 < "./patches/$DKMS_PATCH"', environment, shown=f"patch -p1 < patches/{name}") != 0:
                return f"dkms.conf: PATCH {name} does not apply: see the log"
        return ""

    def _script(self, words: str) -> None:
        """Run one of the driver's scripts; DKMS goes on when it fails, and so does this."""
        name, _, _ = words.partition(" ")
        if not words:
            return
        path = self._yard.here / name
        events, driver = self._job.workshop.events, self._job.driver.name
        if not path.is_file() or not path.stat().st_mode & 0o100:
            events.warning(f"{driver}: the script {name} of dkms.conf is not there or not executable; going on")
            return
        environment = {**self._environment, "DKMS_WORDS": f"{self._yard.seen}/{words}"}
        if self._run("exec $DKMS_WORDS", environment, shown=words) != 0:
            events.warning(f"{driver}: the script {name} of dkms.conf failed; going on, as DKMS does")

    def _make(self) -> tuple[str, Mapping[str, str]]:
        """The command, as DKMS begins it; variables of the user's go to every make below it."""
        options, release = self._job.options, self._job.kernel.release
        command, flags = self._conf.make, self._environment.get("MAKEFLAGS", "")
        if command.startswith("make"):
            command = f"make KERNELRELEASE={release}{command.removeprefix('make')}"
        elif options.jobs > 1:
            # DKMS leaves these serial; Kbuild's own makes can always run side by side.
            flags += f" {_in_flags(SERIAL_OUTSIDE_KBUILD)}"
        if options.variables:
            flags += f" -- {' '.join(_in_flags(f'{name}={value}') for name, value in options.variables)}"
        return command, {**self._environment, **({"MAKEFLAGS": flags} if flags else {})}

    def _strip(self) -> None:
        strip = f"{self._job.kernel.arch.cross_compile}strip"
        for module in self._conf.modules:
            if module.strip:
                self._call((strip, "-g", str(module.built)), self._environment)

    def _run(self, command: str, environment: Mapping[str, str], shown: str = "") -> int:
        yard = self._yard
        return self._call((_SCRIPT, "run", yard.name, yard.version, command), environment, shown or command)

    def _call(self, argv: tuple[str, ...], environment: Mapping[str, str], shown: str = "") -> int:
        self._commands.append(argv)
        return self._job.run(argv, environment, self._yard.seen, shown)


def _in_flags(word: str) -> str:
    """A word as MAKEFLAGS holds it."""
    return re.sub(r"([\\\s])", r"\\\1", word.replace("$", "$$"))
