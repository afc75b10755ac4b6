# SPDX-License-Identifier: GPL-2.0-or-later
"""A build as an action of the Remote Execution API: its inputs, its command, and the digest that is its key.

What runs here and what runs on a worker is the same action. Its input root holds

    source/       the driver                 kernel/PLACE   the kernel's directories
    dlkm/run      what a worker runs         dlkm/plan      the steps, as shell text
    dlkm/tools/   first in PATH              dlkm/proc/, dlkm/etc/   over the machine's
    dlkm/toolchain   what the worker's must be

and, when it is hermetic, the toolchain's own files, and the kernel once more, in their places below the root.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from dlkm.action import wire
from dlkm.action.digest import Digest
from dlkm.action.tree import Blobs, Folder
from dlkm.build.content import KernelContent
from dlkm.build.environment import Surroundings
from dlkm.build.kerneltree import KernelTree
from dlkm.build.mounts import GROUP, PASSWD, foreign_folders
from dlkm.build.order import Order, symvers_place
from dlkm.build.place import Tools, shown_command
from dlkm.build.steps import Plan, Step
from dlkm.build.toolchain import Toolchain
from dlkm.build.view import SYSTEM_PATH, View, bare_view, kernel_maps
from dlkm.core.data import data_path

SECONDS = 6 * 3600  # that a build may take
HERE = "\0here\0"  # where a worker laid the inputs out; no argument, name or variable can hold a NUL
OUT = "out"
_PATH = ":".join(SYSTEM_PATH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that goes into the actions of one order, but for the plan."""

    order: Order
    tree: KernelTree
    tools: Tools
    source: Digest
    kernel: KernelContent
    toolchain: Toolchain
    sandboxed: bool
    hermetic: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An action ready to be looked up. `blobs` are its own messages and small files; the big ones are named in them."""

    digest: Digest
    blobs: Blobs


def request_of(inputs: Inputs, sandboxed: Plan, bare: Plan) -> Request:
    """The action that runs a plan; the plan is given as the sandbox and as a bare worker have it."""
    blobs = Blobs()
    root = _root(inputs, blobs)
    root.put_file("dlkm/plan", blobs.put(_plan_text(inputs, sandboxed, bare).encode("utf-8", "surrogateescape")))
    place = "sandbox" if inputs.sandboxed else "bare"
    properties = dict(inputs.properties) | {"dlkm-toolchain": inputs.toolchain.digest.hash}
    environment = {"PATH": _PATH, "DLKM_PLACE": place}
    command = blobs.put(wire.command(("/bin/sh", "dlkm/run"), environment, (OUT,), properties))
    action = blobs.put(wire.action(command, root.digest(blobs.keep), SECONDS, properties))
    return Request(digest=action, blobs=blobs)


def worker_view(order: Order, tree: KernelTree) -> View:
    """As a worker without a sandbox has it."""
    around = Surroundings(
        kernel=f"{HERE}/kernel{tree.directory}",
        driver=f"{HERE}/build/driver",
        root=f"{HERE}/build/root",
        home=f"{HERE}/build/home",
        tools=f"{HERE}/build/tools",
        path=":".join([f"{HERE}/build/tools", *SYSTEM_PATH, str(order.compiler.path.parent)]),
    )
    usual = tuple(f"-fdebug-prefix-map={HERE}/kernel{here}={there}" for here, there in tree.usual)
    return bare_view(around, f"{HERE}/build/dkms", (f"-fdebug-prefix-map={HERE}/kernel=", *usual, *kernel_maps(tree)))


def _root(inputs: Inputs, blobs: Blobs) -> Folder:
    root = Folder(links={name: f"usr/{name}" for name in ("bin", "lib", "lib64", "sbin")})
    root.put_file("dlkm/run", blobs.put(_script()), executable=True)
    root.put_file("dlkm/etc/passwd", blobs.put(PASSWD.encode()))
    root.put_file("dlkm/etc/group", blobs.put(GROUP.encode()))
    for place, content, executable in inputs.tools.files:
        root.put_file(f"dlkm/{place}", blobs.put(content), executable=executable)
    for place, target in inputs.tools.links:
        root.put_link(f"dlkm/{place}", target)
    for given in inputs.order.given:
        root.put_file(f"dlkm/tools/{symvers_place(given.name)}", blobs.put(given.symvers.read_bytes()))
    root.put_folder("source", inputs.source)
    _put_kernel(root, inputs, "kernel")
    if inputs.hermetic:
        _put_toolchain(root, inputs, blobs)
    else:
        # A worker that gives each action a root directory of its own has no /etc there, through which programs go.
        _put_links(root, (link for link in inputs.toolchain.links if link[0].startswith("/etc/")))
        root.put_file("dlkm/toolchain", blobs.put(inputs.toolchain.compared.encode()))
    return root


@cache
def _script() -> bytes:
    return data_path("run.sh").read_bytes()


def _put_kernel(root: Folder, inputs: Inputs, below: str) -> None:
    for place, digest, is_folder in inputs.kernel.places:
        if is_folder:
            root.put_folder(f"{below}{place}".lstrip("/"), digest)
        else:
            root.put_file(f"{below}{place}".lstrip("/"), digest)
    for text, place in inputs.tree.links:
        if not text.startswith("/"):
            root.put_link(f"{below}{place}".lstrip("/"), text)


def _put_toolchain(root: Folder, inputs: Inputs, blobs: Blobs) -> None:
    """The toolchain's files where they lie here, with the links that lead to them; the target's in its own places."""
    for _name, path, digest in inputs.toolchain.parts:
        root.put_file(str(path).lstrip("/"), digest, executable=os.access(path, os.X_OK))
        blobs.paths[digest] = path
    _put_links(root, inputs.toolchain.links)
    _put_kernel(root, inputs, "")
    for text, place in inputs.tree.links:
        inside = f"usr{place}" if place.startswith("/lib/") else place.lstrip("/")
        if text.startswith("/"):
            root.put_link(inside, f"{'../' * inside.count('/')}{text.lstrip('/')}")
    tools = {place: content for place, content, _executable in inputs.tools.files}
    for place, name in (("usr/bin/uname", "uname"), ("usr/sbin/depmod", "depmod")):
        root.put_file(place, blobs.put(tools[f"tools/{name}"]), executable=True)
    for name, content in (("passwd", PASSWD), ("group", GROUP)):
        root.put_file(f"etc/{name}", blobs.put(content.encode()))


def _put_links(root: Folder, links: Iterable[tuple[str, str]]) -> None:
    """Links of this machine's root, at their places; those that begin there go up to the root instead."""
    for place, target in links:
        up = "../" * (place.count("/") - 1)
        root.put_link(place.lstrip("/"), f"{up}{target.lstrip('/')}" if target.startswith("/") else target)


def _plan_text(inputs: Inputs, sandboxed: Plan, bare: Plan) -> str:
    kernel = [f"bind {_quoted(place)}" for place, _digest, _folder in inputs.kernel.places]
    kernel += [f"link {_quoted(text)} {_quoted(place)}" for text, place in inputs.tree.links]
    return "\n".join(
        [
            f"hermetic={'yes' if inputs.hermetic else ''}",
            f"yard={_quoted(sandboxed.yard)}",
            f"foreign={_quoted(' '.join(foreign_folders(inputs.order.compiler)))}",
            *_function("kernel", kernel),
            *_function("sandboxed", [_call(step) for step in sandboxed.steps]),
            *_function("bare", [_call(step) for step in bare.steps]),
            "",
        ]
    )


def _function(name: str, lines: list[str]) -> Iterator[str]:
    yield f"{name}() {{"
    yield from (f"    {line}" for line in lines or [":"])
    yield "}"


def _call(step: Step) -> str:
    """One step; the worker says itself how many jobs it runs at once."""
    shown = step.shown or shown_command(step.argv, step.environment, step.folder)
    flags = [_quoted("yes" if flag else "") for flag in (step.required, step.told, step.silent)]
    flags_of_make = step.environment.get("MAKEFLAGS", "")
    environment = {name: value for name, value in step.environment.items() if name != "MAKEFLAGS"}
    words = [_quoted(f"{name}={value}") for name, value in environment.items()]
    words.append(f'"MAKEFLAGS= -j$jobs"{_quoted(flags_of_make)}')
    return " ".join(["step", *flags, _quoted(step.folder), _quoted(shown), *words, *map(_quoted, step.argv)])


def _quoted(text: str) -> str:
    """A word of a shell; what stands for the worker's directory is filled in there."""
    plain = text.replace("'", "'\"'\"'")
    return f"'{plain}'".replace(HERE, "'\"$here\"'")
