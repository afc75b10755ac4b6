# SPDX-License-Identifier: GPL-2.0-or-later
"""What a root filesystem's files foretell of its modules, for one kernel; the files are read, nothing is booted."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.names import module_name, normalise_module_name
from dlkm.filesystem.place import Kind
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import Module
from dlkm.prove.rooted.initramfs import INITS
from dlkm.prove.rooted.parameters import shown
from dlkm.prove.rooted.subject import Asking, Fate, Foretold, Subject, Wish
from dlkm.rootfs.conffiles import ConfFile, Standing
from dlkm.rootfs.handed import with_options
from dlkm.rootfs.lookup import Found, Lookup
from dlkm.rootfs.release import Release
from dlkm.rootfs.root import Root
from dlkm.rootfs.settings import Autoload, Settings
from dlkm.rootfs.statements import Directive, load_lines
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.session import Session
from dlkm.verdict.verdict import Outcome

MODULES = "etc/modules"
CMDLINE = "the kernel's command line"
# By word of the command line: which files it adds to, and the line that says the same (modprobe(8), modules-load.d(5)).
_CMDLINE = {
    "modprobe.blacklist": ("modprobe", "blacklist {}\n"),
    "modules_load": ("load", "{}\n"),
    "rd.modules_load": ("load", "{}\n"),
}
MOST_ALIASES = 3  # of one module
MOST_ADDED = 200  # modules that are no part of the kernel
_WILD = re.compile(r"\[(.)[^\]]*\]|[*?]")
_FATES = {Outcome.LOADS: Fate.LOADS, Outcome.FAILS: Fate.FAILS, Outcome.CANNOT_TELL: Fate.CANNOT_TELL}
_OBEYED = {"true": Fate.STAYS_OUT, "false": Fate.FAILS}  # programs of install lines whose end is known


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """One root filesystem and one kernel; `kernel.modules` is the root's own directory for it.

    `named` are the modules that are to be there after the boot. `drivers` is the modules directory that has those for
    the guest's disk, None for the root's; `lent` are those that are loaded before the root's own init runs.
    """

    root: Root
    kernel: Kernel
    cmdline: str = ""
    named: tuple[str, ...] = ()
    drivers: Path | None = None
    lent: frozenset[str] = frozenset()

    @cached_property
    def settings(self) -> Settings:
        """Its configuration, and what the kernel's command line adds to it: kmod and systemd read that, too."""
        found = Settings.of(self.root)
        added = {"modprobe": "", "load": ""}
        for name, value in Conditions(cmdline=self.cmdline).words():
            for word in (value or "").split(",") if name in _CMDLINE else ():
                kind, line = _CMDLINE[name]
                added[kind] += line.format(word)
        files = {
            kind: ConfFile(path=CMDLINE, standing=Standing.READ, data=text.encode()) for kind, text in added.items()
        }
        return replace(found, modprobe=(*found.modprobe, files["modprobe"]), load=(*found.load, files["load"]))

    @cached_property
    def release(self) -> Release:
        """The kernel's release as the root's modprobe sees it."""
        return Release(root=self.root, release=self.kernel.release, settings=self.settings)

    @property
    def lookup(self) -> Lookup:
        """Its modprobe's tables."""
        return self.release.lookup

    @cached_property
    def has_systemd(self) -> bool:
        """Whether systemd boots it: what is read then, and that a blacklist is obeyed, differs."""
        init = self.root.place("sbin/init")
        return init.path.endswith("/systemd")

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the root as a whole."""
        *inits, shell = INITS
        if any(self.root.place(path.lstrip("/")).kind is Kind.FILE for path in inits):
            return ()
        return (
            f"it has no init of its own ({', '.join(inits)}): {shell} is started in its place, which loads nothing",
        )

    @cached_property
    def autoload(self) -> tuple[Autoload, ...]:
        """What is to load at boot. Init scripts (Debian's kmod, OpenEmbedded's modutils) read /etc/modules as well."""
        listed = self.settings.autoload
        if self.has_systemd:
            return listed
        lines = load_lines(self.root.read(MODULES) or b"")
        words = [(line.text.split()[0], line.number) for line in lines]
        known = {one.name for one in listed}
        further = [Autoload(name=name, file=MODULES, line=number) for name, number in words if name not in known]
        return (*listed, *further)

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """Every module that is to be asked about, each once, the most wished for first."""
        found: dict[str, Subject] = {}
        for subject in (*self._wished(), *self._blacklisted(), *self._added()):
            found.setdefault(subject.module, subject)
        return tuple(found.values())

    def _wished(self) -> Iterator[Subject]:
        places: dict[tuple[str, Wish], list[str]] = {}
        for line in self.autoload:
            for name in self._meant(line.name):
                places.setdefault((name, Wish.AUTOLOAD), []).append(line.place)
        for word in self.named:
            for name in self._meant(word):
                places.setdefault((name, Wish.NAMED), [])
        for (name, wish), lines in places.items():
            yield Subject(module=name, wish=wish, places=tuple(lines))

    def _meant(self, word: str) -> tuple[str, ...]:
        """The modules that a name or alias stands for; itself when it stands for nothing."""
        modules = self.lookup.ask(word).modules
        return tuple(one.name for one in modules) or (normalise_module_name(word),)

    def _blacklisted(self) -> Iterator[Subject]:
        """Those that are there to be kept out."""
        for line in self.settings.of_kind("blacklist"):
            name = normalise_module_name(line.name)
            if self.lookup.module(name).path is not None:
                yield Subject(module=name, wish=Wish.BLACKLIST, places=(line.place,), aliases=self._aliases(name))

    def _added(self) -> Iterator[Subject]:
        for file in self.release.added[:MOST_ADDED]:
            yield Subject(module=file.name, wish=Wish.ADDED)

    def _aliases(self, name: str) -> tuple[str, ...]:
        module = self.module(name)
        wildcards = module.all("alias")[:MOST_ALIASES] if module is not None else ()
        return tuple(_WILD.sub(lambda wild: wild[1] or "0", wildcard) for wildcard in wildcards)

    def foretell(self) -> None:
        """All of it, now: `told` gives what was told, whatever is seen meanwhile."""
        for subject in self.subjects:
            for asking in Asking:
                self.told(subject, asking)

    def told(self, subject: Subject, asking: Asking) -> Foretold:
        """What becomes of a subject that is asked for in that way."""
        key = subject.module, asking
        if key not in self._told:
            ways = {Asking.BOOT: self._in_boot, Asking.ALIAS: self._by_alias, Asking.NAME: self._by_name}
            self._told[key] = ways[asking](subject)
        return self._told[key]

    @cached_property
    def _told(self) -> dict[tuple[str, Asking], Foretold]:
        return {}

    def _in_boot(self, subject: Subject) -> Foretold:
        if subject.module in self.lent:
            return Foretold(
                fate=Fate.CANNOT_TELL, why="the guest's disk needs it: it is there before the root's own init"
            )
        found = self.lookup.module(subject.module)
        needing = self._needed_by.get(subject.module)
        if needing is not None and found.path is not None:
            return self._needed(found, needing)
        if subject.wish is Wish.AUTOLOAD or found.builtin:
            return self._loaded_by_name(found, obeys_blacklist=self.has_systemd)
        if found.path is None:
            return Foretold(fate=Fate.STAYS_OUT, why=self._absent())
        if subject.wish is Wish.BLACKLIST:
            return self._kept_out(subject)
        loaded = self._loaded(found, "")
        why = "whether something here asks for it, no file tells"
        return Foretold(fate=Fate.CANNOT_TELL, why=why, file=loaded.file, parameters=loaded.parameters)

    def _by_alias(self, subject: Subject) -> Foretold:
        """What `modprobe -b ALIAS` will do to it."""
        line = self.lookup.blacklisted(subject.module)
        if line is not None:
            return Foretold(fate=Fate.STAYS_OUT, why=f"blacklisted by {line.place}")
        return self._by_name(subject)

    def _by_name(self, subject: Subject) -> Foretold:
        """What `modprobe NAME` will do."""
        return self._loaded_by_name(self.lookup.module(subject.module), obeys_blacklist=False)

    def _kept_out(self, subject: Subject) -> Foretold:
        users = self._users.get(subject.module, ())
        why = f"blacklisted by {subject.places[0]}"
        if users:
            return Foretold(fate=Fate.CANNOT_TELL, why=f"{why}; but with {', '.join(users[:3])} it is loaded too")
        return Foretold(fate=Fate.STAYS_OUT, why=why)

    def _loaded_by_name(self, found: Found, *, obeys_blacklist: bool) -> Foretold:
        if found.builtin:
            return Foretold(fate=Fate.LOADS, why="it is part of the kernel", builtin=True)
        if found.blacklist is not None and obeys_blacklist:
            why = f"blacklisted by {found.blacklist.place}, which systemd-modules-load obeys"
            return Foretold(fate=Fate.STAYS_OUT, why=why)
        if found.command is not None:
            return _by_command(found.command)
        if found.path is None:
            return Foretold(fate=Fate.FAILS, why=self._absent())
        return self._without(found) or self._loaded(found, "")

    def _needed(self, found: Found, user: str) -> Foretold:
        """What becomes of a module that is loaded with another one, unless something else is run on the way."""
        if found.command is not None:
            return _by_command(found.command)
        why = f"{user} needs it"
        for name, command in self.lookup.replaced(self.lookup.module(user)):
            return Foretold(fate=Fate.CANNOT_TELL, why=f"{why}, and {name}, in place of which {_said(command)}")
        return self._without(found) or self._loaded(found, why)

    def _without(self, found: Found) -> Foretold | None:
        """What becomes of a module when a command is run for one that it needs; None where none is."""
        for name, command in self.lookup.replaced(found):
            fate = Fate.FAILS if command.loads_nothing else Fate.CANNOT_TELL
            return Foretold(fate=fate, why=f"it needs {name}, in place of which {_said(command)}")
        return None

    def _absent(self) -> str:
        return f"{self.kernel.release} has no module of that name there"

    def _loaded(self, found: Found, why: str) -> Foretold:
        """The kernel's answer to the file that wins."""
        file = self.release.file(found.path)
        if file is None:
            return Foretold(fate=Fate.FAILS, why="modules.dep names a file that is not there")
        try:
            verdict = self._session.verdict(self.root.host_path(file.real))
        except DlkmError as error:
            return Foretold(fate=Fate.CANNOT_TELL, why=error.what, file=file.real)
        errors = [finding.message for finding in verdict.findings if finding.severity == "error" and not finding.masked]
        module = self.module(found.name)
        return Foretold(
            fate=_FATES[verdict.outcome],
            why=why or "; ".join(errors[:1]),
            errno=verdict.errno,
            log=verdict.log,
            file=file.real,
            parameters=shown(module, self._conditions.params_of(found.name)) if module is not None else {},
        )

    def module(self, name: str) -> Module | None:
        """The file that wins for a name, read; None when there is none, or it is no module."""
        file = self.release.loaded(name)
        return self.release.module(file) if file is not None else None

    def files(self, name: str) -> Iterator[tuple[str, Module]]:
        """Every file there that holds a module of that name, with its place in the root."""
        for file in self.release.tree.by_name.get(name, ()):
            module = self.release.module(file)
            if module is not None:
                yield file.real, module

    @cached_property
    def _conditions(self) -> Conditions:
        """The command line, and modprobe.d's options.

        The guest has no firmware that would have keys enrolled.
        """
        return with_options(Conditions(cmdline=self.cmdline, trusted_certs=()), self.settings)

    @cached_property
    def _session(self) -> Session:
        return Session(self.kernel, self._conditions)

    @cached_property
    def _needed_by(self) -> Mapping[str, str]:
        """By module the one that is loaded at boot by name, and with which it is loaded."""
        found: dict[str, str] = {}
        for line in self.autoload:
            for one in self.lookup.ask(line.name).modules:
                if one.blacklist is None and not one.builtin:
                    beside = [self.lookup.module(name) for name in (*one.before, *one.after)]
                    needs = (path for each in (one, *beside) for path in each.needs)
                    found |= dict.fromkeys((*map(module_name, needs), *(other.name for other in beside)), one.name)
        return found

    @cached_property
    def _users(self) -> Mapping[str, tuple[str, ...]]:
        """By blacklisted module the others, not blacklisted, that cannot be loaded without it."""
        listed = {normalise_module_name(line.name) for line in self.settings.of_kind("blacklist")}
        found: dict[str, tuple[str, ...]] = {}
        for user, needs in self.lookup.needs.items() if listed else ():
            for name in listed.intersection(needs):
                if user not in listed:
                    found[name] = (*found.get(name, ()), user)
        return found


def _by_command(command: Directive) -> Foretold:
    """What becomes of a module in place of which modprobe runs something."""
    fate = _OBEYED.get(command.rest.rpartition("/")[2], Fate.CANNOT_TELL)
    return Foretold(fate=fate, why=f"{_said(command)} in its place")


def _said(command: Directive) -> str:
    return f"{command.place} runs {command.rest!r}"
