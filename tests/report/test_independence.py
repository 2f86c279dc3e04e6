"""The test of independence against numbers that scipy 1.17 prints (chi2_contingency and association)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report._independence import independence

KNOWN = [
    ([[10, 10, 20], [20, 20, 20]], 2.7777777777777777, 2, 0.24935220877729622, 0.16666666666666666, True),
    ([[100, 150], [203, 322], [420, 700], [320, 210]], 84.05606871861963, 3, 4.137697362586139e-18,
     0.18617813077483678, True),
    ([[12, 5, 9, 1], [3, 14, 8, 2], [40, 2, 6, 30]], 62.96752136752136, 6, 1.1207028001116204e-11,
     0.48837827399807465, False),
    ([[5, 7], [8, 2]], 3.315669515669515, 1, 0.06862236372994408, 0.3882167573820721, False),
]
"""Table, chi-square, degrees of freedom, p, Cramer's V, and whether Cochran's rule is kept."""


@pytest.mark.parametrize(("table", "statistic", "df", "p", "v", "sound"), KNOWN)
def test_the_numbers_of_scipy(
    table: list[list[int]], statistic: float, df: int, p: float, v: float, sound: bool
) -> None:
    found = independence(table)
    assert found is not None
    assert found.statistic == pytest.approx(statistic, rel=1e-12)
    assert found.df == df
    assert found.p == pytest.approx(p, rel=1e-9)
    assert found.v == pytest.approx(v, rel=1e-12)
    assert found.sound == sound


def test_one_that_follows_from_the_other_and_one_that_does_not() -> None:
    follows = independence([[30, 0], [0, 30]])
    assert follows is not None
    assert follows.v == pytest.approx(1.0)
    assert follows.p < 1e-10
    unrelated = independence([[20, 40], [10, 20]])
    assert unrelated is not None
    assert (unrelated.v, unrelated.p) == (pytest.approx(0.0, abs=1e-9), pytest.approx(1.0))


@pytest.mark.parametrize("table", [[], [[3, 4]], [[3], [4]], [[3, 0], [4, 0]], [[0, 0], [1, 2]]])
def test_nothing_to_compare(table: list[list[int]]) -> None:
    assert independence(table) is None


@given(st.lists(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), min_size=2, max_size=60))
def test_any_table_gives_a_chance_and_a_strength(table: list[list[int]]) -> None:
    found = independence(table)
    if found is not None:
        assert 0 <= found.p <= 1
        assert 0 <= found.v <= 1 + 1e-9
        assert independence(list(zip(*table, strict=True))) == pytest.approx(found, rel=1e-6, abs=1e-9)
