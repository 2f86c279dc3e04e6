"""Presets: one name that stands for a list of rules, whose options a recipe may change or switch off.

`curate: [sft]` runs what presets/sft.yaml lists. `sft: {length: {min: 20, unit: words}, pii: off}` changes one rule of
it and leaves one out. A rule that the recipe names beside a preset stands in the place of the preset's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .. import overrides, registry
from ..errors import RecipeError, did_you_mean
from ..options import BARE
from ..sections import Item

DEFAULT = "sft"
"""The preset of a recipe that names no rule."""


class Placed(NamedTuple):
    """A rule to open, where a fault of it is reported, and which item of the list names it or its preset."""

    item: Item
    place: str
    nth: int


def held(preset: str) -> dict[str, dict[str, Any]]:
    """The rules of a preset by printed name, in order, with the options that it sets."""
    return overrides.held("rules", preset)


def expand(items: Sequence[Item], where: Callable[[int], str]) -> list[Placed]:
    """The rules that a list names, each preset in its place replaced by its rules.

    Of two presets that hold the same rule the later one says how. A rule that an item names itself is left out of
    every preset.

    Args:
        items: as `recipe.curate`.
        where: the place of the i-th item.

    Raises:
        RecipeError: options for a rule that a preset does not hold.
    """
    known = registry.presets("rules")
    if not any(item.name in known for item in items):
        return [Placed(item, where(index), index) for index, item in enumerate(items)]
    own = {resolved(item.name) for item in items if item.name not in known}
    found: list[Placed] = []
    at: dict[str, int] = {}
    for index, item in enumerate(items):
        preset = item.name in known
        for each in _of(item, where(index), index) if preset else (Placed(item, where(index), index),):
            name = each.item.name
            if not preset:
                found.append(each)
            elif name in at:
                found[at[name]] = each
            elif name not in own:
                at[name] = len(found)
                found.append(each)
    return found


def _of(preset: Item, place: str, index: int) -> Iterator[Placed]:
    """The rules of one preset, with the options that an item changes."""
    rules = held(preset.name)
    changed = {resolved(name): options for name, options in preset.options.items()}
    for name in changed.keys() - rules.keys():
        raise RecipeError(*_stranger(preset.name, name, changed[name], place, rules))
    for name, options in rules.items():
        change = changed.get(name)
        if change is False:  # `off` as YAML reads it
            continue
        if isinstance(change, dict):
            options = {**options, **change}
        elif change not in (None, True):
            options = {BARE: change}
        yield Placed(Item(name=name, options=options), f"{place}: {preset.name}", index)


def resolved(name: str) -> str:
    """The printed name of a rule, also from an alias; as it stands where there is none of that name."""
    try:
        return registry.resolve("rules", name)
    except RecipeError:
        return name


def _stranger(preset: str, name: str, value: Any, place: str, rules: dict[str, Any]) -> tuple[str, str]:
    """Message and hint for an option of a preset that is no rule of it."""
    first = next(iter(rules))
    if name == BARE:
        return f"{place}: {preset}: say which rule {value!r} is for", f"- {preset}: {{{first}: off}}"
    if name in registry.plugins("rules"):
        return (f"{place}: {preset}: it holds no rule '{name}'",
                f"name it beside the preset: curate: [{preset}, {name}]\nwhat it holds: synth plugins {preset}")
    return f"{place}: {preset}: there is no rule '{name}' in it", did_you_mean(name, rules)
