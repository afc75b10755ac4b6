# SPDX-License-Identifier: GPL-2.0-or-later
"""Every message is explained; what stands around it is taken away; lines of one cause are one answer."""

import os
import re
from collections import defaultdict

import pytest

from dlkm.core.data import data_table
from dlkm.core.errnos import errno_names
from dlkm.verdict.era import rules
from dlkm.verdict.explain import _by_rule, _entry, _explained, explain, kernel_texts
from dlkm.verdict.verdict import Finding, Outcome, Severity, Verdict

SAMPLES = {
    "name": "snd_hello",
    "mod": "snd_hello",
    "early": "snd_hello",
    "module": "snd_hello",
    "subject": "usb_submit_urb",
    "owner": "other",
    "namespace": "DMA_BUF",
    "reason": "unsigned module",
    "theirs": "6.1.0-1-amd64 SMP preempt mod_unload modversions ",
    "ours": "6.1.0-56-rt-amd64 SMP preempt_rt mod_unload modversions ",
    "value": "a b",
    "error": "Invalid module format",
    "file": "/tmp/x/snd-hello.ko",
    "folder": "/lib/modules/6.1.0-56-amd64",
    "licence": "Proprietary",
}
OWN_TEXTS = [(key, text) for key, entry in _explained().items() for text in entry.get("texts", ())]
ERRORS = [(key, text) for key, entry in _explained().items() for text in entry.get("errors", ())]
FRAMES = [text for texts in data_table("explain.toml")["frames"].values() for text in texts]
LAYOUT = "hello: disagrees about version of symbol module_layout"


def _rendered(text: str) -> str:
    """A line as the kernel would write it."""
    filled = text.format_map(defaultdict(lambda: "7", SAMPLES))
    return filled.replace("<addr>", "00000000dead").replace("<comm>", "modprobe")


@pytest.mark.parametrize(("rule", "text"), list(kernel_texts()))
def test_every_line_of_the_kernel_is_explained(rule: str, text: str) -> None:
    line = _rendered(text)
    (message,) = explain(f"[   12.345678] {line}\n")
    told = {key for key, other in kernel_texts() if other == text}
    assert message.rule in told
    assert message.line == line
    assert message.cause
    assert message.check
    assert message.fix
    if re.search(r"\{(name|mod|early)\}", text):
        assert message.module == "snd_hello"


def test_every_rule_with_a_message_has_its_own_explanation() -> None:
    assert {key for key, _ in kernel_texts()} <= set(_by_rule())


@pytest.mark.parametrize(("key", "text"), OWN_TEXTS)
def test_every_other_text_is_explained(key: str, text: str) -> None:
    (message,) = explain(_rendered(text))
    assert message.rule is not None
    assert _entry(message.rule) is _explained()[key]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(("key", "error"), ERRORS)
def test_every_word_of_a_program_is_explained(frame: str, key: str, error: str) -> None:
    (message,) = explain(frame.format_map(defaultdict(lambda: "7", SAMPLES | {"error": error})))
    assert message.rule == key
    assert message.module == "snd_hello"


@pytest.mark.parametrize("number", sorted(number for number in errno_names() if number < 512))
def test_every_strerror_is_explained(number: int) -> None:
    (message,) = explain(f"modprobe: ERROR: could not insert 'x': {os.strerror(number)}")
    assert message.rule is not None
    same = {name for other, name in errno_names().items() if os.strerror(other) == os.strerror(number)}
    assert message.values["errno"] in same
    (bare,) = explain(os.strerror(number))
    assert bare.rule == message.rule


def test_texts_of_both_eras_are_known() -> None:
    for text in (
        "(missing .modinfo section or name field): No module found in object",
        "module hello: Exactly one .gnu.linkonce.this_module section must exist.",
    ):
        (message,) = explain(text)
        assert message.rule == "this-module-missing"


def test_all_place_holders_of_the_explanations_are_filled() -> None:
    for text in [text for _, text in [*kernel_texts(), *OWN_TEXTS]]:
        (message,) = explain(_rendered(text))
        assert not re.search(r"\{\w+\}", "".join((message.cause, *message.check, *message.fix))), message.rule


@pytest.mark.parametrize(
    "prefix",
    [
        "[   12.345678] ",
        "[   12.345678][  T123] ",
        "[   12.345678] [    C0] ",
        "<4>[   12.345678] ",
        "<4>",
        "4,1234,56789,-;",
        "kern  :warn  : [   12.345678] ",
        "[Mon Nov 24 01:02:03 2025] ",
        "2025-11-24T01:02:03,123456+00:00 ",
        "2025-11-24T01:02:03.123456+00:00 host kernel: ",
        "Nov 24 01:02:03 host kernel: ",
        "Nov  4 01:02:03 my-host.lan kernel: [   12.345678] ",
        "> ",
        "\x1b[32m[   12.345678]\x1b[0m ",
        "anything else ",
    ],
)
def test_what_stands_before_a_line_does_not_matter(prefix: str) -> None:
    (message,) = explain(f"{prefix}{LAYOUT}\r\n")
    assert (message.rule, message.module) == ("crc-mismatch/module-layout", "hello")


def test_the_journal_names_the_program() -> None:
    line = "Nov 24 01:02:03 host modprobe[321]: FATAL: Module foo not found in directory /lib/modules/6.1.0-56-amd64"
    (message,) = explain(line)
    assert (message.rule, message.module) == ("module-not-found", "foo")
    (other,) = explain(
        "Nov 24 01:02:03 host systemd-modules-load[12]: Failed to insert module 'foo': Exec format error"
    )
    assert (other.rule, other.module) == ("errno-ENOEXEC", "foo")


@pytest.mark.parametrize("program_first", [False, True])
def test_kernel_and_program_tell_of_one_cause(program_first: bool) -> None:  # noqa: FBT001 — pytest gives it by name
    lines = [LAYOUT, "insmod: ERROR: could not insert module ./hello.ko: Invalid module format"]
    (message,) = explain("\n".join(reversed(lines) if program_first else lines))
    assert message.rule == "crc-mismatch/module-layout"
    assert [message.line, *message.also] == (lines[::-1] if program_first else lines)
    assert "dlkm check ./hello.ko -k KERNEL" in message.check


def test_invalid_parameters_that_are_a_version() -> None:
    (message,) = explain(
        "hello: disagrees about version of symbol usb_register\nhello: Unknown symbol usb_register (err -22)\n"
        "hello: disagrees about version of symbol usb_kill\nhello: Unknown symbol usb_kill (err -22)\n"
        "insmod: ERROR: could not insert module hello.ko: Invalid parameters\n"
    )
    assert message.rule == "crc-mismatch"
    assert message.subjects == ("usb_register", "usb_kill")
    assert message.values["errno"] == "EINVAL"
    assert message.values["number"] == "-22"
    assert len(message.also) == 4


def test_a_program_of_another_module_or_errno_stays_apart() -> None:
    assert len(explain(f"{LAYOUT}\nmodprobe: ERROR: could not insert 'other': Exec format error")) == 2
    assert len(explain(f"{LAYOUT}\nmodprobe: ERROR: could not insert 'hello': No such device")) == 2
    notice = "hello: loading out-of-tree module taints kernel."
    assert [one.notice for one in explain(f"{notice}\nmodprobe: ERROR: could not insert 'hello': No such device")] == [
        True,
        False,
    ]


def test_namespaces_and_refusal_are_one() -> None:
    (message,) = explain(
        "hello: module uses symbol (dma_buf_get) from namespace DMA_BUF, but does not import it.\n"
        "hello: Unknown symbol dma_buf_get (err -22)"
    )
    assert message.rule == "namespace"
    assert message.values["namespace"] == "DMA_BUF"
    assert any("MODULE_IMPORT_NS(DMA_BUF)" in step for step in message.fix)


def test_both_vermagics_are_compared() -> None:
    line = f"hello: version magic '{SAMPLES['theirs']}' should be '{SAMPLES['ours']}'"
    (message,) = explain(line, kernel="6.1.0-56-rt-amd64")
    assert (message.values["theirs"], message.values["ours"]) == (SAMPLES["theirs"], SAMPLES["ours"])
    assert "'preempt' only in the module's, 'preempt_rt' only in the kernel's" in message.cause
    assert "'6.1.0-1-amd64' only" not in message.cause  # not compared where both have versions
    assert "dlkm build SOURCE -k 6.1.0-56-rt-amd64" in message.fix[0]


def test_a_release_that_counts_is_named() -> None:
    theirs = SAMPLES["ours"].replace("6.1.0", "5.10.0", 1)
    (message,) = explain(f"hello: version magic '{theirs}' should be '{SAMPLES['ours']}'")
    assert theirs != SAMPLES["ours"]
    assert "only the release differs" in message.cause


def test_a_sentence_ends_after_the_name() -> None:
    (message,) = explain("hello: gave up waiting for init of module giver.")
    assert message.values["owner"] == "giver"


def test_security_modules_that_refuse() -> None:
    denied = (
        'avc:  denied  { module_load } for  pid=8 comm="insmod" path="/x.ko" '
        "scontext=a:b:c:s0 tcontext=a:b:d:s0 tclass=system permissive=0"
    )
    appraised = 'ses=1 op=appraise_data cause=missing-hash comm="insmod" name="/root/x.ko" dev="vda1" ino=12 res=0'
    messages = explain(f"[ 1.2] audit: type=1400 audit(1.2:3): {denied}\naudit: type=1800 audit(1.2:4): {appraised}")
    assert [one.rule for one in messages] == ["selinux", "ima-appraisal"]
    assert "missing-hash" in messages[1].cause
    assert "evmctl" in messages[1].fix[0]


def test_other_errnos_of_a_symbol() -> None:
    (message,) = explain("hello: Unknown symbol foo (err -16)")
    assert (message.rule, message.values["errno"]) == ("symbol-not-ready", "EBUSY")


def test_order_repetition_and_the_unknown() -> None:
    messages = explain(f"what is this\n{LAYOUT}\nModule x is blacklisted\n{LAYOUT}\nwhat is this\n\n")
    assert [one.rule for one in messages] == [None, "crc-mismatch/module-layout", "blacklisted"]
    assert messages[1].also == ()
    assert explain(" \n\n") == ()


def test_commands_quote_what_was_pasted() -> None:
    (message,) = explain("hello: Unknown symbol ;reboot (err -2)")
    assert any("grep -w ';reboot' " in command for command in message.check)


def _verdict(outcome: Outcome = Outcome.FAILS) -> Verdict:
    return Verdict(
        path="hello.ko",
        module="hello",
        kernel="6.1.0-56-amd64",
        outcome=outcome,
        errno="ENOEXEC" if outcome is Outcome.FAILS else None,
        log=(LAYOUT,) if outcome is Outcome.FAILS else (),
        findings=(
            Finding(rule="vermagic", severity=Severity.ERROR, message="hidden", masked=True),
            Finding(rule="crc-mismatch", severity=Severity.ERROR, message="built for 6.1.0-50", hint="do that"),
        ),
    )


@pytest.mark.parametrize("line", [LAYOUT, "insmod: ERROR: could not insert module hello.ko: Invalid module format"])
def test_a_verdict_that_agrees_gives_its_finding(line: str) -> None:
    (message,) = explain(line, verdict=_verdict())
    assert (message.agrees, message.here, message.fix[0]) == (True, "built for 6.1.0-50", "do that")


def test_a_verdict_that_differs_is_said() -> None:
    (loads,) = explain(LAYOUT, verdict=_verdict(Outcome.LOADS))
    assert loads.agrees is False
    assert "should load" in loads.here
    (other,) = explain("hello: Unknown symbol foo (err -2)", verdict=_verdict())
    assert other.agrees is False
    assert LAYOUT in other.here
    (foreign,) = explain("nothello: Unknown symbol foo (err -2)", verdict=_verdict())
    assert foreign.agrees is None
    assert "nothello" in foreign.here
    (unsure,) = explain(LAYOUT, verdict=_verdict(Outcome.CANNOT_TELL))
    assert unsure.agrees is None


def test_every_errno_of_a_rule_has_an_explanation() -> None:
    errnos = {rule.errno for rule in rules().values() if rule.errno is not None}
    assert {f"errno-{name}" for name in errnos} <= set(_explained())


@pytest.mark.parametrize(
    "text", ["\0" * 5000, "' should be '" * 3000, "a: version magic '" * 3000, "(err -9" + "9" * 9999]
)
def test_any_text_is_answered(text: str) -> None:
    for message in explain(text):
        assert message.rule is None


# ---- as people paste it


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("Unknown symbol foo (err -2)", "unknown-symbol"),
        ("disagrees about version of symbol module_layout", "crc-mismatch/module-layout"),
        ("loading out-of-tree module taints kernel", "out-of-tree"),
        ("Invalid module sig (not pkcs7-data)", "signature-not-data"),
        (".gnu.linkonce.this_module section must have a size set", "this-module-content"),
        ("Unknown rela relocation: 9", "relocation-type"),
        ("module PLT section(s) missing", "arch-section-missing"),
        ("Invalid ELF header magic: != \\x7fELF", "elf-magic"),
        ("Lockdown: insmod: unsigned module loading is restricted; see https://example.org", "signature-lockdown"),
    ],
)
def test_a_line_without_its_beginning_or_its_last_dot_is_known(line: str, rule: str) -> None:
    (message,) = explain(line)
    assert message.rule == rule


@pytest.mark.parametrize(
    "line", ["x86: pci: nothing of ours", "libfoo: bar: baz went wrong", "make: module: there is no rule"]
)
def test_a_line_of_somebody_else_is_not_known(line: str) -> None:
    (message,) = explain(line)
    assert message.rule is None


BROKEN = "[   17.123456] snd_hello_module: disagrees about version of symbol usb_register_driver"


@pytest.mark.parametrize("place", range(50, len(BROKEN)))
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n\n"])
def test_a_line_that_the_screen_broke_is_whole_again(place: int, newline: str) -> None:
    pasted = (
        f"{BROKEN[:place]}{newline}{BROKEN[place:]}{newline}[   17.2] foo: loading out-of-tree module taints kernel.\n"
    )
    first, second = explain(pasted)
    assert first.line == BROKEN.partition("] ")[2]
    assert first.subjects == ("usb_register_driver",)
    assert second.module == "foo"


def test_a_line_that_a_letter_broke_at_a_blank_is_whole_again() -> None:
    text = "insmod: ERROR: could not insert module\nhello.ko: Invalid parameters\nnothing known\n"
    first, second = explain(text)
    assert (first.rule, first.line) == (
        "errno-EINVAL",
        "insmod: ERROR: could not insert module hello.ko: Invalid parameters",
    )
    assert second.line == "nothing known"


def test_what_follows_a_message_does_not_become_part_of_it() -> None:
    text = f"[   17.123456] {LAYOUT}\nroot@host:~# ls\nhello.ko\n"
    messages = explain(text)
    assert messages[0].line == LAYOUT
    assert [message.rule for message in messages[1:]] == [None, None]


def test_lines_before_a_message_stay_apart() -> None:
    first, second = explain(f"some words\n{LAYOUT}\n")
    assert first.rule is None
    assert second.line == LAYOUT


def test_errors_in_another_language_are_not_taken_for_the_drivers() -> None:
    """strerror(3) speaks the language of the user; only 'Unknown error N' is a number that no system has words for."""
    for words in ("Ungültiges Argument", "Die Operation ist nicht erlaubt", "実行形式エラー"):
        (told,) = explain(f"modprobe: ERROR: could not insert 'hello': {words}\n")
        assert "English" in told.cause
        assert "driver's init" not in told.cause
    (told,) = explain("insmod: ERROR: could not insert module hello.ko: Unknown error 999\n")
    assert "driver's init" in told.cause


def test_what_modpost_and_the_reader_of_signatures_say() -> None:
    (told,) = explain("ERROR: modpost: module hello uses symbol bar from namespace NS, but does not import it.\n")
    assert "hello uses bar of the symbol namespace NS" in told.cause
    for line in ("Unsupported pkey algo: 103", "Unsupported digest algo: 7"):
        (told,) = explain(f"{line}\n")
        assert "unsupported crypto" in told.cause
