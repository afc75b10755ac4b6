# SPDX-License-Identifier: GPL-2.0-or-later
"""An archive and a dpkg-deb that only pretend: what they are asked is recorded, what they answer is set by the test."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlkm.core.processes import Completed

CONFIG = """#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.1.9 Kernel Configuration
#
CONFIG_CC_VERSION_TEXT="gcc-12 (Debian) 12.2.0"
CONFIG_64BIT=y
CONFIG_MODVERSIONS=y
"""
SYMVERS = "0x00000001\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n0x00000002\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n"
DEBIAN_LINE = "http://mirror.example/debian/\tbookworm\tmain\tDebian\n"


def deb(name: str) -> bytes:
    """The bytes of a package: here its name is enough."""
    return name.encode()


@dataclass
class FakeDebian:
    """A Runner. `releases` are those with image and headers, `images` those with an image alone."""

    releases: Sequence[str] = ("6.1.0-9-amd64", "6.1.0-10-amd64", "6.1.0-10-rt-amd64")
    images: Sequence[str] = ()
    sources: str = DEBIAN_LINE
    missing: Sequence[str] = ()
    update_fails: bool = False
    wrong_bytes: str = ""
    full_disk: bool = False
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def find(self, program: str) -> Path | None:
        return None if program in {*self.missing, "setpriv"} else Path("/usr/bin") / program

    def run(  # noqa: C901, PLR0911, PLR0912 — one answer a program
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        log: Path | None = None,
        stdin: bytes | None = None,
    ) -> Completed:
        words = tuple(str(word) for word in argv if not str(word).startswith("-oDir") and word != "-q")
        self.ran.append(words)
        match words:
            case ("apt-get", "indextargets", *_):
                return _done(words, self.sources)
            case ("apt-config", "dump"):
                return _done(words, 'Acquire::http::Proxy "http://proxy.example:3128";\nDPkg::Post-Invoke:: "evil";\n')
            case ("apt-get", "update"):
                return _done(words, "", 100 if self.update_fails else 0, "E: Failed to fetch mirror.example\n")
            case ("apt-cache", "pkgnames", prefix):
                return _done(words, "\n".join(name for name in self._names() if name.startswith(prefix)))
            case ("apt-cache", "show", "--no-all-versions", *names):
                return _done(words, "\n".join(_stanza(name) for name in names if name in self._names()))
            case ("apt-cache", "show", "--all-versions", name):
                return _done(words, _stanza(name).replace("Architecture", "Source: linux-own (1)\nArchitecture"))
            case ("apt-get", "source", "--print-uris", "--download-only", wanted):
                file = f"{wanted.replace('=', '_')}.debian.tar.xz"
                line = f"'http://mirror.example/{file}' {file} 1 SHA256:{'0' * 64}\n"
                return _done(words, line if "deb-src" in _sources(env) else "")
            case ("/usr/lib/apt/apt-helper", "download-file", _uri, path, digest) if digest.startswith("SHA256:"):
                if self.wrong_bytes != "patches":
                    Path(path).write_bytes(b"patches")
                return _done(words, "", 100 if self.wrong_bytes == "patches" else 0, "E: Hash Sum mismatch\n")
            case ("apt-get", "download", *wanted) if cwd is not None:
                for word in wanted:
                    name = word.split(":")[0]
                    (cwd / f"{name}_1_amd64.deb").write_bytes(b"?" if name == self.wrong_bytes else deb(name))
                return _done(words, "")
            case ("dpkg-deb", "--extract", package, tree):
                if self.full_disk:
                    return _done(words, "", 2, "tar: write error: No space left on device\n")
                _extract(Path(package).name.split("_")[0], Path(tree))
                return _done(words, "")
            case _:
                raise AssertionError(words)

    def commands(self) -> list[str]:
        """What was run, in two words each."""
        return [" ".join(words[:2]) for words in self.ran]

    def _names(self) -> list[str]:
        names = [f"linux-image-{release}" for release in (*self.releases, *self.images)]
        names += [f"linux-headers-{release}" for release in self.releases]
        return [*names, "linux-headers-6.1.0-10-common", "linux-kbuild-6.1", "linux-image-amd64"]


def _sources(env: Mapping[str, str] | None) -> str:
    """The list of sources of the apt that is asked."""
    return Path((env or {})["APT_CONFIG"]).with_name("sources.list").read_text()


def _done(words: tuple[str, ...], output: str, status: int = 0, errors: str = "") -> Completed:
    return Completed(argv=words, status=status, output=output.encode(), errors=errors.encode())


def _stanza(name: str) -> str:
    depends = ""
    if name.startswith("linux-headers-") and not name.endswith("common"):
        depends = "Depends: linux-headers-6.1.0-10-common (= 1), linux-kbuild-6.1 (>= 1), linux-compiler-gcc-12-x86\n"
    if name.startswith("linux-image-"):
        depends = "Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.1) | linux-initramfs-tool\n"
    digest = hashlib.sha256(deb(name)).hexdigest()
    return (
        f"Package: {name}\nVersion: 1\nArchitecture: amd64\nInstalled-Size: 1\n{depends}"
        f"Description: text\n with: a colon\nSize: {len(deb(name))}\nSHA256: {digest}\n"
    )


def _extract(name: str, tree: Path) -> None:
    if name.startswith("linux-image-"):
        release = name.removeprefix("linux-image-")
        _write(tree / "boot" / f"vmlinuz-{release}", "image")
        _write(tree / "boot" / f"config-{release}", CONFIG)
        _write(tree / "usr/share/doc" / name / "copyright", "text")
        modules = tree / "lib/modules" / release
        _write(modules / "modules.builtin", "kernel/fs/ext-builtin.ko\n")
        (modules / "build").symlink_to(f"/usr/src/linux-headers-{release}")
    elif name.endswith("common"):
        _write(tree / "usr/src" / name / "Makefile", "VERSION = 6\n" * 1000)
    elif name.startswith("linux-headers-"):
        _write(tree / "usr/src" / name / "Makefile", "include /usr/src/linux-headers-6.1.0-10-common/Makefile\n")
        _write(tree / "usr/src" / name / ".config", CONFIG)
        _write(tree / "usr/src" / name / "Module.symvers", SYMVERS)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
