"""From what pydantic found to a sentence: the file's line, the place, what is wanted there, the next best key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from .errors import RecipeError, did_you_mean

Where = tuple[str | int, ...]

ABSENT = {"synth": "synth: 1", "train": 'train: {user: "what is asked", assistant: "{{answer}}"}'}
"""Key of a recipe that is missing -> the line to write."""
WANTED = {
    "model_type": "keys and values are wanted here, as {{key: value}}: {keys}",
    "dict_type": "keys and values are wanted here, as {{key: value}}",
    "list_type": "a list is wanted here, as [one, two]",
    "string_type": "a text is wanted here; put quotes around {given}",
    "int_type": "a whole number is wanted here, not {given}",
    "int_parsing": "a whole number is wanted here, not {given}",
    "int_from_float": "a whole number is wanted here, not {given}",
    "float_type": "a number is wanted here, not {given}",
    "float_parsing": "a number is wanted here, not {given}",
    "bool_type": "true or false is wanted here, not {given}",
    "bool_parsing": "true or false is wanted here, not {given}",
    "literal_error": "{expected} is wanted here, not {given}",
    "greater_than_equal": "{ge:g} or more is wanted here, not {given}",
    "greater_than": "more than {gt:g} is wanted here, not {given}",
    "less_than_equal": "{le:g} or less is wanted here, not {given}",
    "less_than": "less than {lt:g} is wanted here, not {given}",
    "tuple_type": "a list is wanted here, as [one, two]",
    "too_short": "at least {min_length} are wanted here",
    "string_too_short": "a text is wanted here, not an empty one",
    "finite_number": "a finite number is wanted here, not {given}",
}
"""Kind of fault -> what a person reads in place of pydantic's words."""


def worded(found: Mapping[str, Any], keys: str = "") -> str:
    """What a person reads of one of pydantic's faults: what is wanted in its place.

    Args:
        found: as `ValidationError.errors` has it.
        keys: the keys that are known at that place.
    """
    wanted = WANTED.get(found["type"])
    if wanted is None:
        return str(found["msg"]).removeprefix("Value error, ")
    return wanted.format(**{**found.get("ctx", {}), "keys": keys, "given": _short(found["input"])})


def fault(text: str, *at: str | int) -> PydanticCustomError:
    """What a validator of a whole raises where a part of it is wrong.

    Args:
        text: what is wrong.
        at: the part's place below the model.
    """
    return PydanticCustomError("recipe", "{text}", {"text": text, "at": at})


def place(path: Path | None, lines: Mapping[Where, int | str], where: Where) -> str:
    """`plots.yaml:12`: the line of a part, or of the nearest thing around it; `--set a.b` for what that sets."""
    name = path.name if path and path.name != "recipe.yaml" else str(path or "recipe")
    for end in range(len(where), -1, -1):
        if where[:end] in lines:
            line = lines[where[:end]]
            return line if isinstance(line, str) else f"{name}:{line}"
    return name


def explain(
    error: ValidationError, model: type[BaseModel], value: Any, path: Path | None, lines: Mapping[Where, int | str],
) -> RecipeError:
    """All faults of a recipe, a line each; the cures of unknown keys as the hint.

    Args:
        error: of the validation.
        model: what was to be made.
        value: what it was to be made of.
        path: the file.
        lines: of the parts of `value`.
    """
    messages, hints = [], dict[str, str]()
    for found in error.errors():
        where = (*_real(found["loc"], value), *found.get("ctx", {}).get("at", ()))
        kind, text = found["type"], found["msg"]
        if kind == "extra_forbidden":
            text = f"unknown key '{found['loc'][-1]}'"
            hints.setdefault(str(found["loc"][-1]), _cure(model, where))
        elif kind == "missing":
            text = f"'{found['loc'][-1]}' is missing"
            hints.setdefault(str(found["loc"][-1]), ABSENT.get(str(found["loc"][-1]), ""))
        elif kind != "recipe":
            text = worded(found, ", ".join(keys_at(model, where)))
            text = f"{'.'.join(map(str, where))}: {text}" if where else text
        line = f"{place(path, lines, where)}: {text}"
        if line not in messages:
            messages.append(line)
    return RecipeError("\n".join(messages), _hint(hints))


def _cure(model: type[BaseModel], where: Where) -> str:
    """What an unknown key was probably meant to be: another one there, else the same one elsewhere."""
    key = str(where[-1])
    near = did_you_mean(key, keys_at(model, where[:-1]))
    homes = [name for name, field in model.model_fields.items() if name not in where
             and any(key in each.model_fields for each in _models_in(field.annotation))]
    return near if near.startswith("did you mean") or not homes else f"'{key}' belongs under {' or '.join(homes)}"


def _hint(hints: Mapping[str, str]) -> str:
    """The cure of the one unknown key; of several, a line each that says whose it is."""
    told = {key: cure for key, cure in hints.items() if cure}
    return "\n".join(told.values() if len(hints) == 1 else (f"{key}: {cure}" for key, cure in told.items()))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _real(loc: Where, value: Any) -> Where:
    """A place without pydantic's own names for the members of a union: as far as `value` has it, or lacks a key."""
    real: list[str | int] = []
    for part in loc:
        of_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if of_list or (isinstance(value, dict) and part in value):
            value = value[part]
            real.append(part)
    return tuple(real)


def keys_at(model: type[BaseModel], where: Where) -> list[str]:
    """The keys that a model knows at a place."""
    at: Any = model
    for part in where:
        if isinstance(part, int):
            continue
        known = at.model_fields.get(part) if isinstance(at, type) and issubclass(at, BaseModel) else None
        if known is None:
            continue
        at = next((found for found in _models_in(known.annotation)), at)
    return list(at.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
