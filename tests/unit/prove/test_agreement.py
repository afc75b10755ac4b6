# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading a guest's report as an answer, and comparing it with a prediction. The lines are those of real boots."""

from dataclasses import replace

import pytest

from dlkm.core.errnos import errno_name
from dlkm.prove.agreement import LOST, Agreement, compare, is_notice, limited, placed, read_result
from dlkm.prove.attempt import Observed
from dlkm.prove.protocol import Result
from dlkm.verdict.verdict import Outcome, Verdict

REFUSED = Result(attempt=0, file=0, error=8, signal=0, accepted=False, taint="")
LOADED = Result(attempt=0, file=0, error=0, signal=0, accepted=True, taint="OE")
TAINTS = (
    "hello: loading out-of-tree module taints kernel.",
    "hello: module verification failed: signature and/or required key missing - tainting kernel",
)
LAYOUT = "hello: disagrees about version of symbol module_layout"


def test_a_refusal_has_the_kernels_lines_without_its_notices() -> None:
    observed = read_result(replace(REFUSED, error=22), [*TAINTS, "hello: Unknown symbol jiffies (err -22)"])
    assert observed.outcome is Outcome.FAILS
    assert observed.errno == "EINVAL"
    assert observed.log == ("hello: Unknown symbol jiffies (err -22)",)
    assert observed.output == TAINTS


def test_lines_that_a_kernel_says_only_so_often_are_counted_by_kind() -> None:
    lockdown = "Lockdown: {}: {} is restricted; see man kernel_lockdown.7"
    said = [lockdown.format("swapper/0", "hibernation"), lockdown.format("dlkm-loader", "unsigned module loading")]
    percpu = "percpu: allocation failed, size=8192 align=32 atomic=0, alloc from reserved chunk failed"
    assert sorted(limited([*said, LAYOUT, percpu, *TAINTS]).values()) == [1, 2]


def test_a_load_has_no_log() -> None:
    observed = read_result(LOADED, [*TAINTS, "hello, world"])
    assert (observed.outcome, observed.errno, observed.log) == (Outcome.LOADS, None, ())
    assert observed.output == (*TAINTS, "hello, world")
    assert observed.taint == "OE"


def test_what_init_says_is_no_refusal() -> None:
    observed = read_result(replace(LOADED, error=19), ["hello: no device found"])
    assert (observed.outcome, observed.errno, observed.log) == (Outcome.FAILS, "ENODEV", ())
    assert observed.output == ("hello: no device found",)


def test_taint_letters_are_in_the_kernels_order() -> None:
    assert read_result(replace(LOADED, taint="POFCE"), []).taint == "PFCOE"


def test_what_cannot_be_seen_counts_as_the_kernels() -> None:
    assert read_result(replace(REFUSED, accepted=None), [LAYOUT]).log == (LAYOUT,)


@pytest.mark.parametrize(
    "line",
    [
        *TAINTS,
        "nvidia: module license 'NVIDIA' taints kernel.",
        "nvidia: module license taints kernel.",
        "Disabling lock debugging due to kernel taint",
        "hello: module_layout: kernel tainted.",
        "hello: bad vermagic: kernel tainted.",
        "hello: unknown parameter 'colour' ignored",
        "PKCS7: Unknown OID: [32] 1.2.840.113549.2.5",
        "Unsupported digest algo: 103",
        "Unsupported pkey algo: 103",
        "patch: tainting kernel with TAINT_LIVEPATCH",
        "------------[ cut here ]------------",
        "WARNING: CPU: 0 PID: 86 at mm/percpu.c:1758 pcpu_alloc+0x241/0x260",
        "WARNING: mm/percpu.c:1781 at pcpu_alloc_noprof+0x933/0x980, CPU#0: dlkm-loader/445",
        "do_init_module: 'hello'->init suspiciously returned 3, it should follow 0/-E convention",
        "hello: init suspiciously returned 3, it should follow 0/-E convention",
        "hello: ignoring obsolete section __ksymtab_gpl",
        "hello: ignoring obsolete section __kcrctab_gpl",
        "Modules linked in: hello(OE+) [last unloaded: qemu_fw_cfg]",
        "CPU: 1 PID: 129 Comm: dlkm-loader Tainted: PF        C OE K  N 6.1.0-56-amd64 #1  Debian 6.1.192-2",
        "CPU: 1 UID: 0 PID: 129 Comm: dlkm-loader Not tainted 6.12.117+deb12-arm64 #1  Debian 6.12.117-1~deb12u1",
        "Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2-debian-1.16.2-1 04/01/2014",
        "Call Trace:",
        " <TASK>",
        " dump_stack_lvl+0x44/0x5c",
        " ? kernel_read_file+0x2a8/0x330",
        "RIP: 0010:kobject_add_internal+0x241/0x260",
        "Code: ff ff e9 29 fe ff ff 0f 0b <0f> 0b 41",
        "RSP: 0018:ff736cf7004eb990 EFLAGS: 00000286",
        "R10: 0000000000000003 R11: ff39ec9b5fd10fe8 R12: ffffffffc04b6090",
        "x29: ffff800083bcba60 x28: ffff0000c0a1b000 x27: 0000000000000000",
        "---[ end trace 0000000000000000 ]---",
        "random: crng init done",
        "clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable",
        LOST,
    ],
)
def test_notices(line: str) -> None:
    assert is_notice(line)


@pytest.mark.parametrize(
    "line",
    [
        LAYOUT,
        "hello: version magic '6.1.0 SMP ' should be '6.1.0-56-amd64 SMP preempt mod_unload modversions '",
        "Invalid ELF header magic: != \x7fELF",
        "Loading of unsigned module is rejected",
        "Module hello is blacklisted",
        "hello: `x' invalid for parameter `count'",
        "module: x86/modules: Skipping invalid relocation target, existing value is nonzero for type 1, loc 0, val 0",
    ],
)
def test_refusals_are_no_notices(line: str) -> None:
    assert not is_notice(line)


def test_place_holders() -> None:
    lockdown = "Lockdown: {}: unsigned module loading is restricted; see man kernel_lockdown.7"
    for loader in ("dlkm-loader", "modprobe", "(udev-worker)", "systemd-modules"):
        assert placed(lockdown.format(loader)) == lockdown.format("<comm>")
    relocation = "x86/modules: Invalid relocation target, existing value is nonzero for type 1, loc {}, val {}"
    assert placed(relocation.format("00000000f2b6ea2e", "ffffffffc0a80000")) == relocation.format("<addr>", "<addr>")
    assert placed(relocation.format("(____ptrval____)", "11")) == relocation.format("<addr>", "<addr>")
    late = "x86/modules: Invalid relocation target, existing value is nonzero for sec 21, idx 1, type 1, loc {}, val {}"
    assert placed(late.format("ffffffffc0359010", "ffffffffc0a80000")) == late.format("<addr>", "<addr>")
    for overflow in ("overflow in relocation type 11 val {}", "overflow in relocation type 11 val {} sec 10 idx 5"):
        assert placed(overflow.format("ff791d8980464410")) == overflow.format("<addr>")
    assert placed("hello: location 12, value 13") == "hello: location 12, value 13"


def test_errno_names() -> None:
    assert [errno_name(number) for number in (1, 2, 8, 11, 22, 95, 129, 517, 524)] == [
        *("EPERM", "ENOENT", "ENOEXEC", "EAGAIN", "EINVAL", "EOPNOTSUPP", "EKEYREJECTED", "EPROBE_DEFER"),
        "ENOTSUPP",
    ]
    assert errno_name(4000) == "errno 4000"


def _predicted(outcome: Outcome, errno: str | None = None, *log: str) -> Verdict:
    return Verdict(path="hello.ko", module="hello", kernel="k", outcome=outcome, errno=errno, log=log)


UNREADY = Observed(
    outcome=Outcome.FAILS,
    errno="ENOENT",
    log=("hello: Unknown symbol base_one (err -2)", "hello: Unknown symbol base_two (err -2)"),
    unready=True,
)
FAILS = Observed(outcome=Outcome.FAILS, errno="ENOEXEC", log=(LAYOUT,))


@pytest.mark.parametrize(
    ("predicted", "observed", "agreement"),
    [
        (_predicted(Outcome.FAILS, "ENOEXEC", LAYOUT), FAILS, Agreement.AGREES),
        (_predicted(Outcome.LOADS), Observed(outcome=Outcome.LOADS, output=("hi",)), Agreement.AGREES),
        (_predicted(Outcome.LOADS), FAILS, Agreement.DIFFERS),
        (_predicted(Outcome.LOADS), Observed(outcome=Outcome.FAILS, errno="EIO", accepted=True), Agreement.OPEN),
        (
            _predicted(Outcome.FAILS, "EIO"),
            Observed(outcome=Outcome.FAILS, errno="EIO", accepted=True),
            Agreement.AGREES,
        ),
        (_predicted(Outcome.FAILS, "EINVAL", LAYOUT), FAILS, Agreement.DIFFERS),
        (_predicted(Outcome.FAILS, "ENOEXEC"), FAILS, Agreement.DIFFERS),
        (_predicted(Outcome.FAILS, "ENOEXEC", LAYOUT, LAYOUT), FAILS, Agreement.DIFFERS),
        (_predicted(Outcome.CANNOT_TELL), FAILS, Agreement.OPEN),
        (_predicted(Outcome.LOADS), UNREADY, Agreement.OPEN),
        (_predicted(Outcome.LOADS), replace(UNREADY, unready=False), Agreement.DIFFERS),
        (_predicted(Outcome.LOADS), replace(UNREADY, log=(*UNREADY.log, LAYOUT)), Agreement.DIFFERS),
        (_predicted(Outcome.LOADS), replace(UNREADY, log=()), Agreement.DIFFERS),
        (_predicted(Outcome.FAILS, "EINVAL", LAYOUT), replace(UNREADY, log=(*UNREADY.log, LAYOUT)), Agreement.OPEN),
        (_predicted(Outcome.FAILS, "EINVAL", LAYOUT), UNREADY, Agreement.DIFFERS),
        (_predicted(Outcome.CANNOT_TELL), replace(FAILS, trouble="it hangs"), Agreement.DIFFERS),
        (
            _predicted(Outcome.LOADS),
            Observed(outcome=Outcome.LOADS, trouble="it crashed", afterwards=True),
            Agreement.AGREES,
        ),
        (_predicted(Outcome.FAILS), Observed(outcome=Outcome.FAILS, trouble="it panicked"), Agreement.DIFFERS),
    ],
)
def test_comparison(predicted: Verdict, observed: Observed, agreement: Agreement) -> None:
    assert compare(predicted, observed) is agreement
