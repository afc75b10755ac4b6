# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel's identity for what is recorded of it: the content that verdicts rest on. Records nothing."""

import hashlib

from dlkm.core.errors import DlkmError
from dlkm.core.files import sha256_file
from dlkm.kernel.kernel import Kernel
from dlkm.kernel.pool import Pool


def identity_of(kernel: Kernel, pool: Pool) -> str:
    """SHA-256 over vermagic and the digests of configuration, Module.symvers and image.

    The pool knows those of what it keeps; of a kernel that lies elsewhere the files are read.
    """
    try:
        record = pool.record(kernel.id)
    except DlkmError:
        record = None
    if record is not None and record.parts:
        parts = dict(record.digests)
    else:
        files = {"config": kernel.config_file, "symvers": kernel.symvers, "image": kernel.image}
        parts = {name: sha256_file(path) for name, path in files.items() if path is not None and path.is_file()}
    lines = [f"vermagic\0{kernel.vermagic}\n", *(f"{name}\0{digest}\n" for name, digest in sorted(parts.items()))]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
