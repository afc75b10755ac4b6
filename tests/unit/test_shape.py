# SPDX-License-Identifier: GPL-2.0-or-later
"""The project's shape: imports point towards core, things stay small, one module starts processes, one prints."""

import ast
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.conftest import ForbiddenError

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "dlkm"
FILES = sorted(PACKAGE.rglob("*.py"))

# A room may import its own modules and those of the rooms named here, never the others.
CORE = {"core", "data"}
VALUES = {"ko", "source", "filesystem", "kernel"} | CORE
MAY_IMPORT = {
    "data": {"data"},
    "core": CORE,
    "ko": {"ko"} | CORE,
    "source": {"source"} | CORE,
    "filesystem": {"filesystem", "ko"} | CORE,
    "kernel": {"kernel", "filesystem", "ko"} | CORE,
    "action": {"action"} | CORE,
    "remote": {"remote", "action"} | CORE,
    "build": {"build", "action", "remote"} | VALUES,
    "verdict": {"verdict"} | VALUES,
    "package": {"package"} | VALUES,
    "yocto": {"yocto", "package", "build", "action"} | VALUES,
    "rootfs": {"rootfs", "build", "verdict", "package"} | VALUES,
    "prove": {"prove", "rootfs", "build", "verdict", "package"} | VALUES,
    "matrix": {"matrix", "prove", "build", "verdict", "yocto", "action", "package"} | VALUES,
    "report": {"report", "matrix", "action", "prove", "rootfs", "build", "verdict", "yocto", "package"} | VALUES,
    "cli": {"cli", "action", "remote", "report", "matrix", "prove", "rootfs", "build", "verdict", "yocto", "package"}
    | VALUES,
}


def _room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else "cli"


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def _functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_towards_core(path: Path) -> None:
    allowed = MAY_IMPORT[_room(path)]
    rooms = {name.split(".")[1] for name in _imports(_tree(path)) if name.startswith("dlkm.")}
    assert rooms <= allowed, f"{_room(path)} may not import {sorted(rooms - allowed)}"


def test_every_room_has_a_rule() -> None:
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(MAY_IMPORT)


def test_one_module_starts_processes() -> None:
    users = {str(path.relative_to(PACKAGE)) for path in FILES if "subprocess" in set(_imports(_tree(path)))}
    assert users == {"core/processes.py"}


def test_only_report_prints() -> None:
    for path in FILES:
        calls = (node.func for node in ast.walk(_tree(path)) if isinstance(node, ast.Call))
        printed = any(isinstance(function, ast.Name) and function.id == "print" for function in calls)
        assert not printed, f"{path}: prints"


def test_sizes() -> None:
    lengths = []
    for path in FILES:
        text = path.read_text("utf-8")
        assert text.count("\n") <= 400, f"{path}: holds more than one thing?"
        for name, length in _functions(_tree(path)):
            assert length <= 80, f"{path}: {name} has {length} lines"
            lengths.append(length)
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=20)[18] <= 40


def _licence(path: Path) -> str:
    """What imports BitBake's library is under its licence."""
    with_bitbake = path.is_relative_to(PACKAGE / "yocto" / "worker") or path.is_relative_to(PACKAGE / "yocto" / "meta")
    return "GPL-2.0-only" if with_bitbake else "GPL-2.0-or-later"


def test_nothing_but_the_worker_imports_bitbake() -> None:
    users = {path for path in FILES if {name.split(".")[0] for name in _imports(_tree(path))} & {"bb", "oe"}}
    assert users
    assert {_licence(path) for path in users} == {"GPL-2.0-only"}


def test_every_source_says_its_licence_and_what_lives_there() -> None:
    for path in FILES:
        text = path.read_text("utf-8")
        assert text.startswith(f"# SPDX-License-Identifier: {_licence(path)}\n"), path
        assert ast.get_docstring(_tree(path)), f"{path}: no sentence on what lives there"


def test_init_files_hold_no_logic() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        assert not list(_functions(_tree(path))), path
        assert path.read_text("utf-8").count("\n") <= 60, path


def test_the_guard_against_processes_holds() -> None:
    with pytest.raises(ForbiddenError):
        subprocess.run(["true"], check=False)
