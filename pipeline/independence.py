"""Whether two things are told apart by chance alone: Pearson's chi-square test with Cramer's V, exact where counts are
few; and which rules fall on some values of an axis more than on others, of many tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import erfc, exp, lgamma, log, sqrt
from typing import NamedTuple

SURE = 0.01
"""Chance below which a relation is called one."""
FEWEST_EXPECTED, FEW = 5, 0.2
"""Cochran's rule (Biometrics 1954): the test holds where no cell expects fewer than 1 and at most a
fifth fewer than 5."""
MOST_DRAWN, EXCEEDED, DRAWN_AT_ONCE = 9_999, 20, 500
"""Tables that are drawn at most where counts are few; it ends once 20 are at least as uneven (Besag and Clifford,
Biometrika 1991), so that only what is rare takes long. p is then 0.0001 at least."""
SEED = 7
"""Of these draws: the same counts give the same p."""


class Independence(NamedTuple):
    """What a table of counts says.

    Attributes:
        statistic: Pearson's chi-square, without continuity correction.
        df: degrees of freedom.
        p: chance of a table at least as uneven if rows and columns had nothing to do with each other.
        v: Cramer's V (1946), from 0, unrelated, to 1, the one follows from the other.
        sound: whether `p` holds: there are enough counts, or it does not need them; V is told anyway.
        by: how p was found: `chi-square`; where counts are too few for it, `exact` (Fisher 1935, two-sided, of 2 x 2)
            or `simulated` (of 2 x n: tables of the same sums are drawn).
    """

    statistic: float
    df: int
    p: float
    v: float
    sound: bool
    by: str = "chi-square"


def independence(table: Sequence[Sequence[int]]) -> Independence | None:
    """Tests a table of counts; lines and columns without any count are left out.

    Returns:
        None where fewer than two lines or two columns are left: there is nothing to compare.
    """
    lines = [line for line in table if sum(line)]
    columns = [column for column in zip(*lines, strict=True) if sum(column)]
    if len(lines) < 2 or len(columns) < 2:
        return None
    counts = list(zip(*columns, strict=True))
    total = sum(map(sum, counts))
    cells = [(count, sum(line) * sum(column) / total)
             for line in counts for count, column in zip(line, columns, strict=True)]
    statistic = sum((count - expected) ** 2 / expected for count, expected in cells)
    df = (len(counts) - 1) * (len(columns) - 1)
    v = sqrt(statistic / total / (min(len(counts), len(columns)) - 1))
    expected = [each for _, each in cells]
    sound = min(expected) >= 1 and sum(each < FEWEST_EXPECTED for each in expected) <= FEW * len(expected)
    if sound or min(len(counts), len(columns)) > 2:
        return Independence(statistic, df, _tail(statistic, df), v, sound)
    pairs = counts if len(columns) == 2 else list(zip(*counts, strict=True))
    if len(pairs) == 2:
        return Independence(statistic, df, _fisher(pairs), v, True, "exact")
    return Independence(statistic, df, _simulated(pairs, statistic), v, True, "simulated")


def numbers(test: Independence) -> str:
    """The test as it is cited: `χ² 43.2, 2 df, p < 0.001, Cramér’s V 0.70`."""
    by = "" if test.by == "chi-square" else f" ({test.by})"
    return f"χ² {test.statistic:,.1f}, {test.df} df, {chance(test.p)}{by}, Cramér’s V {test.v:.2f}"


def chance(p: float) -> str:
    """`p < 0.001`, `p = 0.184`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _tail(statistic: float, df: int) -> float:
    """The chi-square distribution's upper tail, in its closed form for whole degrees of freedom.

    Abramowitz and Stegun (1964), 26.4.4 and 26.4.5; each term through its logarithm, so that none overflows.
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    offset = 0.5 if df % 2 else 0.0
    terms = (place + offset for place in range(df // 2))
    tail = sum(exp(power * log(half) - half - lgamma(power + 1)) for power in terms)
    return min(1.0, tail + (erfc(sqrt(half)) if df % 2 else 0.0))


def _fisher(table: Sequence[Sequence[int]]) -> float:
    """The chance of a 2 x 2 table no likelier than this one, given its sums."""
    (a, b), (c, d) = table
    line, other, column = a + b, c + d, a + c

    def weight(count: int) -> float:
        return _choose(line, count) + _choose(other, column - count) - _choose(line + other, column)

    limit = weight(a) + 1e-7
    weights = (weight(count) for count in range(max(0, column - other), min(line, column) + 1))
    return min(1.0, sum(exp(each) for each in weights if each <= limit))


def _choose(total: int, count: int) -> float:
    """The logarithm of a binomial coefficient."""
    return lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1)


def _simulated(table: Sequence[Sequence[int]], statistic: float) -> float:
    """The chance of a table of n lines and 2 columns at least as uneven, from tables of the same sums."""
    import numpy as np

    lines = np.array([sum(line) for line in table], dtype=np.int64)
    total, column = int(lines.sum()), min(sum(line[side] for line in table) for side in (0, 1))
    expected = lines * (column / total)
    generator, drawn, exceeded = np.random.default_rng(SEED), 0, 0
    while drawn < MOST_DRAWN and exceeded < EXCEEDED:
        size = min(DRAWN_AT_ONCE, MOST_DRAWN - drawn)
        tables = generator.multivariate_hypergeometric(lines, column, size=size)
        uneven = ((tables - expected) ** 2 / expected).sum(axis=1) * total / (total - column)
        exceeded += int((uneven >= statistic * (1 - 1e-9)).sum())
        drawn += size
    return (exceeded + 1) / (drawn + 1)


Counts = Mapping[str, Mapping[str, int]]
"""Axis -> value -> rows."""


class Uneven(NamedTuple):
    """A rule that takes some values of an axis more than others.

    Attributes:
        value: of which it takes most, in standard deviations of chance.
        rows: of this value; `taken` of them by the rule.
        others: rows of all other values; `of_others` of them taken.
        p: after Holm's correction for all rules and axes that were tested.
    """

    rule: str
    axis: str
    value: str
    rows: int
    taken: int
    others: int
    of_others: int
    test: Independence
    p: float


def uneven(
    rows: Counts, taken: Mapping[str, Mapping[str, Mapping[str, int]]], rules: Iterable[str],
) -> tuple[list[Uneven], int]:
    """The rules that fall on an axis unevenly by more than chance, the strongest first; and how many tests that took.

    Of many tests one will show something: p is corrected by Holm (Scandinavian Journal of Statistics 1979), over all
    of them, and must be under SURE.

    Args:
        rows: of each value of each axis.
        taken: axis -> value -> rule -> rows that it took.
        rules: those that are tested.
    """
    found = list[Uneven]()
    for axis, values in rows.items():
        for rule in rules:
            counts = {value: taken.get(axis, {}).get(value, {}).get(rule, 0) for value in values}
            test = independence([[counts[value], of - counts[value]] for value, of in values.items()])
            if test is not None:
                found.append(_uneven(rule, axis, values, counts, test))
    adjusted = holm([each.p for each in found])
    sure = [each._replace(p=p) for each, p in zip(found, adjusted, strict=True) if p < SURE]
    return sorted(sure, key=lambda each: (-each.test.v, each.axis, each.rule)), len(found)


def _uneven(
    rule: str, axis: str, values: Mapping[str, int], counts: Mapping[str, int], test: Independence,
) -> Uneven:
    total, all_taken = sum(values.values()), sum(counts.values())

    def above(value: str) -> float:
        expected = values[value] * all_taken / total
        return (counts[value] - expected) / sqrt(expected * (1 - values[value] / total)) if expected else 0.0

    worst = max(values, key=above)
    return Uneven(rule, axis, worst, values[worst], counts[worst], total - values[worst], all_taken - counts[worst],
                  test, test.p)


def holm(chances: Sequence[float]) -> list[float]:
    """p values corrected so that the chance of any false one stays what a single test's would be; in their order."""
    adjusted, worst = [1.0] * len(chances), 0.0
    for place, index in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        worst = max(worst, min(1.0, (len(chances) - place) * chances[index]))
        adjusted[index] = worst
    return adjusted
