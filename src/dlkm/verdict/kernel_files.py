# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with the files that tell of a kernel: said with every verdict that rests on them. Judges no module."""

from collections.abc import Iterator

from dlkm.verdict.case import Case, Trip

IMAGE_UNREADABLE = "image-unreadable"
_SHOWN = 4  # names of exports that differ


def kernel_files(case: Case) -> Iterator[Trip]:
    """A Module.symvers of another build than the image, and an image that cannot be read."""
    image, symvers = case.facts.image, case.facts.kernel.symvers
    if image is None:
        return
    if image.fault is not None:
        yield case.trip(IMAGE_UNREADABLE, why=f"{case.facts.kernel.image}: {image.fault}")
    stale = image.stale
    if stale is not None:
        names = ", ".join(stale.names[:_SHOWN])
        yield case.trip("stale-symvers", path=symvers, count=stale.differing, of=stale.compared, names=names)
