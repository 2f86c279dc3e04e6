"""A stated part of JSON Schema (draft 2020-12): what it means, where a value breaks it, a value that could stand in.

The keywords of `KNOWN` are checked, those of `SAID` only describe; any other is refused when the schema is read, since
a keyword that is not checked would pass answers that the author ruled out. For more: `answer: {model: FILE.py:CLASS}`.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .errors import RecipeError, did_you_mean

Schema = Mapping[str, Any]
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1,
}
KNOWN = frozenset(
    {"type", "enum", "const", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
     "uniqueItems", "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
     "anyOf", "oneOf", "allOf", "$ref", "$defs"}
)
SAID = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
)
_FITS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": operator.ge, "maximum": operator.le, "exclusiveMinimum": operator.gt, "exclusiveMaximum": operator.lt,
}
_PART = re.compile(r"#/\$defs/([^/]+)")
_DEPTH = 32
"""References that may follow each other without anything of the value between them."""


class Broken(NamedTuple):
    """Where a value breaks a schema, as `$.items[0].price`, and how."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def read_schema(path: Path, where: str) -> Any:
    """A schema's file, as JSON reads it.

    Args:
        path: the file.
        where: what names it, for errors.

    Raises:
        RecipeError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise RecipeError(f"{where}: {path}: {error.strerror}", f"ls -l {path.parent}") from None
    except ValueError as error:
        raise RecipeError(f"{path}: not JSON: {error}", f"python -m json.tool {path}") from None


def check_schema(schema: Any, where: str, unchecked: list[str] | None = None) -> None:
    """Checks that a schema says only what is checked here.

    Args:
        schema: as it was read.
        where: its place, for errors.
        unchecked: takes in keywords that are not checked, as `$.when: format`; None refuses them.

    Raises:
        RecipeError: an unknown keyword or type, a reference that leads nowhere, a pattern that is none.
    """
    for at, part in _parts(schema, "$"):
        if isinstance(part, bool):
            continue
        if not isinstance(part, Mapping):
            raise RecipeError(f"{where}: {at}: a schema is a mapping, not {_short(part)}", "as {type: string}")
        for key, value in part.items():
            if key not in KNOWN | SAID and unchecked is not None:
                unchecked.append(f"{at}: {key}")
            elif key not in KNOWN | SAID:
                raise RecipeError(f"{where}: {at}: the keyword '{key}' is not checked here",
                                  f"{did_you_mean(key, sorted(KNOWN))}; `model: FILE.py:CLASS` checks what you write")
            fault = _misused(key, value, schema)
            if fault:
                raise RecipeError(f"{where}: {at}.{key}: {fault}", "see https://json-schema.org/understanding-json-schema")


def _misused(key: str, value: Any, root: Any) -> str | None:
    """What is wrong with a keyword's value."""
    if key == "type":
        names = value if isinstance(value, list) else [value]
        wrong = [name for name in names if not isinstance(name, str) or name not in TYPES]
        return f"{_short(wrong[0])} is none of {', '.join(TYPES)}" if wrong else None
    if key == "$ref":
        found = _PART.fullmatch(str(value))
        there = found is not None and isinstance(root, Mapping) and found[1] in (root.get("$defs") or {})
        return None if there else f"{_short(value)} leads nowhere; it may name one of the schema's own $defs"
    if key == "pattern":
        try:
            re.compile(str(value))
        except re.error as error:
            return f"no pattern: {error}"
    if key in ("enum", "required", "anyOf", "oneOf", "allOf") and not (isinstance(value, list) and value):
        return None if key == "required" and value == [] else "a list is wanted here"
    if key in ("properties", "$defs") and not isinstance(value, Mapping):
        return "a mapping is wanted here"
    counts = key.startswith(("min", "max", "exclusive"))
    return "a number is wanted here" if counts and not TYPES["number"](value) else None


def _parts(schema: Any, at: str) -> Iterator[tuple[str, Any]]:
    """A schema and all schemas in it, with their places."""
    yield at, schema
    if not isinstance(schema, Mapping):
        return
    for key in ("properties", "$defs"):
        part = schema.get(key)
        for name, inner in part.items() if isinstance(part, Mapping) else ():
            yield from _parts(inner, f"{at}.{name}")
    for key in ("anyOf", "oneOf", "allOf"):
        part = schema.get(key)
        for inner in part if isinstance(part, list) else ():
            yield from _parts(inner, f"{at}.{key}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from _parts(schema[key], f"{at}.{key}")


def broken(value: Any, schema: Any, root: Any = None, path: str = "$", depth: int = 0) -> Broken | None:
    """The first place where a value breaks a schema that `check_schema` has passed; None where it holds.

    Args:
        value: as `json` reads it.
        schema: what it is held to.
        root: the whole schema, for references.
        path: of the value.
        depth: references so far without a step into the value.
    """
    root = schema if root is None else root
    if isinstance(schema, bool):
        return None if schema else Broken(path, "nothing may stand here")
    if "$ref" in schema:
        if depth > _DEPTH:
            raise RecipeError(f"{schema['$ref']} refers to itself", "a reference leads to a part that says something")
        found = broken(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, path, depth + 1)
        if found:
            return found
    found = _itself(value, schema, path) or _inside(value, schema, root, path)
    return found or _together(value, schema, root, path, depth)


def _itself(value: Any, schema: Schema, path: str) -> Broken | None:
    """What the value is as a whole."""
    names = schema.get("type")
    names = [names] if isinstance(names, str) else names
    if names is not None and not any(TYPES[name](value) for name in names):
        return Broken(path, f"{' or '.join(names)} is wanted, not {_short(value)}")
    if "const" in schema and not _equal(value, schema["const"]):
        return Broken(path, f"{_short(schema['const'])} is wanted, not {_short(value)}")
    if "enum" in schema and not any(_equal(value, each) for each in schema["enum"]):
        allowed = ", ".join(_short(each) for each in schema["enum"])
        return Broken(path, f"one of {allowed} is wanted, not {_short(value)}")
    if isinstance(value, str):
        return _sized(len(value), schema, "Length", "characters", path) or _matched(value, schema, path)
    if TYPES["number"](value):
        return _bounded(value, schema, path)
    if isinstance(value, list):
        twice = schema.get("uniqueItems") and any(
            _equal(item, other) for at, item in enumerate(value) for other in value[:at])
        return _sized(len(value), schema, "Items", "items", path) or (Broken(path, "an item twice") if twice else None)
    return None


def _matched(value: str, schema: Schema, path: str) -> Broken | None:
    pattern = schema.get("pattern")
    if pattern is None or re.search(pattern, value):
        return None
    return Broken(path, f"{_short(value)} does not match {pattern}")


def _sized(count: int, schema: Schema, what: str, words: str, path: str) -> Broken | None:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if least is not None and count < least:
        return Broken(path, f"{count} {words}, at least {least} are wanted")
    return Broken(path, f"{count} {words}, at most {most} are wanted") if most is not None and count > most else None


def _bounded(value: float, schema: Schema, path: str) -> Broken | None:
    bounds = {"minimum": "or more", "maximum": "or less", "exclusiveMinimum": "is the bound below",
              "exclusiveMaximum": "is the bound above"}
    for key, words in bounds.items():
        if key in schema and not _FITS[key](value, schema[key]):
            return Broken(path, f"{_short(value)}, and {schema[key]} {words}")
    return None


def _inside(value: Any, schema: Schema, root: Any, path: str) -> Broken | None:
    """What its parts are."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                return Broken(path, f"'{name}' is missing")
        more = schema.get("additionalProperties", True)
        for name, part in value.items():
            if name not in known and more is False:
                return Broken(path, f"'{name}' is not among {', '.join(known) or 'nothing'}")
            if found := broken(part, known.get(name, more), root, f"{path}.{name}"):
                return found
    elif isinstance(value, list) and "items" in schema:
        for at, part in enumerate(value):
            if found := broken(part, schema["items"], root, f"{path}[{at}]"):
                return found
    return None


def _together(value: Any, schema: Schema, root: Any, path: str, depth: int) -> Broken | None:
    """All of some schemas, any of some, exactly one of some."""
    for each in schema.get("allOf", ()):
        if found := broken(value, each, root, path, depth + 1):
            return found
    for key in ("anyOf", "oneOf"):
        if key not in schema:
            continue
        faults = [broken(value, each, root, path, depth + 1) for each in schema[key]]
        holds = faults.count(None)
        if holds == 0:
            return min((fault for fault in faults if fault), key=lambda fault: -len(fault.path))
        if key == "oneOf" and holds > 1:
            return Broken(path, f"fits {holds} of the schemas of which one is meant")
    return None


def _equal(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1, while 1.0 is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other) and isinstance(one, str) == isinstance(other, str)


def stand_in(schema: Any, root: Any = None, depth: int = 0, name: str = "text") -> Any:
    """A value with the parts that a schema names, for templates that are filled before the answer is known.

    A text is the name of its part in brackets.
    """
    root = schema if root is None else root
    if not isinstance(schema, Mapping) or depth > 8:
        return f"({name})"
    if "$ref" in schema:
        return stand_in(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, depth + 1, name)
    for key in ("anyOf", "oneOf", "allOf", "enum"):
        if schema.get(key):
            return schema[key][0] if key == "enum" else stand_in(schema[key][0], root, depth + 1, name)
    if "const" in schema:
        return schema["const"]
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        return {key: stand_in(part, root, depth + 1, key) for key, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [stand_in(schema.get("items", {}), root, depth + 1, name)]
    return {"boolean": False, "integer": 0, "number": 0, "null": None}.get(kind, f"({name})")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, float) or math.isfinite(value) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
