# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm check`: will it load there, and what would the kernel say?"""

import argparse
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlkm.cli.common import add_kernel_flag, kernels_of
from dlkm.core.errors import DlkmError, ExitStatus, NothingSelectedError, UsageError
from dlkm.kernel.kernel import Kernel
from dlkm.report.terminal import Terminal
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.verdict import Outcome, Verdict


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="a .ko, a directory of them, a glob, or a BUILD")
    add_kernel_flag(parser, required=False)
    parser.add_argument(
        "--rootfs", type=Path, metavar="DIR", help="the kernels installed in this root filesystem; no PATH: its modules"
    )
    told = parser.add_argument_group("what no file tells")
    told.add_argument("--sig-enforce", action="store_true", default=None, help="only modules with a trusted signature")
    told.add_argument("--lockdown", choices=["none", "integrity", "confidentiality"], help="how far it is locked down")
    told.add_argument("--cmdline", default="", metavar="TEXT", help="the kernel's command line")
    told.add_argument(
        "--trusted-cert", type=Path, action="append", default=[], metavar="FILE", help="a certificate it trusts too"
    )
    told.add_argument("--loaded", action="append", default=[], metavar="NAME", help="a module that is loaded already")
    told.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter that is given")
    answer = parser.add_argument_group("the answer")
    answer.add_argument("--strict", action="store_true", help="exit 8 when something cannot be told")
    answer.add_argument("--sarif", type=Path, metavar="FILE", help="write the findings as SARIF too")
    answer.add_argument("--junit", type=Path, metavar="FILE", help="write the verdicts as JUnit XML too")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Judge every file for every kernel; a file that cannot be read does not keep the others from being judged."""
    _require_folders(arguments)
    kernels = _kernels(arguments, terminal)
    errors: list[DlkmError] = []
    files = _files(arguments, kernels, errors)
    conditions = _conditions(arguments)
    verdicts: list[Verdict] = []
    for kernel, given in zip(kernels, files, strict=True):
        for result in _judged(kernel, given, conditions, arguments.jobs):
            if isinstance(result, DlkmError):
                errors.append(result)
            else:
                verdicts.append(result)
    _show(verdicts, errors, arguments, terminal)
    for error in errors:
        terminal.error(error)
    return max(_status(verdicts, strict=arguments.strict), *(error.status for error in errors), ExitStatus.OK)


def _require_folders(arguments: argparse.Namespace) -> None:
    """A typing error in where a report goes makes no directories, and is told before the work."""
    for path in (arguments.sarif, arguments.junit):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"cannot write {path}: there is no directory {path.parent}")


def _status(verdicts: Sequence[Verdict], *, strict: bool) -> ExitStatus:
    outcomes = {verdict.outcome for verdict in verdicts}
    if Outcome.FAILS in outcomes:
        return ExitStatus.NO
    return ExitStatus.CANNOT_TELL if strict and Outcome.CANNOT_TELL in outcomes else ExitStatus.OK


def _kernels(arguments: argparse.Namespace, terminal: Terminal) -> tuple[Kernel, ...]:
    if arguments.rootfs is not None:
        arguments.kernels = [*arguments.kernels, f"rootfs:{arguments.rootfs}"]
    if not arguments.kernels:
        raise UsageError("no kernel to check for", hint="name one: -k debian:RELEASE, or --rootfs DIR")
    return kernels_of(arguments, terminal)


def _files(arguments: argparse.Namespace, kernels: Sequence[Kernel], errors: list[DlkmError]) -> list[tuple[Path, ...]]:
    """The files for each kernel: the same for all, or where none is named the kernel's own installed ones.

    A PATH that names none goes to `errors`.
    """
    if arguments.paths:
        return [_named(arguments.paths, errors)] * len(kernels)
    if arguments.rootfs is None:
        raise UsageError("no module to check", hint="give a .ko, a directory of them, or --rootfs DIR for all in it")
    from dlkm.kernel.installed import module_files

    installed = [
        tuple(sorted(module_files(kernel.modules))) if kernel.modules is not None else () for kernel in kernels
    ]
    if not any(installed):
        raise NothingSelectedError(f"no module is installed in {arguments.rootfs}")
    return installed


def _named(words: Sequence[str], errors: list[DlkmError]) -> tuple[Path, ...]:
    found: dict[Path, None] = {}
    for word in words:
        try:
            found |= dict.fromkeys(_expand(word))
        except DlkmError as error:
            errors.append(error)
    return tuple(found)


def _expand(word: str) -> Iterator[Path]:
    """The files that one PATH names."""
    path = Path(word)
    if path.is_dir() or path.name == "build.json":
        yield from _below(path)
    elif path.exists():
        yield path
    elif glob.has_magic(word):
        found = sorted(glob.glob(word, recursive=True))  # noqa: PTH207 — the pattern may be absolute, which Path refuses
        if not found:
            raise NothingSelectedError(f"nothing matches {word!r}")
        for one in found:
            yield from _expand(glob.escape(one) if not Path(one).exists() else one)
    else:
        raise UsageError(f"there is no {word}")


def _below(path: Path) -> Iterator[Path]:
    """The modules of a BUILD, or else all below a directory."""
    from dlkm.build.record import is_build, read_build
    from dlkm.kernel.installed import module_files

    found = [module.path for module in read_build(path).modules] if is_build(path) else sorted(module_files(path))
    if not found:
        raise NothingSelectedError(
            f"there is no module in {path}", hint=f"a driver's source is built first: dlkm build {path} -k KERNEL"
        )
    yield from found


def _conditions(arguments: argparse.Namespace) -> Conditions:
    from dlkm.verdict.modprobe import options_in
    from dlkm.verdict.keyring import certificates_at

    for path in arguments.trusted_cert:
        certificates_at(path)  # one that is none is an error whether or not any module is signed
    return Conditions(
        sig_enforce=arguments.sig_enforce,
        lockdown=arguments.lockdown,
        cmdline=arguments.cmdline,
        trusted_certs=tuple(arguments.trusted_cert),
        loaded=frozenset(arguments.loaded),
        params=tuple(arguments.param),
        options=options_in(arguments.rootfs) if arguments.rootfs is not None else (),
    )


def _judged(
    kernel: Kernel, files: Sequence[Path], conditions: Conditions, jobs: int
) -> "Iterator[Verdict | DlkmError]":
    from dlkm.verdict.batch import judge_all

    return judge_all(kernel, files, conditions, jobs)


def _show(
    verdicts: Sequence[Verdict], errors: Sequence[DlkmError], arguments: argparse.Namespace, terminal: Terminal
) -> None:
    from dlkm.report import check

    if arguments.sarif is not None:
        from dlkm.report.sarif import write_sarif

        write_sarif(arguments.sarif, verdicts)
    if arguments.junit is not None:
        from dlkm.report.junit import write_junit

        write_junit(arguments.junit, verdicts)
    if arguments.json:
        terminal.document(check.check_document(verdicts, errors))
    elif verdicts:
        check.show(verdicts, terminal, all_findings=arguments.verbose)
