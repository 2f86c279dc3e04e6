"""The files that a model is tuned on: the export in openai-chat, proven to be today's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pipeline import registry
from pipeline.errors import DataError
from pipeline.read import file_sha256
from pipeline.recipe import Recipe
from pipeline.store import Dataset
from pipeline.types import Problem

FORMAT = "openai-chat"
_MADE_OF = ("samples.jsonl", "verdicts.jsonl")
_SAME = ("validation", "order", "seed")
"""Options of an export that a recipe sets, and that are in its manifest."""


class Side(NamedTuple):
    """One file."""

    path: Path
    sha256: str
    rows: int


class Files(NamedTuple):
    """What is there to train on.

    Attributes:
        rehearsal: whether rows of a rehearsal are among it.
        notes: where it is not what the recipe asks for today.
    """

    train: Side
    validation: Side | None
    rehearsal: bool
    notes: list[Problem]


def exported(dataset: Dataset, recipe: Recipe | None) -> Files:
    """The export of a dataset that tuning uses.

    Args:
        dataset: where it lies.
        recipe: what the export should be like; None where there is no recipe.

    Raises:
        DataError: there is none, rows or verdicts changed since, or a file is not what was exported. Names the command.
    """
    folder = dataset.exports / FORMAT
    command = f"synth export {dataset.name}{_format(recipe)}"
    manifest = _manifest(folder, dataset, command)
    newer = [name for name in _MADE_OF if _stamp(dataset.path / name) > _stamp(folder / "manifest.json")]
    if newer:
        raise DataError(f"{dataset.name}: {newer[0]} changed since the export in {FORMAT}", command)
    sides = {}
    for file in manifest["files"]:
        path = folder / str(file["name"])
        if _sha256(path, command) != file["sha256"]:
            raise DataError(f"{path}: is not the file that was exported", command)
        sides[path.stem] = Side(path, str(file["sha256"]), int(file["rows"]))
    if "train" not in sides:
        raise DataError(f"{folder}: its manifest names no train file", command)
    notes = list(_notes(manifest, recipe, dataset)) if recipe else []
    return Files(sides["train"], sides.get("validation"), bool(manifest.get("rehearsal")), notes)


def _format(recipe: Recipe | None) -> str:
    """The option that makes an export write our format, where the recipe does not ask for it."""
    asked = [registry.printed(item.name) for item in recipe.export.formats] if recipe else [FORMAT]
    plugin = registry.plugins("formats").get(FORMAT)
    known = {FORMAT, *(plugin.aliases if plugin else ())}
    return "" if known & set(asked) else f" --format {FORMAT}"


def _manifest(folder: Path, dataset: Dataset, command: str) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        value = orjson.loads(path.read_bytes())
        if isinstance(value["files"], list):
            return dict(value)
    except FileNotFoundError:
        raise DataError(f"{dataset.name}: nothing is exported in {FORMAT} yet", command) from None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass
    raise DataError(f"{path}: not an export's manifest", command)


def _notes(manifest: dict[str, Any], recipe: Recipe, dataset: Dataset) -> Iterator[Problem]:
    """Where an export was made otherwise than the recipe says now. The hand that made it wins."""
    options = manifest.get("options")
    made: dict[str, Any] = options if isinstance(options, dict) else {}
    folder = str(dataset.exports / FORMAT)
    for key in _SAME:
        wanted = getattr(recipe.export, key)
        if key in recipe.export.model_fields_set and key in made and made[key] != wanted:
            what = f"was exported with {key} {made[key]}, and the recipe says {wanted}"
            yield Problem("warning", "other-export", folder, what, f"synth export {dataset.name}")


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _sha256(path: Path, command: str) -> str:
    try:
        return file_sha256(path)
    except FileNotFoundError:
        raise DataError(f"{path}: is gone", command) from None
