"""Rules that ask, and ask otherwise than they did in the last curation: its scores are not the recipe's."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.options import own_folder
from pipeline.recipe import Recipe
from pipeline.rules import open_rules
from pipeline.store import Dataset

from .asking import Ask, AskBill, asks
from .moves import last_rules
from .run import curate


class AsksOtherwise(NamedTuple):
    """Rules whose scores in the last curation are not those that the recipe asks for.

    Attributes:
        options: what is another, as `judge.rubric`.
        bill: what it takes to ask as the recipe does; None where all of that is answered.
    """

    options: list[str]
    bill: AskBill | None


def asks_otherwise(dataset: Dataset, recipe: Recipe, ask: Ask) -> AsksOtherwise | None:
    """Compares what rules ask by the recipe with what they asked in the last curation; nothing is sent or written.

    Args:
        dataset: curated.
        recipe: as the person has it today.
        ask: whom rules would ask, for the bill.

    Raises:
        RecipeError: rules of the recipe cannot be opened.
        DataError: nothing was curated yet.
    """
    before = {rule.name: rule.how for rule in asks(last_rules(dataset, recipe).rules)}
    if not before:
        return None
    rules = asks(open_rules(recipe.curate, lambda index: recipe.at("curate", index),
                            own_folder(recipe.path, dataset.path)))
    options = [f"{rule.name}.{key}" for rule in rules if rule.name in before
               for key, value in rule.how if value != getattr(before[rule.name], key, None)]
    if not options:
        return None
    asked = curate(dataset, recipe.curate, recipe, diff=True, ask=ask).asked
    return AsksOtherwise(options, asked.bill if asked else None)
