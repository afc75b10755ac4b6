# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge: one of the kernel's own modules, doctored in many ways, loaded for real; every prediction must hold."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dlkm.core.events import Events
from dlkm.core.processes import Processes
from dlkm.kernel.installed import Installed
from dlkm.kernel.kernel import Kernel
from dlkm.ko.signature import signature_of
from dlkm.prove.agreement import Agreement, compare
from dlkm.prove.attempt import ProveOptions
from dlkm.prove.case import prove_files
from dlkm.verdict.reading import plain_bytes
from dlkm.verdict.verdict import Outcome
from tests.unit.verdict.signing import sign
from tests.unit.verdict.trials import patched, row_of

pytestmark = pytest.mark.integration

MARKER = b"~Module signature appended~\n"
ATTRIBUTES = ("content_type", "message_digest")
AUTHENTICODE = "1.3.6.1.4.1.311.2.1.4"


def _body(kernel: Kernel) -> bytes:
    """A small module without its signature."""
    assert kernel.modules is not None
    path = Installed(kernel.modules).find("dummy")
    assert path is not None
    data = bytes(plain_bytes(path))
    signature = signature_of(data)
    return data if signature is None else data[: signature.body_size]


def _at(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


def _version(data: bytes, symbol: bytes, new: bytes, *, name: bool = False) -> bytes:
    """With another CRC for a symbol, or under another name."""
    start = row_of(data, "__versions")[1]["offset"]
    row = next(place for place in range(start, len(data), 64) if data[place + 8 :].startswith(symbol + b"\0"))
    return _at(data, row + 8, new.ljust(56, b"\0")) if name else _at(data, row, new.ljust(8, b"\0"))


def _relocation(data: bytes) -> tuple[int, int]:
    """Where the first entry for .text stands in the file, and where it writes."""
    entry = row_of(data, ".rela.text")[1]["offset"]
    return entry, row_of(data, ".text")[1]["offset"] + int(struct.unpack_from("<Q", data, entry)[0])


def _trailed(data: bytes, block: bytes, *head: int, size: int | None = None) -> bytes:
    return data + block + struct.pack(">5B3xI", *head, len(block) if size is None else size) + MARKER


DOCTORED: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda data: data,
    "no ELF": lambda _: b"this is no module, but it is long enough for an ELF header of 64 bytes\n",
    "short": lambda data: data[:40],
    "cut": lambda data: data[:-100],
    "type": lambda data: _at(data, 16, b"\3"),
    "machine": lambda data: _at(data, 18, b"\xb7"),
    "size of section headers": lambda data: _at(data, 58, b"\x3f"),
    "write and execute": lambda data: patched(data, ".text", flags=7),
    "section beyond the end": lambda data: patched(data, ".text", size=1 << 40),
    "name beyond the table": lambda data: patched(data, ".text", name=99999),
    "symbols without names": lambda data: patched(data, ".symtab", link=500),
    "no symbols": lambda data: patched(data, ".symtab", type=1),
    "section 0": lambda data: patched(data, "", size=1),
    "struct module takes no memory": lambda data: patched(data, ".gnu.linkonce.this_module", flags=1),
    "module_layout": lambda data: _version(data, b"module_layout", b"\1"),
    "module_layout without entry": lambda data: _version(data, b"module_layout", b"nothing", name=True),
    "CRC": lambda data: _version(data, b"register_netdevice", b"\1"),
    "entry missing": lambda data: _version(data, b"register_netdevice", b"nothing", name=True),
    "no versions": lambda data: patched(data, "__versions", flags=0),
    "vermagic": lambda data: data.replace(b" mod_unload ", b" Mod_unload "),
    "no vermagic": lambda data: data.replace(b"\0vermagic=", b"\0Vermagic="),
    "unknown symbol": lambda data: data.replace(b"register_netdevice\0", b"register_netdevicf\0"),
    "licence": lambda data: data.replace(b"license=GPL\0", b"license=GPl\0"),
    "relocation target": lambda data: _at(data, _relocation(data)[1], b"\1"),
    "relocation type": lambda data: _at(data, _relocation(data)[0] + 8, b"\3"),
    "signature of junk": lambda data: _trailed(data, b"junk", 0, 0, 2, 0, 0),
    "signature too large": lambda data: _trailed(data, b"junk", 0, 0, 2, 0, 0, size=1 << 30),
    "signature with parameters": lambda data: _trailed(data, b"junk", 1, 0, 2, 0, 0),
    "signature of another kind": lambda data: _trailed(data, b"junk", 0, 0, 1, 0, 0),
    "signed by a stranger": lambda data: sign(data, 1),
    "signed with attributes": lambda data: sign(data, 1, attributes=ATTRIBUTES),
    "signed with some attributes": lambda data: sign(data, 1, attributes=ATTRIBUTES[:1]),
    "signed as a program": lambda data: sign(data, 1, content=AUTHENTICODE),
    "signed as a program, with attributes": lambda data: sign(data, 1, content=AUTHENTICODE, attributes=ATTRIBUTES),
    "certificate enclosed": lambda data: sign(data, 2, enclose=True),
    "changed after signing": lambda data: sign(data, 2, enclose=True).replace(b"license=GPL\0", b"license=GPl\0"),
}


# The kernel's certificates are not read from its image: whether it knows a signer cannot be told where that decides.
UNDECIDED_WHERE_ENFORCED = {"signed by a stranger", "certificate enclosed"}
# The kernel says it at most ten times in five seconds (printk_ratelimited).
FEW = ("as it is", "no ELF", "CRC", "signature of junk", "signature of another kind", "signed as a program")


def _judge(kernel: Kernel, root: Path, names: Sequence[str] = tuple(DOCTORED), cmdline: str = "") -> set[str]:
    """Holds every prediction against the booted kernel; the names of those where nothing was predicted."""
    body = _body(kernel)
    files = []
    for number, name in enumerate(names):
        path = root / str(number) / "dummy.ko"
        path.parent.mkdir()
        path.write_bytes(DOCTORED[name](body))
        files.append(path)
    options = ProveOptions(cmdline=cmdline)
    cases = dict(zip(names, prove_files(kernel, files, options, (), Processes(), Events()).cases, strict=True))
    differing = {
        name: (case.predicted.errno, case.predicted.log, case.observed)
        for name, case in cases.items()
        if compare(case.predicted, case.observed) is Agreement.DIFFERS
    }
    assert differing == {}
    assert sum(case.observed.outcome is Outcome.FAILS for case in cases.values()) > len(names) / 2
    return {name for name, case in cases.items() if compare(case.predicted, case.observed) is Agreement.OPEN}


def test_61(kernel_61: Kernel, tmp_path: Path) -> None:
    assert _judge(kernel_61, tmp_path) == set()


def test_612(kernel_612: Kernel, tmp_path: Path) -> None:
    assert _judge(kernel_612, tmp_path) == set()


def test_61_with_enforced_signatures(kernel_61: Kernel, tmp_path: Path) -> None:
    assert _judge(kernel_61, tmp_path, cmdline="module.sig_enforce=1") == UNDECIDED_WHERE_ENFORCED


def test_61_locked_down(kernel_61: Kernel, tmp_path: Path) -> None:
    assert _judge(kernel_61, tmp_path, FEW, "lockdown=integrity") == set()


def test_61_with_a_blacklist(kernel_61: Kernel, tmp_path: Path) -> None:
    assert _judge(kernel_61, tmp_path, cmdline="module_blacklist=other,dummy") == set()
