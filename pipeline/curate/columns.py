"""Columns of a source row by which a curation is counted as it is by axes: labels, kinds, scores, languages."""

from __future__ import annotations

from pipeline.errors import SynthError
from pipeline.grid.template import Template
from pipeline.recipe import Recipe
from pipeline.store import Dataset
from pipeline.types import Sample

LONGEST = 100
"""A column with a longer text is none that groups rows."""

Columns = dict[str, str | None]
"""Column -> its value as text; None where the column groups no rows."""


def texts_of(dataset: Dataset, recipe: Recipe | None) -> frozenset[str]:
    """The columns that the recipe's training texts are made of."""
    try:
        recipe = recipe or dataset.recipe()
        train = recipe.train if recipe else None
        if recipe is None or train is None:
            return frozenset()
        texts = {key: text for key in ("system", "user", "assistant") if (text := getattr(train, key))}
        made = [Template(recipe.template(text, "train", key), key).variables for key, text in texts.items()]
    except SynthError:  # who makes rows by it says what is wrong with it
        return frozenset()
    return frozenset[str]().union(*made, [train.messages or ""])


def columns_of(sample: Sample, texts: frozenset[str]) -> Columns:
    """The columns of a row that may group rows; none of a row that was made for a cell.

    Args:
        sample: a row.
        texts: columns that are left out, as `texts_of` has them.
    """
    if sample.cell or sample.source is None:
        return {}
    return {name: _value(value) for name, value in sample.fields.items() if name not in texts and value is not None}


def _value(value: object) -> str | None:
    """A text, a whole number or a truth value as text; None for all else, and for a text of many words."""
    if not isinstance(value, str | bool | int) or (isinstance(value, str) and len(value) > LONGEST):
        return None
    return str(value)
