"""Strata of measured values: labels are drawn evenly from them, and each labelled row then speaks for its share.

Twenty rows drawn at random hold few of those near a threshold, or with a rare value, and it is these that tell where
the threshold belongs. So they are drawn by stratum, and what is told of the dataset is weighted: a labelled row of a
stratum of N rows, n of which were labelled, counts N/n (post-stratification: Cochran, Sampling Techniques, 1977, 5A.9).
That needs no note of how a row was drawn, only that chance chose it within its stratum, and it holds for labels from
several sessions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

PARTS = 5
"""Strata are made as large as this part of the rows, or smaller: four labels of twenty in each."""


def edges(values: Mapping[float, int], bounds: Iterable[float] = ()) -> list[float]:
    """The least value of each stratum but the first.

    A value that a fifth of the rows share is a stratum of its own, as a score of whole numbers may be; and one begins
    at each bound, so that the rows nearest to it are drawn from small strata.

    Args:
        values: value -> rows.
        bounds: where rows are divided now.
    """
    total, cuts = sum(values.values()), sorted(set(bounds))
    found, mass, before = list[float](), 0, None
    for value in sorted(values):
        alone = values[value] * PARTS >= total
        crossed = before is not None and bisect_right(cuts, value) > bisect_right(cuts, before)
        if mass and (alone or crossed or mass * PARTS >= total):
            found.append(value)
            mass = 0
        mass, before = mass + values[value], value
    return found


def stratum(cuts: Sequence[float], value: float) -> int:
    """The number of the stratum that a value lies in, 0 for the one of the smallest."""
    return bisect_right(cuts, value)


def nearest_first(cuts: Sequence[float], bounds: Iterable[float]) -> list[int]:
    """The strata in the order in which they are drawn from: those at a bound first, where a label tells most."""
    at = [bisect_left(cuts, bound) + 0.5 for bound in bounds]
    return sorted(range(len(cuts) + 1), key=lambda each: (min((abs(each - one) for one in at), default=0.0), each))


def weights(cuts: Sequence[float], values: Mapping[float, int], labelled: Sequence[float]) -> list[float]:
    """How many rows each labelled one speaks for; they add up to all rows.

    A stratum without a label is spoken for by the nearest one that has any.

    Args:
        cuts: as `edges` found them.
        values: value -> rows, of all rows that could have been drawn.
        labelled: the values of those that were.
    """
    there = Counter(stratum(cuts, value) for value in labelled)
    rows = Counter[int]()
    for value, count in values.items():
        own = stratum(cuts, value)
        rows[min(there, key=lambda each: (abs(each - own), each))] += count
    return [rows[stratum(cuts, value)] / there[stratum(cuts, value)] for value in labelled]
