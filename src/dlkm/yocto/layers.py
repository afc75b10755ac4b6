# SPDX-License-Identifier: GPL-2.0-or-later
"""Which directories a recipe lives in: its layer, the files that append to it, other recipes. Evaluates nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkm.core.errors import UsageError

CONF = "/build/conf"  # where the worker sees the user's own configuration files
_DEPTH = 5  # directories above a recipe that may be its layer
# A recipe directly in one of these would show the worker all that lies there.
_SHARED = frozenset(
    f"/{name}"
    for name in ("", *["build", "etc", "home", "media", "mnt", "opt", "root", "srv", "tmp", "usr", "var", "var/tmp"])
)
_READ = 2000  # recipes that are looked into for PROVIDES
_HEAD = 1 << 18  # bytes of each
_RECIPE_FILES = (".bb", ".bbappend", ".inc", ".bbclass", ".conf")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFile:
    """One recipe: its file, the layer directories it belongs to (the nearest first), and the bbappends for it.

    `label` is what its cells are called; empty: PN.
    """

    path: Path
    layers: tuple[Path, ...]
    appends: tuple[Path, ...]
    label: str = ""

    @property
    def name(self) -> str:
        """PN, as the file's name says it."""
        return self.path.stem.partition("_")[0]

    @property
    def version(self) -> str:
        """PV, as the file's name says it; empty where it does not."""
        parts = self.path.stem.split("_")
        return parts[1] if len(parts) > 1 else ""


def is_recipe(path: Path) -> bool:
    """Whether a path is meant as a recipe."""
    return path.suffix == ".bb" and not path.is_dir()


def locate(path: Path, extra: Iterable[Path] = ()) -> RecipeFile:
    """The recipe at a path; UsageError when there is none."""
    try:
        real = path.absolute()
        if not real.is_file():
            raise UsageError(f"no recipe at {path}")
    except (OSError, ValueError) as error:
        raise UsageError(f"no recipe at {path!r}") from error
    if any(letter.isspace() or 0xDC80 <= ord(letter) <= 0xDCFF for letter in str(real)):
        raise UsageError(f"{str(real)!r}: BitBake takes no blanks in the path of a recipe", hint="move it elsewhere")
    if real.stem.count("_") > 2:
        raise UsageError(f"{path}: a recipe is called NAME_VERSION.bb, with no more than two '_'")
    layers = tuple(dict.fromkeys([_layer_of(real), *(folder.absolute() for folder in extra)]))
    for folder in layers:
        if not folder.is_dir():
            raise UsageError(f"--layer {folder}: no such directory")
    return RecipeFile(path=real, layers=layers, appends=tuple(_appends(real, layers)))


def find_recipes(paths: Iterable[Path], extra: Iterable[Path] = ()) -> tuple[RecipeFile, ...]:
    """The recipes at some paths, of a directory those in it and below it; UsageError for a path that holds none."""
    more = tuple(extra)
    found: dict[Path, RecipeFile] = {}
    for path in paths:
        files = sorted(path.rglob("*.bb")) if path.is_dir() else [path]
        if not files:
            raise UsageError(f"{path} holds no recipe (.bb)")
        found |= {file.absolute(): locate(file, more) for file in files}
    return tuple(found.values())


def _layer_of(recipe: Path) -> Path:
    """The directory with conf/layer.conf above a recipe, or what looks like a layer, or the recipe's own directory."""
    parents = list(recipe.parents)[: _DEPTH + 1]
    for folder in parents:
        if (folder / "conf" / "layer.conf").is_file():
            return folder
    for folder in parents[1:]:
        named = any(part.startswith("recipes-") for part in recipe.relative_to(folder).parts[:1])
        if named and str(folder) not in _SHARED:
            return folder
    return recipe.parent


def _appends(recipe: Path, layers: Iterable[Path]) -> Iterator[Path]:
    """NAME_VERSION.bbappend and NAME_%.bbappend in the layers, in the order of the layers."""
    seen: set[Path] = set()
    for folder in (*layers, recipe.parent):
        for path in sorted([*folder.glob("*.bbappend"), *folder.glob("recipes*/*/*.bbappend")]):
            if path not in seen and _applies(path.stem, recipe.stem):
                seen.add(path)
                yield path


def _applies(append: str, recipe: str) -> bool:
    start, percent, _rest = append.partition("%")
    return recipe.startswith(start) if percent else append == recipe


def providers(name: str, layers: Iterable[Path]) -> tuple[Path, ...]:
    """Recipes whose file is called by that name, in the layers; where none is, those that may say PROVIDES of it."""
    recipes = [path for folder in layers for pattern in ("*.bb", "recipes*/*/*.bb") for path in folder.glob(pattern)]
    recipes = sorted(dict.fromkeys(recipes))
    called = tuple(path for path in recipes if path.stem.partition("_")[0] == name)
    return called or tuple(path for path in recipes[:_READ] if _may_provide(path, name))


def _may_provide(recipe: Path, name: str) -> bool:
    try:
        with recipe.open("rb") as stream:
            text = stream.read(_HEAD)
    except OSError:
        return False
    return b"PROVIDES" in text and name.encode() in text


def visible(layers: Iterable[Path]) -> tuple[str, ...]:
    """bubblewrap's arguments that show the layers where they lie, read-only.

    Of a directory that is not a recipe's own (/tmp, a home) only recipe files and what goes with them.
    """
    words: list[str] = []
    for folder in layers:
        for path in _shown(folder):
            words += ["--ro-bind", str(path), str(path)]
    return tuple(words)


def _shown(folder: Path) -> Iterator[Path]:
    if str(folder) not in _SHARED and folder != Path.home():
        yield folder
        return
    stems = {path.stem.partition("_")[0] for path in folder.glob("*.bb")}
    for path in sorted(folder.iterdir()):
        below = path.is_dir() and (path.name in {"files", "conf", "classes", "classes-recipe"} or path.name in stems)
        if below or any(path.name.startswith(f"{stem}-") for stem in stems) or path.suffix in _RECIPE_FILES:
            yield path


def layers_of(recipes: Iterable[RecipeFile]) -> tuple[Path, ...]:
    """All layers of several recipes, each once."""
    return tuple(dict.fromkeys(folder for recipe in recipes for folder in recipe.layers))


def shown(recipes: Iterable[RecipeFile], conf: Iterable[Path]) -> tuple[str, ...]:
    """bubblewrap's arguments for what the recipes and their user brought."""
    words = list(visible(layers_of(recipes)))
    for number, path in enumerate(conf):
        words += ["--ro-bind", str(path.absolute()), f"{CONF}/{number}.conf"]
    return tuple(words)
