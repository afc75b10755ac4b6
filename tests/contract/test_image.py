# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel images against what was built with them: Module.symvers row by row, and the kernel's own modules."""

import pytest

from dlkm.kernel.image import Form, read_image
from dlkm.kernel.image_exports import exports_of_image
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.symvers import Symvers
from tests.contract.test_modinfo import modinfo

pytestmark = pytest.mark.contract
KERNELS = ["kernel_61", "kernel_61_rt", "kernel_61_arm64", "kernel_612"]


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> Kernel:
    found: Kernel = request.getfixturevalue(request.param)
    return found


def test_an_image_tells_what_the_headers_and_modules_tell(kernel: Kernel) -> None:
    assert kernel.image is not None
    assert kernel.symvers is not None
    assert kernel.modules is not None
    image = read_image(kernel.image)
    assert image.form is (Form.RAW if kernel.arch.name == "arm64" else Form.ELF)
    assert image.release == kernel.release
    symvers = Symvers.read(kernel.symvers).symbols
    assert exports_of_image(image) == {name: symbol for name, symbol in symvers.items() if symbol.from_kernel}
    module = min(kernel.modules.rglob("dummy.ko*"))
    assert f"{image.vermagic}\n".encode() == modinfo("-F", "vermagic", module)
    assert [serial(raw) for raw in image.certificates] == [modinfo("-F", "sig_key", module).decode().strip()]


def serial(certificate: bytes) -> str:
    """The serial number by position in DER: after two SEQUENCE headers and the version, tag 2 and a length."""
    assert certificate[13] == 2
    number = certificate[15 : 15 + certificate[14]].lstrip(b"\0")
    return number.hex(":").upper()
