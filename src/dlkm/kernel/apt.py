# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's archive through apt itself, in directories of our own: lists, names, downloads; apt checks the signatures.

The machine's own apt state is neither read (but for where it gets Debian from, and through which proxy) nor changed.
"""

import fnmatch
import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import FetchError
from dlkm.core.events import Events
from dlkm.core.files import lock, remove_tree, sha256_file, write_atomically
from dlkm.core.processes import Completed, Runner, bound_to_us, shell_line
from dlkm.core.tools import missing
from dlkm.kernel.distros import Debian, Source
from dlkm.kernel.progress import watching

KEYRING_FOLDERS = ("/usr/share/keyrings", "/etc/apt/keyrings", "/etc/apt/trusted.gpg.d")
UPDATE_TIMEOUT = 900.0  # seconds
LISTS_KEPT = 60 * 86400.0
FAILURE_LASTS = 60.0  # how long lists of which some could not be fetched are made do with
DOWNLOAD_TIMEOUT = 7200.0
QUERY_TIMEOUT = 120.0
TRY_AGAIN = "look at the network and the mirror, then try again"
REASONS = 4  # as many of apt's own words of one kind as an error quotes
REFUSED_LIST = re.compile(r"^Err:\d+ (.+ Packages)\n +(.+)$", re.MULTILINE)
SOURCE_PART = re.compile(r"^'([^'\s]+)' ([^\s/]+) [0-9]+ (SHA256:[0-9a-f]{64})$", re.MULTILINE)
HELPER = "/usr/lib/apt/apt-helper"
PASSED_ON = re.compile(r"Acquire::(?:http|https|ftp|tor|Retries|ForceIPv[46]|Proxy-Auto-Detect)\b", re.IGNORECASE)

# What apt is told first; the machine's own configuration (hooks, pins, sources) is left out, its proxies are added.
CONFIGURATION = """\
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of the archive. `depends` holds alternatives; sizes are bytes; `sha256` is that of the .deb.

    `source` is the name of the source package that it was made from, always of the same version for a kernel's.
    """

    name: str
    source: str
    version: str
    architecture: str
    depends: tuple[tuple[str, ...], ...]
    size: int
    installed_size: int
    sha256: str


class Archive:
    """Debian's archive for one architecture and some sources, with lists of its own below `home`.

    `kind` is apt's word for what the lists are of: "deb", or "deb-src" for source packages.
    """

    def __init__(
        self,
        architecture: str,
        sources: Sequence[Source],
        home: Path,
        runner: Runner,
        events: Events,
        kind: str = "deb",
    ) -> None:
        self.architecture = architecture
        self.sources = tuple(sources)
        self._kind = kind
        text = "".join(f"{source.uri} {source.suite} {source.components}\n" for source in self.sources)
        text += "" if kind == "deb" else kind
        self.home = home / f"{architecture}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        self.trouble: FetchError | None = None
        self._runner = runner
        self._events = events

    def refresh(self, max_age: float) -> None:
        """Fetch the lists when they are older (seconds). What goes wrong is in `trouble`: the rest may do."""
        with lock(self.home / "lock"):
            if self._age() <= max_age:
                return
            self._write_configuration()
            _sweep(self.home.parent, but=self.home)
            with self._events.task(f"fetching Debian's package lists ({self.architecture})"):
                done = self._run("apt-get", "update", timeout=UPDATE_TIMEOUT)
            self.trouble = None if done.ok else _trouble(done, "cannot fetch Debian's package lists")
            write_atomically(self._stamp, self.trouble.what if self.trouble is not None else "")

    def _age(self) -> float:
        """Seconds since the lists were fetched; infinite when they never were, or failed a while ago."""
        try:
            age = max(0.0, time.time() - self._stamp.stat().st_mtime)
            failure = self._stamp.read_text("utf-8", "replace")
        except OSError:
            return float("inf")
        if failure:
            self.trouble = FetchError(failure, hint=TRY_AGAIN)
        return float("inf") if failure and age > FAILURE_LASTS else age

    def names(self, prefix: str) -> tuple[str, ...]:
        """The names of all packages that begin so; none before the first `refresh`."""
        if not (self.home / "sources.list").is_file():
            return ()
        with lock(self.home / "lock"):
            return tuple(self._run("apt-cache", "pkgnames", prefix).text().split())

    def show(self, names: Sequence[str]) -> dict[str, Package]:
        """The newest version of each package, by name; names that the archive does not have are left out."""
        with lock(self.home / "lock"):
            shown = self._run("apt-cache", "show", "--no-all-versions", *names)
        return {package.name: package for package in parse_packages(shown.text())}

    def versions(self, name: str) -> tuple[Package, ...]:
        """Every version of a package that the archive has, the newest first."""
        with lock(self.home / "lock"):
            return tuple(parse_packages(self._run("apt-cache", "show", "--all-versions", name).text()))

    def closure(self, words: Sequence[str]) -> tuple[str, ...]:
        """The names of all packages that these (names, or patterns of apt's) need in an empty system.

        FetchError when the archive does not have them all.
        """
        with lock(self.home / "lock"):
            done = self._run("apt-get", "--simulate", "--no-install-recommends", "install", *words)
        if not done.ok:
            raise _trouble(done, f"cannot install {' '.join(words)}")
        lines = (line.split() for line in done.text().splitlines())
        return tuple(line[1].partition(":")[0] for line in lines if line[:1] == ["Inst"])

    def download(self, packages: Sequence[Package], folder: Path) -> tuple[Path, ...]:
        """The .deb files, whole and with the digests that the signed lists name, in `folder`; resumes what lies there.

        FetchError when one cannot be had.
        """
        wanted = [f"{package.name}:{package.architecture}={package.version}" for package in packages]
        total = sum(package.size for package in packages)
        title = f"downloading {len(packages)} packages"
        with self._events.task(title, total) as task, watching(folder, task):
            done = self._run("apt-get", "download", *wanted, cwd=folder, timeout=DOWNLOAD_TIMEOUT)
        for wrong in folder.glob("*.FAILED"):  # what apt puts aside because its digest is another
            wrong.unlink()
        if not done.ok:
            raise _trouble(done, f"cannot fetch {', '.join(package.name for package in packages)}")
        return tuple(_checked(package, folder) for package in packages)

    def source_part(self, name: str, version: str, ending: str, folder: Path) -> Path:
        """The part of a source package whose name ends so, with the digest that the signed list names, in `folder`.

        FetchError when there is none, or it cannot be had.
        """
        with lock(self.home / "lock"):
            done = self._run("apt-get", "source", "--print-uris", "--download-only", f"{name}={version}")
        part = next((found for found in SOURCE_PART.finditer(done.text()) if found[2].endswith(ending)), None)
        if not done.ok or part is None:
            raise _trouble(done, f"cannot find the source package {name}={version}")
        path = folder / part[2]
        with self._events.task(f"downloading {path.name}"):
            done = self._run(HELPER, "download-file", part[1], str(path), part[3], timeout=DOWNLOAD_TIMEOUT)
        if not done.ok or not path.is_file():
            path.unlink(missing_ok=True)
            raise _trouble(done, f"cannot fetch {path.name}")
        return path

    @property
    def _stamp(self) -> Path:
        return self.home / "fetched"

    def _run(self, program: str, *words: str, cwd: Path | None = None, timeout: float = QUERY_TIMEOUT) -> Completed:
        if self._runner.find(program) is None:
            raise missing(program)
        argv = [*bound_to_us(self._runner), program, "-q", *self._directories(), *words]
        return self._runner.run(argv, cwd=cwd, timeout=timeout, env={"APT_CONFIG": str(self.home / "apt.conf")})

    def _directories(self) -> Iterator[str]:
        """As options: these take any character, where the syntax of a configuration file does not."""
        places = {
            "State": "state",
            "State::lists": "lists",
            "State::status": "status",
            "Cache": "cache",
            "Etc::sourcelist": "sources.list",
        }
        return (f"-oDir::{option}={self.home / name}" for option, name in places.items())

    def _write_configuration(self) -> None:
        keyring = debian_keyring()
        start = f"{self._kind} [arch={self.architecture} signed-by={keyring}]"
        lines = [f"{start} {source.uri} {source.suite} {source.components}\n" for source in self.sources]
        for folder in ("state", "lists/partial", "cache/archives/partial"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        write_atomically(self.home / "status", "")
        write_atomically(self.home / "sources.list", "".join(lines))
        architecture = f'APT::Architecture "{self.architecture}";\nAPT::Architectures {{ "{self.architecture}"; }};\n'
        write_atomically(self.home / "apt.conf", CONFIGURATION + architecture + host_connection(self._runner))


def host_sources(runner: Runner, debian: Debian) -> tuple[Source, ...]:
    """The sources of this machine that are Debian's, as apt itself reads them; others' are left out.

    Told by the Origin that a fetched list states, by the suite's name where none was fetched yet. Whoever signs them
    otherwise than Debian is refused by apt later: only Debian's keyring counts.
    """
    if runner.find("apt-get") is None:
        raise missing("apt-get")
    form = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(ORIGIN)"
    listed = runner.run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"], timeout=QUERY_TIMEOUT)
    rows = (line.split("\t") for line in listed.text().splitlines())
    found = (Source(row[0].rstrip("/"), row[1], row[2]) for row in rows if len(row) == 4 and _is_debians(row, debian))
    return tuple(dict.fromkeys(source for source in found if not source.uri.startswith("cdrom:")))


def _is_debians(row: Sequence[str], debian: Debian) -> bool:
    _, suite, component, origin = row
    if component not in debian.components:
        return False
    return origin == "Debian" or (origin in {"", "$(ORIGIN)"} and debian.knows_suite(suite))


def host_connection(runner: Runner) -> str:
    """How this machine reaches the network, as lines of apt's configuration: proxies, retries."""
    if runner.find("apt-config") is None:
        return ""
    dumped = runner.run(["apt-config", "dump"], timeout=QUERY_TIMEOUT).text()
    return "".join(f"{line}\n" for line in dumped.splitlines() if PASSED_ON.match(line))


def debian_keyring() -> Path:
    """The keys of Debian's archive; MissingToolError without them."""
    debian = Debian.read()
    for folder in KEYRING_FOLDERS:
        for name in debian.keyrings:
            if (Path(folder) / name).is_file():
                return Path(folder) / name
    raise missing(debian.keyring_package)


def parse_packages(text: str) -> Iterator[Package]:
    """From what `apt-cache show` prints; incomplete entries are passed over."""
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if {"Package", "Version", "Architecture", "Size", "SHA256"} <= fields.keys():
            yield Package(
                name=fields["Package"],
                source=fields.get("Source", fields["Package"]).split(" ", 1)[0],
                version=fields["Version"],
                architecture=fields["Architecture"],
                depends=parse_depends(fields.get("Depends", "")),
                size=_number(fields["Size"]),
                installed_size=_number(fields.get("Installed-Size", "0")) * 1024,
                sha256=fields["SHA256"],
            )


def parse_depends(text: str) -> tuple[tuple[str, ...], ...]:
    """The names of a Depends field: one tuple of alternatives for each part; versions and architectures taken off."""
    parts = (part.split("|") for part in text.split(",") if part.strip())
    return tuple(tuple(re.split(r"[\s(:\[]", name.strip(), maxsplit=1)[0] for name in part) for part in parts)


def matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Those names that match any of the patterns."""
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _sweep(home: Path, but: Path) -> None:
    """Remove lists from sources that nobody has asked for a long time."""
    for stamp in home.glob("*/fetched"):
        with suppress(OSError):
            if stamp.parent != but and stamp.stat().st_mtime < time.time() - LISTS_KEPT:
                remove_tree(stamp.parent)


def _checked(package: Package, folder: Path) -> Path:
    """The file of a package, once its digest is right; a wrong one is removed."""
    for path in folder.glob(f"{package.name}_*.deb"):
        if sha256_file(path) == package.sha256:
            return path
        path.unlink()
    raise FetchError(f"{package.name}={package.version}: what was fetched is not what the signed list names")


def _trouble(done: Completed, doing: str) -> FetchError:
    lines = done.errors.decode("utf-8", "replace").splitlines()
    said = [line[3:].strip() for line in lines if line.startswith(("E: ", "W: "))][:REASONS]
    # Beside a suite without its Release, apt tells only on standard output which other list it refused.
    said += [f"{item}: {why}" for item, why in REFUSED_LIST.findall(done.text())][:REASONS]
    reason = "it took too long" if done.timed_out else "; ".join(said) or f"apt ended with status {done.status}"
    command = shell_line(done.argv)
    return FetchError(f"{doing}: {reason}", hint=f"{TRY_AGAIN}; it was: {command}")
