# SPDX-License-Identifier: GPL-2.0-or-later
"""A recipe written for a driver's directory, and a driver's first files. Plans texts; `write` puts them on disk."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from dlkm.core.data import data_text
from dlkm.core.errors import MissingToolError, UsageError
from dlkm.core.files import write_atomically
from dlkm.source.driver import Driver, Style, find
from dlkm.source.leftovers import left_out
from dlkm.source.makefile import Makefile, read_makefile
from dlkm.source.spdx import by_module_licence
from dlkm.yocto.licences import checksum, common_licences, former_names
from dlkm.yocto.releases import Release

TEXTS = ("COPYING", "LICENSE", "LICENCE", "LICENSE.txt", "COPYING.txt")  # what drivers call their licence's text
GPL_TEXT = Path("/usr/share/common-licenses/GPL-2")  # Debian's base-files
_SPDX = re.compile(r"SPDX-License-Identifier:\s*([^*\n]+)")
_MACRO = re.compile(r"MODULE_(LICENSE|DESCRIPTION|VERSION)\s*\(\s*((?:\"[^\"\n]*\"\s*)+)\)")
_PLAIN = re.compile(r"[A-Za-z0-9._+~-]+\Z")
_MODULE = re.compile(r"[a-z][a-z0-9_-]{0,54}\Z")  # MODULE_NAME_LEN, and C's idea of a name
_SOURCES = 200  # C files that are looked into
_HEAD = 1 << 20  # bytes of each
_FIRST_GOALS = frozenset({"all", "default", "modules", "module", "build"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a recipe is to say beyond what the sources tell."""

    release: Release
    licence: str | None = None
    version: str | None = None
    autoload: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Files to write, by path; nothing is on disk yet."""

    files: Mapping[Path, bytes] = field(default_factory=dict)

    def write(self, *, force: bool) -> tuple[Path, ...]:
        """Write them; UsageError when one is there already, unless `force`."""
        there = [path for path in self.files if path.exists() or path.is_symlink()]
        if there and not force:
            raise UsageError(f"{there[0]} is there already", hint="--force writes over it")
        for path, content in self.files.items():
            write_atomically(path, content)
        return tuple(self.files)


def recipe_for(directory: Path, place: Path | None, wishes: Wishes) -> Draft:
    """A recipe for the driver in a directory, to lie in it or at `place`.

    UsageError when there is no driver, or no licence can be told.
    """
    driver = find(directory)
    facts = facts_of(driver, wishes)
    name = recipe_name(driver.name)
    version = wishes.version or facts.version
    if re.search(r"\s", str((place or driver.path).absolute())):
        raise UsageError(
            f"{place or driver.path}: BitBake takes no blanks in the path of a recipe", hint="move it elsewhere"
        )
    path = place or driver.path / f"{name}_{version}.bb"
    if path.suffix != ".bb" or path.name.count("_") > 1:
        raise UsageError(f"{path.name}: a recipe is called NAME_VERSION.bb, with no other '_'")
    text = "\n".join(_lines(driver, facts, path, wishes)) + "\n"
    return Draft(files={path: text.encode()})


def recipe_name(text: str) -> str:
    """A PN that Yocto takes: lower case, no '_' (which begins the version)."""
    return re.sub(r"[^a-z0-9.+-]+", "-", text.lower()).strip("-.+") or "driver"


def driver_named(name: str, parent: Path, release: Release) -> Draft:
    """A new driver: source, Makefile, COPYING and recipe in `parent/NAME`. UsageError for a name no module may have."""
    if not _MODULE.match(name):
        hint = "small letters, digits, '-' and '_', beginning with a letter, at most 55 characters"
        raise UsageError(f"{name!r} is no name for a module", hint=hint)
    module = name.replace("-", "_")
    folder = parent / name
    texts = {f"{module}.c": _template("driver.c", module), "Makefile": _template("makefile", module)}
    contents = {folder / file: text.encode() for file, text in texts.items()} | {folder / "COPYING": gpl_text()}
    recipe = folder / f"{recipe_name(name)}_1.0.bb"
    return Draft(files=contents | {recipe: _first_recipe(module, recipe, contents, release).encode()})


def gpl_text() -> bytes:
    """The text of version 2 of the GPL: Debian's, else the one this program came with."""
    if GPL_TEXT.is_file():
        return GPL_TEXT.read_bytes()
    try:
        own = [file for file in distribution("dlkm").files or () if file.name == "LICENSE"]
    except PackageNotFoundError:
        own = []
    paths = [Path(str(file.locate())) for file in own] + [Path(__file__).parents[3] / "LICENSE"]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise MissingToolError("no text of the GPL on this machine", hint="apt-get install base-files")
    return found.read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the sources tell."""

    summary: str
    version: str
    licence: str
    licence_line: str | None
    entries: tuple[str, ...]


def facts_of(driver: Driver, wishes: Wishes) -> Facts:
    """UsageError when no licence can be told, or SRC_URI cannot take a file's name."""
    sources = sorted(driver.path.rglob("*.[ch]"))[:_SOURCES]
    texts = [_read(path) for path in sources if path.is_file()]
    macros = {
        match[1]: "".join(re.findall(r'"([^"]*)"', match[2])) for text in texts for match in _MACRO.finditer(text)
    }
    licence = wishes.licence or _licence(driver, texts, macros.get("LICENSE"))
    version = macros.get("VERSION", "")
    return Facts(
        summary=re.sub(r"[\"\\$`]", "", macros.get("DESCRIPTION", "")).strip() or f"The {driver.name} driver",
        version=version if re.fullmatch(r"[0-9][0-9A-Za-z.+~-]*", version) else "1.0",
        licence=licence,
        licence_line=_licence_line(driver.path, licence),
        entries=_entries(driver.path),
    )


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return ""


def _licence(driver: Driver, texts: Sequence[str], macro: str | None) -> str:
    """LICENSE as the sources tell: their SPDX lines, else MODULE_LICENSE."""
    stated = dict.fromkeys(match[1].strip().rstrip("*/ ") for text in texts for match in [_SPDX.search(text)] if match)
    if stated:
        return " & ".join(_expression(one, several=len(stated) > 1) for one in stated)
    if macro and macro in by_module_licence():
        return by_module_licence()[macro]
    said = f"MODULE_LICENSE says {macro!r}" if macro else "no source says SPDX-License-Identifier or MODULE_LICENSE"
    raise UsageError(f"{driver.path}: which licence? {said}", hint="give it: --licence GPL-2.0-only")


def _expression(text: str, *, several: bool) -> str:
    """An SPDX expression as LICENSE writes it: `&` and `|`, exceptions as one name."""
    text = re.sub(r"\s+WITH\s+", "-with-", text)
    text = re.sub(r"\s+OR\s+", " | ", re.sub(r"\s+AND\s+", " & ", text))
    text = re.sub(r"[^\s&|()]+", lambda match: former_names().get(match[0], match[0]), text)
    return f"({text})" if several and "|" in text and not text.startswith("(") else text


def _licence_line(folder: Path, licence: str) -> str | None:
    """The entry of LIC_FILES_CHKSUM: the driver's own text, else the common one; None where none is wanted."""
    if licence == "CLOSED":
        return None
    own = next((name for name in TEXTS if (folder / name).is_file()), None)
    if own is not None:
        return f"file://{own};md5={checksum(folder / own)}"
    names = [name for name in re.split(r"[&|()\s]+", licence) if name]
    lines = [f"file://${{COMMON_LICENSE_DIR}}/{name};md5={common_licences().get(name)}" for name in names]
    unknown = [name for name in names if name not in common_licences()]
    if unknown:
        hint = f"put its text into {folder / 'COPYING'}, or name another with --licence"
        raise UsageError(f"OpenEmbedded has no text of {unknown[0]}", hint=hint)
    return " ".join(lines)


def _entries(folder: Path) -> tuple[str, ...]:
    """What SRC_URI takes: the directory's files and directories, without what a build or git left."""
    names = sorted(path.name for path in folder.iterdir())
    dropped = left_out(folder, names)
    kept = [
        name for name in names if name not in dropped and name[0] != "." and not name.endswith((".bb", ".bbappend"))
    ]
    wrong = [name for name in kept if not _PLAIN.match(name)]
    if wrong:
        raise UsageError(f"{folder / wrong[0]}: SRC_URI cannot take such a name", hint="rename it, or move it away")
    return tuple(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How the driver is built: by which Makefile, in which directory below S, and in which below that Kbuild works.

    `by_kernel`: the kernel's make is called on it, as it has none of its own or none that takes another kernel.
    """

    makefile: Makefile
    build: str = ""
    modules: str = ""
    by_kernel: bool = False


def _way(driver: Driver) -> _Way:
    if driver.style is Style.DKMS:
        return _by_dkms(driver)
    makefile, build = driver.makefile, ""
    if not makefile.drives_kbuild and not makefile.has_objects:
        found = ((below, driver.path / below / "Makefile") for below in _entered(makefile))
        below, path = next(((below, path) for below, path in found if path.is_file()), ("", None))
        if path is not None:
            makefile, build = read_makefile(path, driver.path), below
    bound = makefile.drives_kbuild and not _asked(makefile) and "KERNEL_SRC" not in makefile.used
    return _Way(
        makefile=makefile,
        build=build,
        modules=_external(makefile, driver.path / build),
        by_kernel=driver.style is Style.KBUILD or (bound and makefile.has_objects),
    )


def _by_dkms(driver: Driver) -> _Way:
    """A driver that dkms.conf builds: the same when it calls the kernel's make on one directory, or a plain make."""
    text = _read(driver.path / "dkms.conf")
    called = re.findall(r"\bM=\S*?/build(?:/([\w./+-]*))?(?=[\s\"']|$)", text)
    making = {below.strip("/") for below in called}
    has_makefile = any((driver.path / name).is_file() for name in ("Makefile", "makefile", "GNUmakefile"))
    if len(making) == 1 and "kernel_source_dir" in text:
        below = making.pop()
        folder = driver.path / below
        path = next((folder / name for name in ("Kbuild", "Makefile") if (folder / name).is_file()), None)
        if path is not None:
            return _Way(makefile=read_makefile(path, driver.path), modules=below, by_kernel=True)
    if not has_makefile:
        hint = "write do_compile and do_install by hand: the commands stand in dkms.conf"
        raise UsageError(f"{driver.path}: its dkms.conf builds in several steps, and no Makefile does", hint=hint)
    return _way(replace(driver, style=Style.MAKE))


def _entered(makefile: Makefile) -> Iterator[str]:
    """The directories that it makes in: `$(MAKE) -C src`."""
    for line in makefile.lines:
        yield from re.findall(r"(?:-C|\bcd)\s+\"?((?:\w[\w.+-]*/?)+)", line.text) if line.recipe else ()


def _external(makefile: Makefile, folder: Path) -> str:
    """Where below its own directory `M=` leads: `drv` of `M=$(CURDIR)/drv`."""
    for line in makefile.lines:
        for match in re.finditer(r"\b(?:M|SUBDIRS)=\"?(?:\$[({][^/]*[)}]|\.)?/?((?:\w[\w.+-]*/?)+)", line.text):
            if (folder / match[1]).is_dir():
                return match[1].rstrip("/")
    return ""


def _modules(driver: Driver) -> tuple[str, ...]:
    """The module files that obj-m names, in the directory where Kbuild works, as far as its text tells."""
    way = _way(driver)
    folder = driver.path / way.build / way.modules
    places = [folder / name for name in ("Kbuild", "Makefile")] if way.modules else []
    makefiles = [read_makefile(path, folder) for path in places if path.is_file()] or [way.makefile]
    words = [word for makefile in makefiles for word in _objects(makefile)]
    return tuple(dict.fromkeys(word[:-2].rsplit("/", 1)[-1] for word in words if re.fullmatch(r"[\w./+-]+\.o", word)))


def _objects(makefile: Makefile) -> list[str]:
    """The words of obj-m, with variables that the text sets once."""
    values = {name: value for name, value, _line in makefile.assignments}
    given = [value for name, value, _line in makefile.assignments if name in {"obj-m", "obj-$(CONFIG_MODULES)"}]
    return [
        re.sub(r"\$[({](\w+)[)}]", lambda match: values.get(match[1], match[0]), word)
        for text in given
        for word in text.split()
    ]


def _lines(driver: Driver, facts: Facts, path: Path, wishes: Wishes) -> list[str]:
    lines = [f'SUMMARY = "{facts.summary}"', f'LICENSE = "{facts.licence}"']
    if facts.licence_line is not None:
        lines.append(f'LIC_FILES_CHKSUM = "{facts.licence_line}"')
    lines += ["", "inherit module", "", *source_lines(driver.path, facts.entries, path, wishes.release)]
    lines += _make_lines(driver)
    if wishes.autoload:
        modules = _modules(driver)
        if not modules:
            raise UsageError(
                f"{driver.makefile.path}: obj-m does not tell the module's name", hint="leave --autoload out"
            )
        lines += ["", "# Loaded at each boot.", f'KERNEL_MODULE_AUTOLOAD += "{" ".join(modules)}"']
    return lines


def source_lines(folder: Path, entries: Sequence[str], path: Path, release: Release) -> list[str]:
    """SRC_URI and S of a recipe at `path` for the files of a folder. UsageError for a path that BitBake cannot take."""
    here = path.parent.resolve()
    if folder.is_relative_to(here):
        below = folder.relative_to(here).as_posix()
        extra = "${THISDIR}" if below == "." else f"${{THISDIR}}/{below}"
    else:
        extra = str(folder)
    if not re.fullmatch(r"[\w./+~${}-]+", extra):
        raise UsageError(f"{folder}: FILESEXTRAPATHS cannot take such a path", hint="rename the directory")
    unpacked = "${UNPACKDIR}" if release.since(Release.STYHEAD) else "${WORKDIR}"
    listed = " \\\n".join(f"    file://{name}" for name in entries)
    return [
        f'FILESEXTRAPATHS:prepend := "{extra}:"',
        f'SRC_URI = " \\\n{listed} \\\n"',
        f'S = "{unpacked}"',
    ]


def _make_lines(driver: Driver) -> list[str]:
    """What make must be told where the Makefile does not take KERNEL_SRC by itself."""
    way = _way(driver)
    if way.by_kernel:
        where = f"${{B}}/{way.modules}" if way.modules else "${B}"
        lines = [f'EXTRA_OEMAKE += "-C ${{STAGING_KERNEL_DIR}} M={where}"', 'MAKE_TARGETS = "modules"']
    else:
        lines = [*variables_of(way.makefile), *_goals(way)]
    if way.build:
        lines.insert(0, f'B = "${{S}}/{way.build}"')
    if way.modules:
        lines.append(f'MODULES_MODULE_SYMVERS_LOCATION = "{way.modules}"')
    return ["", *lines] if lines else []


def _goals(way: _Way) -> Iterator[str]:
    if "modules" in way.makefile.goals and way.makefile.default_goal not in _FIRST_GOALS:
        yield 'MAKE_TARGETS = "modules"'
    if "modules_install" not in way.makefile.goals:
        where = f"${{B}}/{way.modules}" if way.modules else "${B}"
        yield f'MODULES_INSTALL_TARGET = "-C ${{STAGING_KERNEL_DIR}} M={where} modules_install"'


def variables_of(makefile: Makefile) -> Iterator[str]:
    """The kernel's directory and release under the names that the Makefile has for them."""
    asked = _asked(makefile)
    if "KERNEL_SRC" not in makefile.used and asked:
        yield f'EXTRA_OEMAKE += "{asked[0]}=${{STAGING_KERNEL_DIR}}"'
    for name in makefile.releases:
        yield f'EXTRA_OEMAKE += "{name}=${{KERNEL_VERSION}}"'


def _asked(makefile: Makefile) -> list[str]:
    """The variables that `make -C` is given."""
    return [name for line in makefile.lines for name in re.findall(r"-C\s*\"?\$[({](\w+)[)}]", line.text)]


def _template(name: str, module: str) -> str:
    return data_text("scaffold", name).replace("@MODULE@", module)


def _first_recipe(module: str, path: Path, contents: Mapping[Path, bytes], release: Release) -> str:
    import hashlib

    md5 = hashlib.md5(contents[path.parent / "COPYING"], usedforsecurity=False).hexdigest()
    entries = sorted(file.name for file in contents)
    head = [
        f'SUMMARY = "The {module} driver"',
        'LICENSE = "GPL-2.0-only"',
        f'LIC_FILES_CHKSUM = "file://COPYING;md5={md5}"',
    ]
    sources = source_lines(path.parent.resolve(), entries, path, release)
    tail = ["# Loaded at each boot.", f'KERNEL_MODULE_AUTOLOAD += "{module}"']
    return "\n".join([*head, "", "inherit module", "", *sources, "", *tail]) + "\n"
