# SPDX-License-Identifier: GPL-2.0-or-later
"""The `dlkm` program: finds the verb, runs it, turns errors into words and an exit status."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from dlkm import __version__
from dlkm.core.errors import DlkmError, ExitStatus

# One module of this folder a verb, imported only when it is asked for: the start stays short.
VERBS: dict[str, str] = {
    "new": "scaffold a driver: source, Makefile, Yocto recipe, COPYING",
    "kernel": "the kernels to build and check for",
    "build": "build drivers for kernels: every cell of the matrix",
    "inspect": "what a .ko says of itself",
    "check": "will it load there, and what would the kernel say?",
    "explain": "a kernel, insmod or modprobe message: cause, check, fix",
    "package": "deb, ipk and rpm packages of modules, for each kernel and after the newest",
    "stage": "install modules into a root filesystem",
    "audit": "is a finished root filesystem or initramfs right?",
    "prove": "boot the kernel, load, compare with the prediction",
    "matrix": "list the cells: which drivers for which kernels, and how each is set",
    "rootfs": "root filesystems to try things in",
    "cache": "what is kept of builds: show, prune, verify",
    "recipe": "Yocto recipes: check, mend, write",
    "import": "what others describe, as dlkm.toml and recipe",
    "doctor": "what this machine lacks, and the command that installs it",
}


_STDERR = 2  # the last of the standard streams


class Parser(argparse.ArgumentParser):
    """Says what is wrong in the project's own form; exit status 2."""

    def error(self, message: str) -> NoReturn:
        """A usage error."""
        sys.stderr.write(f"dlkm: error: {message}\n  (see '{self.prog} --help')\n")
        raise SystemExit(ExitStatus.USAGE)


def _overview() -> Parser:
    parser = Parser(prog="dlkm", description="Out-of-tree Linux kernel modules, from source to proven load.")
    parser.add_argument("--version", action="version", version=f"dlkm {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    for verb, summary in VERBS.items():
        verbs.add_parser(verb, help=summary, add_help=False)
    return parser


def parser_of(verb: str) -> Parser:
    """The whole command line of one verb."""
    from dlkm.cli.common import add_common_flags

    parser = Parser(prog=f"dlkm {verb}", description=VERBS[verb])
    module = import_module(f"dlkm.cli.{verb}")
    module.register(parser)
    add_common_flags(parser)
    return parser


def main(argv: Sequence[str], *, keeps: bool = False) -> int:
    """Run one command line; the exit status. `keeps`: what it answers may be kept for the next time."""
    verb = argv[0] if argv else ""
    if verb not in VERBS:
        _overview().parse_args(argv)
        return ExitStatus.USAGE
    from dlkm.cli.common import terminal_of
    from dlkm.core.events import telling

    parser = parser_of(verb)
    arguments = parser.parse_args(argv[1:])
    arguments.kept_as = tuple(argv) if keeps else None
    terminal = terminal_of(arguments)
    try:
        with telling.to(terminal.events):
            status: int = import_module(f"dlkm.cli.{verb}").run(arguments, terminal)
        terminal.flush()
    except DlkmError as error:
        terminal.close()
        terminal.error(error)
        return error.status
    finally:
        terminal.close()
    return status


def whole(argv: Sequence[str]) -> int:
    """One command line from the shell: its exit status, once all words are out."""
    _open_closed_streams()
    # Importing makes thousands of objects that all stay: looking through them for garbage is a tenth of the start.
    gc.set_threshold(50_000)
    return flushed(_guarded(argv))


def _guarded(argv: Sequence[str]) -> int:
    """The exit status, whatever happens."""
    from dlkm.core.interrupts import interruptible

    try:
        with interruptible():
            return main(argv, keeps=True)
    except SystemExit as end:  # argparse: --help, --version, wrong usage
        return end.code if isinstance(end.code, int) else ExitStatus.OK
    except KeyboardInterrupt:
        sys.stderr.write("\ndlkm: interrupted\n")
        return ExitStatus.INTERRUPTED
    except Exception:  # noqa: BLE001 — the last resort: whatever it is, it is a defect of ours
        return _defect()


def _open_closed_streams() -> None:
    """Whoever started us may have closed standard streams; the next file opened must not become one of them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        continue
    os.close(descriptor)
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 — open as long as we are
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 — as above


def flushed(status: int) -> int:
    """The exit status once all words are out: they may still wait for a disk that is full, a reader that left."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return unwritten(error, status)
    return status


def unwritten(error: OSError, status: int) -> int:
    """The exit status where the words cannot be written: `status` if nobody reads them, else that of a full disk."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return status
    sys.stderr.write(f"dlkm: error: cannot write standard output: {error.strerror}\n")
    return ExitStatus.MISSING_TOOL


def _defect() -> int:
    import traceback

    traceback.print_exc()
    sys.stderr.write("dlkm: this is a defect in dlkm, not in your input: please report it with the lines above\n")
    return ExitStatus.DEFECT
