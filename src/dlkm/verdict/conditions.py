# SPDX-License-Identifier: GPL-2.0-or-later
"""What no file tells of the machine that will load: given by the user, defaults where nobody said."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How the kernel runs. `sig_enforce` and `lockdown` None: as the command line and the configuration say.

    `lockdown` is "none", "integrity" or "confidentiality". `cmdline` is the kernel's command line, `loaded` the modules
    that are there already, `params` the words given to every module ("NAME=VALUE"), `options` those that modprobe.d
    gives as (module, word), `trusted_certs` the certificates (DER or PEM) that the machine trusts besides the kernel's
    own: all of them, None where nobody knows. `commands` are what modprobe runs instead of loading, by module.
    """

    sig_enforce: bool | None = None
    lockdown: str | None = None
    cmdline: str = ""
    trusted_certs: tuple[Path, ...] | None = None
    loaded: frozenset[str] = frozenset()
    params: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()

    def params_of(self, module: str) -> tuple[str, ...]:
        """What modprobe hands to a module: modprobe.d's words, the command line's "MODULE.NAME=VALUE", the given."""
        options = (word for name, word in self.options if name == module)
        start = f"{module}."
        named = ((name.removeprefix(start), value) for name, value in self.words() if name.startswith(start))
        return (*options, *(key if value is None else f"{key}={value}" for key, value in named), *self.params)

    def command_of(self, module: str) -> str | None:
        """The first of modprobe.d's commands that stands for a module (libkmod: kmod_module_get_install_commands)."""
        return next((command for pattern, command in self.commands if fnmatchcase(module, pattern)), None)

    def words(self) -> Iterator[tuple[str, str | None]]:
        """The command line as (name, value); '-' in a name is '_' (kernel/params.c: dash2underscore)."""
        for word in _split(self.cmdline):
            name, equals, value = word.partition("=")
            yield name.replace("-", "_"), value if equals else None

    def cmdline_value(self, name: str) -> str | None:
        """The last value given to a parameter, "" for one that stands alone, None when it is not there."""
        found = None
        for word, value in self.words():
            if word == name:
                found = value or ""
        return found


def truth_of(value: str | None) -> bool | None:
    """What a switch on the command line says, alone or with a value; None for none (lib/kstrtox.c: kstrtobool)."""
    if not value or value[0] in "yYtT1" or value[:2].lower() == "on":
        return True
    return False if value[0] in "nNfF0" or value[:2].lower() == "of" else None


def _split(text: str) -> Iterator[str]:
    """Words at blanks; double quotes keep blanks together and fall away (lib/cmdline.c: next_arg)."""
    word, quoted = "", False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        elif letter.isspace() and not quoted:
            if word:
                yield word
            word = ""
        else:
            word += letter
    if word:
        yield word
