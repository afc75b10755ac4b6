# SPDX-License-Identifier: GPL-2.0-or-later
"""What this machine's insmod, modprobe, rmmod and modinfo really say is explained; nothing here can load anything."""

import os
import subprocess
from pathlib import Path

import pytest

from dlkm.verdict.explain import explain

pytestmark = pytest.mark.contract

CONFIG = """\
install refused /bin/false
remove refused /bin/false
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root filesystem with the lists of a kernel that has nothing, and a file that is no module."""
    folder = tmp_path / "lib/modules/9.9.9"
    folder.mkdir(parents=True)
    for name in ("modules.dep", "modules.builtin", "modules.alias", "modules.softdep", "modules.symbols"):
        (folder / name).write_text("")
    (tmp_path / "refused.conf").write_text(CONFIG)
    (tmp_path / "broken.conf").write_text("no_such_word at all\n")
    (tmp_path / "noise.ko").write_bytes(b"this is no module\n" * 20)
    return tmp_path


def _said(root: Path, *command: str) -> str:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    filled = [word.replace("ROOT", str(root)) for word in command]
    done = subprocess.run(
        filled, env={"PATH": path, "LC_ALL": "C"}, capture_output=True, text=True, check=False, timeout=30
    )
    return done.stderr


_MODPROBE = ("modprobe", "-d", "ROOT", "-S", "9.9.9")


@pytest.mark.parametrize(
    ("command", "rules"),
    [
        (("insmod", "ROOT/absent.ko"), {"file-missing"}),
        (("insmod", "ROOT/noise.ko"), {"errno-ENOEXEC", "errno-EPERM", "errno-ENOSYS"}),  # the latter in containers
        (("insmod",), {"usage"}),
        (("insmod", "-"), {"usage"}),
        (_MODPROBE, {"usage"}),
        ((*_MODPROBE, "absent"), {"module-not-found"}),
        ((*_MODPROBE, "-a", "absent"), {"module-not-found"}),
        ((*_MODPROBE, "-r", "absent"), {"module-not-found"}),
        ((*_MODPROBE, "/absent.ko"), {"file-missing", "module-not-found"}),
        ((*_MODPROBE, "--dump-modversions", "ROOT/absent.ko"), {"file-missing", "module-not-found"}),
        ((*_MODPROBE, "-C", "ROOT/refused.conf", "refused"), {"command-failed"}),
        ((*_MODPROBE, "-C", "ROOT/broken.conf", "absent"), {"configuration", "module-not-found"}),
        (("modprobe", "-d", "ROOT", "-S", "8.8.8", "absent"), {"module-not-found", "lists-missing"}),
        (("rmmod", "absent_module"), {"module-absent", "lists-missing", "removal-failed"}),
        (("modinfo", "ROOT/absent.ko"), {"file-missing", "module-not-found"}),
        (("modinfo", "-b", "ROOT", "-k", "9.9.9", "absent"), {"module-not-found"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_the_programs_say_is_explained(command: tuple[str, ...], rules: set[str], root: Path) -> None:
    said = _said(root, *command)
    messages = explain(said)
    assert messages, "the program said nothing"
    assert {message.rule for message in messages} <= rules, said
