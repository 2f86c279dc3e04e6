"""What the answer of each step is held to, what no prompt says of that, and answers as templates take them.

What a text says follows from the text and from what the recipe wants of it, so that a recipe that wants something else
reads the same texts anew and pays for none of them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.digest import digest
from pipeline.errors import RecipeError
from pipeline.grid.prompts import step_places
from pipeline.json_schema import check_schema, read_schema
from pipeline.options import own_folder
from pipeline.readers import Json, Labels, Reader, Said
from pipeline.recipe import Recipe
from pipeline.registry import load_named
from pipeline.sections import Answer

PICKS = ("A", "B", "tie")
"""What a judge answers; its templates know the two as answer_a and answer_b."""


class _Object(dict[str, Any]):
    """A mapping that a template prints as JSON."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


class _Array(list[Any]):
    """A list that a template prints as JSON."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


def variable(said: Said) -> Any:
    """An answer as templates take it: `{{ticket.city}}` is a part of it, and `{{ticket}}` all of it, as JSON."""
    return variable_of(said.value) if isinstance(said.value, dict | list) else said.text


def variable_of(value: Any) -> Any:
    """A value of `fields` as templates take it."""
    if isinstance(value, dict):
        return _Object((key, variable_of(part)) for key, part in value.items())
    return _Array(map(variable_of, value)) if isinstance(value, list) else value


def spec_of(recipe: Recipe, answer: Answer | None) -> list[Any] | None:
    """What an answer is held to, as it enters the marks of rows: no code is run for it."""
    if answer is None:
        return None
    named = answer.schema_ if isinstance(answer.schema_, str) else (answer.model or "").partition(":")[0]
    path = recipe.folder / named
    text = path.read_bytes().decode("utf-8", "replace") if named and path.is_file() else None
    return [answer.labels, answer.schema_, answer.model, text, answer.send]


def unsaid(recipe: Recipe) -> list[str]:
    """What answers are held to and no prompt says, a sentence each with its place: the model cannot guess it."""
    found = []
    for place, step in zip(step_places(recipe), recipe.asks, strict=True):
        try:
            asked = " ".join(recipe.template(text) for text in (step.system, step.user) if text).casefold()
        except RecipeError:
            continue  # whoever fills it says so
        if step.answer is not None and step.answer.labels is not None:
            lacks = [label for label in step.answer.labels if label.strip().casefold() not in asked]
            if lacks:
                found.append(f"{recipe.at(*place)}: no prompt of '{step.name}' names {_listed(lacks)}: "
                             "the writer does not know what it may answer")
        elif step.answer is not None and not step.answer.send and "json" not in asked:
            found.append(f"{recipe.at(*place)}: no prompt of '{step.name}' says JSON, and `answer.send` is false: "
                         "the writer does not know that JSON is wanted")
    judge = recipe.pairs.judge if recipe.pairs else None
    if judge is not None and judge.margin is None:
        with suppress(RecipeError):
            asked = " ".join(recipe.template(text) for text in (judge.system, judge.user) if text)
            if not all(re.search(rf"\b{word}\b", asked) for word in PICKS[:2]):
                found.append(f"{recipe.at('pairs', 'judge')}: no prompt of the judge names A and B: "
                             f"it is to answer {', '.join(PICKS[:2])} or {PICKS[2]}")
    return found


def _listed(labels: Sequence[str]) -> str:
    *most, last = (f"'{label}'" for label in labels)
    return f"{', '.join(most)} and {last}" if most else last


def readers_of(recipe: Recipe, dataset: Path) -> list[Reader | None]:
    """What the answer of each step is held to; None where any text will do.

    Args:
        recipe: the recipe.
        dataset: its folder: code beside a snapshot in there is not run.

    Raises:
        RecipeError: a schema that says what is not checked, a file or class that is not there.
    """
    folder = own_folder(recipe.path, dataset)
    return [_reader(recipe, step.answer, folder, (*place, "answer")) if step.answer else None
            for place, step in zip(step_places(recipe), recipe.asks, strict=True)]


def in_their_place(recipe: Recipe, dataset: Path) -> dict[str, Any]:
    """Step -> what templates take in the place of its answer, to show a row before anything is asked."""
    readers = readers_of(recipe, dataset)
    return {step.name: variable(reader.stand_in()) if reader else f"({step.name}: what the writer says)"
            for step, reader in zip(recipe.asks, readers, strict=True)}


def _reader(recipe: Recipe, answer: Answer, folder: Path | None, place: tuple[str | int, ...]) -> Reader:
    if answer.labels is not None:
        return Labels(answer.labels)
    if answer.model is not None:
        return _by_class(recipe, answer.model, folder, recipe.at(*place, "model"))
    schema, where = answer.schema_, recipe.at(*place, "schema")
    if isinstance(schema, str):
        where, schema = str(recipe.folder / schema), read_schema(recipe.folder / schema, where)
    check_schema(schema, where)
    return Json(schema)


@lru_cache(maxsize=8)
def _class(name: str, folder: Path | None, changed: int) -> Any:
    return load_named(name, folder)


def _by_class(recipe: Recipe, name: str, folder: Path | None, where: str) -> Reader:
    file, _, kind = name.partition(":")
    if not file.endswith(".py") or not kind:
        raise RecipeError(f"{where}: '{name}' is not FILE.py:CLASS", "as model: types.py:Ticket")
    path = recipe.folder / file
    data = path.read_bytes() if path.is_file() else b""
    from pydantic import BaseModel

    found = _class(name, folder, hash(data))
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise RecipeError(f"{where}: {kind} of {path} is no pydantic class", f"class {kind}(pydantic.BaseModel): ...")
    return Json(found.model_json_schema(), found, digest(data.decode("utf-8", "replace")))
