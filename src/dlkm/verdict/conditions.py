# SPDX-License-Identifier: GPL-2.0-or-later
"""What no file tells of the machine that will load: given by the user, defaults where nobody said."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dlkm.core.names import normalise_module_name
from dlkm.core.wildcards import matches
from dlkm.verdict.words import words_in

_LONGEST = 1024  # bytes that a text on the command line may have (kernel/params.c: param_set_charp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """A module that modprobe loads without one it needs: what it runs in place of loading that."""

    module: str
    needed: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How the kernel runs. `sig_enforce` and `lockdown` None: as the command line and the configuration say.

    `lockdown` is "none", "integrity" or "confidentiality". `cmdline` is the kernel's command line, `loaded` the modules
    that are there already, `params` the words given to every module ("NAME=VALUE"), `options` those that modprobe.d
    gives as (module, words), `trusted_certs` the certificates (DER or PEM) that the machine trusts besides the kernel's
    own: all of them, None where nobody knows. `commands` are what modprobe runs instead of loading, by module, which
    may be a wildcard; `detours` what that comes to for the modules that are installed.
    """

    sig_enforce: bool | None = None
    lockdown: str | None = None
    cmdline: str = ""
    trusted_certs: tuple[Path, ...] | None = None
    loaded: frozenset[str] = frozenset()
    params: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    detours: tuple[Detour, ...] = ()

    def params_of(self, module: str) -> tuple[str, ...]:
        """What modprobe hands to a module: modprobe.d's words, the command line's "MODULE.NAME=VALUE", the given."""
        options = (words for name, words in self.options if name == module)
        named = (word for name, word in self.cmdline_options() if name == module)
        return (*options, *named, *self.params)

    def cmdline_options(self) -> Iterator[tuple[str, str]]:
        """(module, word) of every "MODULE.WORD" of the command line as modprobe finds them, who knows no "--" there.

        Quotes stay for the kernel; a word in quotes as a whole is none (libkmod: kmod_config_parse_kcmdline).
        """
        for word in _split(self.cmdline):
            name, dot, rest = word.partition(".")
            if dot and not set(name) & {"=", '"'}:
                yield name.replace("-", "_"), rest

    def command_of(self, module: str) -> str | None:
        """The first of modprobe.d's commands that stands for a module (libkmod: kmod_module_get_install_commands)."""
        return next((command for pattern, command in self.commands if matches(pattern, module)), None)

    def detours_of(self, module: str, depends: Iterable[str]) -> tuple[Detour, ...]:
        """What modprobe runs in place of what a module needs: as installed, or by what its file says it depends on."""
        known = [one for one in self.detours if one.module == module]
        for needed in depends:
            command = self.command_of(needed)
            known += [Detour(module=module, needed=needed, command=command)] if command is not None else []
            known += [replace(one, module=module) for one in self.detours if one.module == needed]
        return tuple({one.needed: one for one in known}.values())

    @property
    def named(self) -> frozenset[str]:
        """The modules that modprobe.d says something of, or whoever tells what is loaded."""
        told = (*self.loaded, *(name for name, _ in (*self.options, *self.commands)))
        return frozenset({*map(normalise_module_name, told), *(one.module for one in self.detours)})

    def words(self) -> Iterator[tuple[str, str | None]]:
        """The command line as the kernel's (name, value); '-' in a name is '_' (kernel/params.c: dash2underscore)."""
        return ((name.replace("-", "_"), value) for name, value in words_in(self.cmdline))

    def cmdline_values(self, name: str) -> Iterator[str | None]:
        """What is given to a parameter of the kernel, in order; None where it stands alone."""
        return (value for word, value in self.words() if word == name)

    @property
    def blacklisted(self) -> frozenset[str]:
        """The names in `module_blacklist=`: the last one counts that the kernel takes, letter by letter."""
        listed = ""
        for value in self.cmdline_values("module_blacklist"):
            if value is not None and len(value.encode("utf-8", "surrogateescape")) <= _LONGEST:
                listed = value
        return frozenset(filter(None, listed.split(",")))


def _split(text: str) -> Iterator[str]:
    """Words at blanks, as they stand; double quotes keep blanks together."""
    word, quoted = "", False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        if letter.isspace() and not quoted:
            if word:
                yield word
            word = ""
        else:
            word += letter
    if word:
        yield word
