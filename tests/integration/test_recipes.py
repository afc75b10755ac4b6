# SPDX-License-Identifier: GPL-2.0-or-later
"""Recipes of every shape, built for real kernels: packages and variables as BitBake with OpenEmbedded-Core makes them.

What is expected is in tests/recipes/expected.toml, found by reading OpenEmbedded-Core; see there.
"""

import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlkm.build.cells import Attempt
from dlkm.build.job import open_workshop
from dlkm.build.options import BuildOptions
from dlkm.build.result import BuildOutcome
from dlkm.core.events import Event, EventKind, Events
from dlkm.core.processes import Processes, environment
from dlkm.kernel.kernel import Kernel
from dlkm.package.package import Package
from dlkm.package.store import read_packages
from dlkm.yocto.batch import build_recipes
from dlkm.yocto.evaluation import Asked, Evaluation, evaluate, setting
from dlkm.yocto.layers import locate
from dlkm.yocto.options import RecipeOptions
from dlkm.yocto.releases import Release
from tests.layers import LAYER, prepared

pytestmark = pytest.mark.integration

EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((LAYER / "expected.toml").read_text("utf-8"))
DEFAULT = Release.WHINLATTER.value
RELATIONS = ("recommends", "suggests", "replaces", "conflicts")
SHARES = 2  # builds at once


@dataclass(frozen=True, kw_only=True)
class Built:
    """One recipe's answers."""

    attempt: Attempt
    packages: Mapping[str, Package]
    evaluation: Evaluation
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Field:
    """All recipes, built; `warnings` are what was said meanwhile."""

    built: Mapping[str, Built]
    warnings: Sequence[str]


def _groups() -> Iterator[tuple[str, str, list[str]]]:
    """Release, architecture and recipes that can be built in one call."""
    keys = sorted({(row.get("release", DEFAULT), row.get("arch", "x86_64")) for row in EXPECTED.values()})
    for release, arch in keys:
        names = [
            name
            for name, row in EXPECTED.items()
            if (row.get("release", DEFAULT), row.get("arch", "x86_64")) == (release, arch)
        ]
        # A recipe whose symbols another one uses is built with it.
        shares = SHARES if len(names) > 10 else 1
        for share in range(shares):
            yield release, arch, names[share::shares]


def _build(
    names: Sequence[str], where: tuple[Path, Path, Path], release: str, kernel: Kernel, events: Events
) -> dict[str, Built]:
    layer, mirror, output = where
    paths = {path.name.split("_")[0]: path for path in layer.rglob("*.bb")}
    recipes = [locate(paths[name]) for name in names]
    how = RecipeOptions(release=Release(release), mirror=str(mirror), offline=True)
    options = BuildOptions(jobs=1)
    runner = Processes()
    attempts = build_recipes(open_workshop(options, runner, events), recipes, [kernel], (options, how), output)
    by_name = {attempt.cell.id.partition("@")[0]: attempt for attempt in attempts}
    read = evaluate(setting(runner, events, how, kernel), recipes, Asked(variables=True))
    return {
        name: Built(
            attempt=by_name[name],
            packages={one.name: one for one in read_packages(output / by_name[name].cell.id)},
            evaluation=evaluation,
            folder=output / by_name[name].cell.id,
        )
        for name, evaluation in zip(names, read, strict=True)
    }


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory, kernel_61: Kernel, kernel_61_arm64: Kernel) -> Field:
    """Everything built once, two groups at a time."""
    folder = tmp_path_factory.mktemp("field")
    layer, mirror = prepared(folder)
    kernels = {"x86_64": kernel_61, "arm64": kernel_61_arm64}
    warnings: list[str] = []

    def listen(event: Event) -> None:
        if event.kind is EventKind.WARNING:
            warnings.append(event.text)

    built: dict[str, Built] = {}
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(max_workers=SHARES) as pool:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        jobs = [
            pool.submit(
                _build, names, (layer, mirror, folder / f"out-{number}"), release, kernels[arch], Events(listen)
            )
            for number, (release, arch, names) in enumerate(_groups())
        ]
        for job in jobs:
            built |= job.result()
    return Field(built=built, warnings=warnings)


class Case:
    """What is expected of one recipe, with the kernel's release filled in."""

    def __init__(self, name: str, row: Mapping[str, Any], release: str) -> None:
        self.name, self.row, self._release = name, row, release

    def filled(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("${M}", "/lib/modules/${R}/extra").replace("${R}", self._release)
        if isinstance(value, list):
            return sorted(self.filled(item) for item in value)
        return value

    def packages(self) -> dict[str, dict[str, Any]]:
        """Name → what a package is to hold and say."""
        modules = dict(self._modules())
        meta = dict(self.row.get("meta", {}))
        meta["rdepends"] = [*meta.get("rdepends", []), *modules]
        dev = self.row.get("dev", [f"/usr/include/{self.name}/Module.symvers"])
        packages: dict[str, dict[str, Any]] = {self.name: meta} | modules | dict(self.row.get("packages", {}))
        return packages | {f"{self.name}-dev": {"files": dev}}

    def _modules(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, row in self.row.get("modules", {}).items():
            file = row.get("file", name.replace("-", "_"))
            base = file.rpartition("/")[2]
            files, conf = [f"{row.get('dir', '${M}')}/{file}.ko"], dict[str, list[str]]()
            if "autoload" in row:
                conf[f"{row.get('modulesloaddir', '/etc/modules-load.d')}/{base}.conf"] = row["autoload"]
            if "conf" in row:
                conf[f"{row.get('modprobedir', '/etc/modprobe.d')}/{base}.conf"] = row["conf"]
            package = self.filled(row.get("package", f"kernel-module-{name}-${{R}}"))
            yield (
                package,
                {
                    "files": [*files, *conf],
                    "conffiles": list(conf),
                    "content": {path: "".join(f"{line}\n" for line in lines) for path, lines in conf.items()},
                    "rdepends": ["kernel-${R}", *row.get("rdepends", [])],
                    "rprovides": row.get("rprovides", [f"kernel-module-{name}"]),
                    "postinst": row.get(
                        "postinst", [f"modprobe {row.get('loads', base)} || true"] if "autoload" in row else []
                    ),
                    "prerm": row.get("prerm", []),
                    "depmod": True,
                },
            )


@pytest.fixture
def case(request: pytest.FixtureRequest, kernel_61: Kernel) -> Case:
    """One row of the table."""
    row = EXPECTED[request.param]
    release = kernel_61.release.removesuffix("amd64") + row.get("arch", "amd64")
    return Case(request.param, row, release)


COMPATIBLE = [name for name, row in EXPECTED.items() if row.get("compatible", True)]


@pytest.mark.parametrize("case", COMPATIBLE, indirect=True)
def test_the_packages(case: Case, field: Field) -> None:
    one = field.built[case.name]
    assert one.attempt.error is None
    log = one.folder / "build.log"
    said = log.read_text("utf-8", "replace")[-3000:] if log.is_file() else ""
    assert one.attempt.cell.outcome is BuildOutcome.BUILT, f"{one.attempt.cell.reason}\n{said}"
    expected = case.packages()
    # -dbg may be empty and exists all the same; -src hangs on debugging information.
    unseen = {f"{case.name}-dbg", f"{case.name}-src"}
    assert set(one.packages) - unseen == set(expected)
    for name, row in expected.items():
        _compare(one.packages[name], row, case)


def _compare(package: Package, row: Mapping[str, Any], case: Case) -> None:
    assert sorted(file.path for file in package.files) == case.filled(row.get("files", []))
    assert sorted(package.conffiles) == case.filled(row.get("conffiles", []))
    if package.name.endswith("-dev"):
        kirkstone = EXPECTED[case.name].get("release") == Release.KIRKSTONE
        assert list(package.depends if kirkstone else package.recommends) == [f"{case.name} (= {package.version})"]
    else:
        assert sorted(package.depends) == case.filled(row.get("rdepends", []))
        for relation in RELATIONS:
            assert sorted(getattr(package, relation)) == case.filled(row.get(f"r{relation}", [])), relation
    assert sorted(package.provides) == case.filled(row.get("rprovides", []))
    for path, text in row.get("content", {}).items():
        (source,) = (file.source for file in package.files if file.path == case.filled(path))
        assert source is not None
        assert source.read_text() == case.filled(text)
    _compare_scripts(package, row, case)


def _compare_scripts(package: Package, row: Mapping[str, Any], case: Case) -> None:
    depmod = f"depmod -a {case.filled('${R}')}"
    for kind in ("postinst", "postrm"):
        assert (depmod in getattr(package.scripts, kind)) == row.get("depmod", False), kind
    for kind in ("preinst", "postinst", "prerm", "postrm"):
        text, wanted = getattr(package.scripts, kind), row.get(kind, [])
        assert all(line in text for line in wanted), (kind, text)
        if not wanted and not row.get("depmod"):
            assert not text, kind
    assert ("modprobe" in package.scripts.postinst) == any("modprobe" in line for line in row.get("postinst", []))


@pytest.mark.parametrize("case", [name for name in COMPATIBLE if "content" in EXPECTED[name]], indirect=True)
def test_the_content_of_files(case: Case, field: Field) -> None:
    files = {file.path: file.source for package in field.built[case.name].packages.values() for file in package.files}
    for path, text in case.row["content"].items():
        source = files[path]
        assert source is not None
        assert source.read_text() == text


@pytest.mark.parametrize("case", [name for name in COMPATIBLE if "modinfo" in EXPECTED[name]], indirect=True)
def test_what_the_modules_say(case: Case, field: Field) -> None:
    for module, words in case.row["modinfo"].items():
        for key, value in words.items():
            path = field.built[case.name].folder / f"{module}.ko"
            done = subprocess.run(
                ["modinfo", "-F", key, path], env=environment(), capture_output=True, text=True, check=True
            )
            assert done.stdout.strip() == value


@pytest.mark.parametrize("case", [name for name in COMPATIBLE if "variables" in EXPECTED[name]], indirect=True)
def test_the_variables(case: Case, field: Field) -> None:
    variables = field.built[case.name].evaluation.variables
    for name, wanted in case.row["variables"].items():
        text = case.filled(wanted)
        for other in ("S", "STAGING_KERNEL_DIR", "STAGING_INCDIR"):
            text = text.replace(f"${{{other}}}", str(variables[other]))
        exact = case.name == "operators"
        found = variables[name] or ""
        assert (found if exact else found.split()) == (text if exact else text.split()), name


@pytest.mark.parametrize("case", [name for name in EXPECTED if name not in COMPATIBLE], indirect=True)
def test_a_recipe_that_is_not_for_this_machine(case: Case, field: Field) -> None:
    one = field.built[case.name]
    assert one.attempt.cell.outcome is BuildOutcome.SKIPPED
    assert case.row["why"] in str(one.attempt.cell.reason)
    assert not one.evaluation.compatible


@pytest.mark.parametrize("case", [name for name, row in EXPECTED.items() if "warned" in row], indirect=True)
def test_the_warnings(case: Case, field: Field) -> None:
    for words in case.row["warned"]:
        assert any(words in text and case.name in text for text in field.warnings), words


def test_the_second_recipe_is_for_arm_machines_only(field: Field, kernel_61: Kernel) -> None:
    one = field.built["kgsl-dlkm"]
    how = RecipeOptions(offline=True)
    (read,) = evaluate(setting(Processes(), Events(), how, kernel_61), [one.evaluation.recipe])
    assert not read.compatible
    assert "COMPATIBLE_MACHINE" in str(read.why)


def test_symbols_of_another_recipe_are_versioned(field: Field) -> None:
    module = field.built["symbol-user"].folder / "symbol_user.ko"
    argv = ["modinfo", "-F", "depends", str(module)]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "fpga_tiny"


def test_the_corpus_is_large_enough() -> None:
    assert len(EXPECTED) >= 45
    assert len({row["feature"] for row in EXPECTED.values()}) == len(EXPECTED)
    assert set(EXPECTED) == {path.name.split("_")[0] for path in LAYER.rglob("*.bb")}


@pytest.mark.parametrize(
    ("release", "arch", "place"),
    [
        (Release.KIRKSTONE, "x86_64", "/etc"),
        (Release.WALNASCAR, "x86_64", "/etc"),
        (Release.MASTER, "arm64", "/usr/lib"),
    ],
)
def test_the_first_recipe_on_other_releases_and_machines(
    release: Release, arch: str, place: str, field: Field, tmp_path: Path, kernel_61: Kernel, kernel_61_arm64: Kernel
) -> None:
    kernel = kernel_61 if arch == "x86_64" else kernel_61_arm64
    recipe = field.built["hello"].evaluation.recipe
    events = Events()
    options = BuildOptions(jobs=2)
    workshop = open_workshop(options, Processes(), events)
    (attempt,) = build_recipes(workshop, [recipe], [kernel], (options, RecipeOptions(release=release)), tmp_path)
    assert attempt.cell.outcome is BuildOutcome.BUILT
    files = {file.path for one in read_packages(tmp_path / attempt.cell.id) for file in one.files}
    assert f"{place}/modules-load.d/hello.conf" in files
    prefix = "/usr/lib" if place == "/usr/lib" else "/lib"
    assert f"{prefix}/modules/{kernel.release}/extra/hello.ko" in files
