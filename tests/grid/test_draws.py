"""Draws: which cells are drawn, how often, and that they stay where they are when a recipe is edited."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.grid.axes import load_axes
from pipeline.grid.draws import coverage, is_legal, wanted
from pipeline.types import Draw
from tests.grid.plots import AXES, cells, drawn, fault, freeze, numbers, recipe_of, with_place

ROOT = Path(__file__).parents[2]

# --- stability: 396 of 1,944, as the plots recipe draws


PLOTS = cells(rows=396)
FEW = range(12)


def test_a_recipe_draws_what_it_says() -> None:
    draws = drawn(rows=396)
    assert len(draws) == len({draw.key for draw in draws}) == 396
    assert all(list(draw.cell) == list(AXES) for draw in draws), "axes in the recipe's order"
    assert all(draw.cell[name] in values for draw in draws for name, values in AXES.items())
    counts = coverage(load_axes(recipe_of(AXES)), draws)
    assert counts.rows == 396
    assert all(min(by_value.values()) >= 20 for by_value in counts.values.values())


def test_396_of_1944_is_instant() -> None:
    drawn(rows=1)  # imports
    started = time.process_time()
    drawn(rows=396)
    assert time.process_time() - started < 0.2


def test_a_ninth_of_more_places_keeps_nine_tenths_of_the_draws() -> None:
    kept = [len(cells(rows=396, seed=seed) & cells(with_place("Brazil"), rows=396, seed=seed)) for seed in FEW]
    assert kept[7] >= 355, "seed 7 is the recipe's"
    assert statistics.mean(kept) >= 355, f"{kept}: 396 * 1944 / 2160 = 356 is all that a fair sample can keep"
    assert min(kept) >= 340


def test_the_new_place_gets_its_share() -> None:
    new = [sum(("place", "Brazil") in cell for cell in cells(with_place("Brazil"), rows=396, seed=s)) for s in FEW]
    assert 30 < statistics.mean(new) < 50, "a tenth of 396"


def test_the_order_of_values_and_of_axes_is_irrelevant() -> None:
    turned = {name: values[::-1] for name, values in reversed(AXES.items())}
    assert cells(turned, rows=396) == PLOTS
    for how in ("product", "pairwise", "balanced"):
        assert cells(turned, how=how, rows=None if how == "pairwise" else 396) == cells(
            how=how, rows=None if how == "pairwise" else 396), how


def test_a_removed_place_takes_only_its_own_draws() -> None:
    for seed in FEW:
        before = cells(rows=396, seed=seed)
        still = {cell for cell in before if ("place", "Egypt") not in cell}
        after = cells({**AXES, "place": [p for p in AXES["place"] if p != "Egypt"]}, rows=396, seed=seed)
        assert len(still - after) <= 2, "draws that do not use it stay, but for the very last ones"


def test_a_renamed_place_moves_only_its_own_draws() -> None:
    for seed in FEW:
        before = cells(rows=396, seed=seed)
        still = {cell for cell in before if ("place", "Egypt") not in cell}
        renamed = ["Peru" if place == "Egypt" else place for place in AXES["place"]]
        after = cells({**AXES, "place": renamed}, rows=396, seed=seed)
        lost = len(still - after)
        assert lost <= 60, f"{lost} of {len(still)}: those that the new name wins, 1 in 9"


def test_more_rows_keep_all_and_fewer_are_a_part() -> None:
    order = [freeze(draw.cell) for draw in drawn(rows=1900)]
    for rows in (10, 396, 640, 660, 1000, 1899):
        assert [freeze(draw.cell) for draw in drawn(rows=rows)] == order[:rows]
    assert cells() == set(itertools.product(*[[(name, value) for value in AXES[name]] for name in sorted(AXES)]))


def test_an_edit_across_a_third_of_the_grid_moves_as_little() -> None:
    """700 of 1,944 is over a third, of 2,160 it is not."""
    kept = len(cells(rows=700) & cells(with_place("Brazil"), rows=700))
    assert kept >= 700 * 0.87
    kept = len(cells(rows=1800) & cells(with_place("Brazil"), rows=1800))
    assert kept >= 1800 * 0.87


def test_a_condition_takes_only_what_it_rules_out() -> None:
    where = ["not (genre == 'high fantasy' and period == 'the 1920s')"]
    after = cells(rows=396, where=where)
    bad = {cell for cell in PLOTS if {("genre", "high fantasy"), ("period", "the 1920s")} <= set(cell)}
    assert PLOTS - bad <= after
    assert not any({("genre", "high fantasy"), ("period", "the 1920s")} <= set(cell) for cell in after)


def test_another_seed_draws_others() -> None:
    assert len(PLOTS & cells(rows=396, seed=8)) < 150, "about 396 * 396 / 1944 by chance"


def test_the_same_on_every_machine() -> None:
    """Here and in a process with another hash seed: the first draws of seed 7 as they were on the first machine."""
    kept = json.loads((ROOT / "tests" / "golden" / "draws.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(golden())) == kept, "draws moved: every user would pay again"
    code = "import json\nfrom tests.grid.test_draws import golden\nprint(json.dumps(golden()))"
    other = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True,
                          env={**os.environ, "PYTHONHASHSEED": other}).stdout
    assert json.loads(said) == kept


def golden() -> dict[str, list]:
    """The first draws of several recipes: tests/golden/draws.json."""
    weighted = {**AXES, "place": {"values": AXES["place"], "weights": [5, 1, 1, 1, 1, 1, 1, 2, 0.5]}}
    found = {f"{name} {how}": drawn(axes, how=how, rows=396)[::40]
             for name, axes in (("even", AXES), ("weighted", weighted)) for how in ("random", "product", "balanced")}
    found["pairwise"] = drawn(how="pairwise")[::9]
    found["large"] = drawn(numbers(192, 53, 39, 34, 30, 25, 11, 3), rows=5)
    found["tail"] = drawn(weighted, rows=1940)[-5:]
    return {name: [[draw.key, *draw.cell.values()] for draw in draws] for name, draws in found.items()}


# --- fairness


def test_values_are_drawn_evenly_and_by_weight() -> None:
    axes = {"a": ["x", "y", "z"], "b": {"values": ["p", "q"], "weights": [3, 1]}, **numbers(100, 100, 100)}
    draws = drawn(axes, rows=20_000)
    counts = Counter(draw.cell["a"] for draw in draws)
    assert all(abs(count - 20_000 / 3) < 4 * (20_000 * 2 / 9) ** 0.5 for count in counts.values()), counts
    share = Counter(draw.cell["b"] for draw in draws)["p"]
    assert abs(share - 15_000) < 4 * (20_000 * 3 / 16) ** 0.5
    pairs = Counter((draw.cell["a"], draw.cell["b"], draw.cell["a0"] % 2) for draw in draws)
    assert len(pairs) == 12, "axes are independent"
    spread = sum((pairs[key] - expected) ** 2 / expected for key in pairs
                 for expected in [20_000 / 3 * (0.75 if key[1] == "p" else 0.25) / 2])
    assert spread < 33, "chi-square of 11 degrees of freedom, p = 0.0005"


def test_even_weights_are_no_weights() -> None:
    weighted = {**AXES, "genre": {"values": AXES["genre"], "weights": [2] * 6}}
    assert cells(weighted, rows=396) == PLOTS


def test_a_weight_of_zero_is_never_drawn() -> None:
    axes = {**AXES, "genre": {"values": AXES["genre"], "weights": [0, 1, 1, 1, 1, 1]}}
    assert not any(("genre", AXES["genre"][0]) in cell for cell in cells(axes))
    assert not is_legal(recipe_of(axes), load_axes(recipe_of(axes)))({name: v[0] for name, v in AXES.items()})


# --- large grids


def test_a_grid_of_a_million_million_is_drawn_from_at_once() -> None:
    axes = numbers(192, 53, 39, 34, 30, 25, 11, 3)
    assert load_axes(recipe_of(axes)).size > 3e11
    started = time.process_time()
    draws = list(wanted(recipe_of(axes, rows=100_000)))
    assert time.process_time() - started < 10
    assert len({draw.key for draw in draws[:5000]}) == 5000
    assert len(draws) == 100_000


def test_a_grid_beyond_64_bits() -> None:
    assert len(cells(numbers(*[1000] * 12), rows=500)) == 500


def test_draws_stream() -> None:
    first = next(iter(wanted(recipe_of(numbers(*[100] * 6), rows=10**9))))
    assert set(first.cell) == {f"a{i}" for i in range(6)}


def test_too_large_to_list_says_how_large_and_the_two_ways_out() -> None:
    for how in ("product", "random", "balanced"):
        error = fault(numbers(*[100] * 6), how=how)
        assert error.message.startswith("plots.yaml:")
        assert "1,000,000,000,000 cells" in error.message
        assert "rows" in error.hint
        assert "fewer values" in error.hint
    assert "1,000,000,000,000 cells" in fault(numbers(*[100] * 6), how="product", rows=50).message
    assert "pairs" in fault(numbers(3000, 3000), how="pairwise").message


# --- how


def test_product_is_every_cell_once() -> None:
    assert len(cells(how="product")) == 1944
    order = [draw.cell["genre"] for draw in drawn(how="product")][:50]
    assert len(set(order)) == 6, "in an order that mixes the axes"
    assert len(cells(how="product", rows=100)) == 100


def test_first_is_the_order_of_the_grid() -> None:
    draws = drawn(how="first", rows=8)
    expected = [dict(zip(AXES, values)) for values in itertools.islice(itertools.product(*AXES.values()), 8)]
    assert [draw.cell for draw in draws] == expected
    assert len(drawn(numbers(*[100] * 6), how="first", rows=5)) == 5
    where = ["place != 'France'"]
    assert drawn(how="first", rows=1, where=where)[0].cell["place"] == "Japan"


# --- rows, repeats, shards


def test_repeats() -> None:
    draws = drawn(rows=30, repeats=4)
    assert [draw.repeat for draw in draws] == [0, 1, 2, 3] * 7 + [0, 1]
    assert len({freeze(draw.cell) for draw in draws}) == 8
    assert len({draw.key for draw in draws}) == 30
    assert len(drawn(repeats=2)) == 3888


def test_more_rows_than_there_are_is_said_with_the_arithmetic() -> None:
    error = fault(rows=5000)
    assert error.message.startswith("plots.yaml:")
    for word in ("5,000", "1,944 cells x 1 repeat", "1,944 rows"):
        assert word in error.message
    assert "repeats: 3" in error.hint
    assert "3,888 rows" in fault(rows=5000, repeats=2).message
    error = fault(rows=1900, where=["place == 'Italy'"])
    assert "216 of 1,944 cells" in error.message
    assert len(drawn(rows=5000, repeats=3)) == 5000


def test_a_condition_that_leaves_nothing() -> None:
    for how in ("random", "product", "first", "pairwise", "balanced"):
        error = fault(how=how, where=["period != 'now'", "place == 'Atlantis'"])
        assert error.message.startswith("plots.yaml:"), how
        assert "'Atlantis'" in error.message.replace('"', "'"), how
        assert "none of 1,944 cells" in error.message, how
    error = fault(where=["place == 'Italy'", "place == 'China'"])
    assert "together" in error.message
    large = numbers(*[100] * 6)
    assert "none of 1,000,000,000,000 cells" in fault(large, rows=5, where=["a0 > 5", "a0 < 3"]).message


def test_conditions_so_tight_that_chance_does_not_find_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.grid.draws.PATIENCE", 100_000)  # a tenth of it, and of the time
    large = numbers(*[100] * 6)
    started = time.process_time()
    error = fault(large, rows=5, where=["a0 == 1", "a1 == 1", "a2 == 1", "a3 == 1"])
    assert "100,000 draws in a row" in error.message
    assert "axes" in error.hint
    assert time.process_time() - started < 2


@given(st.integers(1, 7), st.sampled_from(["random", "product", "first", "balanced"]))
@settings(max_examples=20, deadline=None)
def test_shards_are_the_whole_without_overlap(count: int, how: str) -> None:
    recipe = recipe_of(AXES, rows=100, how=how, repeats=2)
    whole = [draw.key for draw in wanted(recipe)]
    parts = [[draw.key for draw in wanted(recipe, shard=(i, count))] for i in range(count)]
    assert sorted(itertools.chain(*parts)) == sorted(whole)
    assert all(part for part in parts)
    with pytest.raises(RecipeError):
        list(wanted(recipe, shard=(count, count)))


def test_templates_are_checked_before_the_first_draw() -> None:
    recipe = recipe_of(AXES, rows=3)
    broken = recipe.model_copy(update={"train": recipe.train.model_copy(update={"user": "{{gnre}} {{plce}}"})})
    with pytest.raises(RecipeError) as caught:
        next(iter(wanted(broken)))
    assert "did you mean 'genre'?" in caught.value.message
    assert "did you mean 'place'?" in caught.value.message


# --- legality and coverage


def test_legal_cells() -> None:
    recipe = recipe_of(AXES, where=["place != 'Egypt' or genre == 'science fiction'"])
    legal = is_legal(recipe, load_axes(recipe))
    cell = drawn(rows=1, where=["place == 'Egypt'", "genre == 'science fiction'"])[0].cell
    assert legal(cell)
    assert not legal({**cell, "genre": "high fantasy"})
    assert not legal({**cell, "place": "Atlantis"})
    assert not legal({**cell, "more": "x"})
    assert not legal({key: value for key, value in cell.items() if key != "genre"})
    axes = {"n": [1, 2]}
    assert not is_legal(recipe_of(axes), load_axes(recipe_of(axes)))({"n": "1"}), "a number is not its text"
    assert not is_legal(recipe_of(axes), load_axes(recipe_of(axes)))({"n": True})


def test_coverage_counts_values_and_pairs() -> None:
    axes = load_axes(recipe_of({"a": ["x", "y"], "b": [1, 2, 3], "c": [True, False]}, where=["a != 'x' or b == 1"]))
    draws = [Draw({"a": "x", "b": 1, "c": True}), Draw({"a": "y", "b": 3, "c": True}, repeat=1),
             Draw({"a": "old", "b": 1, "c": True})]
    counts = coverage(axes, draws)
    assert counts.rows == 3
    assert counts.values == {"a": {"x": 1, "y": 1}, "b": {"1": 2, "2": 0, "3": 1}, "c": {"True": 3, "False": 0}}
    assert counts.pairs["a x b"] == (2, 4)
    assert counts.pairs["a x c"] == (2, 4)
    assert counts.pairs["b x c"] == (2, 6)
    assert (counts.covered, counts.possible) == (6, 14)
