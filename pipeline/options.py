"""Options of a plug-in: a mapping from a recipe's list to frozen models, every fault with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from ._faults import keys_at, worded
from .errors import RecipeError, did_you_mean

BARE = "value"
"""What the recipe calls an option that was given without a name, as in `- length: 1 KB`."""


class Options(BaseModel):
    """What a person may set on a plug-in. Frozen, and every key known."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class OptionFault(Exception):
    """A plug-in's options cannot mean anything, or could mean several things.

    Args:
        message: what is wrong, without the plug-in's name.
        hint: the lines to write instead.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


Model = TypeVar("Model", bound=Options)
Prepare = Callable[[dict[str, Any]], dict[str, Any]]


def read_options(
    name: str, given: Mapping[str, Any], where: str, models: tuple[type[Options], ...], prepare: Prepare | None = None,
    files: Mapping[str, str] = {},
) -> tuple[Options, ...]:
    """Divides options among models by the names of their fields.

    Args:
        name: the plug-in's printed name, for the messages.
        given: option -> value, as the recipe has it.
        where: file and line, as `plots.yaml:12`.
        models: what takes the options; no two share a field.
        prepare: a plug-in's own reading of what people write, before types are checked.
        files: options whose value is what stands in a file -> that file, for the messages.

    Returns:
        An instance of each model, in their order.

    Raises:
        RecipeError: an unknown option or a value of the wrong kind, with what to write instead.
    """
    known = [name for model in models for name in _names(model)]
    try:
        if isinstance(given.get(BARE), bool):
            raise OptionFault(*_switched(name, given[BARE]))
        options = prepare(dict(given)) if prepare else dict(given)
        for key in options:
            if key not in known:
                raise OptionFault(*_unknown(name, key, options[key], known))
        return tuple(_read(model, options, files) for model in models)
    except OptionFault as fault:
        raise RecipeError(f"{where}: {name}: {fault.message}", fault.hint) from None


def _names(model: type[BaseModel]) -> list[str]:
    """The options that a model takes, as people write them: `schema` of a field `schema_`."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _switched(name: str, on: bool) -> tuple[str, str]:
    """Message and hint for an item that is switched on or off, as `- length: off`."""
    if on:
        return "it is on by being in the list", f"- {name}"
    return ("an item of the list is not switched off, it is left out",
            f"take `{name}: off` out; of a preset that brings it: - PRESET: {{{name}: off}}")


def _unknown(name: str, key: str, value: Any, known: list[str]) -> tuple[str, str]:
    if key == BARE:
        return f"say which option {value!r} is", f"- {name}: {{{known[0]}: {value}}}" if known else f"- {name}"
    if not known:
        return f"unknown option '{key}'", f"it takes none: - {name}"
    return f"unknown option '{key}'", did_you_mean(key, known)


def _read(model: type[Model], options: Mapping[str, Any], files: Mapping[str, str]) -> Model:
    try:
        return model.model_validate({key: options[key] for key in _names(model) if key in options})
    except ValidationError as error:
        faults = cast(list[dict[str, Any]], error.errors())
    fault = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])  # why another is missing
    loc = tuple(fault["loc"])
    file = files.get(str(loc[0]), "") if loc else ""
    where = ".".join(map(str, loc[1:] if file else loc))
    before = f"{file}: " if file else ""
    text = worded(fault, ", ".join(keys_at(model, loc)))
    if fault["type"] == "extra_forbidden":
        *around, key = where.split(".")
        inside = f" in {'.'.join(around)}" if around else ""
        raise OptionFault(f"{before}unknown key '{key}'{inside}", did_you_mean(key, keys_at(model, loc[:-1])))
    if fault["type"] == "missing":
        raise OptionFault(f"{before}'{where}' is missing", _choices(model, where))
    if fault["type"] == "literal_error":
        words = re.findall(r"'([^']*)'", str(fault["ctx"]["expected"]))
        raise OptionFault(f"{before}{where}: unknown word {fault['input']!r}", did_you_mean(str(fault["input"]), words))
    raise OptionFault(f"{before}{where}: {text}" if where else before + text)


def _choices(model: type[Options], key: str) -> str:
    """What a missing option may be, from its annotation."""
    words = getattr(model.model_fields[key].annotation, "__args__", ()) if key in model.model_fields else ()
    texts = [word for word in words if isinstance(word, str)]
    return f"{key} is one of {', '.join(texts)}" if texts else ""


class Described(NamedTuple):
    """An option as a person reads of it: what it takes, what it is where nobody sets it, and why one would."""

    name: str
    takes: str
    default: str
    description: str


_TAKES = {str: "text", int: "whole number", float: "number", bool: "true or false", list: "list", dict: "mapping",
          date: "date"}


def described(*models: type[BaseModel]) -> list[Described]:
    """The options that some models take, in order."""
    return [
        Described(field.alias or name, _takes(field.annotation), _default(field), field.description or "")
        for model in models for name, field in model.model_fields.items()
    ]


def _takes(annotation: Any) -> str:
    """`bytes, chars or words`, `whole number`: what may be written, from a field's annotation."""
    if get_origin(annotation) is Literal:
        *most, last = map(str, get_args(annotation))
        return f"{', '.join(most)} or {last}" if most else last
    members = [member for member in get_args(annotation) if member is not type(None)]
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(dict.fromkeys(_takes(member) for member in members))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    return _TAKES.get(get_origin(annotation) or annotation, "value")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "", {}) else str(value).lower() if isinstance(value, bool) else str(value)


def listed(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """Options with a list made of a single value: `kinds: email` for `kinds: [email]`."""
    return {key: [value] if key in names and isinstance(value, str) else value for key, value in options.items()}


def own_folder(recipe: Path | None, dataset: Path) -> Path | None:
    """Where plug-in files that a recipe names may lie: beside it, where a person named that recipe.

    Args:
        recipe: the recipe's file.
        dataset: the folder of the dataset. A snapshot in it is nobody's to vouch for: code beside it is
            not run.
    """
    if recipe is None or dataset.resolve() in recipe.resolve().parents:
        return None
    return recipe.parent
