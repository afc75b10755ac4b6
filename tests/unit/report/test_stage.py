# SPDX-License-Identifier: GPL-2.0-or-later
"""How staging is shown: the document's form, and names that no terminal may see raw."""

import io
import json
from pathlib import Path

from dlkm.report.stage import show, show_refused, to_document
from dlkm.report.terminal import Colour, Terminal
from dlkm.rootfs.choices import Choice, How
from dlkm.rootfs.plan import Action, Content, Operation, Plan
from dlkm.rootfs.stage import StagedModule, Staging
from dlkm.verdict.verdict import Finding, Outcome, Severity, Verdict

KO = "lib/modules/6.1/updates/hello.ko"
DEP = "lib/modules/6.1/modules.dep"


def _choice(wins: str | None) -> Choice:
    return Choice(kernel="6.1", name="hello", how=How.FILE if wins else How.NOTHING, wins=wins, why="so it is")


STAGING = Staging(
    plan=Plan(
        operations=(
            Operation(action=Action.MKDIR, path="lib"),
            Operation(action=Action.WRITE, path=KO, content=Content.of(b"")),
            Operation(
                action=Action.REPLACE, path="lib/modules/6.1/modules.dep", content=Content.of(b""), before="-> x"
            ),
            Operation(action=Action.REMOVE, path="lib/modules/6.1/updates/\udcff\x1b[31m.ko", before="ab"),
        )
    ),
    modules=(StagedModule(name="hello", path=KO, release="6.1", choice=_choice(None)),),
    warnings=(),
)
REFUSED = Verdict(
    path="hello.ko", module="hello", kernel="6.1", outcome=Outcome.FAILS, errno="ENOEXEC", log=("hello: no\x1b[2J",),
    findings=(Finding(rule="r", severity=Severity.ERROR, message="m", hint="build it"),
              Finding(rule="s", severity=Severity.ERROR, message="m", hint="hidden", masked=True)),
)  # fmt: skip
NO_BYTES = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing


def _terminal() -> tuple[Terminal, io.StringIO]:
    out = io.StringIO()
    return Terminal(colour=Colour.NEVER, out=out, err=io.StringIO()), out


def test_the_document() -> None:
    made = to_document(Path("/r"), STAGING, [REFUSED], ["w"], dry_run=True)
    json.dumps(made, ensure_ascii=False).encode()
    assert list(made) == [
        "schema",
        "rootfs",
        "dry_run",
        "operations",
        "modules",
        "findings",
        "refused",
        "warnings",
        "record",
    ]
    assert (made["schema"], made["rootfs"], made["dry_run"], made["warnings"]) == ("dlkm.stage/1", "/r", True, ["w"])
    assert made["operations"] == [
        {"action": "mkdir", "path": "lib"},
        {"action": "write", "path": KO, "sha256": NO_BYTES},
        {"action": "replace", "path": DEP, "sha256": NO_BYTES, "before": "-> x"},
        {"action": "remove", "path": "lib/modules/6.1/updates/\\xff\x1b[31m.ko", "before": "ab"},
    ]
    (module,) = made["modules"]
    assert (
        module | {"name": "hello", "path": KO, "release": "6.1", "wins": None, "missing": [], "aliases": []} == module
    )
    assert (module["how"], module["why"]) == ("nothing", "so it is")
    assert made["refused"][0]["errno"] == "ENOEXEC"


def test_the_short_form_counts_what_goes_along() -> None:
    terminal, out = _terminal()
    show(STAGING, Path("/r.staged/0001"), terminal, dry_run=False, whole=False)
    assert out.getvalue().splitlines() == [
        f"write    {KO}",
        "remove   lib/modules/6.1/updates/\\xff\\x1b[31m.ko",
        "and 2 directories, files of depmod",
        "on 6.1, 'modprobe hello' loads no file: so it is",
        "4 operations done; --undo takes them back (by /r.staged/0001)",
    ]


def test_a_whole_kernel_takes_a_line() -> None:
    own, lost = "usr/lib/modules/6.1/kernel/a.ko.xz", "usr/lib/modules/6.1/kernel/b.ko.xz"
    writes = [Operation(action=Action.WRITE, path=path, content=Content.of(b"")) for path in (own, lost)]
    staging = Staging(
        plan=Plan(operations=tuple(writes)),
        modules=(StagedModule(name="a", path=own, release="6.1", choice=_choice(own)),
                 StagedModule(name="b", path=lost, release="6.1", choice=_choice(KO))),
    )  # fmt: skip
    terminal, out = _terminal()
    show(staging, Path("/r.staged/0001"), terminal, dry_run=False, whole=False)
    assert out.getvalue().splitlines() == [
        "and 2 directories, files of depmod, modules of the kernel itself",
        f"on 6.1, 'modprobe b' loads {KO}",
        "1 modules of the kernel itself load by their names from where they lie",
        "2 operations done; --undo takes them back (by /r.staged/0001)",
    ]
    terminal, out = _terminal()
    show(staging, None, terminal, dry_run=True, whole=True)
    assert f"on 6.1, 'modprobe a' loads {own}" in out.getvalue().splitlines()


def test_the_whole_form_and_the_endings() -> None:
    terminal, out = _terminal()
    show(STAGING, None, terminal, dry_run=True, whole=True)
    lines = out.getvalue().splitlines()
    assert lines[0] == "mkdir    lib"
    assert lines[-1] == "4 operations would be done (--dry-run)"
    terminal, out = _terminal()
    show(Staging(plan=Plan(), modules=(), warnings=()), None, terminal, dry_run=False, whole=False)
    assert out.getvalue() == "nothing to change: the root filesystem is as wanted\n"


def test_what_lacks_another_module_is_not_said_to_load() -> None:
    terminal, out = _terminal()
    module = StagedModule(name="hello", path=KO, release="6.1", choice=_choice(KO), missing=("ma", "cfg80211"))
    show(Staging(plan=Plan(), modules=(module,), warnings=()), None, terminal, dry_run=False, whole=False)
    line = out.getvalue().splitlines()[0]
    assert line == f"on 6.1, 'modprobe hello' will load {KO} once ma, cfg80211 are installed; until then it fails"


def test_a_refusal_in_the_kernels_words() -> None:
    terminal, out = _terminal()
    show_refused([REFUSED], terminal)
    assert out.getvalue().splitlines() == [
        "hello.ko: will not load on 6.1 (ENOEXEC)",
        "  hello: no\\x1b[2J",
        "  (build it)",
        "nothing was changed; --force stages it all the same",
    ]
