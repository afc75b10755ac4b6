# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm explain`: a kernel, insmod or modprobe message → cause, check, fix."""

import argparse
import os
import sys
from pathlib import Path

from dlkm.cli.common import add_kernel_flag, kernels_of
from dlkm.cli.conditions import add_conditions, conditions_of, on
from dlkm.cli.selection import Selection, background_of
from dlkm.core.errors import ExitStatus, UsageError
from dlkm.report.terminal import Terminal
from dlkm.verdict.verdict import Verdict

_LIMIT = 16 << 20  # bytes; a kernel's whole log is far smaller


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help="the message; '-' or nothing: standard input")
    add_kernel_flag(parser, required=False)
    parser.add_argument("--module", type=Path, metavar="FILE", help="the module it is about; with -k it is judged too")
    add_conditions(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Explain; ExitStatus.NO when not one line is known."""
    from dlkm.report.explain import explain_document, show
    from dlkm.verdict.explain import explain

    text = _text(arguments.text)
    kernel, verdict = _at_hand(arguments, terminal)
    file = str(arguments.module) if arguments.module is not None else None
    messages = explain(text, file=file, kernel=kernel, verdict=verdict)
    if not messages:
        raise UsageError("there is no text to explain", hint="give the message: dmesg | dlkm explain -")
    if arguments.json:
        terminal.document(explain_document(messages, verdict))
    else:
        show(messages, terminal, everything=arguments.verbose)
    return ExitStatus.OK if any(message.rule is not None for message in messages) else ExitStatus.NO


def _text(words: list[str]) -> str:
    """The text given, or standard input; bytes that are no UTF-8 are written as escapes."""
    if words and words != ["-"]:
        return os.fsencode(" ".join(words)).decode("utf-8", "backslashreplace")
    if not words and sys.stdin.isatty():
        raise UsageError("no message to explain", hint="give it in quotes, or pipe it in: dmesg | dlkm explain -")
    data = sys.stdin.buffer.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise UsageError(f"more than {_LIMIT >> 20} MiB of text", hint="dmesg | tail -n 1000 | dlkm explain -")
    return data.decode("utf-8", "backslashreplace")


def _at_hand(arguments: argparse.Namespace, terminal: Terminal) -> tuple[str | None, Verdict | None]:
    """The kernel's id, and the verdict when there is a module too."""
    module: Path | None = arguments.module
    if module is not None and not module.is_file():
        raise UsageError(f"there is no {module}")
    if not arguments.kernels:
        return None, None
    kernels = kernels_of(arguments, terminal)
    if len(kernels) != 1:
        raise UsageError(f"{len(kernels)} kernels, and a message is of one", hint="name one with -k")
    if module is None:
        return kernels[0].id, None
    from dlkm.verdict.session import Session

    selection = Selection(files={str(module): str(module)})
    background = background_of(selection, kernels[0], kernels)
    conditions = on(kernels[0], conditions_of(arguments), set())
    return kernels[0].id, Session(kernels[0], conditions, [module], background).verdict(module)
