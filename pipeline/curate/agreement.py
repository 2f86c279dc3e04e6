"""How well two judgements go together: agreement, kappa, ROC AUC and rank correlation, each with its 95 % interval.

Every row may have a weight: how many rows of the dataset it speaks for. Intervals then go by the count of equal weights
that would tell as much (Kish, Survey Sampling, 1965): sum(w)^2 / sum(w^2).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import atanh, sqrt, tanh
from typing import NamedTuple

from pipeline.metrics import wilson

Z = 1.959964
"""Standard deviations of a 95 % interval."""
WIDE = 0.2
"""An interval so wide or wider tells little."""


class Estimate(NamedTuple):
    """A number with its 95 % interval, and the labelled rows that it was found on."""

    value: float
    low: float
    high: float
    rows: int

    def tells_apart(self) -> tuple[float, float] | None:
        """Two tenths, both within the interval, that these rows cannot tell apart; None where it is narrow."""
        low, high = -(-self.low * 10 // 1) / 10, self.high * 10 // 1 / 10
        return (low, high) if high - low >= WIDE - 1e-9 else None


def effective(weights: Sequence[float]) -> float:
    """The count of rows of equal weight that would tell as much."""
    squares = sum(weight * weight for weight in weights)
    return sum(weights) ** 2 / squares if squares else 0.0


def share(holds: Sequence[bool], weights: Sequence[float]) -> Estimate | None:
    """The weighted share of rows of which something holds, with Wilson's interval; None without a row."""
    total = sum(weights)
    if not total:
        return None
    value = min(1.0, sum(weight for weight, one in zip(weights, holds, strict=True) if one) / total)
    return Estimate(value, *wilson(value, effective(weights)), len(holds))


def kappa(one: Sequence[bool], other: Sequence[bool], weights: Sequence[float]) -> Estimate | None:
    """Cohen's kappa (1960): agreement beyond what chance would bring, 0 for none, 1 for all of it.

    The interval is that of the agreement, with the agreement by chance held where it is (Cohen's own, by Wilson's in
    place of Wald's).

    Returns:
        None where both judge all rows alike, so that chance alone would agree on all.
    """
    agreed = share([a == b for a, b in zip(one, other, strict=True)], weights)
    first, second = share(one, weights), share(other, weights)
    if agreed is None or first is None or second is None:
        return None
    chance = first.value * second.value + (1 - first.value) * (1 - second.value)
    if chance > 1 - 1e-9:
        return None
    value, low, high = ((each - chance) / (1 - chance) for each in agreed[:3])
    return Estimate(value, max(-1.0, low), high, agreed.rows)


def auc(values: Sequence[float], good: Sequence[bool], weights: Sequence[float]) -> Estimate | None:
    """The chance that a good row has a larger value than a bad one, ties counted half: the area under the ROC curve.

    By ranks (Mann and Whitney 1947); the interval is Newcombe's method 5 (Statistics in Medicine 2006), which is one
    even where all good rows lie above all bad ones.

    Returns:
        None where there are no rows of one kind.
    """
    rows = sorted(zip(values, good, weights, strict=True))
    above = below = 0.0  # pairs that are in order, weight of bad rows so far
    start = 0
    while start < len(rows):
        end = start
        while end < len(rows) and rows[end][0] == rows[start][0]:
            end += 1
        fine, bad = (sum(weight for _, kind, weight in rows[start:end] if kind is wanted) for wanted in (True, False))
        above += fine * (below + bad / 2)
        below += bad
        start = end
    kinds = [[weight for weight, one in zip(weights, good, strict=True) if one is wanted] for wanted in (True, False)]
    pairs = sum(kinds[0]) * sum(kinds[1])
    if not pairs:
        return None
    value = min(1.0, above / pairs)
    counts = effective(kinds[0]), effective(kinds[1])
    return Estimate(value, _far(value, 0.0, *counts), _far(value, 1.0, *counts), len(rows))


def _far(value: float, end: float, many: float, other: float) -> float:
    """The area farthest from `value` towards `end` that lies within Z standard deviations of its own of it."""
    within, without = value, end
    for _ in range(50):
        tried = (within + without) / 2
        between = (many + other) / 2 - 1
        spread = tried * (1 - tried) / (many * other) * (
            1 + between * ((1 - tried) / (2 - tried) + tried / (1 + tried)))
        if abs(tried - value) <= Z * sqrt(max(0.0, spread)):
            within = tried
        else:
            without = tried
    return within


def spearman(one: Sequence[float], other: Sequence[float]) -> Estimate | None:
    """The rank correlation (Spearman 1904), ties at their mean rank, with Fieller's interval (Biometrika 1957).

    Returns:
        None for fewer than four rows, or where all values on a side are equal.
    """
    if len(one) < 4:
        return None
    left, right = _ranks(one), _ranks(other)
    mean = (len(one) + 1) / 2
    spread = [sum((rank - mean) ** 2 for rank in ranks) for ranks in (left, right)]
    if not all(spread):
        return None
    together = sum((a - mean) * (b - mean) for a, b in zip(left, right, strict=True))
    value = max(-1.0, min(1.0, together / sqrt(spread[0] * spread[1])))
    middle, wide = atanh(max(-1 + 1e-12, min(1 - 1e-12, value))), Z * sqrt(1.06 / (len(one) - 3))
    return Estimate(value, min(value, tanh(middle - wide)), max(value, tanh(middle + wide)), len(one))


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1; equal values share their mean rank."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found, start = [0.0] * len(values), 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            found[place] = (start + end + 1) / 2
        start = end
    return found
