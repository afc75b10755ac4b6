# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel installed below a directory: its parts are found where the target finds them, and never outside."""

from pathlib import Path

import pytest

from dlkm.core.errors import MalformedError
from dlkm.kernel.rooted import kernel_in, releases_in
from tests.unit.rootfs.support import RELEASE, put, tiny

IMAGE = f"boot/vmlinuz-{RELEASE}"


def _root(root: Path, modules: str) -> Path:
    tiny(root / modules / "kernel", "hello")
    put(root, {f"{modules}/modules.builtin": "", IMAGE: "image"})
    return root


@pytest.mark.parametrize(
    ("where", "links"),
    [
        (f"lib/modules/{RELEASE}", {}),
        (f"usr/lib/modules/{RELEASE}", {"lib": "-> usr/lib"}),
        (f"usr/lib/modules/{RELEASE}", {"lib": "-> /usr/lib"}),
        (f"opt/m/{RELEASE}", {"lib/modules": "-> /opt/m"}),
        (f"opt/m/{RELEASE}", {"lib/modules": "-> ../../../opt/m"}),
        (f"opt/{RELEASE}", {f"lib/modules/{RELEASE}": f"-> /opt/{RELEASE}"}),
    ],
    ids=["plain", "merged", "merged, absolute", "absolute", "above the root", "one release"],
)
def test_links_are_followed_inside(tmp_path: Path, where: str, links: dict[str, str]) -> None:
    root = _root(tmp_path / "root", where)
    put(root, links)
    assert releases_in(root) == (RELEASE,)
    kernel = kernel_in(root, RELEASE, origin="rootfs:x")
    assert (kernel.modules, kernel.image) == (root / where, root / IMAGE)


def test_what_lies_outside_is_not_there(tmp_path: Path) -> None:
    outside = _root(tmp_path / "outside", f"m/{RELEASE}")
    root = tmp_path / "root"
    put(root, {"lib/modules": f"-> {outside}/m", IMAGE: f"-> {outside}/{IMAGE}", "boot/ring": "-> ring"})
    assert releases_in(root) == ()
    with pytest.raises(MalformedError):
        kernel_in(root, RELEASE, origin="rootfs:x")
