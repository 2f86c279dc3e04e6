"""Pairs of sets that are probably alike, by bands of MinHash signatures; whoever asks verifies each.

Broder 1997; bands as in Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3. A pair of Jaccard j meets
in one of b bands of r rows with a chance of 1 - (1 - j**r)**b, whatever the other rows are: 0.998 at the floor of 0.7,
and more above it. Shingles that very many sets hold say nothing about who is alike and are not signed; sets of which
they make more than a tenth are `common`, and whoever asks joins those among themselves exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np

    from .shingles import Grams

    Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
    Counter = TypeVar("Counter", np.uint8, np.uint16)
    Counts = np.ndarray[tuple[int], np.dtype[Counter]]
    Signatures = np.ndarray[tuple[int, int], np.dtype[np.uint32]]

FLOOR = 0.7
"""Thresholds below it need more bands than this has."""
ROWS, BANDS = 4, 24
"""1 - (1 - 0.7**4)**24 = 0.9986. Signing costs as much as ROWS * BANDS, and finds 0.996 at the 0.672 that a pair of 0.7
keeps at least where a tenth of its shingles is not signed."""
COMMON = 0.1
"""A set with a larger share of shingles that are not signed is common."""
HELD_BY, HELD_BY_SHARE = 1000, 0.01
"""A shingle that more sets than both of these say hold is not signed: 1,000 sets, and a hundredth of all."""
WINDOW = 16
"""Sets of a band's bucket are paired with so many behind them: all of a small one, and a chain through a large one."""
DOUBT = 6
"""Standard errors by which signatures may agree less than sets do, before a pair is not verified."""
_BUCKETS = 2**27
"""Counters of shingles at most."""


class Held(Protocol):
    """Sets by number, as `similar.Sets`."""

    def __getitem__(self, number: int) -> Grams:
        """A sorted set."""
        ...

    @property
    def tokens(self) -> int:
        """How many members all sets have together."""
        ...


class Candidates(NamedTuple):
    """What signatures say.

    Attributes:
        pairs: (left, right) as places in the order that was given, the left one smaller; sorted.
        common: places of sets that many others share much with.
    """

    pairs: Numbers
    common: Numbers


def candidates(sets: Held, order: Sequence[int], threshold: float) -> Candidates:
    """Pairs of sets whose Jaccard may be `threshold` or more.

    Args:
        sets: sets of 64-bit hashes.
        order: numbers of the sets to compare. Results depend on it only in buckets of more than `WINDOW` sets.
        threshold: at least FLOOR.
    """
    import numpy as np

    counts, mask = held_by(sets, order, np.uint16)
    signed = np.empty((len(order), ROWS * BANDS), np.uint32)
    common = np.zeros(len(order), bool)
    most, steps = max(HELD_BY, int(HELD_BY_SHARE * len(order))), _steps()
    for place, number in enumerate(order):
        grams = sets[number]
        rare = grams[counts[grams & mask] <= most]
        common[place] = len(rare) < (1 - COMMON) * len(grams)
        signed[place] = ((rare >> np.uint64(32)).astype(np.uint32) * steps).min(axis=1) if len(rare) else place
    return Candidates(_pairs(signed, threshold), np.flatnonzero(common))


def held_by(sets: Held, order: Sequence[int], kind: type[Counter]) -> tuple[Counts[Counter], np.uint64]:
    """How many sets hold a shingle, at most: counters are shared, and stop at the most that their `kind` holds. And
    the mask that leads to a shingle's counter."""
    import numpy as np

    size = 1 << 16
    while size < min(2 * sets.tokens, _BUCKETS):
        size *= 2
    mask = np.uint64(size - 1)
    counts, full = np.zeros(size, kind), int(np.iinfo(kind).max)
    for number in order:
        buckets = sets[number] & mask
        counts[buckets] = np.minimum(counts[buckets], full - 1) + 1
    return counts, mask


def _steps() -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    """Odd factors, one for each row of a signature: shingles are hashes, and a product puts them in another order."""
    import numpy as np

    drawn = np.random.Generator(np.random.PCG64(7)).integers(1 << 31, size=ROWS * BANDS, dtype=np.uint32)
    return (drawn * 2 + 1).astype(np.uint32)[:, None]


def _pairs(signed: Signatures, threshold: float) -> Numbers:
    """Pairs that meet in a band and whose signatures agree enough."""
    import numpy as np

    found = [np.zeros((0, 2), np.int64)]
    least = threshold - DOUBT * (threshold * (1 - threshold) / (ROWS * BANDS)) ** 0.5
    for band in range(BANDS):
        keys = np.ascontiguousarray(signed[:, band * ROWS : (band + 1) * ROWS]).view(np.uint64)
        key = keys[:, 0] * np.uint64(0x9E3779B97F4A7C15) + keys[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
        for left, right in _meetings(key):
            agree = (signed[left] == signed[right]).mean(axis=1)
            found.append(np.stack((left, right), axis=1)[agree >= least])
    return np.unique(np.concatenate(found), axis=0)


def _meetings(key: Grams) -> Iterator[tuple[Numbers, Numbers]]:
    """Places with equal keys, near ones first, some 10,000 pairs at a time."""
    import numpy as np

    sorted_ = np.argsort(key, kind="stable")
    key = key[sorted_]
    for apart in range(1, WINDOW):
        at = np.flatnonzero(key[apart:] == key[:-apart])
        if not len(at):
            return
        for start in range(0, len(at), 10_000):
            here = at[start : start + 10_000]
            yield sorted_[here], sorted_[here + apart]
