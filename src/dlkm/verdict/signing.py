# SPDX-License-Identifier: GPL-2.0-or-later
"""The signature, which the loader checks before anything else (kernel/module/signing.c: module_sig_check)."""

from collections.abc import Iterator

from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.ko.signature import MARKER, PKCS7
from dlkm.verdict.case import Case, Check, Trip
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import era_of
from dlkm.verdict.faults import Trust

TRAILER_SIZE = 12  # struct module_signature
_REASONS = {
    Trust.NONE: "unsigned module",
    Trust.UNSUPPORTED: "module with unsupported crypto",
    Trust.UNKNOWN_KEY: "module with unavailable key",
}


def signature(case: Case) -> Iterator[Trip]:
    """A wrong signature is refused always, one that is missing or by a stranger only where signatures are enforced."""
    if case.facts.option("MODULE_SIG") is False:
        return
    fault = _trailer_fault(case)
    if fault is not None:
        yield fault
        if fault.severity == "error":
            return
    answer = case.trust
    if answer.unless and (answer.trust is Trust.WRONG or _demanded(case)):
        yield case.trip("signature-algorithm", subject=answer.unless)
        return
    if answer.number is not None:
        yield case.trip("signature-malformed/content", number=answer.number)
    elif answer.trust in _REJECTED:
        yield case.trip(_REJECTED[answer.trust], errno=answer.errno)
    elif answer.trust is Trust.UNDECIDED:
        yield case.trip("signature-undecided" if _demanded(case) else "signature-unverified")
    elif answer.trust in _REASONS:
        yield from _not_trusted(case, answer.trust)


_REJECTED = {
    Trust.WRONG: "signature-wrong",
    Trust.TOO_LARGE: "signature-too-large",
    Trust.KEY_NOT_BUILT: "signature-certificate",
    Trust.MALFORMED: "signature-malformed",
    Trust.NOT_SIGNED_DATA: "signature-malformed/type",
    Trust.VERSION: "signature-malformed/version",
    Trust.SIGNER_VERSION: "signature-malformed/signer-version",
    Trust.VERSIONS_DIFFER: "signature-malformed/versions-differ",
    Trust.NOBODY: "signature-malformed/nobody",
    Trust.NAMELESS: "signature-malformed/nameless",
    Trust.ATTRIBUTES: "signature-attributes",
    Trust.ATTRIBUTE_REPEATED: "signature-attributes/repeated",
    Trust.ATTRIBUTE_OF_MAIL: "signature-attributes/mail",
    Trust.ATTRIBUTE_OF_PROGRAMS: "signature-attributes/programs",
    Trust.ATTRIBUTES_LACK: "signature-malformed/attributes",
    Trust.AUTHENTICODE: "signature-malformed/authenticode",
    Trust.NOT_DATA: "signature-not-data",
    Trust.CONTENT: "signature-content",
    Trust.ENCLOSED: "signature-malformed/enclosed",
}


def is_unsigned(case: Case) -> bool:
    """Whether loading adds the letter E: no signature that the kernel trusts."""
    return case.facts.option("MODULE_SIG") is not False and case.trust.trust is not Trust.TRUSTED


def _trailer_fault(case: Case) -> Trip | None:
    """What is wrong with the 12 bytes before the marker (kernel/module_signature.c: mod_check_sig)."""
    signature = case.candidate.signature
    if signature is None:
        return None
    trailer = signature.trailer
    if trailer is None or trailer.sig_len >= len(case.candidate.data) - len(MARKER) - TRAILER_SIZE:
        return case.trip("signature-size")
    if trailer.id_type != PKCS7:
        return case.trip("signature-kind", kind=signature.kind)
    return None if trailer.unused_are_zero else case.trip("signature-parameters")


def _not_trusted(case: Case, trust: Trust) -> Iterator[Trip]:
    reason = _REASONS[trust]
    enforced, level = sig_enforced(case.facts, case.conditions), lockdown(case.facts, case.conditions)
    if trust is Trust.UNKNOWN_KEY and _may_be_enrolled(case):
        if _demanded(case):
            yield case.trip("signature-enrolled")
            return
        yield case.trip("signature-enrolled-note")
    if enforced:
        yield case.trip("signature-enforced", reason=reason)
    elif level != "none":
        yield case.trip("signature-lockdown", reason=reason, level=level)
    elif enforced is None:
        yield case.trip("signature-enforcement-unknown", reason=reason)


def _may_be_enrolled(case: Case) -> bool:
    """Whether the kernel takes keys from elsewhere (a machine owner's, the firmware's) and nobody told which."""
    options = ("INTEGRITY_PLATFORM_KEYRING", "INTEGRITY_MACHINE_KEYRING", "SECONDARY_TRUSTED_KEYRING")
    return case.conditions.trusted_certs is None and any(case.facts.option(name) is not False for name in options)


def _demanded(case: Case) -> bool:
    return bool(sig_enforced(case.facts, case.conditions)) or lockdown(case.facts, case.conditions) != "none"


def demands(facts: Facts, conditions: Conditions) -> bool:
    """Whether an untrusted module may be refused, or nobody knows."""
    return sig_enforced(facts, conditions) is not False or lockdown(facts, conditions) != "none"


def sig_enforced(facts: Facts, conditions: Conditions) -> bool | None:
    """Whether only trusted modules load; None where neither flags nor configuration tell."""
    if conditions.sig_enforce is not None:
        return conditions.sig_enforce
    truth = era_of(facts.kernel).truth
    if any(map(truth, conditions.cmdline_values("module.sig_enforce"))):  # which no later word takes back
        return True
    return facts.option("MODULE_SIG_FORCE")


def lockdown(facts: Facts, conditions: Conditions) -> str:
    """none, integrity or confidentiality: as given, on the command line, or built in (security/lockdown/lockdown.c)."""
    if conditions.lockdown is not None:
        return conditions.lockdown
    if facts.option("SECURITY_LOCKDOWN_LSM") is False:
        return "none"
    given = frozenset(conditions.cmdline_values("lockdown"))
    for level in ("confidentiality", "integrity"):  # the most that anybody asks for: none takes it back
        if level in given or facts.option(f"LOCK_DOWN_KERNEL_FORCE_{level.upper()}"):
            return level
    return "none"


# Mainline has no such option: Debian, Fedora and Ubuntu patch it in.
_BY_FIRMWARE = ("LOCK_DOWN_IN_EFI_SECURE_BOOT", "LOCK_DOWN_IN_SECURE_BOOT")


def locks_with_firmware(kernel: Kernel, conditions: Conditions) -> bool:
    """Whether Secure Boot locks a kernel down, and nobody said how far it is locked down."""
    return conditions.lockdown is None and any(map(kernel.config.on, _BY_FIRMWARE))


CHECKS: dict[str, Check] = {"signature": signature}
