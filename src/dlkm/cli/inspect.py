# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm inspect`: what a .ko says of itself."""

import argparse
from pathlib import Path
from typing import Any

from dlkm.core.errors import DlkmError, ExitStatus, MalformedError, UsageError
from dlkm.core.events import Events
from dlkm.kernel.demand import complete_for
from dlkm.ko.module import Module, read_module
from dlkm.report.inspect import added_lines, field_values, inspect_document, modinfo_entries, module_entry
from dlkm.report.terminal import Terminal


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="a module: .ko, .ko.xz, .ko.zst, .ko.gz")
    parser.add_argument("-F", "--field", metavar="FIELD", help="only this field, as modinfo -F prints it")
    parser.add_argument(
        "-0", "--null", action="store_true", help="as modinfo -0: entries end with NUL, nothing is added"
    )


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show each file; one that cannot be read does not keep the others from being shown. The worst status counts."""
    if arguments.json and (arguments.field is not None or arguments.null):
        raise UsageError("--json gives the whole document: -F and -0 do not go with it")
    entries: list[dict[str, Any]] = []
    status = ExitStatus.OK
    complete_for(map(Path, arguments.files))
    for given in arguments.files:
        try:
            module = _module(Path(given))
            if arguments.json:
                entries.append(module_entry(module))
            else:
                terminal.write(_text(module, given, arguments))
        except DlkmError as error:
            terminal.error(error)
            status = max(status, error.status)
        else:
            _warn(module, terminal.events)
    if arguments.json:
        terminal.document(inspect_document(entries))
    return status


def _module(path: Path) -> Module:
    module = read_module(path)
    if module.modinfo_bytes is None:
        raise MalformedError(f"{path}: has no .modinfo section", hint="it is no kernel module, or was stripped of it")
    return module


def _text(module: Module, given: str, arguments: argparse.Namespace) -> str:
    """The whole of it before any is written: a file that proves malformed half-way leaves nothing behind."""
    end = "\0" if arguments.null else "\n"
    if arguments.field is not None:
        lines = list(field_values(module, arguments.field, given=given))
    elif arguments.null:
        lines = list(modinfo_entries(module, given=given, null=True))
    else:
        lines = [*modinfo_entries(module, given=given), *added_lines(module)]
    return "".join(line + end for line in lines)


def _warn(module: Module, events: Events) -> None:
    if module.misnamed:
        events.warning(f"{module.path}: the name says otherwise, but its compression is {module.compression}")
    for key, value in module.modinfo:
        if key in {"parm", "parmtype"} and ":" not in value:
            events.warning(f"{module.path}: '{key}={value}' has no ':' and names no parameter")
