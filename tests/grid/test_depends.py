"""Axes whose values depend on another axis's value: drawn together, never mixed up, and no pair of them missed."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from pipeline.errors import RecipeError
from pipeline.grid.axes import load_axes
from pipeline.grid.draws import coverage, is_legal, wanted
from tests.grid.plots import cells, drawn, fault, freeze, missing_pairs, numbers, recipe_of

CITIES = {"France": ["Paris", "Lyon"], "Japan": ["Tokyo", "Kyoto", "Osaka", "Nara"], "US": ["Paris", "Austin"]}
AXES = {
    "city": {"by": "country", "values": CITIES},  # before the axis that it depends on: the order is irrelevant
    "country": ["France", "Japan", "US"],
    "season": ["spring", "summer", "autumn", "winter"],
}
LEGAL = {freeze({"country": country, "city": city, "season": season})
         for country, cities in CITIES.items() for city in cities for season in AXES["season"]}


def test_the_grid_has_the_cells_that_go_together() -> None:
    axes = load_axes(recipe_of(AXES))
    assert axes.values["city"] == ("Paris", "Lyon", "Tokyo", "Kyoto", "Osaka", "Nara", "Austin")
    assert axes.cells == 32
    for how in ("random", "product", "first", "balanced"):
        assert cells(AXES, how=how) == LEGAL, how
    assert "32 cells" in fault(AXES, rows=33).message
    legal = is_legal(recipe_of(AXES), axes)
    assert legal({"country": "US", "city": "Paris", "season": "spring"})
    assert not legal({"country": "Japan", "city": "Paris", "season": "spring"})


def test_the_other_axis_is_drawn_first_and_each_of_its_values_by_its_own_share() -> None:
    axes = {**AXES, "country": {"values": ["France", "Japan", "US"], "weights": [2, 1, 1]}, **numbers(100, 100)}
    draws = drawn(axes, rows=8000)
    counts = Counter(draw.cell["country"] for draw in draws)
    assert abs(counts["France"] - 4000) < 4 * (8000 / 4) ** 0.5
    both = Counter((draw.cell["country"], draw.cell["city"]) for draw in draws)
    assert set(both) == {(country, city) for country, cities in CITIES.items() for city in cities}
    assert all(abs(both["Japan", city] - 500) < 4 * 500**0.5 for city in CITIES["Japan"])


@pytest.mark.parametrize("rows", [16, 24])
def test_balanced_gives_each_country_its_share_however_many_cities_it_has(rows: int) -> None:
    draws = drawn({**AXES, **numbers(7)}, how="balanced", rows=rows * 3)
    counts = Counter(draw.cell["country"] for draw in draws)
    assert max(counts.values()) - min(counts.values()) <= 1
    japan = Counter(draw.cell["city"] for draw in draws if draw.cell["country"] == "Japan")
    assert max(japan.values()) - min(japan.values()) <= 2


def test_pairwise_shows_every_pair_that_can_be_and_misses_none_that_cannot() -> None:
    axes = {**AXES, "mood": ["calm", "loud", "odd"]}
    draws = drawn(axes, how="pairwise")
    assert not missing_pairs(axes, draws, cells(axes))
    assert len(draws) <= 36, "7 cities x 4 seasons are 28 pairs, and Paris is in two countries"
    counted = coverage(load_axes(recipe_of(axes)), draws)
    assert counted.covered == counted.possible
    assert counted.pairs["city x country"] == (8, 8)


def test_conditions_go_with_it() -> None:
    where = ["not (city == 'Paris' and season == 'winter')", "country != 'US' or season == 'summer'"]
    found = cells(AXES, where=where)
    assert found == {cell for cell in LEGAL if not {("city", "Paris"), ("season", "winter")} <= set(cell)
                     and (("country", "US") not in cell or ("season", "summer") in cell)}
    draws = drawn(AXES, how="pairwise", where=where)
    assert not missing_pairs(AXES, draws, found)


def test_an_added_city_disturbs_only_the_draws_of_its_country() -> None:
    many = {**AXES, **numbers(40, 40)}
    more = {**many, "city": {"by": "country", "values": {**CITIES, "Japan": [*CITIES["Japan"], "Kobe"]}}}
    for seed in range(8):
        before, after = cells(many, rows=300, seed=seed), cells(more, rows=300, seed=seed)
        lost = before - after
        assert all(("country", "Japan") in cell for cell in lost)
        assert len(lost) <= 40, "a fifth of a third of 300"


def test_three_that_depend_one_on_the_other_in_a_grid_too_large_to_list() -> None:
    lists = {f"k{i}": [f"c{i}-{j}" for j in range(50)] for i in range(40)}
    streets = {city: [f"{city}.{k}" for k in range(20)] for cities in lists.values() for city in cities}
    axes = {"street": {"by": "city", "values": streets}, "city": {"by": "country", "values": lists},
            "country": list(lists), **numbers(100)}
    recipe = recipe_of(axes, rows=1000)
    assert load_axes(recipe).cells == 40 * 50 * 20 * 100
    started = time.process_time()
    draws = list(wanted(recipe))
    assert time.process_time() - started < 15
    assert all(draw.cell["street"].startswith(f"{draw.cell['city']}.") for draw in draws)
    assert all(draw.cell["city"].startswith(f"c{draw.cell['country'][1:]}-") for draw in draws)


@pytest.mark.parametrize(("city", "words"), [
    ({"by": "contry", "values": CITIES}, ["there is no other axis 'contry'", "did you mean 'country'?"]),
    ({"by": "city", "values": CITIES}, ["there is no other axis 'city'"]),
    ({"by": "country", "values": {"France": ["Paris"], "US": ["Austin"]}},
     ["no values for country 'Japan'", "Japan: ["]),
    ({"by": "country", "values": {**CITIES, "Japn": ["Tokyo"]}}, ["'Japn'", "did you mean 'Japan'?"]),
    ({"by": "country", "values": {**CITIES, "US": ["Paris", "Paris"]}}, ["has 'Paris' twice"]),
])
def test_faults_are_named_with_their_line(city: dict, words: list[str]) -> None:
    error = fault({**AXES, "city": city})
    assert error.message.startswith("plots.yaml:")
    for word in words:
        assert word in f"{error.message}\n{error.hint}"


def test_faults_of_the_form() -> None:
    for city, word in (({"by": "country", "values": ["Paris"]}, "{by: country"), ({"values": CITIES}, "{by: country"),
                       ({"by": "country", "values": {**CITIES, "US": "Paris"}}, "'US' is a list"),
                       ({"by": "country", "values": CITIES, "weights": [1]}, "no weights")):
        with pytest.raises(RecipeError, match="city") as caught:
            recipe_of({**AXES, "city": city})
        assert word in str(caught.value)
    round_ = {"a": {"by": "b", "values": {"x": ["y"]}}, "b": {"by": "a", "values": {"y": ["x"]}}}
    assert "depends on itself: a by b by a" in fault(round_).message
