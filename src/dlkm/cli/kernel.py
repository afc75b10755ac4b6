# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm kernel`: the kernels to build and check for."""

import argparse
import fnmatch
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from dlkm.cli.common import add_common_flags, add_locked_flag, pool_to_add_to, positive
from dlkm.core.errors import DlkmError, ExitStatus, NothingSelectedError, UsageError
from dlkm.core.files import tree_size
from dlkm.core.processes import Processes
from dlkm.kernel.hosttools import own_tools_trouble
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Broken, Pool
from dlkm.kernel.select import Given, add, packages_together, present, resolve
from dlkm.kernel.spec import is_glob
from dlkm.report.kernel import (
    HEADS,
    USED,
    lines,
    list_document,
    pruned_document,
    rows,
    show_document,
    stale_text,
    verify_document,
    with_use,
)
from dlkm.report.terminal import Terminal

LOCK = "dlkm.lock"
SPECS = """SPEC is one of
  running             this machine's own kernel
  DIR                 a headers tree, a build directory (what KERNEL_SRC names), an unpacked kernel-devel, a work
                      directory of Yocto's kernel, a directory of packages; SRC:BUILD where O= was used
  debian:RELEASE      debian:6.1.0-56-amd64, debian:latest-6.1-arm64, debian:latest-6.1-rt-amd64,
                      debian:6.1.0-*-amd64 (all that match): headers and image, checked by apt's signatures
  FILE.deb, FILE.rpm  package files; all that are given together make their kernels
  source:RELEASE      a kernel of Debian's with its full source, prepared as the shipped one and compared with it
  source:PATH         a directory or a tarball with a kernel's source; needs --config
  rootfs:DIR|IMAGE    an installed root filesystem, or an ext4 or tar image of one: no headers, good for check
  snapshot:FILE       what 'dlkm kernel snapshot' collected on a target: good for check"""


def register(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=type(parser))

    def action(name: str, summary: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        add_common_flags(made, again=True)
        return made

    adding = action("add", "fetch or register kernels")
    adding.formatter_class = argparse.RawDescriptionHelpFormatter
    adding.epilog = SPECS
    adding.add_argument("kernels", nargs="*", metavar="SPEC", help="see below; none with --locked: all that are pinned")
    add_locked_flag(adding)
    adding.add_argument(
        "--mirror",
        dest="mirrors",
        action="append",
        default=[],
        metavar="URL",
        help="a mirror of Debian's archive, or of its security archive when it ends in 'security', in place of this "
        "machine's own, or a directory of .deb files; may be given again",
    )
    adding.add_argument("--config", type=Path, metavar="FILE", help="the configuration of source:PATH")
    adding.add_argument("--symvers", type=Path, metavar="FILE", help="the Module.symvers of source:PATH")
    adding.add_argument("--release", metavar="R", help="what source:PATH calls itself (the target's uname -r)")
    adding.add_argument(
        "--all-modules",
        action="store_true",
        help="unpack all modules of the kernels now, also of those that are there; otherwise when one is asked for",
    )
    listing = action("list", "what the pool has")
    listing.add_argument("--used", action="store_true", help="with the day on which each was taken last")
    listing.add_argument("kernels", nargs="*", metavar="PATTERN", help="only these: ids or globs")
    showing = action("show", "what is known of a kernel")
    showing.add_argument("kernels", nargs=1, metavar="K", help="an id or a SPEC")
    comparing = action("diff", "what differs between two kernels for a module that moves from one to the other")
    comparing.add_argument("kernels", nargs=2, metavar="K", help="ids or SPECs")
    pinning = action("lock", "pin kernels by digest in dlkm.lock, for --locked elsewhere")
    pinning.add_argument(
        "kernels", nargs="*", metavar="K", help="ids or SPECs; none: all that are pinned, as they are now"
    )
    pinning.add_argument("-o", "--output", type=Path, default=Path(LOCK), metavar="FILE", help=f"default: {LOCK}")
    pruning = action(
        "prune", "remove kernels and what was read of them that nobody used for long, and broken-off downloads"
    )
    pruning.add_argument("--days", type=positive, default=90, metavar="N", help="for how long; default: 90")
    pruning.add_argument("--dry-run", action="store_true", help="only say what would go")
    removing = action("rm", "remove kernels from the pool")
    removing.add_argument("kernels", nargs="+", metavar="K", help="an id or a glob")
    taking = action("snapshot", "collect on a target what 'check' needs to know of its running kernel")
    taking.add_argument("target", nargs="?", metavar="ssh://USER@HOST[:PORT]", help="take it over ssh, in one go")
    taking.add_argument("--script", action="store_true", help="print the shell script to run on the target instead")
    taking.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where the snapshot goes; default: HOST.snapshot"
    )
    taking.add_argument("--ssh-config", type=Path, metavar="FILE", help="in place of the user's own (ssh -F)")
    verifying = action("verify", "compare every byte with what was added; exit status 5 when something differs")
    verifying.add_argument("kernels", nargs="*", metavar="K", help="an id or a glob; all when none is given")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do what the action says."""
    actions: dict[str, Callable[[argparse.Namespace, Terminal], int]] = {
        "add": _add,
        "list": _list,
        "show": _show,
        "diff": _diff,
        "lock": _lock,
        "prune": _prune,
        "rm": _remove,
        "snapshot": _snapshot,
        "verify": _verify,
    }
    return actions[arguments.action](arguments, terminal)


def _add(arguments: argparse.Namespace, terminal: Terminal) -> int:
    given = Given(
        mirrors=tuple(arguments.mirrors),
        config=arguments.config,
        symvers=arguments.symvers,
        release=arguments.release,
        lock=arguments.locked,
    )
    if not arguments.kernels and given.lock is None:
        raise UsageError("name a kernel", hint="dlkm kernel add debian:latest-6.1-amd64")
    kernels = add(arguments.kernels, pool_to_add_to(), terminal.events, Processes(), given=given)
    for kernel in kernels:
        _look_at_image(kernel, terminal)
        if (trouble := own_tools_trouble(kernel)) is not None:
            terminal.events.warning(f"kernel {kernel.id}: {trouble}")
    if arguments.all_modules:
        kernels = tuple(map(_completed, kernels))
    _answer(kernels, arguments, terminal)
    return ExitStatus.OK


def _completed(kernel: Kernel) -> Kernel:
    """The kernel with all its modules unpacked."""
    from dlkm.kernel.demand import complete

    if kernel.packed is None or kernel.modules is None:
        return kernel
    complete(kernel.modules)
    return Pool().get(kernel.id) or kernel


def _look_at_image(kernel: Kernel, terminal: Terminal) -> None:
    """Read what the image tells now, so that no check has to, and say at once what does not fit."""
    from dlkm.kernel.image_record import on_record, recorded

    if kernel.image is None:
        return
    image = on_record(kernel)
    if image is None:
        with terminal.events.task(f"reading the image of {kernel.id}"):
            image = recorded(kernel)
    if image is not None and image.fault is not None:
        terminal.events.warning(f"kernel {kernel.id}: its image cannot be read: {image.fault}")
    if image is not None and image.stale is not None:
        terminal.events.warning(f"kernel {kernel.id}: {stale_text(kernel, image.stale)}")


def _list(arguments: argparse.Namespace, terminal: Terminal) -> int:
    pool = Pool()
    wanted = set(_chosen(pool, arguments.kernels)) if arguments.kernels else None
    kernels = []
    for entry in present(pool):
        if wanted is not None and entry.id not in wanted:
            continue
        if isinstance(entry, Broken):
            terminal.events.warning(f"kernel {entry.id}: {entry.why} (remove it: dlkm kernel rm {entry.id})")
        else:
            kernels.append(entry)
    used = {kernel.id: pool.used(kernel.id) for kernel in kernels}
    if arguments.json:
        terminal.document(list_document(kernels, used))
    elif kernels:
        table = rows(kernels)
        terminal.table((*HEADS, USED) if arguments.used else HEADS, with_use(table, used) if arguments.used else table)
    if not kernels:
        terminal.events.info("the pool has no kernel; add one: dlkm kernel add debian:latest-6.1-amd64")
    return ExitStatus.OK


def _show(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from dlkm.kernel.image_record import recorded
    from dlkm.kernel.portrait import portrait

    kernel = _one(arguments.kernels[0], terminal, partial=True)
    facts, image = portrait(kernel), recorded(kernel)
    if arguments.json:
        terminal.document(show_document(kernel, facts, image))
    else:
        terminal.write("".join(f"{line}\n" for line in lines(kernel, facts, image)))
    return ExitStatus.OK


def _one(word: str, terminal: Terminal, *, partial: bool = False) -> Kernel:
    """The one kernel that a word names."""
    kernels = resolve([word], Pool(), terminal.events, Processes(), given=Given(partial=partial))
    if len(kernels) > 1:
        raise UsageError(f"{word!r} names {len(kernels)} kernels", hint="name one of them")
    return kernels[0]


def _diff(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from dlkm.kernel.diff import difference
    from dlkm.report.kerneldiff import diff_document, diff_lines

    one, other = (_one(word, terminal) for word in arguments.kernels)
    found = difference(one, other)
    if arguments.json:
        terminal.document(diff_document(one, other, found))
    else:
        terminal.write("".join(f"{line}\n" for line in diff_lines(one, other, found, all_of_it=arguments.verbose)))
    return ExitStatus.OK


def _lock(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from dlkm.kernel.lockfile import Lock, pin_of

    pool = Pool()
    lock = Lock.read(arguments.output) if arguments.output.exists() or not arguments.kernels else Lock(())
    words = packages_together(list(dict.fromkeys(arguments.kernels or [pin.spec for pin in lock.pins])))
    added = ((word, kernel) for word in words for kernel in add([word], pool, terminal.events, Processes()))
    pins = [pin_of(word, kernel, pool) for word, kernel in added]
    lock.with_pins(pins).write(arguments.output)
    for pin in pins:
        terminal.print(f"{pin.spec}: {pin.id} {pin.digest}")
    return ExitStatus.OK


def _prune(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from dlkm.kernel import readings

    pool = Pool()
    names = pool.prunable(arguments.days * 86400)
    unused = dict(readings.old(arguments.days * 86400))
    freed = sum(tree_size(pool.home(name)) for name in names) + sum(unused.values())
    if not arguments.dry_run:
        for name in names:
            _take_out(pool, name)
        freed += pool.leftovers()
        readings.drop(unused)
    if arguments.json:
        terminal.document(pruned_document(names, freed, done=not arguments.dry_run))
        return ExitStatus.OK
    for name in names:
        terminal.print(f"{'would remove' if arguments.dry_run else 'removed'} {name}")
    terminal.print(f"{freed / 1e6:.0f} MB {'would become' if arguments.dry_run else 'became'} free")
    return ExitStatus.OK


def _remove(arguments: argparse.Namespace, terminal: Terminal) -> int:
    pool = Pool()
    for kernel in _chosen(pool, arguments.kernels):
        _take_out(pool, kernel)
        terminal.events.info(f"removed {kernel}")
    if arguments.json:
        terminal.document(list_document(pool.list()))
    return ExitStatus.OK


def _take_out(pool: Pool, name: str) -> None:
    """Remove a kernel, and what was kept of its image and modules."""
    from dlkm.kernel import readings
    from dlkm.kernel.image_record import record_files
    from dlkm.kernel.modules_record import exports_file

    kept: tuple[Path, ...] = ()
    with suppress(DlkmError):  # a broken one goes, too
        kernel = pool.get(name)
        if kernel is not None:
            kept = record_files(kernel)
            kept += (exports_file(kernel.modules),) if kernel.modules is not None else ()
    pool.remove(name)
    readings.drop(kept)


def _snapshot(arguments: argparse.Namespace, terminal: Terminal) -> int:
    if arguments.script == (arguments.target is not None):
        raise UsageError("name a target or --script", hint="dlkm kernel snapshot ssh://user@host, or --script > s.sh")
    if arguments.script:
        from dlkm.kernel.snapshot import script

        terminal.write(script())
        return ExitStatus.OK
    from dlkm.kernel.target import take

    default = Path(
        f"{arguments.target.rpartition('@')[2].removeprefix('ssh://').rstrip('/').replace(':', '-')}.snapshot"
    )
    output = arguments.output or default
    path = take(arguments.target, output, Processes(), terminal.events, arguments.ssh_config)
    terminal.print(f"snapshot:{path}")
    return ExitStatus.OK


def _verify(arguments: argparse.Namespace, terminal: Terminal) -> int:
    pool = Pool()
    status = ExitStatus.OK
    damage: dict[str, Sequence[str]] = {}
    for kernel in _chosen(pool, arguments.kernels or ["*"]):
        with terminal.events.task(f"verifying {kernel}"):
            try:
                damage[kernel] = pool.damage(kernel, whole=True)
            except DlkmError as error:
                terminal.error(error)
                damage[kernel] = [str(pool.home(kernel))]
        status = ExitStatus.FETCH if damage[kernel] else status
    if arguments.json:
        terminal.document(verify_document(damage))
    else:
        _print_damage(damage, terminal)
    return status


def _print_damage(damage: dict[str, Sequence[str]], terminal: Terminal) -> None:
    for kernel, files in damage.items():
        terminal.print(f"{kernel}: {'whole' if not files else f'{len(files)} files are missing or changed'}")
        for file in files:
            terminal.print(f"  {file}")


def _answer(kernels: Sequence[Kernel], arguments: argparse.Namespace, terminal: Terminal) -> None:
    if arguments.json:
        terminal.document(list_document(kernels))
    elif kernels:
        terminal.table(HEADS, rows(kernels))


def _chosen(pool: Pool, patterns: Sequence[str]) -> list[str]:
    """Ids of the pool, broken entries included: these can be removed too."""
    ids = pool.ids()
    chosen: dict[str, None] = {}
    for pattern in patterns:
        matching = [
            name for name in ids if name == pattern or (is_glob(pattern) and fnmatch.fnmatchcase(name, pattern))
        ]
        if not matching and not is_glob(pattern):
            raise UsageError(f"no kernel {pattern!r} in the pool", hint="see: dlkm kernel list")
        if not matching:
            raise NothingSelectedError(f"no kernel in the pool matches {pattern!r}", hint="see: dlkm kernel list")
        chosen |= dict.fromkeys(matching)
    return list(chosen)
