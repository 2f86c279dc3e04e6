"""Where recipes and datasets are: a NAME of the command line to a path."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from . import registry
from .errors import DataError, RecipeError, did_you_mean
from .recipe import Recipe, load_recipe
from .settings import Settings

_INSTALLED = Path(__file__).parent / "templates"
_CHECKOUT = Path(__file__).parent.parent / "templates"

_DATA = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".gz", ".txt", ".xlsx")
"""How the names of files of rows end."""

_BEGIN = "synth init {name} --blank"


def shipped() -> dict[str, Path]:
    """Starter recipes that come with the package: name -> folder."""
    home = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    return {path.parent.name: path.parent for path in sorted(home.glob("*/recipe.yaml"))}


def find_recipe(name: str, cwd: Path) -> Path | None:
    """The file of a recipe: a path, NAME.yaml or NAME/recipe.yaml under `cwd`; None where there is none."""
    given = cwd / name
    if name.endswith((".yaml", ".yml")):
        return given if given.is_file() else None
    candidates = (cwd / f"{name}.yaml", cwd / f"{name}.yml", given / "recipe.yaml")
    return next((path for path in candidates if path.is_file()), None)


def dataset_path(name: str, settings: Settings) -> Path:
    """The folder of a dataset: a path that is one already, or `datasets/NAME`."""
    given = Path(name)
    if (given / "manifest.json").is_file():
        return given
    if given.name in ("recipe.yaml", "recipe.yml"):
        given = given.resolve().parent
    return settings.datasets / given.name.removesuffix(".yaml").removesuffix(".yml")


def only_shipped(name: str, cwd: Path, settings: Settings) -> bool:
    """Whether a NAME means nothing here, and is a starter's."""
    here = find_recipe(name, cwd) is not None or (dataset_path(name, settings) / "recipe.yaml").is_file()
    return not here and name in shipped()


def open_recipe(name: str, cwd: Path, settings: Settings, sets: Sequence[str] = ()) -> Recipe:
    """The recipe that a NAME means: the user's own file, else the dataset's snapshot.

    Raises:
        RecipeError: there is neither, with what there is.
    """
    path = find_recipe(name, cwd)
    if path is not None:
        recipe = load_recipe(path, sets)
        _check_names(recipe)
        return recipe
    snapshot = dataset_path(name, settings) / "recipe.yaml"
    if snapshot.is_file():
        return load_recipe(snapshot, sets)
    if (file := _as_file(name, cwd)) is not None:
        raise RecipeError(file.message, file.hint)
    message = f"no recipe {name}.yaml or {name}/recipe.yaml here, and no dataset {name}"
    raise RecipeError(message, _meant(name, {*_names(cwd, settings), *shipped()}, _BEGIN.format(name=name)))


def no_dataset(name: str, cwd: Path, settings: Settings) -> DataError:
    """What is said where a NAME means no dataset: the command that makes one, or the names that there are."""
    if (file := _as_file(name, cwd)) is not None:
        return file
    known = _names(cwd, settings)
    begin = "" if known else _BEGIN.format(name=name)
    hint = f"synth run {name}" if find_recipe(name, cwd) else _meant(name, known, begin)
    return DataError(f"{dataset_path(name, settings)}: no dataset", hint)


def _as_file(name: str, cwd: Path) -> DataError | None:
    """What is said where a NAME is that of a file of rows; None where it is not."""
    path = cwd / name
    if path.suffix.lower() not in _DATA and "/" not in name:
        return None
    if path.is_file():
        stem = path.name.partition(".")[0]
        return DataError(f"{name}: a file, and a dataset or a recipe is wanted",
                         f"synth import {shlex.quote(stem)} {shlex.quote(name)}")
    beside = [each.name for each in path.parent.glob(f"*{path.suffix}")] if path.parent.is_dir() else []
    near = did_you_mean(path.name, sorted(beside))
    return DataError(f"{name}: no such file here", near if near.startswith("did you mean") else "")


def _names(cwd: Path, settings: Settings) -> set[str]:
    """Recipes and datasets that are here."""
    recipes = {p.stem for p in cwd.glob("*.y*ml")} | {p.parent.name for p in cwd.glob("*/recipe.yaml")}
    return recipes | {p.parent.name for p in settings.datasets.glob("*/manifest.json")}


def _meant(name: str, known: set[str], otherwise: str) -> str:
    """The name that is near, or else the names that there are and the command that makes one of this name."""
    near = did_you_mean(name, sorted(known))
    if name in shipped():
        return f"synth run {name}"
    return near if near.startswith("did you mean") else f"{near}\n{otherwise}".strip()


def _check_names(recipe: Recipe) -> None:
    """Whether all plug-ins that a recipe names exist: better said before anything is paid.

    Raises:
        RecipeError: the first one that does not, with its line.
    """
    named: list[tuple[str, str, tuple[str | int, ...]]]
    named = [("rules", item.name, ("curate", i)) for i, item in enumerate(recipe.curate)]
    named += [("rewrites", item.name, ("augment", i)) for i, item in enumerate(recipe.augment)]
    named += [("formats", item.name, ("export", "formats", i)) for i, item in enumerate(recipe.export.formats)]
    for family, name, where in named:
        if not name.endswith(".py") and name not in registry.presets(family):
            try:
                registry.resolve(family, name)
            except RecipeError as error:
                raise RecipeError(f"{recipe.at(*where)}: {error.message}", error.hint) from None
