"""The plot generator's axes (four lists of a public seed system) as a recipe that tests edit, and its draws."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from pipeline.errors import RecipeError
from pipeline.grid.draws import wanted
from pipeline.recipe import Recipe, parse_recipe
from pipeline.types import Cell, Draw

Frozen = tuple[tuple[str, object], ...]

AXES: dict[str, list[str]] = {
    "genre": ["romance & comedy", "crime & mystery", "action & adventure", "high fantasy", "science fiction",
              "horror & thriller"],
    "modifier": ["cerebral & suspenseful", "heartwarming & lighthearted", "tragic & heartwrenching",
                 "supernatural & otherworldly", "action-packed & exciting", "gritty & dark"],
    "place": ["France", "Japan", "England", "America", "South Africa", "India", "China", "Egypt", "Italy"],
    "period": ["the Renaissance", "the 1920s", "the 1960s", "the 1990s", "the near future", "the distant future"],
}


def recipe_of(axes: dict, *, seed: int = 7, where: list[str] | None = None, **sample: object) -> Recipe:
    """A recipe of these axes; `sample` as the recipe's section."""
    import yaml

    value = {
        "synth": 1, "name": "plots", "seed": seed, "axes": axes, "where": where or [], "sample": sample,
        "prompt": {"user": "hello"}, "train": {"user": "hello"},
    }
    return parse_recipe(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000), Path("plots.yaml"))


def numbers(*sizes: int) -> dict[str, dict]:
    """Axes a0, a1, ... of so many numbers each."""
    return {f"a{i}": {"numbers": {"min": 1, "max": size}} for i, size in enumerate(sizes)}


def freeze(cell: Cell) -> Frozen:
    return tuple(sorted(cell.items()))


def drawn(axes: dict = AXES, **options: object) -> list[Draw]:
    return list(wanted(recipe_of(axes, **options)))


def cells(axes: dict = AXES, **options: object) -> set[Frozen]:
    draws = drawn(axes, **options)
    found = {freeze(draw.cell) for draw in draws}
    assert len(found) == len(draws), "a cell was drawn twice"
    return found


def fault(axes: dict = AXES, **options: object) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        drawn(axes, **options)
    return caught.value


def missing_pairs(axes: dict, draws: list[Draw], legal: set[Frozen]) -> set:
    def pairs(cell: Frozen) -> set:
        return set(itertools.combinations(cell, 2))

    wanted_pairs = set().union(*(pairs(cell) for cell in legal))
    return wanted_pairs - set().union(*(pairs(freeze(draw.cell)) for draw in draws))


def with_place(*places: str) -> dict:
    return {**AXES, "place": [*AXES["place"], *places]}
