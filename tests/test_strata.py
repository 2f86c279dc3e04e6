"""Strata: where they begin, which come first, and how many rows a labelled one speaks for."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.strata import edges, nearest_first, stratum, weights

NUMBERS = st.lists(st.integers(0, 40), min_size=1, max_size=60)


def test_even_parts_and_one_at_the_bound() -> None:
    values = Counter(range(100))
    assert edges(values) == [20, 40, 60, 80]
    cuts = edges(values, [50])
    assert cuts == [20, 40, 50, 70, 90]
    assert [stratum(cuts, value) for value in (19, 20, 49, 50)] == [0, 1, 2, 3]
    assert nearest_first(cuts, [50]) == [2, 3, 1, 4, 0, 5]
    assert nearest_first(edges(values, [49.5]), [49.5])[:2] == [2, 3], "a bound between two values"
    assert nearest_first(cuts, []) == [0, 1, 2, 3, 4, 5]


def test_a_value_of_many_rows_stands_alone() -> None:
    assert edges(Counter({0.0: 950, 0.3: 20, 0.6: 20, 0.95: 10}), [0.9]) == [0.3, 0.95]
    assert edges(Counter({1: 5, 2: 5, 3: 20, 4: 40, 5: 30}), [4]) == [3, 4, 5]


def test_a_labelled_row_speaks_for_its_stratum() -> None:
    values = Counter(range(100))
    assert weights([90], values, [95, 96, 5]) == [5, 5, 90]
    assert weights([20, 90], values, [95, 5]) == [10, 90], "the stratum without a label goes to the nearest, the lower"


@settings(max_examples=40)
@given(NUMBERS, st.lists(st.integers(-5, 45), max_size=3), st.data())
def test_strata_hold_every_row_once(rows: list[int], bounds: list[int], data: st.DataObject) -> None:
    values = Counter(rows)
    cuts = edges(values, bounds)
    assert cuts == sorted(set(cuts))
    assert {stratum(cuts, value) for value in values} == set(range(len(cuts) + 1)), "none is empty"
    assert sorted(nearest_first(cuts, bounds)) == list(range(len(cuts) + 1))
    for bound in bounds:
        assert not {stratum(cuts, v) for v in values if v < bound} & {stratum(cuts, v) for v in values if v >= bound}
    labelled = data.draw(st.lists(st.sampled_from(rows), min_size=1, max_size=10))
    heavy = weights(cuts, values, labelled)
    assert abs(sum(heavy) - len(rows)) < 1e-6
    assert min(heavy) > 0
