"""Until enough is good: how many draws a goal takes, whether kept rows are balanced, and that only outcomes matter."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.digest import hash_unit
from pipeline.errors import RecipeError
from pipeline.grid.axes import load_axes
from pipeline.grid.keep import PILOT, Outlook, Tried, outlook
from pipeline.recipe import Recipe
from pipeline.types import Cell, Draw
from tests.grid.plots import AXES, cells, freeze, missing_pairs, numbers, recipe_of

Yield = Callable[[Cell], float]


class Run(NamedTuple):
    """A simulated run: what was tried, the size of each round, and where it ended."""

    tried: list[Tried]
    rounds: list[int]
    end: Outlook

    @property
    def kept(self) -> list[Draw]:
        return [each.draw for each in self.tried if each.kept]

    def counts(self, axis: str) -> Counter:
        return Counter(draw.cell[axis] for draw in self.kept)


def simulated(recipe: Recipe, share: Yield, *, start: list[Tried] | None = None, luck: int = 0, most: int = 200) -> Run:
    """Rounds until the goal; whether a row is kept is a coin of its own draw, so that it falls alike in any order."""
    axes, tried, rounds = load_axes(recipe), list(start or []), list[int]()
    while True:
        ahead = outlook(recipe, axes, tried)
        if not ahead.draws or len(rounds) > most:
            return Run(tried, rounds, ahead)
        assert len({draw.key for draw in ahead.draws} | {each.draw.key for each in tried}) == (
            len(ahead.draws) + len(tried)), "nothing is drawn twice"
        rounds.append(len(ahead.draws))
        tried += [Tried(draw, int(hash_unit("coin", luck, draw.key) < share(draw.cell))) for draw in ahead.draws]


def half(cell: Cell) -> float:
    return 0.5


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5, 0.1])
def test_a_goal_takes_hardly_more_than_it_must(share: float) -> None:
    for luck in range(3):
        run = simulated(recipe_of(AXES, keep=200), lambda cell: share, luck=luck)
        kept = len(run.kept)
        assert run.end.kept == kept >= 200
        assert kept <= 200 + max(3, run.rounds[-1] * share * 2), "no more than the last round was to bring"
        assert kept <= 206
        assert len(run.tried) <= 1.05 * 200 / (kept / len(run.tried)) + 1
        assert len(run.rounds) <= 8
        assert run.rounds[0] == PILOT, "a first round that would not cost much if nothing came of it"


def test_kept_rows_are_balanced_though_values_yield_differently() -> None:
    def uneven(cell: Cell) -> float:
        return {"high fantasy": 0.3, "science fiction": 0.9}.get(cell["genre"], 0.5) * (
            0.6 if cell["place"] == "Egypt" else 1.0)

    run = simulated(recipe_of(AXES, keep=360), uneven)
    for axis, values in AXES.items():
        counts = run.counts(axis)
        assert set(counts) == set(values)
        assert max(counts.values()) <= 1.35 * min(counts.values()), (axis, counts)
        expected = 360 / len(values)
        assert sum((count - expected) ** 2 / expected for count in counts.values()) < len(values) / 2, (axis, counts)
    assert len(run.tried) <= 1.05 * len({freeze(each.draw.cell) for each in run.tried}), "new cells, where they do"


def test_each_cell_gets_its_share_where_the_goal_is_larger_than_the_grid() -> None:
    axes = {"a": ["x", "y", "z"], "b": [1, 2, 3, 4]}
    run = simulated(recipe_of(axes, keep=60), lambda cell: 0.2 if cell["b"] == 1 else 0.8)
    counts = Counter(freeze(draw.cell) for draw in run.kept)
    assert len(counts) == 12
    assert min(counts.values()) >= 4
    assert max(counts.values()) <= 6
    by_cell = Counter(freeze(each.draw.cell) for each in run.tried)
    for cell, count in by_cell.items():
        used = sorted(each.draw.repeat for each in run.tried if freeze(each.draw.cell) == cell)
        assert used == list(range(count)), "repeats count up from 0"


def test_weights_are_shares_of_kept_rows() -> None:
    weighted = {"a": {"values": ["x", "y"], "weights": [3, 1]}, "b": [1, 2]}
    counts = simulated(recipe_of(weighted, keep=80), half).counts("a")
    assert abs(counts["x"] - 60) <= 3
    large = {**weighted, **numbers(30, 30)}
    counts = simulated(recipe_of(large, keep=80), half).counts("a")
    assert abs(counts["x"] - 60) <= 6
    even = simulated(recipe_of(weighted, keep=80, how="product"), half).counts("a")
    assert abs(even["x"] - 40) <= 3, "a product has every cell as often"


def test_conditions_and_dependent_axes_hold() -> None:
    where = ["genre != 'high fantasy' or period == 'the Renaissance'"]
    run = simulated(recipe_of(AXES, keep=100, where=where), half)
    assert {freeze(draw.cell) for draw in run.kept} <= cells(where=where)
    axes = {"country": ["France", "Japan"], **numbers(20),
            "city": {"by": "country", "values": {"France": ["Paris"], "Japan": ["Tokyo", "Kyoto", "Nara"]}}}
    counts = simulated(recipe_of(axes, keep=40), half).counts("country")
    assert abs(counts["France"] - 20) <= 2
    assert simulated(recipe_of(axes, keep=200), half).counts("country")["France"] == pytest.approx(100, abs=6)


def test_a_grid_that_cannot_be_listed() -> None:
    run = simulated(recipe_of(numbers(100, 100, 100, 100, 5), keep=300), half)
    assert run.end.kept >= 300
    counts = run.counts("a4")
    assert max(counts.values()) <= 1.4 * min(counts.values()), "beside 400 values with three rows each"


def test_pairwise_goes_on_until_every_pair_is_kept() -> None:
    axes = {name: [f"{name}{i}" for i in range(3)] for name in "abcd"}
    run = simulated(recipe_of(axes, keep=40, how="pairwise"), half)
    assert run.end.kept >= 40
    assert not missing_pairs(axes, run.kept, cells(axes))
    with pytest.raises(RecipeError, match="pairwise needs"):
        outlook(recipe_of(AXES, keep=20, how="pairwise"), load_axes(recipe_of(AXES)), [])


def test_only_outcomes_matter_not_the_order_nor_the_number_of_runs() -> None:
    recipe = recipe_of(AXES, keep=200)
    run = simulated(recipe, half)
    axes = load_axes(recipe)
    for stop in (60, 150, len(run.tried) - 5):
        there = run.tried[:stop]
        assert outlook(recipe, axes, there).draws == outlook(recipe, axes, there[::-1]).draws
    turned = recipe_of({name: values[::-1] for name, values in reversed(AXES.items())}, keep=200)
    assert {d.key for d in outlook(turned, load_axes(turned), []).draws} == {
        d.key for d in outlook(recipe, axes, []).draws}


def test_a_run_that_was_cut_off_ends_as_well_and_asks_for_much_the_same() -> None:
    recipe = recipe_of(AXES, keep=200)
    whole = simulated(recipe, half)
    same = []
    for stop in (7, 30, 51, 120, 260):
        again = simulated(recipe, half, start=whole.tried[:stop])
        assert 200 <= again.end.kept <= 206
        assert len(again.tried) <= len(whole.tried) * 1.08
        same.append(len({each.draw.key for each in again.tried} & {each.draw.key for each in whole.tried}))
    assert min(same) >= 0.85 * len(whole.tried), same


def test_a_larger_goal_later_takes_the_difference() -> None:
    whole = simulated(recipe_of(AXES, keep=200), half)
    more = simulated(recipe_of(AXES, keep=250), half, start=whole.tried)
    assert more.tried[: len(whole.tried)] == whole.tried
    assert len(more.tried) - len(whole.tried) <= 2.6 * 50
    assert not outlook(recipe_of(AXES, keep=150), load_axes(recipe_of(AXES)), whole.tried).draws


def test_rows_that_nothing_judged_yet_count_for_what_they_will_probably_be() -> None:
    recipe = recipe_of(AXES, keep=200)
    axes = load_axes(recipe)
    whole = simulated(recipe, half)
    waiting = [*whole.tried[:200], *(each._replace(kept=None) for each in whole.tried[200:300])]
    ahead = outlook(recipe, axes, waiting)
    assert ahead.waiting == 100
    assert ahead.more == pytest.approx(400 - 300, abs=40)
    assert not {draw.key for draw in ahead.draws} & {each.draw.key for each in waiting}


def test_a_value_that_nothing_comes_of_is_given_up() -> None:
    def none_of_egypt(cell: Cell) -> float:
        return 0.0 if cell["place"] == "Egypt" else 0.6

    run = simulated(recipe_of(AXES, keep=200), none_of_egypt)
    assert run.end.kept >= 200
    assert run.end.lost == ("place=Egypt",)
    asked = Counter(each.draw.cell["place"] for each in run.tried)
    assert asked["Egypt"] <= 50, "one round late at most"
    counts = run.counts("place")
    assert max(counts.values()) <= 1.3 * min(counts.values())


def test_a_cell_that_nothing_comes_of_is_given_up_and_all_of_them_are_the_end() -> None:
    axes = {"a": ["x", "y"], "b": [1, 2]}
    run = simulated(recipe_of(axes, keep=40), lambda cell: 0.0 if (cell["a"], cell["b"]) == ("x", 1) else 0.6)
    assert run.end.kept >= 40
    assert run.end.lost == ("a=x, b=1",)
    first_only = [Tried(Draw(cell, repeat), int(repeat == 0)) for cell in
                  ({"a": a, "b": b} for a in "xy" for b in (1, 2)) for repeat in range(400)]
    end = outlook(recipe_of(axes, keep=40), load_axes(recipe_of(axes)), first_only)
    assert end.draws == [] or end.share < 0.01


def test_repeats_that_are_given_are_the_most() -> None:
    axes = {"a": ["x", "y"], "b": [1, 2]}
    run = simulated(recipe_of(axes, keep=40, repeats=3), half)
    assert len(run.tried) == 12
    assert run.end.kept < 40
    assert run.end.ended == "all 4 cells had the 3 answers that `sample.repeats` allows"
    once = simulated(recipe_of(axes, keep=4, repeats=1), lambda cell: 0.3)
    assert len(once.tried) == 4
    assert "the one answer" in once.end.ended
    large = simulated(recipe_of(AXES, keep=1900, repeats=1), half)
    assert len(large.tried) == 1944
    assert large.end.ended.startswith("all 1,944 cells had the one answer")


def test_a_bill_is_for_all_of_it() -> None:
    recipe = recipe_of(AXES, keep=200)
    axes = load_axes(recipe)
    first = outlook(recipe, axes, [], whole=True)
    assert first.more == len(first.draws) == math.ceil(200 / 0.7)
    assert not first.measured
    run = simulated(recipe, half)
    later = outlook(recipe, axes, run.tried[:100], whole=True)
    assert later.measured
    assert later.more == len(later.draws) == pytest.approx((200 - later.kept) / later.share, rel=0.05)
    small = recipe_of({"a": ["x", "y"]}, keep=30)
    assert len(outlook(small, load_axes(small), [], whole=True).draws) == math.ceil(30 / 0.7)


@given(st.integers(1, 60), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.floats(0.05, 1), st.integers(0, 99),
       st.sampled_from(["random", "product", "balanced", "first"]), st.none() | st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_any_goal_is_reached_or_it_is_said_why_not(
    goal: int, sizes: list[int], share: float, luck: int, how: str, repeats: int | None
) -> None:
    sample = {"keep": goal, "how": how, **({"repeats": repeats} if repeats else {})}
    run = simulated(recipe_of(numbers(*sizes), **sample), lambda cell: share, luck=luck, most=400)
    assert run.end.kept >= goal or run.end.ended
    if repeats:
        assert max(each.draw.repeat for each in run.tried) < repeats
