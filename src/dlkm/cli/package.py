# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm package`: modules as deb, ipk and rpm, split as Yocto does it, for each kernel and after the newest."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlkm.cli.build import add_build_flags, options_of
from dlkm.cli.common import add_kernel_flag, add_output_flag
from dlkm.cli.configuration import add_configuration_flags, add_file_flags, wanted_of
from dlkm.cli.inputs import INPUTS
from dlkm.core.errors import ExitStatus, MalformedError, UsageError
from dlkm.report.terminal import Terminal, printable

if TYPE_CHECKING:
    from dlkm.package.assemble import Target
    from dlkm.package.lot import Asked, Lot
    from dlkm.package.package import PackageFile
    from dlkm.package.writing import Job
    from dlkm.rootfs.stage import Given

_SYSTEMS = {"deb": ("debian", "yocto"), "ipk": ("yocto",), "rpm": ("rpm", "yocto")}
_LATEST = 1 << 32  # seconds since 1970 that an .rpm cannot hold any more


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    add = parser.add_argument
    what = INPUTS + "; a source needs -k (default: .)"
    add("paths", nargs="*", type=Path, default=[Path()], metavar="FILE|BUILD|SOURCE", help=what)
    add_kernel_flag(parser, required=False)
    add_output_flag(parser)
    add(
        "--format",
        dest="formats",
        action="append",
        required=True,
        choices=list(_SYSTEMS),
        metavar="deb|ipk|rpm",
        help="what to write; may be given again",
    )
    add(
        "--system",
        choices=["debian", "rpm", "yocto"],
        help="whose names packages have (default: deb debian, ipk yocto)",
    )
    add("--compress", choices=["gz", "xz", "zst"], help="the payload (default: deb and rpm xz, ipk gz)")
    add("--strip", action="store_true", help="leave debugging information out of modules")
    add("--force", action="store_true", help="package modules that their kernel will refuse")
    _add_descriptions(parser)
    add_configuration_flags(parser)
    add_file_flags(parser)
    add_build_flags(parser)


def _add_descriptions(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what packages say").add_argument
    add("--name", default="", metavar="NAME", help="of the package that follows the newest kernel")
    add("--version", default="", metavar="VERSION", help="(default: dkms.conf's, a recipe's PV, MODULE_VERSION, 0)")
    add("--revision", default="", metavar="REVISION", help="of the packaging (default: a recipe's PR, 1)")
    add("--epoch", default="", metavar="N", help="for versions that went back")
    add(
        "--maintainer",
        default="",
        metavar="'NAME <ADDRESS>'",
        help="(default: the first MODULE_AUTHOR with an address)",
    )
    add(
        "--kernel-package",
        metavar="NAME|none",
        help="what has the kernel, where it is called otherwise; {R}: its release",
    )
    add(
        "--relation",
        dest="relations",
        action="append",
        default=[],
        metavar="NAME=OTHER",
        help="what a recipe's NAME is called there; NAME= leaves it out",
    )


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Gather, judge, assemble, write, show."""
    from dlkm.cli.lots import gather, refusals
    from dlkm.core.files import cache_home, held_dir
    from dlkm.package.stamp import Stamp
    from dlkm.package.writing import write_all
    from dlkm.report import package as report

    asked, targets = _asked(arguments), _targets(arguments)
    stamp = Stamp(_epoch(arguments))
    gathered = gather(arguments, asked, terminal)
    refused = list(refusals(gathered))
    failures = [f"{cell.id}: {cell.reason}" for cell in gathered.failed]
    if failures or (refused and not arguments.force):
        for failure in failures:
            terminal.events.warning(printable(failure))
        report.show_refusal(refused, failures, terminal, as_document=arguments.json)
        return ExitStatus.NO
    skipped = [f"{cell.id} was not built: {cell.reason}" for cell in gathered.skipped]
    forced = [f"{verdict.path} will not load on {verdict.kernel} (--force)" for verdict in refused]
    with held_dir(cache_home() / "build", "package-") as aside:
        lots = _stripped(gathered.lots, aside, terminal) if arguments.strip else gathered.lots
        complete = replace(asked, files=tuple(_files(gathered.given, arguments)))
        jobs, warnings = _jobs(lots, targets, complete, arguments)
        written = write_all(jobs, arguments.output, stamp, arguments.jobs)
    warnings = [*skipped, *forced, *warnings]
    for warning in warnings:
        terminal.events.warning(printable(warning))
    report.show(written, warnings, terminal, as_document=arguments.json)
    return ExitStatus.OK


def _files(given: "Sequence[Given]", arguments: argparse.Namespace) -> "Iterator[PackageFile]":
    """Firmware and udev rules, where packages have them; /lib is right where /usr is merged and where it is not."""
    from dlkm.package.package import PackageFile
    from dlkm.rootfs.belongings import firmware, udev_rules
    from dlkm.rootfs.conf import ConfDir

    found = firmware(arguments.firmware, [item.module for item in given])
    for extra in (*found, *udev_rules(arguments.udev_rules, ConfDir.USR)):
        path = extra.path.removeprefix("usr")
        yield PackageFile(path=path, mode=extra.content.mode, source=extra.content.source)


def _stripped(lots: "Sequence[Lot]", aside: Path, terminal: Terminal) -> "tuple[Lot, ...]":
    from dlkm.core.processes import Processes
    from dlkm.package.stripping import stripped

    return stripped(lots, aside, Processes(), terminal.events)


def _asked(arguments: argparse.Namespace) -> "Asked":
    from dlkm.package.lot import Asked
    from dlkm.package.names import check_epoch, check_name, upstream_version
    from dlkm.package.split import is_address
    from dlkm.rootfs.conf import ConfDir, load_dir

    if arguments.maintainer and not is_address(arguments.maintainer):
        raise UsageError(f"--maintainer {arguments.maintainer}: is not of the form 'NAME <USER@HOST>'")
    wanted = wanted_of(arguments)
    conf_dir = ConfDir(arguments.conf_dir)
    return Asked(
        name=check_name(arguments.name),
        version=upstream_version(arguments.version) if arguments.version else "",
        revision=upstream_version(arguments.revision) if arguments.revision else "",
        epoch=check_epoch(arguments.epoch),
        maintainer=arguments.maintainer,
        load=wanted.load_files(),
        probe=wanted.modprobe_files(),
        load_dir=f"/{load_dir(conf_dir)}",
        probe_dir="/etc/modprobe.d" if conf_dir is ConfDir.ETC else "/usr/lib/modprobe.d",
    )


def _targets(arguments: argparse.Namespace) -> "tuple[Target, ...]":
    from dlkm.package.assemble import Target
    from dlkm.package.names import Format
    from dlkm.package.systems import System, system_of

    renames = dict(_relation(text) for text in arguments.relations)
    kernel = _kernel_package(arguments.kernel_package)
    targets = []
    for word in dict.fromkeys(arguments.formats):
        form = Format(word)
        system = System(arguments.system) if arguments.system else system_of(form)
        if system not in _SYSTEMS[form]:
            raise UsageError(f"--system {system} has no packages of the format {form}")
        targets.append(Target(form=form, system=system, renames=renames, kernel_package=kernel))
    return tuple(targets)


def _relation(text: str) -> tuple[str, str]:
    name, equals, other = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--relation {text}: is not of the form NAME=OTHER")
    return name, _checked("--relation", other) if other else ""


def _kernel_package(text: str | None) -> str | None:
    return None if text is None else "" if text in {"", "none"} else _checked("--kernel-package", text)


def _checked(flag: str, text: str) -> str:
    from dlkm.package.relations import parse

    try:
        parse(text)
    except MalformedError as error:
        raise UsageError(f"{flag}: {error.what}", hint=error.hint) from error
    return text


def _epoch(arguments: argparse.Namespace) -> int:
    epoch = options_of(arguments).epoch
    if epoch >= _LATEST:
        raise UsageError(f"SOURCE_DATE_EPOCH={epoch}: is later than any package can say")
    return epoch


def _jobs(
    lots: "Sequence[Lot]", targets: "Sequence[Target]", asked: "Asked", arguments: argparse.Namespace
) -> "tuple[list[Job], list[str]]":
    from dlkm.package.assemble import assemble
    from dlkm.package.compression import Compression
    from dlkm.package.configured import configured, unmatched
    from dlkm.package.writing import USUAL, Job

    warnings = [f"--autoload {name}: no module packaged is called so" for name in unmatched(lots, asked)]
    complete = configured(lots, asked)
    jobs: list[Job] = []
    for target in targets:
        made = assemble(complete, target)
        how = Compression(arguments.compress) if arguments.compress else USUAL[target.form]
        jobs += [Job(ready=one, form=target.form, system=target.system, compression=how) for one in made.ready]
        warnings += made.warnings
    return jobs, list(dict.fromkeys(warnings))
