"""The recipe that a dataset of imported rows gets, so that later verbs need no file of the user's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pipeline.digest import digest_bytes
from pipeline.recipe import Recipe, parse_recipe
from pipeline.sections import Source
from pipeline.shapes import Shape
from pipeline.store import Dataset

_HEAD = "# What `synth import` brought in. A recipe of your own beside your code, {name}.yaml, wins over this one.\n"


def save(dataset: Dataset, source: Source, shape: Shape) -> Path | None:
    """Writes the snapshot, unless the dataset has a recipe that no import wrote.

    Args:
        dataset: where rows were imported into.
        source: its paths relative to the dataset.
        shape: how rows are read.

    Returns:
        The file; None where the dataset keeps the recipe that it has.
    """
    path = dataset.path / "recipe.yaml"
    noted = dataset.manifest().get("import", {})
    if path.is_file() and digest_bytes(path.read_bytes()) != noted.get("recipe"):
        return None
    recipe = _recipe(dataset.name, source, shape)
    dataset.save_recipe(recipe)
    dataset.note("import", {**noted, "recipe": digest_bytes(recipe.text.encode("utf-8"))})
    return path


def seen_from(path: str, cwd: Path, folder: Path) -> str:
    """A path as it is written in `folder`: relative, or absolute where it was typed so."""
    if Path(path).is_absolute():
        return Path(path).as_posix()
    whole = (cwd / path).resolve()
    try:
        return Path(os.path.relpath(whole, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return whole.as_posix()


def _recipe(name: str, source: Source, shape: Shape) -> Recipe:
    import yaml

    order = source.order if source.file is None else "given"
    kept: dict[str, Any] = source.model_dump(exclude_defaults=True)
    if source.file is None:
        kept["order"] = source.order
    if shape.format is not None:
        kept["format"] = shape.format
    body = {"synth": 1, "name": name, "source": kept, "train": shape.train,
            "export": {"formats": [shape.export], "order": order}}
    text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    return parse_recipe(_HEAD.format(name=name) + text)
