# SPDX-License-Identifier: GPL-2.0-or-later
"""How `dlkm doctor` shows what a machine offers; looks at nothing itself."""

from typing import Any

from dlkm.core.surroundings import ROOM_WANTED, Cache, KvmDevice, Presence, Surroundings
from dlkm.core.tools import install_command, package_manager
from dlkm.report.document import document, plain
from dlkm.report.terminal import Style, Terminal

KVM_WORDS = {
    KvmDevice.USABLE: "the device is there; whether it works shows when a guest boots",
    KvmDevice.FORBIDDEN: "the device is there, but this user may not open it: guests are emulated, which is slower",
    KvmDevice.ABSENT: "no device: guests are emulated, which is slower",
}


def to_document(found: Surroundings) -> dict[str, Any]:
    """The document `dlkm.doctor/1`."""
    return document(
        "doctor",
        ok=found.sufficient,
        tools=[_tool(presence) for presence in found.tools],
        sandbox=found.sandbox,
        kvm=found.kvm,
        cache=found.cache,
        install=install_command(found.missing),
    )


def show(found: Surroundings, terminal: Terminal) -> None:
    """The table, the rest of the machine, and what to do."""
    terminal.table(["PROGRAM", "STATE", "VERSION", "NEEDED"], [_row(presence, terminal) for presence in found.tools])
    terminal.print()
    sandbox = "bubblewrap works" if found.sandbox.works else f"no sandbox: {found.sandbox.reason}"
    terminal.print(f"sandbox  {terminal.styled(sandbox, Style.GOOD if found.sandbox.works else Style.DOUBTFUL)}")
    terminal.print(f"KVM      {KVM_WORDS[found.kvm]}")
    terminal.print(f"cache    {_cache(found.cache, terminal)}")
    command = install_command(found.missing)
    if command is not None:
        terminal.print(f"\nTo install what is missing, as root:\n  {command}")
    elif found.sufficient:
        terminal.print("\nNothing is missing.")


def _tool(presence: Presence) -> dict[str, Any]:
    tool = presence.tool
    return {
        "name": tool.name,
        "present": presence.path is not None,
        "path": plain(presence.path),
        "version": presence.version,
        "needed": tool.needed,
        "purpose": tool.purpose,
        "package": tool.packages.get(package_manager()),
    }


def _row(presence: Presence, terminal: Terminal) -> list[str]:
    tool = presence.tool
    if presence.path is not None:
        state = terminal.styled("there", Style.GOOD)
    else:
        state = terminal.styled("missing", Style.BAD if tool.needed else Style.DOUBTFUL)
    return [tool.name, state, presence.version or "", tool.purpose]


def _cache(cache: Cache, terminal: Terminal) -> str:
    if not cache.writable:
        return f"{cache.path} {terminal.styled('cannot be written', Style.BAD)}"
    if cache.free is None:
        return str(cache.path)
    room = f"{cache.free / (1 << 30):.1f} GiB free"
    return f"{cache.path}, {room if cache.free >= ROOM_WANTED else terminal.styled(room, Style.DOUBTFUL)}"
