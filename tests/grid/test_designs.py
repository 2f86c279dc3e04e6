"""Designs: covering arrays and balanced samples; and every way to draw, on any small grid."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.grid.axes import load_axes
from pipeline.grid.draws import coverage, is_legal, wanted
from pipeline.types import Draw
from tests.grid.plots import AXES, Frozen, cells, drawn, fault, freeze, missing_pairs, numbers, recipe_of, with_place


def test_pairwise_covers_every_pair_in_few_rows() -> None:
    axes = {name: [f"{name}{i}" for i in range(4)] for name in "abcd"}
    for seed in range(5):
        draws = drawn(axes, how="pairwise", seed=seed)
        assert not missing_pairs(axes, draws, cells(axes))
        assert 16 <= len(draws) <= 24, "16 is the least that can be"
    plots = drawn(how="pairwise")
    assert not missing_pairs(AXES, plots, cells())
    assert 54 <= len(plots) <= 70
    assert len(drawn({"a": ["x", "y", "z"]}, how="pairwise")) == 3


WHERE = ["genre != 'high fantasy' or period in ['the Renaissance', 'the distant future']",
         "place != 'Egypt' or genre == 'science fiction'"]


def test_pairwise_with_conditions_covers_every_legal_pair() -> None:
    draws = drawn(how="pairwise", where=WHERE)
    legal = cells(where=WHERE)
    assert {freeze(draw.cell) for draw in draws} <= legal
    assert not missing_pairs(AXES, draws, legal)
    large = {**AXES, **numbers(10, 10, 10)}
    draws = drawn(large, how="pairwise", where=WHERE)
    assert not missing_pairs(AXES, [Draw({k: d.cell[k] for k in AXES}) for d in draws], legal)
    counts = coverage(load_axes(recipe_of(large, where=WHERE)), draws)
    assert counts.covered == counts.possible


def test_pairwise_fills_up_or_says_what_it_needs() -> None:
    least = drawn(how="pairwise")
    more = drawn(how="pairwise", rows=200)
    assert {freeze(d.cell) for d in least} <= {freeze(d.cell) for d in more}
    assert len(more) == len({freeze(d.cell) for d in more}) == 200
    error = fault(how="pairwise", rows=20)
    assert str(len(least)) in error.message
    assert "20" in error.message


@pytest.mark.parametrize("rows", [36, 50, 396, 1000, 1900])
def test_balanced_is_as_even_as_can_be(rows: int) -> None:
    draws = drawn(how="balanced", rows=rows)
    assert len({freeze(draw.cell) for draw in draws}) == rows
    for name, values in AXES.items():
        counts = Counter(draw.cell[name] for draw in draws)
        assert set(counts) == set(values)
        assert max(counts.values()) - min(counts.values()) <= 1, (name, counts)


def test_balanced_with_weights_and_conditions() -> None:
    axes = {"a": {"values": ["x", "y", "z"], "weights": [2, 1, 1]}, "b": [1, 2, 3, 4, 5], "c": list(range(10))}
    draws = drawn(axes, how="balanced", rows=100, where=["a != 'x' or c < 8"])
    assert Counter(draw.cell["a"] for draw in draws)["x"] == 40, "all that the condition leaves: less than its half"
    counts = Counter(draw.cell["b"] for draw in draws)
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("how", ["pairwise", "balanced"])
def test_designs_are_completed_around_what_is_paid(how: str) -> None:
    rows = None if how == "pairwise" else 100
    paid = [draw.cell for draw in drawn(how=how, rows=rows)]
    recipe = recipe_of(AXES, how=how, rows=rows)
    again = [draw.cell for draw in wanted(recipe, paid=paid)]
    assert {freeze(cell) for cell in again} == {freeze(cell) for cell in paid}, "nothing is bought"
    more = recipe_of(with_place("Brazil"), how=how, rows=rows)
    kept = {freeze(draw.cell) for draw in wanted(more, paid=paid)} & {freeze(cell) for cell in paid}
    assert len(kept) >= len(paid) * 0.85
    assert any(draw.cell["place"] == "Brazil" for draw in wanted(more, paid=paid))
    less = recipe_of({**AXES, "place": AXES["place"][1:]}, how=how, rows=rows)
    draws = list(wanted(less, paid=paid))
    assert all(draw.cell["place"] != "France" for draw in draws)
    still = {freeze(cell) for cell in paid if cell["place"] != "France"}
    assert len(still & {freeze(draw.cell) for draw in draws}) >= len(still) * 0.85


# --- any small grid


@st.composite
def grids(draw: st.DrawFn) -> tuple[dict, list[str], set[Frozen]]:
    """Axes, conditions that forbid some pairs of values, and the cells that they leave."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    axes: dict = {}
    for i, size in enumerate(sizes):
        values = draw(st.permutations([f"{'abcd'[i]}{k}" for k in range(size)]))
        weights = draw(st.none() | st.lists(st.integers(1, 9), min_size=size, max_size=size))
        axes["abcd"[i]] = {"values": values, "weights": weights} if weights else list(values)
    names = list(axes)
    values_of = {name: axis["values"] if isinstance(axis, dict) else axis for name, axis in axes.items()}
    where = []
    for _ in range(draw(st.integers(0, 3))):
        one, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
        first, second = draw(st.sampled_from(values_of[one])), draw(st.sampled_from(values_of[other]))
        where.append(f"not ({one} == '{first}' and {other} == '{second}')")
    legal = set()
    for values in itertools.product(*values_of.values()):
        cell = dict(zip(names, values))
        if all(eval(text, {}, cell) for text in where):
            legal.add(freeze(cell))
    return axes, where, legal


@given(grids(), st.sampled_from(["random", "product", "first", "balanced"]), st.none() | st.integers(1, 80),
       st.integers(0, 3), st.integers(1, 2))
@settings(max_examples=100, deadline=None)
def test_any_grid_is_drawn_from_as_it_says(grid: tuple, how: str, rows: int | None, seed: int, repeats: int) -> None:
    axes, where, legal = grid
    asked = {"how": how, "rows": rows, "repeats": repeats, "where": where, "seed": seed}
    if not legal or (rows is not None and rows > len(legal) * repeats):
        assert fault(axes, **asked).message.startswith("plots.yaml:")
        return
    draws = drawn(axes, **asked)
    assert len(draws) == len({draw.key for draw in draws}) == (len(legal) * repeats if rows is None else rows)
    assert {freeze(draw.cell) for draw in draws} <= legal
    assert is_legal(recipe_of(axes, where=where), load_axes(recipe_of(axes, where=where)))(draws[0].cell)


@given(grids(), st.integers(0, 3), st.data())
@settings(max_examples=60, deadline=None)
def test_pairwise_covers_any_grid(grid: tuple, seed: int, data: st.DataObject) -> None:
    axes, where, legal = grid
    if not legal:
        assert "none of" in fault(axes, how="pairwise", where=where).message
        return
    paid = [dict(cell) for cell in data.draw(st.lists(st.sampled_from(sorted(legal)), max_size=5))]
    draws = list(wanted(recipe_of(axes, how="pairwise", where=where, seed=seed), paid=paid))
    assert len({draw.key for draw in draws}) == len(draws)
    assert {freeze(draw.cell) for draw in draws} <= legal
    assert not missing_pairs(axes, draws, legal)
    counts = coverage(load_axes(recipe_of(axes, where=where)), draws)
    assert counts.covered == counts.possible
    if len(axes) == 1:
        assert len(draws) == len(legal)


@given(grids(), st.integers(1, 60), st.data())
@settings(max_examples=100, deadline=None)
def test_balanced_is_whole_around_any_paid_cells(grid: tuple, rows: int, data: st.DataObject) -> None:
    axes, where, legal = grid
    if rows > len(legal):
        return
    paid = [dict(cell) for cell in data.draw(st.lists(st.sampled_from(sorted(legal)), max_size=5))]
    draws = list(wanted(recipe_of(axes, how="balanced", where=where, rows=rows), paid=paid))
    assert len({freeze(draw.cell) for draw in draws}) == len(draws) == rows
    assert {freeze(draw.cell) for draw in draws} <= legal


def test_balanced_of_a_large_grid_with_conditions() -> None:
    axes = numbers(20, 30, 40, 50, 60)
    where = ["a0 + a1 > 10", "a2 != a3", "a4 < 50 or a0 > 5"]
    draws = drawn(axes, how="balanced", rows=600, where=where)
    assert all(d.cell["a0"] + d.cell["a1"] > 10 and d.cell["a2"] != d.cell["a3"] for d in draws)
    for name, low, high in (("a1", 19, 21), ("a2", 14, 16), ("a3", 11, 13)):
        counts = Counter(draw.cell[name] for draw in draws)
        assert low <= min(counts.values()) <= max(counts.values()) <= high, (name, counts)
