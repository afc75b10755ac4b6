# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel classes compute: names of architectures, command line arguments, the split into packages."""

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import bb

from oe import package

# TARGET_ARCH by patterns, and the kernel's word for it (classes-recipe/kernel-arch.bbclass: map_kernel_arch).
_ARCHS = (
    ("i[3456]86", "x86"),
    *(("athlon", "x86"), ("x86_64", "x86"), ("arceb", "arc"), ("armeb", "arm")),
    *((name, "arm64") for name in ("aarch64", "aarch64_be", "aarch64_ilp32", "aarch64_be_ilp32")),
    *(("loongarch*", "loongarch"), ("mips*", "mips"), ("mcf*", "m68k"), ("riscv*", "riscv")),
    *((name, "powerpc") for name in ("ppc*", "powerpc*", "ppc64*", "powerpc64*")),
    *(("sh[34]", "sh"), ("bfin", "blackfin"), ("microblaze*", "microblaze")),
)
_UBOOT = {"arm64": "arm", "powerpc": "ppc", "x86_64": "x86", "i386": "x86"}
_MODULE = re.compile(r"^(.*)\.k?o(?:\.(gz|xz|zst))?$")


def arch_of(target: str | None) -> str:
    """ARCH for a TARGET_ARCH."""
    name = target or ""
    return next((arch for pattern, arch in _ARCHS if fnmatchcase(name, pattern)), name)


def uboot_arch_of(arch: str | None) -> str:
    """The boot loader's word for it."""
    return _UBOOT.get(arch or "", arch or "")


def tool_arguments(tools: str | None) -> str:
    """`CC="${KERNEL_CC}" …` for make's command line."""
    return " ".join(f'{tool}="${{KERNEL_{tool}}}"' for tool in (tools or "").split())


def conf_folder(d: Any, with_systemd: str) -> str:
    """Where modules-load.d and modprobe.d lie: below /etc, or with systemd where the distribution keeps its own."""
    vendor = d.getVar("DLKM_CONF_IN_ETC") != "1" and bb.utils.contains("DISTRO_FEATURES", "systemd", True, False, d)
    return f"${{{with_systemd}}}" if vendor else "${sysconfdir}"


def settle_dependencies(d: Any) -> None:
    """DLKM_ONLY_CROSS_TOOLS: a module depends on the compiler and the linker, and no longer on a C library."""
    if d.getVar("DLKM_ONLY_CROSS_TOOLS") == "1":
        d.setVar("INHIBIT_DEFAULT_DEPS", "1")
        d.appendVar("DEPENDS", " virtual/cross-cc virtual/cross-binutils")


def settle_builder(d: Any) -> None:
    """DLKM_BUILDER: the kernel is told a user and a host that are the same everywhere."""
    builder = (d.getVar("DLKM_BUILDER") or "").split()
    for name, value in zip(("KBUILD_BUILD_VERSION", "KBUILD_BUILD_USER", "KBUILD_BUILD_HOST"), builder, strict=False):
        if d.getVar(name) is None:
            d.setVar(name, value)
        d.setVarFlag(name, "export", "1")


def split_modules(d: Any) -> list[str]:
    """KERNEL_SPLIT_MODULES: a package for each module, their names; without it all modules in the meta package."""
    meta = d.getVar("KERNEL_MODULES_META_PACKAGE")
    name = d.getVar("KERNEL_PACKAGE_NAME") or "kernel"
    suffix = d.getVar("KERNEL_MODULE_PACKAGE_SUFFIX")
    pattern = f"{d.getVar('KERNEL_MODULE_PACKAGE_PREFIX')}{name}-module-%s{suffix}"
    root = d.getVar("nonarch_base_libdir") + "/modules"
    if d.getVar("KERNEL_SPLIT_MODULES") != "1":
        _keep_together(d, meta, root, pattern)
        return []
    _warn_of_unused_names(d, root)

    def settle(file: str, made: str, _regex: str, wanted: str, basename: str) -> None:
        _settle_module(d, Path(file), made, wanted, basename)

    made = package.split(
        d,
        root,
        _MODULE.pattern,
        pattern,
        "%s kernel module",
        postinst=d.getVar("pkg_postinst:modules"),
        postrm=d.getVar("pkg_postrm:modules"),
        recursive=True,
        hook=settle,
        extra_depends=f"{name}-{d.getVar('KERNEL_VERSION')}",
    )
    if made:
        d.appendVar(f"RDEPENDS:{meta}", " " + " ".join(made))
    return made


def _keep_together(d: Any, meta: str, root: str, pattern: str) -> None:
    d.appendVar(f"FILES:{meta}", f" {d.getVar('modulesloaddir')} {d.getVar('modprobedir')} {root}")
    d.appendVar(f"pkg_postinst:{meta}", d.getVar("pkg_postinst:modules"))
    d.prependVar(f"pkg_postrm:{meta}", d.getVar("pkg_postrm:modules"))
    if d.getVar("DLKM_CONF_WITHOUT_SPLIT") == "1":
        for basename in _basenames(d, root):
            _write_conf(d, basename, pattern % package.legitimize_package_name(basename))


def _basenames(d: Any, root: str) -> list[str]:
    folder = Path(d.getVar("PKGD") + root)
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [match[1] for path in paths if (match := _MODULE.match(path.name))]


def _warn_of_unused_names(d: Any, root: str) -> None:
    """Yocto ignores a name that is no file's without a word: here it is said, of names that the recipe itself lists."""
    names = set(_basenames(d, root))
    for variable in ("KERNEL_MODULE_AUTOLOAD", "KERNEL_MODULE_PROBECONF"):
        for word in (d.getVar(variable) or "").split():
            if word not in names and _listed_by_recipe(d, variable, word):
                near = next((name for name in sorted(names) if name.replace("-", "_") == word.replace("-", "_")), None)
                remedy = f": write {near}" if near else f" (built: {', '.join(sorted(names)) or 'none'})"
                bb.warn(f"{variable}: {word} is the name of no module that was built, so it has no effect{remedy}")


def _listed_by_recipe(d: Any, variable: str, word: str) -> bool:
    """Whether it is not a machine's or distribution's list, which is for all recipes together."""
    events = [event for event in d.varhistory.variable(variable) if word in str(event.get("detail", ""))]
    return not events or any(str(event.get("file", "")).endswith((".bb", ".bbappend", ".inc")) for event in events)


def _settle_module(d: Any, file: Path, made: str, pattern: str, basename: str) -> None:
    from oe.modinfo import read_modinfo

    values = read_modinfo(file)
    _write_conf(d, basename, made)
    if values.get("description"):
        which = 0 if d.getVar("DLKM_MODINFO_KEEPS_ALL") == "1" else -1
        d.setVar(f"DESCRIPTION:{made}", f"{d.getVar(f'DESCRIPTION:{made}') or ''}; {values['description'][which]}")
    needed = bb.utils.explode_dep_versions2(d.getVar(f"RDEPENDS:{made}") or "")
    for name in ",".join(values.get("depends", [])).split(","):
        if name:
            needed.setdefault(pattern % package.legitimize_package_name(name), [])
    d.setVar(f"RDEPENDS:{made}", bb.utils.join_deps(needed, commasep=False))
    d.setVarFlag(f"RRECOMMENDS:{made}", "nodeprrecs", 1)
    if d.getVar("KERNEL_MODULE_PROVIDE_VIRTUAL") == "1":
        d.setVar(f"RPROVIDES:{made}", made.replace(pattern.split("%s")[1], "") if pattern.split("%s")[1] else made)


def _write_conf(d: Any, basename: str, made: str) -> None:
    """modules-load.d and modprobe.d for one module, in its package's FILES and CONFFILES."""
    listed = basename in (d.getVar("KERNEL_MODULE_AUTOLOAD") or "").split()
    words = d.getVar(f"module_autoload_{basename}")
    if words == basename:
        bb.warn(f"module_autoload_{basename} is not needed where it only names the module: drop it")
    if words and not listed:
        bb.warn(f"module_autoload_{basename} is set, but KERNEL_MODULE_AUTOLOAD does not name {basename}: add it there")
    lines = "".join(f"{word}\n" for word in (words or basename).split()) if listed else None
    if _claim(d, f"{d.getVar('modulesloaddir')}/{basename}.conf", lines, made):
        script = d.getVar(f"pkg_postinst:{made}") or d.getVar("pkg_postinst:modules")
        d.setVar(f"pkg_postinst:{made}", script + d.getVar("autoload_postinst_fragment") % (words or basename))
    options = d.getVar(f"module_conf_{basename}")
    named = basename in (d.getVar("KERNEL_MODULE_PROBECONF") or "").split()
    if options and not named:
        bb.error(f"module_conf_{basename} is set, but KERNEL_MODULE_PROBECONF does not name {basename}: add it there")
    text = f"{options}\n" if options and named else None
    _claim(d, f"{d.getVar('modprobedir')}/{basename}.conf", text, made)


def _claim(d: Any, place: str, text: str | None, made: str) -> bool:
    """Write a configuration file and give it to the package; since whinlatter also one that the recipe installed."""
    path = Path(d.getVar("PKGD") + place)
    if text is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    elif d.getVar("DLKM_CONF_WITHOUT_SPLIT") != "1" or not path.exists():
        return False
    d.appendVar(f"FILES:{made}", f" {place}")
    d.appendVar(f"CONFFILES:{made}", f" {place}")
    return True
