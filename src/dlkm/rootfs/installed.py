# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernels that are installed in an open root filesystem."""

from dlkm.kernel import rooted
from dlkm.kernel.kernel import Kernel
from dlkm.rootfs.root import Root

_FOLDERS = ("boot", "lib/modules", "usr/lib/modules")


def kernels_in(root: Root) -> tuple[Kernel, ...]:
    """All kernels that are installed in it (modules, image, configuration); none where there are no modules."""
    _bring_kernels(root)
    return tuple(kernel_of(root, release) for release in rooted.releases_in(root.tree))


def kernel_of(root: Root, release: str) -> Kernel:
    """The kernel of a release as it is installed there; MalformedError where not even its architecture can be told."""
    _bring_kernels(root)
    return rooted.kernel_in(root.tree, release, origin=f"rootfs:{root.path}")


def _bring_kernels(root: Root) -> None:
    """Have at hand below `tree` what a kernel consists of."""
    for folder in _FOLDERS:
        root.host_path(folder)
