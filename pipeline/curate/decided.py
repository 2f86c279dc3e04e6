"""Whether the last curation is the recipe's: its rules by name and option beside what the recipe names today."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipeline.errors import RecipeError
from pipeline.options import own_folder
from pipeline.recipe import Recipe
from pipeline.rules import open_rules
from pipeline.sections import Item
from pipeline.store import Dataset

from .moves import differences, permanent
from .outcome import RECIPE, settings


class Otherwise(NamedTuple):
    """Rules of the last curation that are not the recipe's.

    Attributes:
        by: who named them, as `Curation.by`; `recipe` where that is another today.
        differences: what the recipe has otherwise, as `length.min 5 -> 1`.
        write: where to write them, and the line, so that the recipe decides so: as `Proposal.lines`.
    """

    by: str
    differences: list[str]
    write: list[tuple[str, str]]


def decided_otherwise(dataset: Dataset, recipe: Recipe) -> Otherwise | None:
    """How the last curation's rules differ from the recipe's, without measuring anything.

    Args:
        dataset: its manifest is read.
        recipe: as the person has it today.

    Returns:
        None where they are the same, nothing was curated, or the recipe's cannot be opened: as where they are files of
        one's own, and the recipe is only the dataset's copy.
    """
    noted = dataset.manifest().get("curation") or {}
    if "rules" not in noted:
        return None
    named = [Item.model_validate(each) for each in noted.get("named") or []]
    if "named" in noted and named == recipe.curate and not any(item.options for item in named):
        return None  # as most are, and no rule is opened for that; an option may name a file that reads otherwise now
    try:
        rules = open_rules(recipe.curate, str, own_folder(recipe.path, dataset.path))
    except RecipeError:
        return None
    there: list[dict[str, Any]] = [{"rule": rule.name, "options": rule.options} for rule in rules]
    if settings(noted["rules"]) == settings(there):
        return None
    return Otherwise(str(noted.get("by") or RECIPE), differences(noted["rules"], there), permanent(recipe, named))
