# SPDX-License-Identifier: GPL-2.0-or-later
"""A recipe that makes what a dkms.conf makes: its patches, scripts, commands, modules. Plans a text, runs nothing."""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from shlex import quote

from dlkm.build.dkms import Reading
from dlkm.core.errors import UsageError
from dlkm.source.dkms import DkmsModule
from dlkm.source.driver import Driver
from dlkm.yocto.new import Draft, Facts, Wishes, facts_of, recipe_name, source_lines, variables_of

_PATCHES = (".patch", ".diff")  # what BitBake applies unasked
# Every make that is run is told of the kernel's tools, as the module class tells its own.
_MAKE = """\
\tunset CFLAGS CPPFLAGS CXXFLAGS LDFLAGS
\tmake() {
\t\tcommand make ${EXTRA_OEMAKE} CC="${KERNEL_CC}" LD="${KERNEL_LD}" AR="${KERNEL_AR}" "$@"
\t}"""
_SYMVERS = """\
\tinstall -d ${D}${includedir}/${BPN}
\tfind ${B} -name Module.symvers -exec cat {} + > ${D}${includedir}/${BPN}/Module.symvers"""

# BitBake reads recipes before it has built a kernel: then do_configure finds out.
_READING = """\
python __anonymous() {
    import os, re
    release = d.getVar('KERNEL_VERSION') or ''
    if not release[:1].isdigit():
        return"""
_OPTIONS = """\
    config = d.expand('${{STAGING_KERNEL_BUILDDIR}}/.config')
    if os.path.exists(config):
        with open(config) as stream:
            have = set(re.findall('^(CONFIG_[^=]+)=[ym]', stream.read(), re.MULTILINE))
        for option in {options}:
            if (option.lstrip('!') in have) == option.startswith('!'):
                raise bb.parse.SkipRecipe('BUILD_EXCLUSIVE_CONFIG: %s' % option)"""


def place_for(driver: Driver, reading: Reading, folder: Path) -> Path:
    """Where the driver's files lie for a recipe in a folder: where they are, or in a copy below it."""
    below = driver.path.is_relative_to(folder.resolve())
    return driver.path if below else folder.resolve() / recipe_name(reading.conf.package)


def recipe_of_dkms(driver: Driver, reading: Reading, folder: Path, wishes: Wishes, beside: Collection[str]) -> Draft:
    """A recipe in a folder, for files in `place_for`. `beside` are the packages that have recipes too.

    UsageError when no licence can be told, or for names that BitBake cannot take.
    """
    conf = reading.conf
    path = folder / f"{recipe_name(conf.package)}_{wishes.version or _version(conf.version)}.bb"
    if re.search(r"\s", str(path.absolute())):
        raise UsageError(f"{path}: BitBake takes no blanks in the path of a recipe", hint="-o elsewhere")
    facts = _facts(driver, wishes)
    writer = _Writer(driver, reading, facts)
    lines = [
        *writer.head(),
        "",
        "inherit module",
        "",
        *source_lines(place_for(driver, reading, folder), writer.entries(), path, wishes.release),
    ]
    lines += [*writer.settings(beside), *writer.configure(), *writer.compile(), *writer.install()]
    return Draft(files={path: ("\n".join(lines) + "\n").encode()})


def sources_of_others(reading: Reading) -> tuple[str, ...]:
    """Directories of other drivers' sources that a conf's commands name: a recipe's build does not have them."""
    commands = f"{reading.conf.clean} {reading.make} {reading.conf.pre_build} {reading.conf.post_build}"
    named = re.findall(r"/usr/src/[^\s/;&|'\"]+", commands)
    return tuple(sorted({place for place in named if place != _own_source(reading)}))


def _own_source(reading: Reading) -> str:
    """Where DKMS has the driver's own source."""
    return f"/usr/src/{reading.own.name}-{reading.own.version}"


def _facts(driver: Driver, wishes: Wishes) -> Facts:
    """As the sources tell; the wished licence is for those of several drivers that do not."""
    try:
        return facts_of(driver, replace(wishes, licence=None))
    except UsageError:
        if wishes.licence is None:
            raise
        return facts_of(driver, wishes)


def _version(text: str) -> str:
    """PACKAGE_VERSION as a file's name has it: '_' would begin another part."""
    return re.sub(r"[^0-9A-Za-z.+~-]+", "-", text).strip("-.") or "1.0"


class _Writer:
    """The parts of one recipe."""

    def __init__(self, driver: Driver, reading: Reading, facts: Facts) -> None:
        self._driver, self._reading, self._conf, self._facts = driver, reading, reading.conf, facts

    def head(self) -> Iterator[str]:
        """What it is."""
        yield f"# Made from {self._conf.package}'s dkms.conf, as it is for {self._reading.release}."
        if self._conf.obsolete_by:
            yield f"# OBSOLETE_BY={self._conf.obsolete_by}: from then on the kernel has its own."
        for place in sources_of_others(self._reading):
            yield f"# The commands take files of {place}: bring them along in SRC_URI, and name them there."
        yield f'SUMMARY = "{self._facts.summary}"'
        yield f'LICENSE = "{self._facts.licence}"'
        if self._facts.licence_line is not None:
            yield f'LIC_FILES_CHKSUM = "{self._facts.licence_line}"'

    def entries(self) -> list[str]:
        """What SRC_URI takes: a patch only where the conf names it."""
        files = [f"{name};apply=no" if name.endswith(_PATCHES) else name for name in self._facts.entries]
        return files + [
            f"patches/{name}{'' if name.endswith(_PATCHES) else ';apply=yes'}" for name in self._conf.patches
        ]

    def settings(self, beside: Collection[str]) -> Iterator[str]:
        """Variables beside the functions."""
        lines = []
        needed = [recipe_name(name) for name in self._conf.depends if name in beside]
        if needed:
            lines.append(f'DEPENDS += "{" ".join(needed)}"')
        told = f"{self._reading.make} KERNELRELEASE="
        lines += [line for line in variables_of(self._driver.makefile) if _name_of(line) not in told]
        if any(not module.strip for module in self._conf.modules):
            lines.append('INHIBIT_PACKAGE_STRIP = "1"')
        if lines:
            yield from ["", *lines]
        yield from self._exclusions()

    def _exclusions(self) -> Iterator[str]:
        """BUILD_EXCLUSIVE_ while the recipe is read, where its kernel is known by then: it is skipped, not failed."""
        exclusive = self._conf.exclusive
        told = (("KERNEL", "release"), ("ARCH", "d.getVar('TARGET_ARCH')"))
        patterns = [(word, subject, exclusive.get(f"BUILD_EXCLUSIVE_{word}", "")) for word, subject in told]
        lines = [
            f"    if not re.search({pattern!r}, {subject}):\n"
            f"        raise bb.parse.SkipRecipe('BUILD_EXCLUSIVE_{word} does not match %s' % {subject})"
            for word, subject, pattern in patterns
            if pattern and _same_in_python(pattern)
        ]
        options = exclusive.get("BUILD_EXCLUSIVE_CONFIG", "").split()
        if options:
            lines.append(_OPTIONS.format(options=options))
        if lines:
            yield from ["", _READING, *lines, "}"]

    def configure(self) -> Iterator[str]:
        """BUILD_EXCLUSIVE_ and PRE_BUILD."""
        lines = [*self._conditions(), *self._script("PRE_BUILD", self._conf.pre_build)]
        if lines:
            yield from ["", "do_configure() {", *lines, "}"]

    def compile(self) -> Iterator[str]:
        """CLEAN where it does more than that, and MAKE."""
        yield from ["", "do_compile() {", _MAKE, "\tcd ${S}"]
        if not self._reading.only_cleans:
            yield f"\t( {self._words(self._conf.clean)} ) || :"
        make = self._words(self._reading.make)
        if make.startswith("make"):
            make = f"make ${{PARALLEL_MAKE}} KERNELRELEASE=${{KERNEL_VERSION}}{make.removeprefix('make')}"
        yield f"\t{make}"
        yield "}"

    def install(self) -> Iterator[str]:
        """The modules, each at its destination, and what they export; then POST_BUILD."""
        yield from ["", "do_install() {"]
        yield from map(_install, self._conf.modules)
        yield _SYMVERS
        yield from self._script("POST_BUILD", self._conf.post_build)
        yield "}"

    def _conditions(self) -> Iterator[str]:
        exclusive = self._conf.exclusive
        for word, subject in (("KERNEL", "${KERNEL_VERSION}"), ("ARCH", "${TARGET_ARCH}")):
            if pattern := exclusive.get(f"BUILD_EXCLUSIVE_{word}"):
                test = f"echo {subject} | grep -Eq -e {quote(pattern)}"
                yield f'\t{test} || bbfatal "BUILD_EXCLUSIVE_{word} does not match {subject}"'
        for option in exclusive.get("BUILD_EXCLUSIVE_CONFIG", "").split():
            name = option.removeprefix("!")
            unless = "&&" if option.startswith("!") else "||"
            test = f"grep -Eq '^{name}=[ym]' ${{STAGING_KERNEL_BUILDDIR}}/.config"
            yield f'\tif {"" if unless == "&&" else "! "}{test}; then bbfatal "BUILD_EXCLUSIVE_CONFIG: {option}"; fi'

    def _script(self, word: str, text: str) -> Iterator[str]:
        """One of the driver's scripts; DKMS goes on when it fails."""
        if text:
            yield f'\t( cd ${{S}} && ${{S}}/{self._words(text)} ) || bbwarn "{word} failed"'

    def _words(self, text: str) -> str:
        """A command with BitBake's names for the places and the release that DKMS writes out."""
        reading = self._reading
        places = {reading.folder: "${S}", reading.usual.kernel_dir: "${STAGING_KERNEL_DIR}"}
        places |= {f"/lib/modules/{reading.release}/source": "${STAGING_KERNEL_DIR}", _own_source(reading): "${S}"}
        for place in sorted(places, key=len, reverse=True):
            text = text.replace(place, places[place])
        return text.replace(reading.release, "${KERNEL_VERSION}").strip()


def _same_in_python(pattern: str) -> bool:
    """Whether Python understands an expression of bash as it is meant."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return "[:" not in pattern and "${" not in pattern


def _name_of(line: str) -> str:
    """The make variable that a line of EXTRA_OEMAKE sets, with its '='."""
    return f"{line.partition(chr(34))[2].partition('=')[0]}="


def _install(module: DkmsModule) -> str:
    place = f"${{D}}${{nonarch_base_libdir}}/modules/${{KERNEL_VERSION}}{module.location.rstrip('/')}/{module.name}.ko"
    return f"\tinstall -D -m 0644 ${{S}}/{module.built} {place}"
