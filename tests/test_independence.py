"""The test of independence against numbers that scipy 1.17 prints (chi2_contingency and association)."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.independence import holm, independence, uneven

KNOWN = [
    ([[10, 10, 20], [20, 20, 20]], 2.7777777777777777, 2, 0.24935220877729622, 0.16666666666666666, True),
    ([[100, 150], [203, 322], [420, 700], [320, 210]], 84.05606871861963, 3, 4.137697362586139e-18,
     0.18617813077483678, True),
    ([[12, 5, 9, 1], [3, 14, 8, 2], [40, 2, 6, 30]], 62.96752136752136, 6, 1.1207028001116204e-11,
     0.48837827399807465, False),
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
        turned = independence(list(zip(*table, strict=True)))
        assert turned is not None
        assert turned[:4] == pytest.approx(found[:4], rel=1e-6, abs=1e-9)
        assert turned[4:] == found[4:]


def fisher(table: list[list[int]]) -> Fraction:
    """The tables of these sums that are no likelier than this one, counted."""
    (a, b), (c, d) = table
    ways = {count: math.comb(a + b, count) * math.comb(c + d, a + c - count) for count in range(a + c + 1)}
    return Fraction(sum(way for way in ways.values() if way <= ways[a]), sum(ways.values()))


@pytest.mark.parametrize("table", [[[8, 2], [1, 5]], [[0, 4], [5, 1]], [[3, 1], [1, 3]],
                                   [[5, 7], [8, 2]], [[2, 998], [7, 991]], [[0, 3], [40, 2]]])
def test_few_counts_of_two_by_two_are_told_exactly(table: list[list[int]]) -> None:
    found = independence(table)
    assert found is not None
    assert (found.by, found.sound) == ("exact", True)
    assert found.p == pytest.approx(float(fisher(table)), rel=1e-9)
    assert f"{float(fisher([[1, 9], [11, 3]])):.6f}" == "0.002759", "as R's fisher.test prints it"


@pytest.mark.parametrize("table", [[[3, 0], [0, 3], [3, 0]], [[4, 1], [1, 4], [2, 3], [5, 0]],
                                   [[1, 1], [1, 1], [1, 1]]])
def test_few_counts_of_more_values_are_drawn(table: list[list[int]]) -> None:
    """Beside all tables of the same sums, one by one."""
    found = independence(table)
    assert found is not None
    assert (found.by, found.sound) == ("simulated", True)
    assert independence(table) == found
    lines, column = [sum(line) for line in table], sum(line[0] for line in table)
    total = sum(lines)
    at_least = every = 0
    for counts in itertools.product(*(range(line + 1) for line in lines)):
        if sum(counts) == column:
            ways = math.prod(math.comb(line, count) for line, count in zip(lines, counts, strict=True))
            other = independence([[count, line - count] for line, count in zip(lines, counts, strict=True)])
            assert other is not None
            every += ways
            at_least += ways * (other.statistic >= found.statistic - 1e-9)
    assert every == math.comb(total, column)
    assert found.p == pytest.approx(at_least / every, abs=0.02 + 0.1 * at_least / every)


def test_holms_correction() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_of_many_rules_the_one_that_halves_a_value_is_found() -> None:
    rows = {"genre": {"noir": 100, "epic": 100, "farce": 100}, "place": {"Oslo": 150, "Lima": 150}}
    taken = {"genre": {"noir": {"length": 62, "refusal": 3}, "epic": {"length": 30, "refusal": 4},
                       "farce": {"length": 32, "refusal": 2}},
             "place": {"Oslo": {"length": 60}, "Lima": {"length": 64}}}
    found, tests = uneven(rows, taken, ["length", "refusal"])
    assert [(one.rule, one.axis, one.value, one.taken, one.rows, one.of_others, one.others) for one in found] == [
        ("length", "genre", "noir", 62, 100, 62, 200)]
    assert tests == 3, "of refusal and place there is nothing to compare"
    assert found[0].test.p < found[0].p < 0.001
