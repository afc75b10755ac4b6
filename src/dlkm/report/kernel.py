# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm kernel` as a table, as lines and as a document; renders, computes nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

from dlkm.kernel.image_record import ImageRecord, Stale
from dlkm.kernel.kernel import Kernel
from dlkm.report.document import document

HEADS = ("ID", "ARCH", "ORIGIN", "SIZE", "HEADERS", "IMAGE", "MODULES")

# The options that bear most on whether a module loads, in the order of the questions people ask.
OPTIONS = (
    "MODULES",
    "MODVERSIONS",
    "MODULE_SIG",
    "MODULE_SIG_FORCE",
    "SECURITY_LOCKDOWN_LSM",
    "MODULE_FORCE_LOAD",
    "TRIM_UNUSED_KSYMS",
    "RANDSTRUCT",
    "CFI_CLANG",
    "DEBUG_INFO_BTF_MODULES",
)


def kernel_entry(kernel: Kernel) -> dict[str, Any]:
    """One kernel of the document dlkm.kernel/1; `size` in bytes, null where the pool does not keep it."""
    return {
        "id": kernel.id,
        "release": kernel.release,
        "arch": kernel.arch.name,
        "origin": kernel.origin,
        "headers": kernel.headers,
        "source": kernel.source,
        "image": kernel.image,
        "modules": kernel.modules,
        "config": dict(kernel.config.options),
        "vermagic": kernel.vermagic,
        "compiler": kernel.compiler,
        "exports": kernel.exports,
        "symvers": kernel.symvers,
        "config_file": kernel.config_file,
        "tree": kernel.tree,
        "size": kernel.size or None,
        "packages": kernel.packages,
    }


def show_document(kernel: Kernel, image: ImageRecord | None = None) -> dict[str, Any]:
    """`dlkm kernel show --json`; `booted` is what the image itself tells, null without one."""
    return document("kernel", kernel=kernel_entry(kernel) | {"booted": _booted(image)})


def _booted(image: ImageRecord | None) -> dict[str, Any] | None:
    if image is None:
        return None
    stale = image.stale
    return {
        "release": image.release,
        "vermagic": image.vermagic,
        "struct_module": image.struct_module_size,
        "certificates": len(image.certificates) if image.certificates is not None else None,
        "fault": image.fault,
        "stale": {"differing": stale.differing, "of": stale.compared, "names": list(stale.names)} if stale else None,
    }


def stale_text(kernel: Kernel, stale: Stale) -> str:
    """That Module.symvers and the image are not of one build."""
    return (
        f"{kernel.symvers} is not of the image {kernel.image}: {stale.differing} of {stale.compared} exports differ "
        f"({', '.join(stale.names[:4])}); the image is believed"
    )


def list_document(kernels: Iterable[Kernel]) -> dict[str, Any]:
    """`dlkm kernel list --json`; `add` and `rm` answer in the same form."""
    return document("kernel", kernels=[kernel_entry(kernel) for kernel in kernels])


def verify_document(damage: dict[str, Sequence[str]]) -> dict[str, Any]:
    """`dlkm kernel verify --json`: for each kernel the files that are missing or changed."""
    verified = [{"id": name, "whole": not files, "damaged": list(files)} for name, files in damage.items()]
    return document("kernel", verified=verified)


def rows(kernels: Iterable[Kernel]) -> list[tuple[str, ...]]:
    """The rows of `dlkm kernel list`."""
    return [
        (
            kernel.id,
            kernel.arch.name,
            _short(kernel.origin),
            megabytes(kernel.size),
            *("yes" if part is not None else "no" for part in (kernel.headers, kernel.image, kernel.modules)),
        )
        for kernel in kernels
    ]


def _short(origin: str) -> str:
    """Of several files the first, by its name."""
    first, comma, rest = origin.partition(",")
    return f"{first.rpartition('/')[2]} and {rest.count(',') + 1} more" if comma else origin


def lines(kernel: Kernel, image: ImageRecord | None = None) -> list[str]:
    """`dlkm kernel show`, one fact a line; what is not known says so."""
    facts = {
        "id": kernel.id,
        "release": kernel.release,
        "arch": kernel.arch.name,
        "origin": kernel.origin,
        "packages": " ".join(kernel.packages),
        "size": megabytes(kernel.size),
        "headers": kernel.headers,
        "source": kernel.source,
        "image": kernel.image,
        "modules": kernel.modules,
        "vermagic": f"'{kernel.vermagic}'" if kernel.vermagic is not None else None,
        "compiler": kernel.compiler,
        "exports": kernel.exports,
    }
    shown = [f"{name + ':':<14} {'-' if value in {None, ''} else value}" for name, value in facts.items()]
    if image is not None and (image.fault is not None or image.stale is not None):
        trouble = image.fault or (stale_text(kernel, image.stale) if image.stale is not None else "")
        shown.append(f"{'trouble:':<14} {trouble}")
    if not kernel.config:
        return [*shown, "configuration: not at hand"]
    return [*shown, *(f"CONFIG_{name}={kernel.config.get(name) or 'n'}" for name in OPTIONS)]


def megabytes(size: int | None) -> str:
    """A size as people read it; '-' where the pool keeps nothing."""
    return f"{size / 1e6:.0f} MB" if size else "-"
