"""Every default that a recipe leaves standing, with its reason: `synth plan --explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from .recipe import Recipe
from .settings import Settings

SECTIONS = ("sample", "source", "prompt", "dialogue", "generate", "train", "export")
"""Parts of a recipe whose keys are listed one by one; the others are listed whole."""


class Default(NamedTuple):
    """A key that nobody set, what it is, and why. `kind` is `recipe` or `machine`: where it would be set."""

    kind: str
    key: str
    value: Any
    why: str


def reasons() -> dict[str, dict[str, str]]:
    """Kind -> key -> reason, from reasons.json."""
    found: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "reasons.json").read_text(encoding="utf-8"))
    return found


def defaults(recipe: Recipe, settings: Settings) -> list[Default]:
    """What neither the recipe nor the machine sets, in the order of the recipe."""
    why = reasons()
    found = [Default("recipe", key, value, why["recipe"][key]) for key, value in _left(recipe)]
    for key, reason in why["machine"].items():
        if key not in settings.model_fields_set:
            found.append(Default("machine", key, getattr(settings, key), reason))
    return found


class Held(NamedTuple):
    """A rule in force: the options that are set, where the recipe names it or its preset, and that preset."""

    rule: str
    options: dict[str, Any]
    at: str
    preset: str | None


def rules_in_force(recipe: Recipe) -> list[Held]:
    """The rules that `curate` comes to, in order."""
    from .registry import presets
    from .rules import expand, resolved

    named, found = presets("rules"), []
    for each in expand(recipe.curate, str):
        by = recipe.curate[each.nth].name
        found.append(Held(resolved(each.item.name), each.item.options, recipe.at("curate", each.nth),
                          by if by in named else None))
    return found


def _left(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    for name in ("seed", "where", *SECTIONS, "curate", "augment"):
        section = getattr(recipe, name)
        if name in SECTIONS:
            if section is not None and _counts(recipe, name):
                yield from _keys(name, section, _skipped(recipe))
        elif name not in recipe.model_fields_set and _counts(recipe, name):
            yield name, [item.name for item in section] if name == "curate" else section


def _keys(name: str, section: BaseModel, skipped: set[str]) -> Iterator[tuple[str, Any]]:
    fields: Mapping[str, Any] = type(section).model_fields
    for key, field in fields.items():
        dotted = f"{name}.{key}"
        if key not in section.model_fields_set and not field.is_required() and dotted not in skipped:
            value = getattr(section, key)
            yield dotted, [item.name for item in value] if key == "formats" else value


def _counts(recipe: Recipe, name: str) -> bool:
    """Whether a key means anything in this recipe: an imported file draws nothing and asks nobody."""
    if name in ("sample", "where"):
        return bool(recipe.axes)
    return bool(recipe.asks) if name == "generate" else True


def _skipped(recipe: Recipe) -> set[str]:
    """Keys that another one makes meaningless."""
    generate = recipe.generate
    skipped = {"source.file", "source.prompts", "source.completions", "train.user"}
    if generate.max_tokens is not None or generate.max_completion_tokens is not None:
        skipped |= {"generate.max_tokens", "generate.max_completion_tokens"}
    if recipe.source is None or recipe.source.prompts is None:
        skipped.add("source.order")
    if recipe.source is None or recipe.source.file is None:
        skipped.add("source.format")
    if recipe.dialogue is None:
        return skipped | {"train.role", "train.turns"}
    return skipped | {"train.role", "train.assistant", "train.messages"}
