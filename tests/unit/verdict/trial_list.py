# SPDX-License-Identifier: GPL-2.0-or-later
"""The trials: every rule trips once at least, and once just not."""

import struct
from collections.abc import Iterator
from dataclasses import replace

from dlkm.verdict.conditions import Detour
from tests.unit.kernel.image_builder import EXPECTED, vmlinux
from tests.unit.kernel.image_builder import VERMAGIC as IMAGE_VERMAGIC
from tests.unit.ko.elf_builder import (
    LOCAL,
    MARKER,
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    SHN_COMMON,
    SHT_NOBITS,
    SHT_SYMTAB,
    WEAK,
    Exported,
    Part,
    Sym,
    trailer,
)
from tests.unit.verdict import arch_trials, era_trials, late_trials, place_trials, sound_trials
from tests.unit.verdict.signing import RSA_PSS, RSA_SHA256, block, certificate, on_a_curve, sign
from tests.unit.verdict.trials import (
    ARM,
    ARM612,
    CRCS,
    ENFORCED,
    MAINLINE,
    NO_CONFIG,
    NO_EXPORTS,
    NO_FORCE,
    PLAIN,
    PROPRIETARY,
    SIGNED,
    V612,
    VERMAGIC,
    Trial,
    World,
    adding,
    arm_module,
    btf,
    dropping,
    filled,
    index_of,
    module,
    patched,
    rela,
    setting,
    with_header,
    with_parameter,
)

THIS = ".gnu.linkonce.this_module"


def trials() -> Iterator[Trial]:
    """All of them, in the loader's order."""
    yield from kernel_files()
    yield from signatures()
    yield from validity()
    yield from special_sections()
    yield from early()
    yield from layout()
    yield from symbols()
    yield from relocations()
    yield from last_steps()
    yield from era_trials.trials()
    yield from late_trials.trials()
    yield from arch_trials.trials()
    yield from place_trials.trials()
    yield from sound_trials.trials()


def kernel_files() -> Iterator[Trial]:
    """What is wrong with the kernel's own files stops no module; the image has these two of SYMVERS and others."""
    booted = vmlinux().replace(IMAGE_VERMAGIC.encode(), b"?" * len(IMAGE_VERMAGIC))
    same = "".join(
        f"{one.crc:#010x}\t{one.name}\tvmlinux\tEXPORT_SYMBOL{'_GPL' * one.gpl}\t{one.namespace}\n"
        for one in EXPECTED.values()
    )
    yield Trial(
        rule="stale-symvers",
        bad=PLAIN,
        good=PLAIN,
        world=World(image=booted),
        near=World(image=booted, symvers=same),
        outcome="loads",
    )
    yield Trial(
        rule="image-unreadable",
        bad=PLAIN,
        good=PLAIN,
        world=World(image=b"no kernel"),
        near=World(image=booted),
        outcome="loads",
    )


def signatures() -> Iterator[Trial]:
    """kernel/module/signing.c, crypto/asymmetric_keys."""
    message = block(PLAIN, 1)
    size = len(PLAIN) + len(message)
    yield Trial(rule="signature-size", bad=PLAIN + message + trailer(size), good=SIGNED, errno="EBADMSG")
    yield Trial(rule="signature-size", label="short", bad=b"x" * 11 + MARKER, good=SIGNED, errno="EBADMSG")
    yield Trial(
        rule="signature-kind",
        bad=PLAIN + message + trailer(len(message), id_type=1),
        good=SIGNED,
        world=ENFORCED,
        errno="EKEYREJECTED",
        log=(
            "module: not signed with expected PKCS#7 message",
            "Loading of module with unsupported crypto is rejected",
        ),
    )
    yield Trial(
        rule="signature-parameters",
        bad=PLAIN + message + trailer(len(message), algo=1),
        good=SIGNED,
        errno="EBADMSG",
        log=("module: PKCS#7 signature info has unexpected non-zero params",),
    )
    yield Trial(rule="signature-malformed", bad=PLAIN + b"junk" + trailer(4), good=SIGNED, errno="EBADMSG")
    yield Trial(
        rule="signature-attributes",
        bad=sign(PLAIN, 1, attributes=("content_type", "message_digest")),
        good=SIGNED,
        errno="EKEYREJECTED",
        log=("PKCS7: Invalid module sig (has authattrs)",),
    )
    yield Trial(
        rule="signature-malformed/attributes",
        bad=sign(PLAIN, 1, attributes=("content_type",)),
        good=SIGNED,
        errno="EBADMSG",
        log=("PKCS7: Missing required AuthAttr",),
    )
    yield Trial(
        rule="signature-not-data",
        bad=sign(PLAIN, 1, content="1.3.6.1.4.1.311.2.1.4", attributes=("content_type", "message_digest")),
        good=SIGNED,
        errno="EKEYREJECTED",
        log=("PKCS7: Invalid module sig (not pkcs7-data)",),
    )
    yield from malformed_messages(message)
    yield from attributes()
    yield Trial(
        rule="signature-malformed/authenticode",
        bad=sign(PLAIN, 1, content="1.3.6.1.4.1.311.2.1.4"),
        good=SIGNED,
        errno="EBADMSG",
        log=("PKCS7: Authenticode requires AuthAttrs",),
    )
    enveloped = sign(PLAIN, 1, content="enveloped_data")
    for at, number in ((World(), 98), (V612, 103)):
        yield Trial(
            rule="signature-malformed/content",
            label=at.release,
            bad=enveloped,
            good=SIGNED,
            world=at,
            errno="EINVAL",
            log=(f"PKCS7: Unsupported data type {number}",),
        )
    known = sign(PLAIN, 1, content="signed_data")
    yield Trial(rule="signature-content", bad=known, good=SIGNED, outcome="cannot-tell")
    yield Trial(
        rule="signature-content", label="6.6", bad=enveloped, good=SIGNED, world=MAINLINE, outcome="cannot-tell"
    )
    changed = SIGNED.replace(b"license=GPL", b"license=GPl")
    yield Trial(rule="signature-wrong", bad=changed, good=SIGNED, errno="EKEYREJECTED")
    enclosed = sign(PLAIN, 2, enclose=True)
    yield Trial(
        rule="signature-wrong",
        label="enclosed-stranger",
        bad=enclosed.replace(b"license=GPL", b"license=GPl"),
        good=enclosed,
        errno="EKEYREJECTED",
    )
    yield from decided_elsewhere()
    yield from wrong_numbers()
    blind = World(certificates=None)
    yield Trial(
        rule="signature-undecided",
        bad=SIGNED,
        good=SIGNED,
        world=replace(blind, conditions={"sig_enforce": True}),
        near=ENFORCED,
        outcome="cannot-tell",
    )
    yield Trial(rule="signature-unverified", bad=SIGNED, good=SIGNED, world=blind, near=World(), outcome="loads")
    yield Trial(
        rule="signature-enforced",
        bad=PLAIN,
        good=SIGNED,
        world=ENFORCED,
        errno="EKEYREJECTED",
        log=("Loading of unsigned module is rejected",),
    )
    yield Trial(
        rule="signature-enforced",
        label="stranger",
        bad=sign(PLAIN, 2),
        good=SIGNED,
        world=World(conditions={"cmdline": "quiet module.sig_enforce=1"}),
        errno="EKEYREJECTED",
        log=("Loading of module with unavailable key is rejected",),
    )
    yield Trial(
        rule="signature-enforced",
        label="unsupported",
        bad=sign(PLAIN, 1, digest="md5"),
        good=SIGNED,
        world=World(with_="MODULE_SIG_FORCE"),
        errno="EKEYREJECTED",
        log=("Loading of module with unsupported crypto is rejected",),
    )
    yield Trial(
        rule="signature-lockdown",
        bad=PLAIN,
        good=SIGNED,
        world=World(conditions={"cmdline": "lockdown=integrity"}),
        errno="EPERM",
        log=("Lockdown: <comm>: unsigned module loading is restricted; see man kernel_lockdown.7",),
    )
    yield Trial(
        rule="signature-lockdown",
        label="given",
        bad=PLAIN,
        good=PLAIN,
        world=World(conditions={"lockdown": "confidentiality"}),
        near=World(conditions={"lockdown": "none", "cmdline": "lockdown=integrity"}),
        errno="EPERM",
        log=("Lockdown: <comm>: unsigned module loading is restricted; see man kernel_lockdown.7",),
    )
    yield Trial(
        rule="signature-enforcement-unknown",
        bad=PLAIN,
        good=PLAIN,
        world=NO_CONFIG,
        near=replace(NO_CONFIG, conditions={"sig_enforce": False}),
        outcome="loads",
    )


def wrong_numbers() -> Iterator[Trial]:
    """crypto/rsa-pkcs1pad.c, where the certificate is enclosed; a trusted one answers always the same."""
    short = b"\0\1" + b"\xff" * 7 + b"\0" + bytes(118)
    for label, errno, late, how in (
        ("digest-name", "EBADMSG", "EBADMSG", {"named": "sha1"}),
        ("padding", "EINVAL", "EINVAL", {"opens": b"\1" + bytes(127)}),
        ("zero", "EBADMSG", "EINVAL", {"opens": bytes(128)}),
        ("short-padding", "EBADMSG", "EBADMSG", {"opens": short}),
    ):
        enclosed, direct = (sign(PLAIN, 1, enclose=enclose, **how) for enclose in (True, False))
        for world, code in ((World(), errno), (V612, late)):
            at = f"{label}-{world.release}"
            yield Trial(rule="signature-wrong", label=at, bad=enclosed, good=SIGNED, world=world, errno=code)
        yield Trial(rule="signature-wrong", label=f"{label}-direct", bad=direct, good=SIGNED, errno="EKEYREJECTED")


def attributes() -> Iterator[Trial]:
    """pkcs7_sig_note_authenticated_attr."""
    digest, mail = bytes.fromhex("2a864886f70d010904"), bytes.fromhex("2a864886f70d01090f")
    both = block(PLAIN, 1, attributes=("content_type", "message_digest"))
    twice = block(PLAIN, 1, attributes=("content_type", "content_type"))
    windows = block(PLAIN, 1, attributes=("content_type", "1.3.6.1.4.1.311.2.1.12"))
    for case, message, line in (
        ("mail", both.replace(digest, mail), "S/MIME Caps only allowed with Authenticode"),
        ("programs", windows, "Authenticode AuthAttrs only allowed with Authenticode"),
        ("repeated", twice, "Repeated/multivalue AuthAttrs not permitted"),
    ):
        bad = PLAIN + message + trailer(len(message))
        rule = f"signature-attributes/{case}"
        yield Trial(rule=rule, bad=bad, good=SIGNED, errno="EKEYREJECTED", log=(f"PKCS7: {line}",))
    odd = block(PLAIN, 1, attributes=("message_digest",)).replace(b"\4\x20", b"\2\x20")
    yield Trial(
        rule="signature-malformed",
        label="digest-type",
        bad=PLAIN + odd + trailer(len(odd)),
        good=SIGNED,
        errno="EBADMSG",
    )


def malformed_messages(message: bytes) -> Iterator[Trial]:
    """crypto/asymmetric_keys/pkcs7_parser.c; certs/system_keyring.c: verify_pkcs7_message_sig."""

    def refused(case: str, block: bytes, errno: str, *log: str, label: str = "") -> Trial:
        bad = PLAIN + block + trailer(len(block))
        return Trial(rule=f"signature-malformed/{case}", label=label, bad=bad, good=SIGNED, errno=errno, log=log)

    one = b"\2\1\1"  # version 1: of the message first, then of its signer
    whole, signer = message.index(one) + 2, message.index(one, message.index(one) + 1) + 2
    yield refused(
        "type",
        message.replace(b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"),
        "EINVAL",
        "PKCS7: Only support pkcs7_signedData type",
    )
    yield refused("version", _put(message, whole, 2), "EINVAL", "PKCS7: Unsupported SignedData version")
    yield refused("signer-version", _put(message, signer, 2), "EINVAL", "PKCS7: Unsupported SignerInfo version")
    yield refused(
        "versions-differ", _put(message, signer, 3), "EBADMSG", "PKCS7: SignedData-SignerInfo version mismatch"
    )
    some = block(PLAIN, 1, attributes=("content_type", "message_digest"), bare_second=True)
    yield refused("nobody", some, "EINVAL", "PKCS7: Inconsistently supplied authAttrs")
    yield refused("nameless", _put(_put(message, whole, 3), signer, 3), "EINVAL")
    # What comes before the damage is told first: lengths of a version and of a kind, and what they shift.
    start = message.index(one) + 1
    yield refused("version", _put(message, start, 3), "EINVAL", "PKCS7: Unsupported SignedData version", label="long")
    cut = message[: signer - 1] + b"\x11" + message[signer:]
    yield refused("signer-version", cut, "EINVAL", "PKCS7: Unsupported SignerInfo version", label="long")
    bare = bytes.fromhex("300b06092a864886f70d010702")
    yield refused("nobody", bare, "EINVAL", "PKCS7: Inconsistently supplied authAttrs", label="type alone")
    nobody = block(PLAIN, 1, signers=0)
    yield Trial(
        rule="signature-malformed",
        label="no-signer",
        bad=PLAIN + nobody + trailer(len(nobody)),
        good=SIGNED,
        errno="EBADMSG",
    )
    said = ("PKCS7: Data already supplied", "PKCS#7 signature with non-detached data")
    yield refused("enclosed", block(PLAIN, 1, holds=PLAIN), "EBADMSG", *said)
    large = message + bytes(70000)
    yield Trial(
        rule="signature-certificate",
        bad=sign(PLAIN, 1, beside=on_a_curve()),
        good=sign(PLAIN, 1, beside=certificate(3)),
        errno="ENOENT",
    )
    yield Trial(
        rule="signature-enforced",
        label="a certificate of another kind",
        bad=sign(PLAIN, 1, beside=certificate(3).replace(RSA_SHA256, RSA_PSS)),
        good=sign(PLAIN, 1, beside=certificate(3)),
        world=ENFORCED,
        errno="EKEYREJECTED",
        log=("Loading of module with unsupported crypto is rejected",),
    )
    yield Trial(rule="signature-too-large", bad=PLAIN + large + trailer(len(large)), good=SIGNED, errno="EMSGSIZE")


def _put(data: bytes, place: int, byte: int) -> bytes:
    return data[:place] + bytes([byte]) + data[place + 1 :]


def decided_elsewhere() -> Iterator[Trial]:
    """What only the machine tells: modules of its kernel that compute a digest, keys that somebody enrolled."""
    yield Trial(
        rule="signature-algorithm",
        bad=sign(PLAIN, 1, digest="sha512", named="sha256"),
        good=sign(PLAIN, 1, digest="sha512"),
        outcome="cannot-tell",
    )
    yield Trial(
        rule="signature-enrolled",
        bad=sign(PLAIN, 2),
        good=SIGNED,
        world=World(with_="MODULE_SIG_FORCE SECONDARY_TRUSTED_KEYRING"),
        outcome="cannot-tell",
    )
    yield Trial(
        rule="signature-enrolled-note",
        bad=sign(PLAIN, 2),
        good=sign(PLAIN, 2),
        world=World(with_="INTEGRITY_PLATFORM_KEYRING"),
        near=World(),
        outcome="loads",
    )
    yield Trial(
        rule="signature-enrolled",
        label="locked",
        bad=sign(PLAIN, 2),
        good=sign(PLAIN, 2),
        world=World(conditions={"lockdown": "integrity"}, with_="INTEGRITY_PLATFORM_KEYRING"),
        near=World(conditions={"lockdown": "integrity", "trusted_certs": ()}, with_="INTEGRITY_PLATFORM_KEYRING"),
        outcome="cannot-tell",
    )


def validity() -> Iterator[Trial]:
    """kernel/module/main.c: elf_validity_check (6.1), elf_validity_cache_copy (6.12)."""

    def refused(
        rule: str, bad: bytes, *log: str, world: World | None = None, good: bytes = PLAIN, label: str = ""
    ) -> Trial:
        return Trial(rule=rule, bad=bad, good=good, errno="ENOEXEC", log=log, world=world or World(), label=label)

    yield Trial(
        rule="install-command",
        bad=PLAIN,
        good=PLAIN,
        world=World(conditions={"commands": (("other", "true"), ("ti*y", "/bin/false"))}),
        near=World(conditions={"commands": (("tin", "/bin/false"),)}),
        outcome="loads",
    )
    needing = module(info=[("depends", "other,helper-one")])
    detour = Detour(module="tiny", needed="helper_one", command="/bin/true")
    yield Trial(
        rule="install-command/needed",
        label="as installed",
        bad=PLAIN,
        good=PLAIN,
        world=World(conditions={"commands": (("helper_one", "/bin/true"),), "detours": (detour,)}),
        near=World(
            conditions={"commands": (("helper_one", "/bin/true"),), "detours": (replace(detour, module="tin"),)}
        ),
        outcome="loads",
    )
    for label, commands, loaded in (
        ("by its own word", (("helper?one", "/bin/true"),), "other"),
        ("of what that needs", (("tin", "true"),), "tin"),
    ):
        told = {"commands": commands, "detours": (Detour(module="other", needed="deep", command="true"),)}
        yield Trial(
            rule="install-command/needed",
            label=label,
            bad=needing,
            good=needing,
            world=World(conditions={**told, "loaded": frozenset({loaded})}),
            near=World(conditions={**told, "loaded": frozenset({"helper-one", "deep"})}),
            outcome="loads",
        )
    yield Trial(rule="no-modules", bad=PLAIN, good=PLAIN, world=World(without="MODULES"), near=World(), errno="ENOSYS")
    for off, on in (
        ("quiet nomodule", "nomodule=0"),
        ("nomodule=y", "nomodule nomodule=n"),
        ("nomodule nomodule=2", "nomodules"),
        ("sysctl.kernel.modules_disabled=1 nomodule=0", "sysctl.kernel.modules_disabled=0"),
        ("sysctl/kernel/modules_disabled=1", "kernel.modules_disabled=1"),
    ):
        yield Trial(
            rule="loading-disabled",
            label=off,
            bad=PLAIN,
            good=PLAIN,
            world=World(conditions={"cmdline": off}),
            near=World(conditions={"cmdline": on}),
            errno="EPERM",
        )
    yield Trial(rule="empty-file", bad=b"", good=PLAIN, errno="EINVAL")
    yield refused("elf-header-length", PLAIN[:63], "Invalid ELF header len 63")
    short = b"x" * 11 + MARKER  # which only a kernel that looks for signatures cuts off
    yield refused(
        "elf-header-length", short, "Invalid ELF header len 39", world=World(without="MODULE_SIG"), label="whole"
    )
    yield refused("elf-magic", b"x" * 100, "Invalid ELF header magic: != \x7fELF")
    yield refused("elf-type", module(change=lambda image: setattr(image, "type", 3)), "Invalid ELF header type: 3 != 1")
    yield refused("elf-arch", module(machine=183), "Invalid architecture in ELF header: 183")
    yield refused(
        "elf-arch", PLAIN, "Invalid architecture in ELF header: 62", world=ARM, good=arm_module(), label="arm64"
    )
    yield refused("elf-section-size", module(change=with_header(shentsize=63)), "Invalid ELF section header size")
    yield refused("elf-section-overflow", PLAIN[:-1], "Invalid ELF section header overflow")
    count = struct.unpack_from("<H", PLAIN, 60)[0]
    yield refused(
        "elf-names-index",
        module(change=with_header(shstrndx=count)),
        f"Invalid ELF section name index: {count} || e_shstrndx ({count}) >= e_shnum ({count})",
    )
    yield refused("elf-names-bounds", patched(PLAIN, ".shstrtab", offset=len(PLAIN)), "Invalid ELF section hdr(type 3)")
    for era, label in ((World(), "6.1"), (V612, "6.12")):
        yield refused(
            "elf-names-empty", patched(PLAIN, ".shstrtab", size=0), "empty section name table", world=era, label=label
        )
        yield refused(
            "elf-names-terminated",
            patched(PLAIN, ".shstrtab", size=5),
            "ELF Spec violation: section name table isn't null terminated",
            world=era,
            label=label,
        )
    yield refused(
        "elf-names-type",
        patched(PLAIN, ".shstrtab", type=1),
        "Invalid ELF section name table type: 1",
        world=V612,
    )
    text = index_of(PLAIN, ".text")
    for era, label in ((World(), "6.1"), (V612, "6.12")):
        yield refused(
            "elf-section-name",
            patched(PLAIN, ".text", name=9999),
            f"Invalid ELF section name in module (section {text} type 1)",
            world=era,
            label=label,
        )
        yield refused(
            "elf-section-bounds",
            patched(PLAIN, ".text", size=1 << 40),
            f"Invalid ELF section in module (section {text} type 1)",
            world=era,
            label=label,
        )
        yield refused(
            "elf-symbols-link",
            patched(PLAIN, ".symtab", link=count),
            f"Invalid ELF sh_link!=SHN_UNDEF({count}) or (sh_link({count}) >= hdr->e_shnum({count})",
            world=era,
            label=label,
        )
        yield refused(
            "elf-section-zero",
            patched(PLAIN, "", size=1),
            "ELF Spec violation: section 0 type(0)!=SH_NULL or non-zero len or addr",
            world=era,
            label=label,
        )
    # A section without bytes in the file may say any size: .bss of a good module does.
    yield refused(
        "elf-strings-type", patched(PLAIN, ".strtab", type=1), "Invalid ELF symbol string table type: 1", world=V612
    )


def special_sections() -> Iterator[Trial]:
    """setup_load_info (6.1), elf_validity_cache_index_* (6.12)."""

    def refused(rule: str, bad: bytes, log: str, world: World, label: str = "", good: bytes = PLAIN) -> Trial:
        return Trial(rule=rule, bad=bad, good=good, errno="ENOEXEC", log=(log,), world=world, label=label)

    twice = module(change=adding(Part(name=".modinfo", data=b"name=tiny\0")))
    yield refused("elf-modinfo-unique", twice, "Only one .modinfo section must exist.", V612)
    stripped = module(change=lambda image: image.symbols.clear())
    double = module(change=adding(Part(name=".other", type=SHT_SYMTAB, link=1)))
    yield refused("no-symbols", stripped, "tiny: module has no symbols (stripped?)", World(), "6.1")
    yield refused("no-symbols", double, "tiny: module has no symbols (stripped?)", V612, "two")
    nameless = module(without=["name"], change=lambda image: image.symbols.clear())
    unnamed = "(missing .modinfo section or name field): module has no symbols (stripped?)"
    yield refused("no-symbols", nameless, unnamed, V612, "nameless")
    missing = module(change=lambda image: (image.symbols.pop(1), dropping(THIS)(image))[1])
    yield refused("this-module-missing", missing, "tiny: No module found in object", World(), "6.1")
    exactly = "module tiny: Exactly one .gnu.linkonce.this_module section must exist."
    yield refused("this-module-missing", missing, exactly, V612, "6.12")
    empty = module(change=setting(THIS, type=SHT_NOBITS, size=896))
    content = "module tiny: .gnu.linkonce.this_module section must have a size set"
    yield refused("this-module-content", empty, content, V612)
    unallocated = module(change=setting(THIS, flags=SHF_WRITE))
    memory = "module tiny: .gnu.linkonce.this_module must occupy memory during process execution"
    yield refused("this-module-allocated", unallocated, memory, V612)
    larger = module(change=setting(THIS, data=bytes(24) + b"tiny".ljust(936, b"\0")))
    section = "module tiny: .gnu.linkonce.this_module section"
    size = f"{section} size must match the kernel's built struct module size at run time"
    yield refused("this-module-size", larger, size, V612)
    yield Trial(rule="this-module-size-unseen", bad=larger, good=PLAIN, outcome="loads")


def early() -> Iterator[Trial]:
    """kernel/module/main.c: early_mod_check; kernel/module/version.c."""
    yield Trial(
        rule="blacklisted",
        bad=PLAIN,
        good=PLAIN,
        world=World(conditions={"cmdline": "quiet module_blacklist=other,tiny"}),
        near=World(conditions={"cmdline": "quiet module_blacklist=other,tin,tinyx"}),
        errno="EPERM",
        log=("Module tiny is blacklisted",),
    )
    yield Trial(
        rule="crc-mismatch/module-layout",
        bad=module(versions={"module_layout": 1, "_printk": 2}, vermagic="4.19.0 "),
        good=PLAIN,
        errno="ENOEXEC",
        log=("tiny: disagrees about version of symbol module_layout",),
    )
    yield Trial(
        rule="module-layout-entry",
        bad=module(versions={"_printk": 0x92997ED8}),
        good=module(versions={"_printk": 0x92997ED8}),
        near=MAINLINE,
        errno="ENOEXEC",
        log=("tiny: no symbol version for module_layout",),
    )
    yield Trial(
        rule="exports-unknown",
        bad=PLAIN,
        good=PLAIN,
        world=NO_EXPORTS,
        near=World(),
        outcome="cannot-tell",
    )
    bare = module(change=dropping("__versions"))
    yield Trial(rule="no-versions", bad=bare, good=PLAIN, world=NO_FORCE, errno="ENOEXEC")
    yield Trial(rule="no-versions-forced", bad=bare, good=PLAIN, outcome="loads")
    yield Trial(rule="no-versions-unknown", bad=bare, good=PLAIN, world=NO_CONFIG, outcome="cannot-tell")
    yield Trial(
        rule="vermagic",
        bad=module(vermagic="6.1.0-56-amd64 SMP mod_unload modversions "),
        good=module(vermagic="4.4.0 SMP preempt mod_unload modversions "),
        errno="ENOEXEC",
        log=(f"tiny: version magic '6.1.0-56-amd64 SMP mod_unload modversions ' should be '{VERMAGIC}'",),
    )
    yield Trial(
        rule="vermagic",
        label="trailing-blank",
        bad=module(vermagic=VERMAGIC.rstrip()),
        good=PLAIN,
        errno="ENOEXEC",
        log=(f"tiny: version magic '{VERMAGIC.rstrip()}' should be '{VERMAGIC}'",),
    )
    other = "6.1.0-55-amd64 SMP preempt mod_unload modversions "
    yield Trial(
        rule="vermagic",
        label="release-without-versions",
        bad=module(vermagic=other, change=dropping("__versions")),
        good=module(vermagic=other),
        errno="ENOEXEC",
        log=(f"tiny: version magic '{other}' should be '{VERMAGIC}'",),
    )
    yield Trial(
        rule="vermagic-unknown",
        bad=PLAIN,
        good=PLAIN,
        world=World(vermagic=None, installed=()),
        near=World(),
        outcome="cannot-tell",
    )
    no_magic = module(without=["vermagic"])
    yield Trial(rule="no-vermagic", bad=no_magic, good=PLAIN, world=NO_FORCE, errno="ENOEXEC")
    yield Trial(rule="no-vermagic-forced", bad=no_magic, good=PLAIN, outcome="loads")
    yield Trial(rule="no-vermagic-unknown", bad=no_magic, good=PLAIN, world=NO_CONFIG, outcome="cannot-tell")
    patch = module(info=[("livepatch", "Y")])
    yield Trial(
        rule="livepatch",
        bad=patch,
        good=patch,
        world=World(without="LIVEPATCH"),
        near=World(),
        errno="ENOEXEC",
        log=("tiny: module is marked as livepatch module, but livepatch support is disabled",),
    )
    yield Trial(rule="livepatch-unknown", bad=patch, good=patch, world=NO_CONFIG, near=World(), outcome="cannot-tell")
    for era in (World(), V612):
        yield Trial(
            rule="already-loaded",
            label=era.release,
            bad=PLAIN,
            good=PLAIN,
            world=replace(era, conditions={"loaded": frozenset({"tiny"})}),
            near=replace(era, conditions={"loaded": frozenset({"other"})}),
            errno="EEXIST",
        )


def layout() -> Iterator[Trial]:
    """layout_and_allocate, percpu_modalloc, find_module_sections, check_export_symbol_versions."""
    yield Trial(
        rule="arch-section-missing",
        bad=arm_module(without=".plt"),
        good=arm_module(),
        world=ARM,
        errno="ENOEXEC",
        log=("tiny: module PLT section(s) missing",),
    )
    both = module(change=adding(Part(name=".both", data=b"x", flags=SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR)))
    written = module(change=adding(Part(name=".both", data=b"x", flags=SHF_ALLOC | SHF_WRITE)))
    line = f"tiny: section .both (index {index_of(both, '.both')}) has invalid WRITE|EXEC flags"
    yield Trial(rule="write-execute", bad=both, good=written, errno="ENOEXEC", log=(line,))
    yield Trial(rule="write-execute-unknown", bad=both, good=written, world=NO_CONFIG, outcome="cannot-tell")

    def percpu(size: int) -> bytes:
        return module(change=adding(Part(name=".data..percpu", data=bytes(size), flags=SHF_ALLOC | SHF_WRITE)))

    for rule, size, said in (
        (
            "percpu-size",
            8193,
            "percpu: allocation failed, size=8196 align=4 atomic=0, alloc from reserved chunk failed",
        ),
        ("percpu-size/unit", 32769, "illegal size (32772) or align (4) for percpu allocation"),
    ):
        lines = (said, f"tiny: Could not allocate {size} bytes percpu data")
        yield Trial(rule=rule, bad=percpu(size), good=percpu(8192), errno="ENOMEM", log=lines)
    quiet = World(without="BUG")
    for size, near in ((32769, World()), (40000, World())):
        yield Trial(
            rule="percpu-size/unsaid",
            label=str(size),
            bad=percpu(size),
            good=percpu(8192),
            world=quiet,
            near=near,
            errno="ENOMEM",
            log=(f"tiny: Could not allocate {size} bytes percpu data",),
        )
    one, other = Part(name=".ctors", data=bytes(8)), Part(name=".init_array", data=bytes(8))
    yield Trial(
        rule="constructors",
        bad=module(change=adding(one, other)),
        good=module(change=adding(one)),
        world=World(with_="CONSTRUCTORS"),
        errno="EINVAL",
        log=("tiny: has both .ctors and .init_array.",),
    )
    bare = module(exports=[Exported(name="mine", crc=None)])
    full = module(exports=[Exported(name="mine", crc=7)])
    yield Trial(rule="export-versions", bad=bare, good=full, world=NO_FORCE, errno="ENOEXEC")
    yield Trial(rule="export-versions-forced", bad=bare, good=full, outcome="loads")
    yield Trial(rule="export-versions-unknown", bad=bare, good=full, world=NO_CONFIG, outcome="cannot-tell")


def symbols() -> Iterator[Trial]:
    """simplify_symbols, resolve_symbol, check_version, verify_namespace_is_imported, inherit_taint."""

    def refused(rule: str, bad: bytes, good: bytes, *log: str, errno: str = "EINVAL", **more: object) -> Trial:
        return Trial(rule=rule, bad=bad, good=good, errno=errno, log=log, **more)  # type: ignore[arg-type]

    lacking = module(undefined=["_printk", "no_such"])
    weak = module(change=adding(symbols=[Sym(name="no_such", bind=WEAK)]))
    yield refused("unknown-symbol", lacking, weak, "tiny: Unknown symbol no_such (err -2)", errno="ENOENT")
    yield Trial(
        rule="unknown-symbol",
        label="global-offset-table",
        bad=arm_module(),
        good=module(undefined=["_printk", "_GLOBAL_OFFSET_TABLE_"]),
        world=replace(ARM, symvers="0x9060323f\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n"),
        near=World(),
        errno="ENOENT",
        log=("tiny: Unknown symbol _printk (err -2)",),
    )
    gpl = ["_printk", "gpl_symbol"]
    yield refused(
        "gpl-only-symbol",
        module(undefined=gpl, info=PROPRIETARY),
        module(undefined=gpl, info=[("license", "Dual MIT/GPL")]),
        "tiny: Unknown symbol gpl_symbol (err -2)",
        errno="ENOENT",
    )
    helper = module("helper", exports=[Exported(name="given_symbol", crc=0x33333333)], info=PROPRIETARY)
    rows = {**CRCS, "given_symbol": 0x33333333}
    yield Trial(
        rule="gpl-only-symbol/inherited",
        bad=module(undefined=["given_symbol", "gpl_symbol"], versions=rows),
        good=module(undefined=["given_symbol", "_printk"], versions=rows),
        world=World(along=(helper,)),
        errno="ENOENT",
        log=(
            "tiny: module uses symbols given_symbol from proprietary module helper, inheriting taint.",
            "tiny: Unknown symbol gpl_symbol (err -2)",
        ),
    )
    part_known = World(symvers=None, installed=("giver",))
    yield Trial(
        rule="gpl-class-unknown",
        bad=module(info=PROPRIETARY),
        good=PLAIN,
        world=part_known,
        outcome="cannot-tell",
    )
    yield Trial(rule="symbol-not-known", bad=lacking, good=PLAIN, world=part_known, outcome="cannot-tell")
    modular = module(undefined=["modular_symbol"])
    yield refused(
        "provider-missing",
        modular,
        modular,
        "tiny: Unknown symbol modular_symbol (err -2)",
        errno="ENOENT",
        world=World(installed=("another",)),
        near=World(),
    )
    giver = module("helper", exports=[Exported(name="given_symbol", crc=0x33333333)])
    user = module(undefined=["given_symbol"])
    yield refused(
        "provider-refused",
        user,
        user,
        "tiny: Unknown symbol given_symbol (err -2)",
        errno="ENOENT",
        world=World(along=(giver,), refused=frozenset({"helper"})),
        near=World(along=(giver,)),
    )
    yield Trial(
        rule="provider-unsure",
        bad=user,
        good=user,
        world=World(unsure=(giver,)),
        near=World(along=(giver,)),
        outcome="cannot-tell",
    )
    closed = module("helper", exports=[Exported(name="given_symbol", crc=0x33333333)], info=PROPRIETARY)
    mixed = module(undefined=["gpl_symbol", "given_symbol"])
    yield refused(
        "proprietary-provider",
        mixed,
        user,
        "tiny: module using GPL-only symbols uses symbols given_symbol from proprietary module helper.",
        "tiny: Unknown symbol given_symbol (err -2)",
        errno="ENOENT",
        world=World(along=(closed,)),
    )
    tolerant = module(
        undefined=["gpl_symbol"],
        versions={"module_layout": 0x9060323F, "gpl_symbol": 0x11111111, "given_symbol": 0x33333333},
        change=adding(symbols=[Sym(name="given_symbol", bind=WEAK)]),
    )
    yield Trial(
        rule="proprietary-provider-weak", bad=tolerant, good=user, world=World(along=(closed,)), outcome="loads"
    )
    yield Trial(
        rule="inherits-taint",
        bad=user,
        good=user,
        world=World(along=(closed,)),
        near=World(along=(giver,)),
        outcome="loads",
    )
    yield refused(
        "crc-mismatch",
        module(versions={"module_layout": 0x9060323F, "_printk": 1}),
        PLAIN,
        "tiny: disagrees about version of symbol _printk",
        "tiny: Unknown symbol _printk (err -22)",
    )
    entry = module(versions={"module_layout": 0x9060323F})
    yield refused(
        "missing-entry",
        entry,
        entry,
        "tiny: no symbol version for _printk",
        "tiny: Unknown symbol _printk (err -22)",
        near=MAINLINE,
    )
    yield Trial(rule="missing-entry-tolerated", bad=entry, good=PLAIN, world=MAINLINE, outcome="loads")
    spaced = ["spaced_symbol"]
    yield refused(
        "namespace",
        module(undefined=spaced),
        module(undefined=spaced, info=[("import_ns", "SPACE")]),
        "tiny: module uses symbol (spaced_symbol) from namespace SPACE, but does not import it.",
        "tiny: Unknown symbol spaced_symbol (err -22)",
    )
    listed = World(
        release="6.18.1",
        origin="",
        symvers="0x9060323f\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n"
        "0x22222222\tspaced_symbol\tvmlinux\tEXPORT_SYMBOL_GPL\tmodule:other,ti*\n",
    )
    yield refused(
        "namespace",
        module("fiction", undefined=spaced),
        module(undefined=spaced),
        "fiction: module uses symbol (spaced_symbol) from namespace module:other,ti*, but does not import it.",
        "fiction: Unknown symbol spaced_symbol (err -22)",
        world=listed,
        label="listed",
    )
    yield Trial(
        rule="namespace-tolerated",
        bad=module(undefined=spaced),
        good=module(undefined=spaced, info=[("import_ns", "SPACE")]),
        world=World(with_="MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS"),
        outcome="loads",
    )
    yield refused(
        "common-symbol",
        module(change=adding(symbols=[Sym(name="shared", section=SHN_COMMON)])),
        module(change=adding(symbols=[Sym(name="__gnu_lto_slim", section=SHN_COMMON)])),
        "tiny: please compile with -fno-common",
        errno="ENOEXEC",
    )
    odd = module(change=adding(symbols=[Sym(name="odd", section=500, bind=LOCAL)]))
    last = struct.unpack_from("<H", odd, 60)[0] - 1
    yield refused(
        "symbol-section", odd, PLAIN, f"tiny: Symbol odd has an invalid section index 500 (max {last})", errno="ENOEXEC"
    )
    # All symbols are tried, and the last one's errno is returned.
    yield Trial(
        rule="unknown-symbol",
        label="last-errno-wins",
        bad=module(
            undefined=["no_such", "_printk"], versions={"module_layout": 0x9060323F, "_printk": 1, "no_such": 2}
        ),
        good=PLAIN,
        errno="EINVAL",
        log=(
            "tiny: Unknown symbol no_such (err -2)",
            "tiny: disagrees about version of symbol _printk",
            "tiny: Unknown symbol _printk (err -22)",
        ),
    )


def relocations() -> Iterator[Trial]:
    """arch/x86/kernel/module.c, arch/arm64/kernel/module.c."""
    start = "existing value is nonzero for type 2, loc <addr>, val <addr>"
    bad, good = filled((4, 2), bytes(4) + b"\0\0\0\1" + bytes(8)), filled((4, 2), b"\1" * 4 + bytes(4) + b"\1" * 8)
    for era, text in ((World(), "Skipping invalid relocation target"), (V612, "Invalid relocation target")):
        line = f"module: x86/modules: {text}, {start}"
        yield Trial(
            rule="relocation-target", label=era.release, bad=bad, good=good, world=era, errno="ENOEXEC", log=(line,)
        )
    yield Trial(
        rule="relocation-type",
        bad=filled((0, 3), bytes(16)),
        good=filled((0, 24), bytes(16)),
        errno="ENOEXEC",
        log=("module: tiny: Unknown rela relocation: 3",),
    )
    for era, text in ((ARM, ""), (ARM612, "Modules: ")):
        yield Trial(
            rule="relocation-type",
            label=era.release,
            bad=arm_module(*rela((0, 512))),
            good=arm_module(*rela((0, 283))),
            world=era,
            errno="ENOEXEC",
            log=(f"{text}module tiny: unsupported RELA relocation: 512",),
        )
    yield Trial(
        rule="relocation-outside", bad=filled((9, 1), bytes(16)), good=filled((8, 1), bytes(16)), outcome="cannot-tell"
    )
    target, table = rela((0, 2))
    rel = replace(table, name=".rel.data", type=9, data=bytes(16))
    yield Trial(
        rule="rel-section",
        bad=module(change=adding(target, rel)),
        good=module(change=adding(replace(target, flags=SHF_WRITE), rel)),
        errno="ENOEXEC",
        log=("module tiny: REL relocation unsupported",),
    )


def last_steps() -> Iterator[Trial]:
    """module_finalize, verify_exported_symbols, btf_module_notify, parse_args, mod_sysfs_init."""
    for era, name in ((ARM, ".text.ftrace_trampoline"), (ARM612, ".init.text.ftrace_trampoline")):
        yield Trial(
            rule="finish-section-missing",
            label=era.release,
            bad=arm_module(without=name),
            good=arm_module(),
            world=era,
            errno="ENOEXEC",
        )
    yield Trial(
        rule="duplicate-export",
        bad=module(exports=[Exported(name="_printk", crc=1)]),
        good=module(exports=[Exported(name="my_printk", crc=1)]),
        errno="ENOEXEC",
        log=("tiny: exports duplicate symbol _printk (owned by kernel)",),
    )
    modular = [Exported(name="modular_symbol", crc=1)]
    yield Trial(
        rule="duplicate-export-possible",
        bad=module(exports=modular),
        good=module("giver", exports=modular),
        outcome="loads",
    )
    strict = World(without="MODULE_ALLOW_BTF_MISMATCH")
    good = module(change=adding(btf()))
    yield Trial(
        rule="btf",
        bad=module(change=adding(btf(magic=0x1234))),
        good=good,
        world=strict,
        errno="EINVAL",
        log=("failed to validate module [tiny] BTF: -22",),
    )
    yield Trial(rule="btf-tolerated", bad=module(change=adding(btf(size=5))), good=good, outcome="loads")
    typed = with_parameter("int")

    def given(*words: str) -> World:
        return World(conditions={"params": words})

    yield Trial(
        rule="parameter-invalid",
        bad=typed,
        good=typed,
        world=given("count=many"),
        near=given("count=-0x10"),
        errno="EINVAL",
        log=("tiny: `many' invalid for parameter `count'",),
    )
    yield Trial(
        rule="parameter-invalid",
        label="range",
        bad=typed,
        good=typed,
        world=World(conditions={"cmdline": "quiet tiny.count=2147483648"}),
        near=World(conditions={"cmdline": "quiet tiny.count=2147483647"}),
        errno="ERANGE",
        log=("tiny: `2147483648' invalid for parameter `count'",),
    )
    words = with_parameter("charp")
    yield Trial(
        rule="parameter-too-large",
        bad=words,
        good=words,
        world=given("count=" + "x" * 1025),
        near=given("count=" + "x" * 1024),
        errno="ENOSPC",
        # A record of this kernel's log holds 989 bytes.
        log=("count: string parameter too long", f"tiny: `{'x' * (989 - len('tiny: `'))}"),
    )
    few = with_parameter("array of int", 2)
    yield Trial(
        rule="parameter-invalid/many",
        bad=few,
        good=few,
        world=given("count=1,2,3"),
        near=given("count=1,2"),
        errno="EINVAL",
        log=("count: can only take 2 arguments", "tiny: `1' invalid for parameter `count'"),
    )
    short = with_parameter("string", 4)
    yield Trial(
        rule="parameter-too-large/string",
        bad=short,
        good=short,
        world=given("count=four"),
        near=given("count=two"),
        errno="ENOSPC",
        log=("count: string doesn't fit in 3 chars.", "tiny: `four' too large for parameter `count'"),
    )
    of_hardware = with_parameter("array of int", 4, flags=2)
    locked = {"lockdown": "integrity", "params": ("count=1,2", "counts=1"), "trusted_certs": ()}
    yield Trial(
        rule="parameter-invalid/locked",
        bad=sign(of_hardware, 1),
        good=sign(of_hardware, 1),
        world=World(conditions=locked),
        near=World(conditions={**locked, "params": ("counts=1",)}),
        errno="EPERM",
        log=(
            "Lockdown: <comm>: unsafe module parameters is restricted; see man kernel_lockdown.7",
            "tiny: `1,2' invalid for parameter `count'",
        ),
    )
    dangerous = with_parameter("int", flags=1)
    yield Trial(
        rule="parameter-dangerous", bad=dangerous, good=dangerous, world=given("count=1"), near=given(), outcome="loads"
    )
    yield Trial(
        rule="parameter-unknown",
        bad=typed,
        good=typed,
        world=given("counts=1"),
        near=given("dyndbg=+p"),
        outcome="loads",
    )
    own = with_parameter(None)
    yield Trial(
        rule="parameter-own",
        bad=own,
        good=own,
        world=given("count=1"),
        near=given("counts=1"),
        outcome="cannot-tell",
    )
    # What modinfo says of parameters tells people, and the loader nothing.
    told = module(info=[("parmtype", "count:int")])
    yield Trial(
        rule="parameter-unknown",
        label="told alone",
        bad=told,
        good=typed,
        world=given("count=many"),
        near=given("count=1"),
        outcome="loads",
    )
    yield from names_taken()
    # A symbol's name outside its table: the kernel would read on in whatever follows.
    cut = patched(module(), ".strtab", size=3)
    yield Trial(rule="unreadable-part", bad=cut, good=PLAIN, outcome="cannot-tell")


def names_taken() -> Iterator[Trial]:
    """mod_sysfs_init: /sys/module has a directory for what is built in only with a parameter or a version."""
    there = ("tiny: module is already loaded",)
    with_version = World(builtin=("tiny",), builtin_info=("tiny.version=1", "tiny.license=GPL"))
    without = World(builtin=("tiny",), builtin_info=("tiny.license=GPL",))
    yield Trial(rule="built-in", bad=PLAIN, good=PLAIN, world=with_version, near=without, errno="EINVAL", log=there)
    shown = World(builtin=("tiny",), builtin_info=("tiny.parmtype=count:int",), sysfs=("other", "tiny"))
    yield Trial(
        rule="built-in",
        label="parameter",
        bad=PLAIN,
        good=PLAIN,
        world=shown,
        near=replace(shown, sysfs=("other",)),
        errno="EINVAL",
        log=there,
    )
    yield Trial(rule="built-in-beside", bad=PLAIN, good=PLAIN, world=without, near=with_version, outcome="loads")
    yield Trial(
        rule="built-in-unknown",
        bad=PLAIN,
        good=PLAIN,
        world=replace(shown, sysfs=None),
        near=shown,
        outcome="cannot-tell",
    )
    alike = replace(shown, sysfs=None, builtin=())
    yield Trial(
        rule="built-in-unknown",
        label="own",
        bad=PLAIN,
        good=PLAIN,
        world=alike,
        near=replace(alike, installed=("giver", "tiny")),
        outcome="cannot-tell",
    )
