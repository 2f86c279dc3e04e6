"""What `skip_when` says: which entries are conditions, which are rules, and whether they can mean anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..errors import RecipeError, did_you_mean
from ..recipe import Recipe, Same
from ..registry import plugins, resolve
from ..sections import Item
from .prompts import step_places
from .template import Condition

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Entry(NamedTuple):
    """One entry of a `skip_when`: a condition, or a rule on the answer before.

    Attributes:
        said: as a person reads it.
        where: the recipe's line.
        bare: whether it is a rule by its name alone, which could be a variable as well.
    """

    said: str
    where: str
    condition: Condition | None
    rule: Item | None
    bare: bool = False


@lru_cache(maxsize=8)
def _entries(key: Same) -> list[list[Entry]]:
    recipe = key.recipe
    found = [list(_read(recipe, step.skip_when, *place))
             for place, step in zip(step_places(recipe), recipe.asks, strict=True)]
    return [*found, list(_read(recipe, recipe.pairs.skip_when, "pairs")) if recipe.pairs else []]


def skip_entries(recipe: Recipe) -> list[list[Entry]]:
    """The entries of each step, and behind them those of `pairs`, read at the first call for this very object.

    Raises:
        RecipeError: one is no expression.
    """
    return _entries(Same(recipe))


def skips(recipe: Recipe) -> bool:
    """Whether any row may be skipped."""
    return any(step.skip_when for step in recipe.asks) or bool(recipe.pairs and recipe.pairs.skip_when)


def _read(recipe: Recipe, entries: Sequence[object], *at: str | int) -> Iterator[Entry]:
    for index, entry in enumerate(entries):
        where = recipe.at(*at, "skip_when", index)
        if isinstance(entry, str) and not _is_rule(entry):
            yield Entry(entry, where, Condition(entry, where), None)
            continue
        try:
            item = Item.model_validate(entry)
        except ValueError:
            raise RecipeError(f"{where}: skip_when: a condition, or a rule, as `refusal`, `{{length: {{min: 80, unit: "
                              f"chars}}}}`", "a condition that holds a colon or braces stands in quotes") from None
        yield Entry(item.name, where, None, item, isinstance(entry, str))


def _is_rule(text: str) -> bool:
    if not _WORD.fullmatch(text):
        return False
    try:
        return bool(resolve("rules", text))
    except RecipeError:
        return False


def skip_faults(recipe: Recipe, axes: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A sentence and its cure for each entry that names what is not there.

    Args:
        recipe: the recipe.
        axes: their names.
        columns: of the source; empty where there is none.
    """
    steps = [step.name for step in recipe.asks]
    for place, entries in enumerate(skip_entries(recipe)):
        known = [*axes, *(column for column in columns if column.isidentifier()), *steps[:place]]
        for entry in entries:
            if entry.condition is None:
                yield from _rule_faults(entry, place, known)
                continue
            names = entry.condition.needed if columns else entry.condition.variables
            for name in sorted(names - {*known, "cell", "fields"}):
                later = name in steps[place:]
                why = "is not answered by then" if later else "is not known"
                near = did_you_mean(name, known if later or not _WORD.fullmatch(entry.said)
                                    else [*known, *plugins("rules")])
                yield f"{entry.where}: '{name}' in skip_when {entry.said!r} {why}", near


def _rule_faults(entry: Entry, place: int, known: Sequence[str]) -> Iterator[tuple[str, str]]:
    name = entry.said.replace("-", "_")
    if place == 0:
        yield (f"{entry.where}: skip_when: '{entry.said}' is a rule, and there is no answer before this step",
               "a condition on axes and columns, or this rule at the next step")
    elif name in known and entry.bare:
        yield (f"{entry.where}: skip_when: '{entry.said}' is a rule, and {name} is an axis, a column or a step",
               f"{{{entry.said}: {{}}}} is the rule; `({name})` is the value")


def needed_columns(recipe: Recipe) -> set[str]:
    """Names that conditions cannot do without; those of steps are among them."""
    return {name for entries in skip_entries(recipe) for entry in entries if entry.condition
            for name in entry.condition.needed}
