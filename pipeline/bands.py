"""Pairs of sets that are probably alike, by bands of MinHash signatures; whoever asks verifies each.

Broder 1997; bands as in Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3. A pair of Jaccard j meets
in one of b bands of r rows with a chance of 1 - (1 - j**r)**b, whatever the other rows are: 0.998 at the floor of 0.7,
and more above it. Each row is the least hash of a part of the set (one permutation hashing; Li, Owen, Zhang 2012),
which takes a sixteenth of the products, and a byte of it is kept (Li, Koenig 2010). Shingles that very many sets hold
say nothing about who is alike and are not signed; sets of which they make more than a tenth are `common`, and whoever
asks joins those among themselves exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from .ahead import in_order

if TYPE_CHECKING:
    import numpy as np

    from .shingles import Grams

    Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
    Counter = TypeVar("Counter", np.uint8, np.uint16)
    Counts = np.ndarray[tuple[int], np.dtype[Counter]]
    Which = np.ndarray[tuple[int], np.dtype[np.bool_]]
    Factors = np.ndarray[tuple[int], np.dtype[np.uint32]]
    Signatures = np.ndarray[tuple[int, int], np.dtype[np.uint8]]

FLOOR = 0.7
"""Thresholds below it need more bands than this has."""
ROWS, BANDS = 4, 24
"""1 - (1 - 0.7**4)**24 = 0.9986. Pairing costs as much as BANDS, and finds 0.996 at the 0.672 that a pair of 0.7
keeps at least where a tenth of its shingles is not signed."""
PARTS = 16
"""Parts of a set, by the highest bits of its shingles. With 16, what is found is what independent rows would find, up
to a quarter of a percent, from sets of 20 on; with 4 or 8 it is less (benchmarks/README.md)."""
COMMON = 0.1
"""A set with a larger share of shingles that are not signed is common."""
HELD_BY, HELD_BY_SHARE = 1000, 0.01
"""A shingle that more sets than both of these say hold is not signed: 1,000 sets, and a hundredth of all."""
COUNTED = 8192
"""Of more sets than this, so many are looked at to tell which shingles very many hold."""
WINDOW = 16
"""Sets of a band's bucket are paired with so many behind them: all of a small one, and a chain through a large one."""
DOUBT = 6
"""Standard errors by which signatures may agree less than sets do, before a pair is not verified."""
_BUCKETS = 2**27
"""Counters of shingles at most."""
_PLACE = 2**32 - 1
_WAITING = 1 << 22
"""So many pairs are sorted out at once."""


class Part(NamedTuple):
    """Sets that lie one behind the other: the number of the first, their members, and how many each has."""

    first: int
    grams: Grams
    sizes: Numbers


class Held(Protocol):
    """Sets by number, as `similar.Sets`."""

    def __len__(self) -> int:
        """How many sets there are."""
        ...

    def __getitem__(self, number: int) -> Grams:
        """A sorted set."""
        ...

    def size(self, number: int) -> int:
        """How many members a set has."""
        ...

    def parts(self) -> Iterator[Part]:
        """All sets, in the order of their numbers."""
        ...


class Candidates(NamedTuple):
    """What signatures say.

    Attributes:
        pairs: (left, right) as places in the order that was given, the left one smaller; sorted.
        common: places of sets that many others share much with.
    """

    pairs: Numbers
    common: Numbers


def candidates(sets: Held, order: Numbers, threshold: float) -> Candidates:
    """Pairs of sets whose Jaccard may be `threshold` or more.

    Args:
        sets: sets of 64-bit hashes.
        order: numbers of the sets to compare, none of them empty. Results depend on it only in buckets of more than
            `WINDOW` sets.
        threshold: at least FLOOR.
    """
    import numpy as np

    places = np.full(len(sets), -1, np.int64)
    places[order] = np.arange(len(order))
    signed = np.empty((len(order), ROWS * BANDS), np.uint8)
    common = np.zeros(len(order), bool)
    for there, found, often in in_order(partial(_signed, places, _often(sets, order)), sets.parts()):
        signed[there], common[there] = found, often
    return Candidates(_pairs(signed, threshold), np.flatnonzero(common))


def held_by(sets: Held, order: Sequence[int] | Numbers, kind: type[Counter]) -> tuple[Counts[Counter], np.uint64]:
    """How many sets hold a shingle, at most: counters are shared, and stop at the most that their `kind` holds. And
    the mask that leads to a shingle's counter."""
    import numpy as np

    numbers = np.array(order).tolist()
    size, tokens = 1 << 16, sum(map(sets.size, numbers))
    while size < min(2 * tokens, _BUCKETS):
        size *= 2
    mask = np.uint64(size - 1)
    counts, full = np.zeros(size, kind), int(np.iinfo(kind).max)
    for number in numbers:
        buckets = sets[number] & mask
        counts[buckets] = np.minimum(counts[buckets], full - 1) + 1
    return counts, mask


def _often(sets: Held, order: Numbers) -> Which | None:
    """Which shingles very many sets hold, by their lowest bits (its size is a power of 2); None where none are."""
    import numpy as np

    sample = order[:: -(-len(order) // COUNTED)]
    counts, _ = held_by(sets, sample, np.uint16)
    often = counts > max(HELD_BY, HELD_BY_SHARE * len(order)) * len(sample) / len(order)
    return often if often.any() else None


def _signed(places: Numbers, often: Which | None, part: Part) -> tuple[Numbers, Signatures, Which]:
    """Of the sets of a part that have a place: that, their signatures, and whether they are common."""
    import numpy as np

    grams, sizes = part.grams, part.sizes
    there = places[part.first : part.first + len(sizes)]
    wanted, owners = np.repeat(there >= 0, sizes), np.repeat(np.arange(len(sizes)), sizes)
    if often is not None:
        wanted &= ~often[grams & np.uint64(len(often) - 1)]
    if not wanted.all():
        grams, owners = grams[wanted], owners[wanted]
    kept = np.bincount(owners, minlength=len(sizes))
    found = _signatures(grams, owners, len(sizes))
    none = kept == 0
    found[none] = np.repeat(there[none].astype("<u4"), BANDS).view(np.uint8).reshape(-1, ROWS * BANDS)  # as no other
    chosen = there >= 0
    return there[chosen], found[chosen], (kept < (1 - COMMON) * sizes)[chosen]


def _signatures(grams: Grams, owners: Numbers, count: int) -> Signatures:
    """A byte of the least product in each part of each set, and of the whole set where a part is empty."""
    import numpy as np

    if not len(grams):
        return np.zeros((count, ROWS * BANDS), np.uint8)
    low, times = grams.astype(np.uint32), ROWS * BANDS // PARTS
    cells = owners * PARTS + (grams >> np.uint64(64 - PARTS.bit_length() + 1)).astype(np.int64)
    starts = np.flatnonzero(np.concatenate(([True], cells[1:] != cells[:-1])))
    found = np.empty((times, count * PARTS), np.uint8)
    for row, factor in zip(found, _factors()[0], strict=True):
        row[cells[starts]] = np.minimum.reduceat(low * factor, starts)
    empty = np.ones(count * PARTS, bool)
    empty[cells[starts]] = False
    _fill(found, empty, low, owners)
    return np.ascontiguousarray(found.reshape(times, count, PARTS).swapaxes(0, 1).reshape(count, -1)[:, _layout()])


def _fill(found: Signatures, empty: Which, low: Factors, owners: Numbers) -> None:
    """Puts the least product of the whole set where a part of it is empty, by a factor of that place's own.

    Two sets of which both have nothing there are compared as if they had not been parted, so that small ones are
    found as well (densification; Shrivastava 2017 takes another part instead).
    """
    import numpy as np

    parts = empty.reshape(-1, PARTS)
    wanted = np.bincount(np.flatnonzero(empty) // PARTS, minlength=len(parts))[owners] > 0
    if not wanted.any():
        return
    low, owners = low[wanted], owners[wanted]
    starts = np.flatnonzero(np.concatenate(([True], owners[1:] != owners[:-1])))
    sets = owners[starts]
    for row, factors in zip(found, _factors()[1].reshape(-1, PARTS, 1), strict=True):
        least = np.minimum.reduceat(low * factors, starts, axis=1).astype(np.uint8)
        cells = row.reshape(-1, PARTS)
        cells[sets] = np.where(parts[sets], least.T, cells[sets])


@cache
def _factors() -> tuple[Factors, Factors]:
    """Odd factors: one for each row of a part, and one for each row of a set. Shingles are hashes, and a product puts
    them in another order."""
    import numpy as np

    drawn = np.random.Generator(np.random.PCG64(7)).integers(1 << 31, size=2 * ROWS * BANDS, dtype=np.uint32)
    factors = (drawn * 2 + 1).astype(np.uint32)
    return factors[: ROWS * BANDS // PARTS], factors[ROWS * BANDS :]


@cache
def _layout() -> Numbers:
    """Which rows are next to each other: those of a band are of different parts, and mixed anew for each factor."""
    import numpy as np

    drawn = np.random.Generator(np.random.PCG64(5)).integers(1 << 62, size=(ROWS * BANDS // PARTS, PARTS))
    rows: Numbers = (np.argsort(drawn, axis=1) + np.arange(len(drawn))[:, None] * PARTS).ravel()
    return rows


def _pairs(signed: Signatures, threshold: float) -> Numbers:
    """Pairs that meet in a band and whose signatures agree enough."""
    import numpy as np

    found, waiting = [np.zeros(0, np.uint64)], 0
    least = threshold - DOUBT * (threshold * (1 - threshold) / (ROWS * BANDS)) ** 0.5
    for left, right in _meetings(signed):
        agree = (signed[left] == signed[right]).mean(axis=1) >= least
        found.append(left[agree] << np.uint64(32) | right[agree])
        waiting += len(found[-1])
        if waiting > _WAITING:
            found, waiting = [np.unique(np.concatenate(found))], 0
    every = np.unique(np.concatenate(found))
    return np.stack((every >> np.uint64(32), every & np.uint64(_PLACE)), axis=1).astype(np.int64)


def _meetings(signed: Signatures) -> Iterator[tuple[Grams, Grams]]:
    """Places of sets with equal bands, the smaller one left; near ones first, some 10,000 pairs at a time."""
    import numpy as np

    bands = signed.view("<u4")
    for band in range(BANDS):
        keyed = np.sort(bands[:, band].astype(np.uint64) << np.uint64(32) | np.arange(len(signed), dtype=np.uint64))
        keys, places = keyed >> np.uint64(32), keyed & np.uint64(_PLACE)
        for apart in range(1, WINDOW):
            at = np.flatnonzero(keys[apart:] == keys[:-apart])
            if not len(at):
                break
            for start in range(0, len(at), 10_000):
                here = at[start : start + 10_000]
                yield places[here], places[here + apart]
