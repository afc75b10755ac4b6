# SPDX-License-Identifier: GPL-2.0-or-later
"""/etc/passwd and /etc/group of a fresh root: Debian's masters and what sysusers.d asks for. Touches no file."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

HIGHEST = 999  # sysusers.d(5): "-" takes the highest free system number
NOWHERE, NOLOGIN = "/", "/usr/sbin/nologin"


@dataclass(slots=True, kw_only=True)
class Accounts:
    """The lines of both files by name; nobody has a password."""

    users: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    def add_group(self, name: str, number: str = "-") -> None:
        """A system group, unless there is one of that name."""
        if name not in self.groups:
            self.groups[name] = f"{name}:x:{self._number(number)}:"

    def add_user(self, name: str, number: str, gecos: str, home: str, shell: str) -> None:
        """A system user with a group of its name, unless another group is named ("NUMBER:GROUP")."""
        if name in self.users:
            return
        own, _, group = number.partition(":")
        if not group:
            self.add_group(name, own)
            group = name
        gid = self.groups[group].split(":")[2] if group in self.groups else group
        uid = gid if own == "-" else own
        self.users[name] = f"{name}:*:{uid}:{gid}:{gecos}:{home}:{shell}"

    def passwd(self) -> str:
        """The bytes of /etc/passwd."""
        return "".join(f"{line}\n" for line in self.users.values())

    def group(self) -> str:
        """The bytes of /etc/group."""
        return "".join(f"{line}\n" for line in self.groups.values())

    def _number(self, asked: str) -> str:
        if asked.isdecimal():
            return asked
        taken = {line.split(":")[2] for line in (*self.users.values(), *self.groups.values())}
        return next(str(number) for number in range(HIGHEST, 0, -1) if str(number) not in taken)


def accounts(passwd: str, group: str, sysusers: Mapping[str, str], groups: Iterable[str]) -> Accounts:
    """From the masters of base-passwd, the files of sysusers.d by name, and further system groups."""
    found = Accounts(users=_by_name(passwd), groups=_by_name(group))
    for name in sorted(sysusers):
        for line in sysusers[name].splitlines():
            _take(found, [*shlex.split(line, comments=True), *["-"] * 6])
    for name in groups:
        found.add_group(name)
    return found


def _by_name(text: str) -> dict[str, str]:
    return {line.partition(":")[0]: line for line in text.splitlines() if ":" in line}


def _take(found: Accounts, words: list[str]) -> None:
    """One line: TYPE NAME ID GECOS HOME SHELL (sysusers.d(5)); memberships and ranges are not needed by anyone yet."""
    kind, name, number, gecos, home, shell = words[:6]
    if kind.startswith("g"):
        found.add_group(name, number)
    elif kind.startswith("u"):
        home, shell = NOWHERE if home == "-" else home, NOLOGIN if shell == "-" else shell
        found.add_user(name, number, "" if gecos == "-" else gecos, home, shell)
