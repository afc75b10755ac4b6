# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm kernel` as a table, as lines and as a document; renders, computes nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dlkm.kernel.image_record import ImageRecord, Stale
from dlkm.kernel.kernel import Kernel, Packed
from dlkm.kernel.portrait import Fact
from dlkm.report.document import document

HEADS = ("ID", "ARCH", "ORIGIN", "SIZE", "HEADERS", "IMAGE", "MODULES")
USED = "USED"  # a further column, where the pool says when


def kernel_entry(kernel: Kernel) -> dict[str, Any]:
    """One kernel of the document dlkm.kernel/1; `size` in bytes, null where the pool does not keep it.

    `packed`: how many modules are unpacked when one is asked for, and their bytes then; null when there are none.
    """
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
        "packed": {"modules": kernel.packed.files, "size": kernel.packed.size} if kernel.packed is not None else None,
    }


def show_document(kernel: Kernel, facts: Sequence[Fact], image: ImageRecord | None = None) -> dict[str, Any]:
    """`dlkm kernel show --json`: the kernel, and all that bears on loading with where each fact comes from.

    `booted` is what the image itself tells, null without one.
    """
    told = [{"name": fact.name, "value": fact.value, "source": fact.source} for fact in facts]
    entry = kernel_entry(kernel) | {"lacks": kernel.lacks, "facts": told, "booted": _booted(image)}
    return document("kernel", kernel=entry)


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


def list_document(kernels: Iterable[Kernel], used: Mapping[str, float] | None = None) -> dict[str, Any]:
    """`dlkm kernel list --json`; `add` and `rm` answer in the same form. `used`: when each was last taken, by id."""
    entries = [kernel_entry(kernel) for kernel in kernels]
    return document("kernel", kernels=[entry | _used(used, entry["id"]) for entry in entries])


def _used(used: Mapping[str, float] | None, name: str) -> dict[str, str]:
    return {} if used is None else {"used": datetime.fromtimestamp(used[name], UTC).isoformat(timespec="seconds")}


def pruned_document(names: Sequence[str], freed: int, *, done: bool) -> dict[str, Any]:
    """`dlkm kernel prune --json`: what went, or would go; `freed` in bytes."""
    return document("kernel", pruned=list(names), freed=freed, done=done)


def with_use(table: Iterable[tuple[str, ...]], used: Mapping[str, float]) -> list[tuple[str, ...]]:
    """The rows of `list`, each with the day on which the kernel was taken last."""
    return [(*row, f"{datetime.fromtimestamp(used[row[0]], UTC):%Y-%m-%d}") for row in table]


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
            megabytes(kernel.size) + (f" (+{_added(kernel.packed)})" if kernel.packed is not None else ""),
            *("yes" if part is not None else "no" for part in (kernel.headers, kernel.image, kernel.modules)),
        )
        for kernel in kernels
    ]


def _added(packed: Packed) -> str:
    """What unpacking adds."""
    return megabytes(packed.size - packed.taken) if packed.size > packed.taken else "0 MB"


def _packed(packed: Packed | None) -> str:
    if packed is None:
        return "all unpacked"
    return f"{packed.files} packed, unpacked when one is asked for (+{_added(packed)})"


def _short(origin: str) -> str:
    """Of several files the first, by its name."""
    first, comma, rest = origin.partition(",")
    return f"{first.rpartition('/')[2]} and {rest.count(',') + 1} more" if comma else origin


def lines(kernel: Kernel, facts: Sequence[Fact], image: ImageRecord | None = None) -> Iterator[str]:
    """`dlkm kernel show`, one fact a line, each with where it comes from; what is not known says so."""
    parts = {
        "release": kernel.release,
        "arch": kernel.arch.name,
        "origin": kernel.origin,
        "packages": " ".join(kernel.packages),
        "size": megabytes(kernel.size),
        "headers": kernel.headers,
        "source": kernel.source,
        "image": kernel.image,
        "modules": kernel.modules,
        "of these": _packed(kernel.packed) if kernel.modules is not None and kernel.size else "",
        "configuration": kernel.config_file,
    }
    head, *rest = facts
    yield _line("id", kernel.id)
    yield _line(head.name, head.value, head.source)
    yield from (_line(name, value) for name, value in parts.items())
    yield ""
    yield from (_line(fact.name, fact.value, _near(fact.source, kernel)) for fact in rest)
    if image is not None and (image.fault is not None or image.stale is not None):
        yield _line("trouble", image.fault or (stale_text(kernel, image.stale) if image.stale is not None else ""))


def _line(name: str, value: object, source: str | None = None) -> str:
    shown = "-" if value in {None, ""} else value
    return f"{name + ':':<28} {shown}{f'   [{source}]' if source else ''}"


def _near(source: str | None, kernel: Kernel) -> str | None:
    """Where a fact comes from, without the directory that the whole kernel lies in."""
    return source.replace(f"{kernel.tree}/", "") if source is not None and kernel.tree is not None else source


def megabytes(size: int | None) -> str:
    """A size as people read it; '-' where the pool keeps nothing."""
    return f"{size / 1e6:.0f} MB" if size else "-"
