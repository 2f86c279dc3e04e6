"""Whether two things are told apart by chance alone: Pearson's chi-square test with Cramer's V."""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, exp, lgamma, log, sqrt
from typing import NamedTuple

SURE = 0.01
"""Chance below which a relation is called one."""
FEWEST_EXPECTED, FEW = 5, 0.2
"""Cochran's rule (Biometrics 1954): the test holds where no cell expects fewer than 1 and at most a
fifth fewer than 5."""


class Independence(NamedTuple):
    """What a table of counts says.

    Attributes:
        statistic: Pearson's chi-square, without continuity correction.
        df: degrees of freedom.
        p: chance of a table at least as uneven if rows and columns had nothing to do with each other.
        v: Cramer's V (1946), from 0, unrelated, to 1, the one follows from the other.
        sound: whether there are enough counts for `p`; V is told anyway.
    """

    statistic: float
    df: int
    p: float
    v: float
    sound: bool


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
    return Independence(statistic, df, _tail(statistic, df), v, sound)


def numbers(test: Independence) -> str:
    """The test as it is cited: `χ² 43.2, 2 df, p < 0.001, Cramér’s V 0.70`."""
    return f"χ² {test.statistic:,.1f}, {test.df} df, {chance(test.p)}, Cramér’s V {test.v:.2f}"


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
