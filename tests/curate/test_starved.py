"""What is kept far less often than the plan wants it."""

from __future__ import annotations

from itertools import product

from pipeline.store import Dataset
from pipeline.types import Draw
from tests.curate.test_curate import LENGTH, STORY, dataset, fill, row, run

__all__ = ["dataset"]
GENRES, PLACES = ("noir", "epic", "farce"), ("Oslo", "Lima")


def grid(found: Dataset, short: dict[tuple[str, str], int], repeats: int = 20) -> None:
    """A plan of `repeats` rows a cell, all of them made; so many of each cell are short."""
    draws = [Draw({"genre": genre, "place": place}, repeat)
             for genre, place in product(GENRES, PLACES) for repeat in range(repeats)]
    found.plan.append((draw, "wanted") for draw in draws)
    fill(found, [
        row(f"r{number}", "short" if draw.repeat < short.get((draw.cell["genre"], draw.cell["place"]), 0) else STORY,
            cell=draw.cell, provenance={"draw": draw.key}) for number, draw in enumerate(draws)])


def test_a_value_of_which_half_as_much_is_kept_is_starved(dataset: Dataset) -> None:
    grid(dataset, {("noir", "Oslo"): 14, ("noir", "Lima"): 15, ("epic", "Oslo"): 2})
    found = run(dataset, LENGTH).draws.starved(dataset)
    assert found is not None
    assert (found.wanted, found.kept) == (120, 89)
    assert [(each.axis, each.value, each.wanted, each.kept) for each in found.values] == [("genre", "noir", 40, 11)]
    assert found.values[0].share == 30, "a third of the 89 that are kept"
    assert found.keep == 117, "78 of the other two thirds stay, and 39 are a third"
    assert found.cells == []


def test_a_cell_without_a_row_is_starved(dataset: Dataset) -> None:
    grid(dataset, {("noir", "Oslo"): 20})
    found = run(dataset, LENGTH).draws.starved(dataset)
    assert found is not None
    assert found.cells == [{"genre": "noir", "place": "Oslo"}]
    assert found.as_json()["cells"] == found.cells


def test_losses_that_are_even_starve_nothing(dataset: Dataset) -> None:
    grid(dataset, dict.fromkeys(product(GENRES, PLACES), 9))
    assert run(dataset, LENGTH).draws.starved(dataset) is None


def test_where_nothing_is_kept_or_nothing_was_planned_there_is_nothing_to_fill(dataset: Dataset) -> None:
    grid(dataset, dict.fromkeys(product(GENRES, PLACES), 20), repeats=20)
    assert run(dataset, LENGTH).draws.starved(dataset) is None


def test_a_rewrite_fills_the_draw_of_its_parent(dataset: Dataset) -> None:
    grid(dataset, {("noir", "Oslo"): 20})
    fill(dataset, [row(f"again{number}", STORY, parent=f"r{number}", provenance={"replaces": f"r{number}"})
                   for number in range(20)])
    assert run(dataset, LENGTH).draws.starved(dataset) is None


def test_rows_of_a_file_have_no_plan(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", STORY)])
    assert run(dataset, LENGTH).draws.starved(dataset) is None
