"""Says that the last curation is not what the recipe decides, and what makes it so for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.commands import _console as console
from pipeline.commands._options import SET

if TYPE_CHECKING:
    from pipeline.commands._options import Target
    from pipeline.curate import Otherwise
    from pipeline.recipe import Recipe
    from pipeline.store import Dataset

DIFFERENCES_SHOWN = 3


def otherwise(dataset: Dataset, recipe: Recipe | None, target: Target) -> str:
    """`decided by --rule, not by plots.yaml (length added): synth curate plots   decides by the recipe`; empty where
    the last curation is the recipe's."""
    from pipeline.curate import decided_otherwise

    found = decided_otherwise(dataset, recipe) if recipe is not None else None
    return told(found, recipe, target) if found is not None and recipe is not None else ""


def told(found: Otherwise, recipe: Recipe, target: Target) -> str:
    """See `otherwise`. The differences are what the recipe has otherwise."""
    from pipeline.curate.outcome import RECIPE

    name = console.near(recipe.path) if recipe.path else "the recipe"
    how = f" ({some(found.differences)})" if found.differences else ""
    by = f"by other rules than {name} has now" if found.by == RECIPE else f"by {found.by}, not by {name}"
    return f"decided {by}{how}: {target.told(f'synth curate {target.name}')}   decides by the recipe"


def some(differences: Sequence[str]) -> str:
    """`length.min 10 -> 12, refusal added and 3 more`."""
    first, more = differences[:DIFFERENCES_SHOWN], len(differences) - DIFFERENCES_SHOWN
    return f"{', '.join(first)}{f' and {more:,} more' if more > 0 else ''}"


def since(dataset: Dataset, recipe: Recipe) -> list[str]:
    """What the recipe has otherwise since it decided last; empty where the command line named the last rules."""
    from pipeline.curate import decided_otherwise
    from pipeline.curate.outcome import RECIPE

    found = decided_otherwise(dataset, recipe)
    return (found.differences or ["their order"]) if found is not None and found.by == RECIPE else []


def tell_once(dataset: Dataset, target: Target) -> None:
    """After rules of the command line: that the recipe has others, and what to write into it for these."""
    from pipeline.curate import decided_otherwise

    target = replace(target, sets=(), typed=tuple(each for each in target.typed if each[0] != SET))
    recipe = target.recipe()
    found = decided_otherwise(dataset, recipe)
    if found is None:
        return
    again = target.told(f"synth curate {target.name}")
    name = console.near(recipe.path) if recipe.path else "the recipe"
    console.say(f"decided for once: {name} says otherwise, and `{again}` goes by it", "dim")
    for place, line in found.write:
        console.fact("write", f"{place or name}: {line}", "dim")
