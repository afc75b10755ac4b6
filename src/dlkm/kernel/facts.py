# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a kernel that a module must fit, and where each datum comes from. Judges nothing."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from dlkm.core.errors import DlkmError
from dlkm.core.files import inside
from dlkm.core.names import Vermagic
from dlkm.core.suffixes import MODULE_SUFFIXES
from dlkm.kernel.image_record import ImageRecord, Stale, recorded, recorded_btf_names, recorded_symvers
from dlkm.kernel.installed import Installed, module_files
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.symvers import KERNEL, KernelSymbol, Symvers
from dlkm.ko.module import Module, read_module
from dlkm.ko.signature import Signature


class Facts:
    """The data of one kernel, each read when it is first asked for. None means: cannot be known from what is at hand.

    `origins` names the file that each datum came from, for those that were asked for.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.origins: dict[str, str] = {}
        self._read_beside: Symvers | None = None

    @cached_property
    def symvers(self) -> Symvers | None:
        """Module.symvers of the kernel."""
        path = self.kernel.symvers
        if path is None:
            return None
        self.origins["exports"] = str(path)
        listed = Symvers.read(path)
        if self.stale is None:
            return listed
        # The image is what boots: where the two differ, it is right, and so are the modules installed with it.
        own = self._of_modules if self.installed is not None else listed
        self.origins["exports"] = f"{self.kernel.image} and {self.kernel.modules or path}"
        return self._of_image.with_given(own, but=frozenset({KERNEL}))

    @cached_property
    def image(self) -> ImageRecord | None:
        """What the kernel's image tells; None for a kernel without one."""
        return recorded(self.kernel)

    @cached_property
    def btf_names(self) -> bytes | None:
        """The names of the kernel's own type information; None where no image at hand has any."""
        return recorded_btf_names(self.kernel)

    @property
    def stale(self) -> Stale | None:
        """How Module.symvers differs from the image, if it does."""
        return self.image.stale if self.image is not None else None

    @cached_property
    def exports(self) -> Mapping[str, KernelSymbol]:
        """Every export that is known by name; see `exports_complete`."""
        if self.symvers is not None:
            return self.symvers.symbols
        read = (self.kernel.image if len(self._of_image) else None, self.kernel.modules)
        self.origins["exports"] = " and ".join(str(part) for part in read if part is not None)
        return self._composed.symbols

    @cached_property
    def table(self) -> Symvers | None:
        """All exports in one table: Module.symvers, or what image and installed modules tell where that is the whole.

        The providers of the latter are modules' names, not their paths.
        """
        if self.symvers is not None or not self.exports_complete:
            return self.symvers
        return self._composed

    @cached_property
    def exports_complete(self) -> bool:
        """Whether a symbol that is not among the exports is known not to exist."""
        if "exports" in self.kernel.lacks:  # a snapshot of a target holds one of its modules
            return self.symvers is not None
        return self.symvers is not None or (len(self._of_image) > 0 and self.installed is not None)

    @cached_property
    def vermagic(self) -> str | None:
        """The kernel's own vermagic, its trailing blank included; the image's, where it can be read."""
        if self.image is not None and self.image.vermagic is not None:
            self.origins["vermagic"] = str(self.kernel.image)
            return self.image.vermagic
        if self.kernel.vermagic is not None:
            self.origins["vermagic"] = self._told_by()
            return self.kernel.vermagic
        return self._sample.vermagic if self._sample is not None else None

    @cached_property
    def struct_module_size(self) -> int | None:
        """Bytes of `struct module`."""
        if self._sample is not None:
            return self._sample.struct_module_size
        if self.image is None or self.image.struct_module_size is None:
            return None
        self.origins["struct module"] = str(self.kernel.image)
        return self.image.struct_module_size

    @cached_property
    def modversions(self) -> bool | None:
        """Whether it has symbol CRCs (CONFIG_MODVERSIONS)."""
        if self.vermagic is not None:
            return Vermagic.parse(self.vermagic).modversions
        return self.option("MODVERSIONS")

    @cached_property
    def installed(self) -> Installed | None:
        """The installed modules; None where their directory is not at hand."""
        directory = self.kernel.modules
        return Installed(directory) if directory is not None and directory.is_dir() else None

    @cached_property
    def builtin(self) -> frozenset[str]:
        """Names of the modules that are built in; empty where nobody lists them."""
        if self._listing is None:
            return frozenset()
        self.origins["builtin"] = str(self._listing.modules_dir / "modules.builtin")
        return self._listing.builtin

    @cached_property
    def builtin_modinfo(self) -> Mapping[str, frozenset[str]]:
        """The keys of `.modinfo` that built-in modules have, by module; empty where nobody lists them."""
        return self._listing.builtin_modinfo if self._listing is not None else {}

    @cached_property
    def _listing(self) -> Installed | None:
        """Where lists of what is built in lie: with the installed modules, or where the kernel was built."""
        headers = self.kernel.headers
        built = headers is not None and (headers / "modules.builtin").is_file()
        return self.installed or (Installed(headers) if headers is not None and built else None)

    @cached_property
    def sysfs_names(self) -> tuple[str, ...] | None:
        """What built-in parameters take below /sys/module; None when no image at hand tells."""
        return self.image.sysfs if self.image is not None else None

    def stands_in_image(self, text: str) -> bool | None:
        """Whether a string stands in the kernel's image, which is read for it; None when none at hand can be read."""
        from dlkm.kernel.image import read_image

        if self.kernel.image is None:
            return None
        try:
            return text.encode("utf-8", "surrogateescape") + b"\0" in read_image(self.kernel.image).data
        except DlkmError:
            return None

    @cached_property
    def certificates(self) -> tuple[bytes, ...] | None:
        """The certificates built into the kernel, in DER; None when no image at hand can be read."""
        return self.image.certificates if self.image is not None else None

    @property
    def own_module(self) -> Module | None:
        """One of the kernel's own modules."""
        return self._sample

    @property
    def own_signature(self) -> Signature | None:
        """The signature of one of the kernel's own modules."""
        return self._sample.signature if self._sample is not None else None

    @cached_property
    def signer(self) -> bytes | None:
        """The key id that signed the kernel's own modules; None where they are not signed or not at hand."""
        signature = self.own_signature
        signer = signature.signer if signature is not None else None
        return signer.key_id if signer is not None and not isinstance(signer, str) else None

    def option(self, name: str) -> bool | None:
        """Whether an option is built in; None without a configuration."""
        config = self.kernel.config
        return config.on(name) if config else None

    @cached_property
    def _sample(self) -> Module | None:
        """One module that was built with the kernel: it carries the kernel's vermagic and struct module."""
        path = self._sample_path()
        if path is None:
            return None
        try:
            module = read_module(path)
            usable = module.field("intree") is not None and module.struct_module_size is not None
        except DlkmError:
            return None
        self.origins["vermagic"] = self.origins["struct module"] = str(path)
        return module if usable else None

    def _told_by(self) -> str:
        """Where a kernel's vermagic is from that no image tells: a module of its own, a snapshot, its configuration."""
        if self._sample is not None and self._sample.vermagic == self.kernel.vermagic:
            return str(self._sample.path)
        from dlkm.kernel.snapshot import FACTS

        snapshot = self.kernel.origin.startswith("snapshot:") and FACTS["module"] not in self.kernel.lacks
        if snapshot or self.kernel.config_file is None:
            return self.kernel.origin
        return f"concluded from {self.kernel.config_file}"

    def _sample_path(self) -> Path | None:
        directory = self.kernel.modules
        if directory is None:
            return _first_listed(self.kernel.headers) if self.kernel.headers is not None else None
        if (path := _first_listed(directory)) is not None:
            return path
        own = directory / "kernel"
        return None if own.is_symlink() else next(module_files(own), None)

    @cached_property
    def _composed(self) -> Symvers:
        """Of image and modules. With an image, what modules expect says nothing: they may expect what is not there."""
        return self._of_image.with_given(self._of_modules) if len(self._of_image) else self._of_modules

    @cached_property
    def _of_image(self) -> Symvers:
        """What the kernel itself exports, read off its image; empty where there is none that can be read."""
        return recorded_symvers(self.kernel)

    def read_beside(self) -> None:
        """Have another process read what the modules export while this one reads the image, as both will be asked for.

        For a kernel of which no list tells it.
        """
        installed = self.installed
        if self.kernel.symvers is not None or self.kernel.image is None or installed is None:
            return
        from dlkm.core.children import Child
        from dlkm.kernel.modules_record import symvers_of_modules

        child = Child.start(lambda: symvers_of_modules(installed, expected=False))
        try:
            is_told = len(self._of_image) > 0
        except BaseException:
            child.abandon()
            raise
        told = child.collect()
        self._read_beside = told if is_told else None

    @cached_property
    def _of_modules(self) -> Symvers:
        """What the installed modules export, and where no image tells it, what they expect of the kernel."""
        from dlkm.kernel.modules_record import symvers_of_modules

        if self._read_beside is not None or self.installed is None:
            return self._read_beside or Symvers.of(())
        return symvers_of_modules(self.installed, expected=len(self._of_image) == 0)


def _first_listed(directory: Path) -> Path | None:
    """The first module of a modules.order, if it is there: with installed ones, or where a kernel was built.

    A root filesystem or package may be hostile: a list may name anything, and a directory be a link to anywhere.
    """
    line = _first_line(directory / "modules.order")
    with suppress(ValueError):
        listed = inside(line.removesuffix(".ko").removesuffix(".o"))
        return next((path for suffix in MODULE_SUFFIXES if (path := directory / f"{listed}{suffix}").is_file()), None)
    return None


def _first_line(path: Path) -> str:
    try:
        with path.open("r", encoding="utf-8", errors="surrogateescape") as stream:
            return stream.readline(4096).strip()
    except OSError:
        return ""
