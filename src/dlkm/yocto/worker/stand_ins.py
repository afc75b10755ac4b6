# SPDX-License-Identifier: GPL-2.0-only
"""What takes the place of the parts of `bb` that cannot be imported from its wheel, or that nobody here asks for.

To be prepared before `bb` is imported. Holds no rule of the language: nothing that a recipe says runs through here.
"""

import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

# What bb imports and seldom uses; together they are a third of the time that importing it takes.
_SELDOM = (
    *("datetime", "http.client", "inspect", "ipaddress", "logging.config", "pickle", "random", "socket"),
    *("socketserver", "tempfile", "traceback", "urllib.request", "zipfile"),
)


class _Signatures:
    """In place of bb's signature generator: nothing is shared between builds here, so nothing needs a signature."""

    def finalise(self, *_arguments: object) -> None:
        """Nothing to do."""

    def exit(self) -> None:
        """Nothing to do."""


class _CodeParser:
    """In place of the parser that finds which variables a piece of Python reads: that only feeds signatures."""

    def __init__(self, _name: object, _log: object) -> None:
        self.references: set[str] = set()
        self.execs: set[str] = set()
        self.contains: dict[str, set[str]] = {}
        self.log = SimpleNamespace(flush=lambda: None)

    def parse_python(self, *_arguments: object, **_keywords: object) -> None:
        """Nothing to do."""


def _module(name: str, **content: Any) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module
    return module


class _Later(ModuleType):
    """A module that is loaded when something of it is first used; what importlib has for that loads at `import`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(self.__name__, None)
        self.__dict__.update(import_module(self.__name__).__dict__)
        return getattr(self, name)


def lazily(name: str) -> None:
    """From now on the module is loaded when something of it is first used."""
    if name in sys.modules:
        return
    parent, _, own = name.rpartition(".")
    sys.modules[name] = _Later(name)
    if parent:
        setattr(import_module(parent), own, sys.modules[name])


class _Forking:
    """`multiprocessing` for bb, which asks for its context at once and needs it never while it reads."""

    def __getattr__(self, name: str) -> Any:
        sys.modules.pop("multiprocessing", None)
        return getattr(import_module("multiprocessing").get_context("fork"), name)


def prepare(*, tasks: bool) -> None:
    """Import `bb` with what it needs; `tasks`: functions will be run, for which bb reads shell code."""
    for name in _SELDOM:
        lazily(name)
    if not tasks:
        # OpenSSL's digests, whose library takes long to load; hashlib has its own.
        sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]
        _module("multiprocessing", get_context=lambda _method: _Forking())
    # The wheel leaves hashserv out, which bb.siggen imports.
    client = _module("hashserv.client")
    _module("hashserv", client=client, is_valid_unihash=lambda _hash: True)
    signatures = _module("bb.siggen", init=lambda _d: _Signatures())
    parser = None
    if not tasks:
        parser = _module("bb.codeparser", PythonParser=_CodeParser, ShellParser=_CodeParser, modulecode_deps={})
    # Only asking a web page for the newest version needs it; loading it takes a tenth of a second.
    _module("bb._vendor.bs4", BeautifulSoup=None, SoupStrainer=None)
    import bb

    bb.siggen = signatures
    if parser is not None:
        bb.codeparser = parser
    import bb.parse

    bb.parse.siggen = _Signatures()
