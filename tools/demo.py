# SPDX-License-Identifier: GPL-2.0-or-later
"""`make demo`: the main job on real input, with the commands a user would type."""

import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DLKM = Path(sys.executable).with_name("dlkm")
OUT = ROOT / "out" / "demo"
# The newest of the 6.1 series that the archive offers in both flavours: same sources, another ABI.
KERNELS = ("debian:latest-6.1-amd64", "debian:latest-6.1-rt-amd64")


def ask(*words: str) -> dict[str, Any]:
    """A document that a command prints."""
    done = subprocess.run([DLKM, *words, "--json", "--quiet"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout:
        raise SystemExit(done.returncode)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def expanded(word: str) -> list[str]:
    """A pattern as the files that it matches; any other word as it is."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(word)) if "*" in word else [word]


def show(*words: str, expected: int = 0) -> None:
    """Run a command in the open, as a user would; a pattern is expanded as the shell does it."""
    typed = [word if "*" in word else shlex.quote(word) for word in words]
    print(f"\n$ dlkm {' '.join(typed)}", flush=True)
    status = subprocess.run(
        [DLKM, *(one for word in words for one in expanded(word))], cwd=ROOT, check=False
    ).returncode
    if status != expected:
        raise SystemExit(f"demo: expected exit status {expected}, got {status}")


def say(text: str) -> None:
    """What comes next."""
    print(f"\n=== {text}", flush=True)


def main() -> int:
    """Walk the main road once."""
    start = time.monotonic()
    out = str(OUT.relative_to(ROOT))
    rootfs = f"{out}/rootfs"

    say("1. Two real Debian kernels of the 6.1 series, whose ABI differs")
    show("kernel", "add", *KERNELS)
    ours, other = (ask("kernel", "add", spec)["kernels"][0]["id"] for spec in KERNELS)
    module = f"{out}/hello@{ours}/hello.ko"

    say(f"2. Build examples/hello, a standalone Makefile, for {ours}")
    show("build", "examples/hello", "-k", ours, "-o", out)

    say("3. What the module says of itself")
    show("inspect", module)

    say(f"4. Will it load on {ours}? And on {other}?")
    show("check", module, "-k", ours)
    show("check", module, "-k", other, expected=1)

    say("5. The proof: boot both kernels, load it, compare: it must load on the one and fail on the other")
    show("prove", module, "-k", ours, "-k", other, "--expect", "agree")

    say("6. As a package into a root filesystem of Debian's, to be loaded at every boot")
    packages = f"{out}/packages"
    for left in (rootfs, f"{rootfs}.staged", packages):  # by an earlier run
        shutil.rmtree(ROOT / left, ignore_errors=True)
    build = str(Path(module).parent)
    settings = ("--autoload", "hello", "--options", "hello whom=everyone")
    show("package", build, "--format", "deb", "-o", packages, *settings)
    show("rootfs", "new", rootfs, "-k", ours)
    show("stage", f"{packages}/*.deb", "--rootfs", rootfs)

    say("7. The proof of that: boot it twice, with its own systemd and kmod")
    show("prove", "--rootfs", rootfs)

    say(f"Done in {time.monotonic() - start:.0f} s: prediction and reality agree on both kernels; now run it again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
