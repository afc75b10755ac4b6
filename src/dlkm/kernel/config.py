# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel's .config as a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dlkm.core.errors import MalformedError
from dlkm.ko.decompress import decompress

LIMIT = 16 << 20  # bytes; Debian's largest is 0.3 MB


@dataclass(frozen=True, slots=True)
class Config:
    """Options by name without `CONFIG_`; a value is as written, quotes taken off. What is not set is absent."""

    options: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file; MalformedError when it is no .config."""
        return cls.parse(text_of(path))

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the text; lines that are no `CONFIG_NAME=value` are passed over."""
        options = {}
        for line in text.splitlines():
            name, equals, value = line.partition("=")
            if equals and name.startswith("CONFIG_"):
                options[name[7:].rstrip()] = value.strip().removeprefix('"').removesuffix('"')
        return cls(options)

    def on(self, name: str) -> bool:
        """Whether the option is built in ("y")."""
        return self.options.get(name) == "y"

    def get(self, name: str) -> str | None:
        """The value, or None when it is not set."""
        return self.options.get(name)

    def __bool__(self) -> bool:
        return bool(self.options)


def text_of(path: Path) -> str:
    """What a configuration says, packed as /proc/config.gz is or not; MalformedError when it cannot be one."""
    with path.open("rb") as stream:
        data = decompress(stream.read(LIMIT + 1), str(path), LIMIT)
    if len(data) > LIMIT:
        raise MalformedError(f"{path}: larger than any kernel configuration ({LIMIT} bytes)")
    return data.decode("utf-8", "replace")
