"""From the text of a call to what it says: a label, JSON, a number. A fact is read, never changed, and never bent.

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
from typing import Any, NamedTuple, Protocol

from pipeline.digest import digest
from pipeline.errors import RecipeError
from pipeline.grid.prompts import step_places
from pipeline.json_schema import broken, check_schema, read_schema, stand_in
from pipeline.json_text import Unread, json_in
from pipeline.options import own_folder
from pipeline.recipe import Recipe
from pipeline.registry import load_named
from pipeline.sections import Answer

_AROUND = " \t\r\n\"'`“”‘’«»"
_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,9})?")
PICKS = ("A", "B", "tie")
"""What a judge answers; its templates know the two as answer_a and answer_b."""
SHOWN = 200
"""Characters of an answer that a message quotes."""


class Said(NamedTuple):
    """What an answer says.

    Attributes:
        text: as a template prints it and as it is trained on.
        value: as a template takes parts of it, and as it stands in `fields`.
    """

    text: str
    value: Any


class Reader(Protocol):
    """What an answer is held to.

    Attributes:
        wanted: what a second try is told to answer with.
        name: digest of all that it is held to.
        label: whether it is a label, which the row carries as such.
        hint: for a rehearsal: what would be used.
    """

    wanted: str
    name: str
    label: bool
    hint: dict[str, Any]

    def read(self, text: str, *, cut: bool = False) -> Said:
        """What a text says.

        Args:
            text: as it came.
            cut: it ran into the output limit, so that it may have gone on.

        Raises:
            Unread: it cannot be used.
        """

    def stand_in(self) -> Said:
        """Something in its place, while it is not known."""


class Labels:
    """One of some words. White space, quotes and a full stop around it are left out, and case does not count."""

    label = True

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = {label.strip().casefold(): label.strip() for label in labels}
        self.wanted = f"exactly one of these, and nothing else: {', '.join(self.labels.values())}"
        self.name = digest("labels", list(self.labels.values()))
        self.hint = {"labels": list(self.labels.values())}

    def read(self, text: str, *, cut: bool = False) -> Said:
        """See Reader. A text that was cut and begins another label as well is none."""
        word = _bare(text)
        label = self.labels.get(word.casefold()) or self.labels.get(text.strip(_AROUND).casefold())
        longer = [other for other in self.labels if cut and other != word.casefold()
                  and other.startswith(word.casefold())]
        if label is None or longer:
            raise Unread(f"{_quoted(text)} is not one of {', '.join(self.labels.values())}")
        return Said(label, label)

    def stand_in(self) -> Said:
        """See Reader."""
        label = next(iter(self.labels.values()))
        return Said(label, label)


class Number:
    """A number alone, as a judge gives one."""

    label = False
    wanted = "a number, and nothing else"
    name = "number"

    def __init__(self) -> None:
        self.hint: dict[str, Any] = {"number": True}

    def read(self, text: str, *, cut: bool = False) -> Said:
        """See Reader."""
        word = _bare(text)
        if cut or not _NUMBER.fullmatch(word):
            raise Unread(f"{_quoted(text)} is not a number alone")
        return Said(word, float(word))

    def stand_in(self) -> Said:
        """See Reader."""
        return Said("0", 0.0)


class Json:
    """JSON, held to a schema. The value is as it was written: no default is filled in, no type is changed."""

    label = False
    wanted = "the JSON alone, without any text around it"

    def __init__(self, schema: Any, model: Any = None, name: str = "") -> None:
        self.schema, self._model = schema, model
        self.name = digest("json", schema, name)
        self.hint = {"schema": schema}

    def read(self, text: str, *, cut: bool = False) -> Said:
        """See Reader. How the JSON is found in a text: see `json_in`."""
        if cut:
            raise Unread("it was cut at the output limit")
        value = json_in(text)
        fault = broken(value, self.schema) if self._model is None else self._misfit(value)
        if fault:
            raise Unread(str(fault))
        return Said(json.dumps(value, ensure_ascii=False), value)

    def _misfit(self, value: Any) -> str | None:
        """The first fault that the pydantic class finds; numbers in quotes are no numbers."""
        from pydantic import ValidationError

        try:
            self._model.model_validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
            return f"${path}: {first['msg']}"
        return None

    def stand_in(self) -> Said:
        """See Reader."""
        value = stand_in(self.schema)
        return Said(json.dumps(value, ensure_ascii=False), value)


def _bare(text: str) -> str:
    """A word without white space, quotes and one final full stop around it."""
    return text.strip(_AROUND).removesuffix(".").strip(_AROUND)


def _quoted(text: str) -> str:
    shown = " ".join(text.split())
    return repr(shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}...") if shown else "an empty answer"


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
