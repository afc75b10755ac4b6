# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows what is kept of builds, and what compiles for a kernel."""

from collections.abc import Sequence
from typing import Any

from dlkm.action.store import Store
from dlkm.build.toolchain import Toolchain
from dlkm.core.errors import ExitStatus
from dlkm.kernel.kernel import Kernel
from dlkm.report.document import document
from dlkm.report.terminal import Terminal


def cache_document(store: Store, checked: int | None, damaged: int | None) -> dict[str, Any]:
    """The document dlkm.cache/1; `checked` and `damaged` are numbers of files, null when nobody looked."""
    usage = store.usage()
    return document(
        "cache",
        path=store.home,
        size=usage.size,
        limit=store.limit,
        blobs=usage.blobs,
        actions=usage.actions,
        checked=checked,
        damaged=damaged,
    )


def show_cache(table: dict[str, Any], terminal: Terminal) -> None:
    """The same for people."""
    size, limit = table["size"] / 2**20, table["limit"] / 2**20
    terminal.print(f"{table['path']}: {size:.1f} MiB of {limit:.0f} MiB in {table['blobs']} blobs")
    terminal.print(f"{table['actions']} actions known")
    if table["checked"] is not None:
        terminal.print(f"{table['checked']} files looked at, {table['damaged']} damaged")


def show_toolchains(toolchains: Sequence[tuple[Kernel, Toolchain]], terminal: Terminal, *, as_json: bool) -> int:
    """What each kernel's actions ask for in the platform property dlkm-toolchain, and what is in it."""
    if as_json:
        rows = [
            {
                "kernel": kernel.id,
                "digest": toolchain.digest.hash,
                "parts": [
                    {"name": name, "path": path, "sha256": digest.hash} for name, path, digest in toolchain.parts
                ],
            }
            for kernel, toolchain in toolchains
        ]
        terminal.document(document("toolchain", toolchains=rows))
    else:
        for kernel, toolchain in toolchains:
            terminal.print(f"{kernel.id} dlkm-toolchain={toolchain.digest.hash} ({len(toolchain.parts)} files)")
    return ExitStatus.OK
