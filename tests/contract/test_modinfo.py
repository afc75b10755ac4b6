# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm inspect` against modinfo, the authority on what a module says of itself: byte for byte."""

import gzip
import lzma
import os
import random
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import zstandard

from dlkm.cli.main import main
from dlkm.core.processes import Processes
from dlkm.kernel.kernel import Kernel
from dlkm.ko.module import read_module
from dlkm.report.inspect import modinfo_entries

pytestmark = pytest.mark.contract
Capture = pytest.CaptureFixture[bytes]

# Each of them occurs in a Debian kernel's modules; the last does not.
FIELDS = ["filename", "alias", "depends", "parm", "parmtype", "signer", "sig_key", "signature", "import_ns", "nosuch"]


def modinfo(*words: str | Path, cwd: Path | None = None) -> bytes:
    return Processes().run(["modinfo", *words], cwd=cwd).output


def inspect(capture: Capture, *words: str | Path) -> bytes:
    assert main(["inspect", *map(str, words)]) == 0
    return capture.readouterr().out


def entries(files: Iterable[Path]) -> bytes:
    lines = (line + "\n" for path in files for line in modinfo_entries(read_module(path)))
    return "".join(lines).encode("utf-8", "surrogateescape")


def modules_of(kernel: Kernel, suffix: str = ".ko") -> list[Path]:
    assert kernel.modules is not None
    files = sorted(kernel.modules.rglob(f"*{suffix}"))
    assert len(files) > 3000
    return files


def some(files: list[Path], count: int) -> list[Path]:
    """The same ones each time."""
    return sorted(random.Random(count).sample(files, count))


def test_every_module_of_a_kernel(kernel_61: Kernel) -> None:
    files = modules_of(kernel_61)
    assert entries(files) == modinfo(*files)


def test_modules_of_another_architecture(kernel_61_arm64: Kernel) -> None:
    files = some(modules_of(kernel_61_arm64), 1000)
    assert entries(files) == modinfo(*files)


def test_modules_packed_by_the_distribution(kernel_612: Kernel) -> None:
    files = some(modules_of(kernel_612, ".ko.xz"), 100)
    assert entries(files) == modinfo(*files)


@pytest.mark.parametrize("field", FIELDS)
def test_one_field(kernel_61: Kernel, capfdbinary: Capture, field: str) -> None:
    files = some(modules_of(kernel_61), 500)
    told = inspect(capfdbinary, "-F", field, *files)
    assert told == modinfo("-F", field, *files)
    assert (told == b"") is (field == "nosuch")


def test_null_ends_entries(kernel_61: Kernel, capfdbinary: Capture) -> None:
    files = some(modules_of(kernel_61), 200)
    for words in (["-0"], ["--null", "--field", "alias"]):
        assert inspect(capfdbinary, *words, *files) == modinfo(*words, *files)


def test_what_is_shown_begins_as_modinfo_has_it(kernel_61: Kernel, capfdbinary: Capture) -> None:
    for path in some(modules_of(kernel_61), 20):
        told = inspect(capfdbinary, path)
        authority = modinfo(path)
        assert told.startswith(authority)
        added = told[len(authority) :].decode().splitlines()
        heads = [line.partition(":")[0] for line in added if not line.startswith("export:")]
        assert heads == ["built for", "built with", "compiler", "versions", "exports", "signed"]


@pytest.mark.parametrize("form", ["x.ko", "./x.ko", "../{here}/x.ko", "link.ko"])
def test_a_path_is_named_as_modinfo_names_it(
    kernel_61: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Capture, form: str
) -> None:
    (tmp_path / "x.ko").write_bytes(modules_of(kernel_61)[0].read_bytes())
    (tmp_path / "link.ko").symlink_to("x.ko")
    monkeypatch.chdir(tmp_path)
    path = form.format(here=tmp_path.name)
    assert inspect(capfdbinary, "-F", "filename", path) == modinfo("-F", "filename", path, cwd=tmp_path)


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".xz", lzma.compress), (".zst", zstandard.compress), (".gz", gzip.compress)]
)
def test_packed_copies(kernel_61: Kernel, tmp_path: Path, suffix: str, pack: object) -> None:
    assert callable(pack)
    for path in some(modules_of(kernel_61), 10):
        copy = tmp_path / (path.name + suffix)
        copy.write_bytes(pack(path.read_bytes()))
        # Debian 12's modinfo reads no gzip; the plain file's words, under the copy's name, are the same.
        authority = modinfo(path).replace(bytes(path), bytes(copy)) if suffix == ".gz" else modinfo(copy)
        assert entries([copy]) == authority


ODD = (
    b"a=1\0parm=p1:desc one\0parmtype=p2:int\0parm=p3:d3\0parmtype=p1:bool\0noequals\0parm=broken\0"
    b"averyveryverylongkeyname=x\0key\xff\xfe=\xc3\x28v\0\0\0multi=line1\nline2\0parm=p1:second\0parm=:empty\0=v\0"
    b"fifteencharskey=v\0sixteencharskeyx=v\0filename=fake\0parmtype=p4\0parmtype=p3:int:x\0vermagic=\0esc=\x1b[1m"
)
LONG_KEY = re.compile(rb"^(averyveryverylongkeyname:|sixteencharskeyx:) *", re.MULTILINE)  # padded by kmod 30 only


@pytest.mark.parametrize("modinfo_section", [ODD, b"\0\0\0", b"\0\0a=b\0\0c=d", b"name=x\0vermagic=6.1\0"])
def test_odd_modinfo(kernel_61: Kernel, tmp_path: Path, capfdbinary: Capture, modinfo_section: bytes) -> None:
    (tmp_path / "section").write_bytes(modinfo_section)
    path = tmp_path / "odd.ko"
    section = f".modinfo={tmp_path / 'section'}"
    assert Processes().run(["objcopy", "--update-section", section, modules_of(kernel_61)[0], path]).ok
    assert entries([path]) == LONG_KEY.sub(rb"\1", modinfo(path))
    for words in (["-0"], ["-F", "parm"], ["-F", "parmtype"], ["-F", "noequals"], ["-F", ""]):
        assert inspect(capfdbinary, *words, path) == modinfo(*words, path)


@pytest.mark.parametrize("how", ["--strip-debug", "--strip-unneeded", "--strip-all"])
def test_stripped_modules(kernel_61: Kernel, tmp_path: Path, how: str) -> None:
    path = tmp_path / "stripped.ko"
    assert Processes().run(["objcopy", how, modules_of(kernel_61)[7], path]).ok
    assert entries([path]) == modinfo(path)
    assert b"sig_id" not in entries([path])


class Signing:
    """Keys and signatures made with openssl and the kernel's own sign-file."""

    def __init__(self, kernel: Kernel, folder: Path) -> None:
        assert kernel.tree is not None
        self.folder = folder
        (self.sign_file,) = kernel.tree.glob("usr/lib/linux-kbuild-*/scripts/sign-file")
        self.plain = folder / "plain.ko"
        self.run("objcopy", modules_of(kernel)[0], self.plain)  # without the distribution's signature

    def run(self, *argv: str | Path) -> None:
        completed = Processes().run(list(argv), cwd=self.folder)
        assert completed.ok, completed.errors

    def key(self, subject: str, *options: str, algorithm: str = "rsa:2048") -> None:
        words = ["-nodes", "-days", "9", "-utf8", "-keyout", "key.pem", "-out", "cert.pem", "-subj", subject, *options]
        self.run("openssl", "req", "-new", "-x509", "-newkey", algorithm, *words)

    def signed(self, digest: str = "sha256") -> Path:
        self.run(self.sign_file, digest, "key.pem", "cert.pem", self.plain, "signed.ko")
        return self.folder / "signed.ko"


@pytest.fixture
def signing(kernel_61: Kernel, tmp_path: Path) -> Signing:
    return Signing(kernel_61, tmp_path)


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha256", "sha384", "sha512", "md5"])
def test_signatures_by_digest(signing: Signing, digest: str) -> None:
    signing.key("/O=Organisation/CN=Schlüssel für Module")
    signed = signing.signed(digest)
    assert entries([signed]) == modinfo(signed)
    assert f"\nsig_hashalgo:   {digest}\n".encode() in entries([signed])


@pytest.mark.parametrize(
    ("subject", "options"),
    [
        ("/C=DE/OU=unit/O=Org", ["-set_serial", "0x00"]),
        ("/CN=first/CN=second/O=Org", ["-set_serial", "-5"]),
        ("/emailAddress=a@b.example", ["-set_serial", "0x0102030405060708090a0b0c0d0e0f1011121314"]),
        ("/O=a+CN=b/1.2.3.4=unknown kind", ["-multivalue-rdn"]),
    ],
)
def test_signers_and_serial_numbers(signing: Signing, subject: str, options: list[str]) -> None:
    signing.key(subject, *options)
    signed = signing.signed()
    assert b"\nsigner:" in modinfo(signed)
    assert entries([signed]) == modinfo(signed)


def test_an_elliptic_key(signing: Signing) -> None:
    signing.key("/CN=ec", "-pkeyopt", "ec_paramgen_curve:P-256", algorithm="ec")
    signed = signing.signed()
    assert b"\nsigner:         ec\n" in modinfo(signed)
    assert entries([signed]) == modinfo(signed)


def test_a_signature_with_certificate_and_attributes(signing: Signing) -> None:
    signing.key("/CN=attributes")
    words = ["-binary", "-in", "plain.ko", "-outform", "DER", "-signer", "cert.pem", "-inkey", "key.pem"]
    signing.run("openssl", "cms", "-sign", *words, "-out", "block")
    block = (signing.folder / "block").read_bytes()
    path = signing.folder / "x.ko"
    trailer = bytes([0, 0, 2, 0, 0, 0, 0, 0]) + len(block).to_bytes(4, "big") + b"~Module signature appended~\n"
    path.write_bytes(signing.plain.read_bytes() + block + trailer)
    assert b"\nsigner:         attributes\n" in modinfo(path)
    assert entries([path]) == modinfo(path)


@pytest.mark.parametrize(
    "header", [(1, 4, 1, 6, 4), (0, 8, 0, 0, 0), (9, 0, 1, 0, 0), (0, 9, 1, 0, 0), (0, 0, 3, 0, 0), (0, 0, 2, 0, 0)]
)
def test_old_and_broken_trailers(signing: Signing, header: tuple[int, ...]) -> None:
    path = signing.folder / "x.ko"
    block = b"Signer\1\2\3\4" + b"SIGNATURE" * 5
    for size in (0, 45, 55, 10**7):
        trailer = bytes([*header, 0, 0, 0]) + size.to_bytes(4, "big") + b"~Module signature appended~\n"
        path.write_bytes(signing.plain.read_bytes() + block + trailer)
        assert entries([path]) == modinfo(path)


def test_the_others_are_shown_when_one_cannot_be_read(kernel_61: Kernel, tmp_path: Path, capfdbinary: Capture) -> None:
    good = modules_of(kernel_61)[0]
    (tmp_path / "bad.ko").write_bytes(good.read_bytes()[:1000])
    for bad, status in [(tmp_path / "bad.ko", 3), (tmp_path / "nosuch.ko", 2), (tmp_path, 2), (Path("/bin/ls"), 3)]:
        assert main(["inspect", "-F", "name", str(bad), str(good)]) == status
        told = capfdbinary.readouterr()
        assert told.out == modinfo("-F", "name", good)
        assert told.err.startswith(b"dlkm: error: ")
        assert os.fsencode(bad) in told.err
