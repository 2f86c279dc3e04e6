"""Texts that share most of their shingles: every pair is verified, whoever found it.

What is found is a spanning forest of the graph of pairs, the strongest pairs first (Kruskal 1956): cutting its links
below a threshold leaves exactly the clusters at that threshold, so that one search answers them all, and what is a
cluster at one is part of a cluster at a lower one (single linkage; Gower, Ross 1969). The weakest link within a cluster
is the one that holds it together. The result depends on the sets and not on the order in which they came.

Many sets are paired by signatures (`bands.py`). Few sets, and those that are paired with many, are joined (`join.py`).
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import IO, TYPE_CHECKING, NamedTuple

from .bands import FLOOR, Part, candidates
from .join import Join
from .shingles import Batch

if TYPE_CHECKING:
    import numpy as np

    from .bands import Numbers
    from .shingles import Grams

    Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

MANY = 5000
"""Sets from which on pairs are found by signatures: the time of the join grows with the text that sets share."""
DENSE = 32
"""Sets that signatures pair with more others than this are joined instead, for less than a pair costs by itself."""
_WAITING = 1 << 20
"""So many pairs are sorted out at once."""
_CHUNK = 4096
_PART = 1 << 15
"""Tokens that are read at once: their arrays stay in a core's cache."""
_INDEXED = 1 << 22
"""Tokens of other sets in memory at once, some 64 MB."""


class Link(NamedTuple):
    """Two sets and their Jaccard similarity. `left` and `right` are numbers of sets."""

    left: int
    right: int
    jaccard: float


class Sets:
    """Many sets on disk, and the pairs of them that are alike.

    The sets lie in a temporary file. Memory holds 16 bytes per set, some 120 more while they are paired, and the
    shingles that several sets have in the part that has to be indexed.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="synth-sets-")  # noqa: SIM115 - closed by `close`
        self._read = False
        self.ends, self._sums = array("Q", [0]), array("Q")

    def __enter__(self) -> Sets:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self.ends) - 1

    def add(self, grams: Grams) -> int:
        """Stores a sorted set; returns its number."""
        import numpy as np

        self.extend(Batch(grams, np.array([len(grams)])))
        return len(self) - 1

    def extend(self, batch: Batch) -> None:
        """Stores some sets, numbered on from the last."""
        import numpy as np

        if self._read:
            self._file.seek(self.ends[-1] * 8)
            self._read = False
        self._file.write(batch.grams.data)
        ends = np.cumsum(batch.sizes)
        sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(batch.grams)))
        self._sums.frombytes((sums[ends] - sums[ends - batch.sizes]).tobytes())
        self.ends.frombytes((ends + self.ends[-1]).astype(np.uint64).tobytes())

    def size(self, number: int) -> int:
        """How many shingles a set has."""
        return self.ends[number + 1] - self.ends[number]

    def __getitem__(self, number: int) -> Grams:
        import numpy as np

        start, end = self.ends[number], self.ends[number + 1]
        self._file.seek(start * 8)
        self._read = True
        return np.frombuffer(self._file.read((end - start) * 8), np.uint64)

    def parts(self) -> Iterator[Part]:
        """All sets in the order of their numbers, some `_PART` tokens at a time."""
        import numpy as np

        ends, first = np.array(self.ends, np.int64), 0
        while first < len(self):
            last = max(first + 1, int(np.searchsorted(ends, ends[first] + _PART, "right")) - 1)
            self._file.seek(int(ends[first]) * 8)
            self._read = True
            grams = np.frombuffer(self._file.read(int(ends[last] - ends[first]) * 8), np.uint64)
            yield Part(first, grams, np.diff(ends[first : last + 1]))
            first = last

    def equal(self) -> Iterator[tuple[int, int]]:
        """Sets that equal an earlier one, ascending, each with the first of those; empty ones are like nothing."""
        import numpy as np

        sums = np.array(self._sums)
        by = np.argsort(sums, kind="stable")
        same = np.flatnonzero(sums[by][1:] == sums[by][:-1])
        firsts: dict[int, list[int]] = {}
        for number in np.sort(by[np.union1d(same, same + 1)]).tolist():
            grams = self[number]
            known = firsts.setdefault(self._sums[number], [])
            first = next((each for each in known if np.array_equal(grams, self[each])), None)
            if first is None:
                known.append(number)
            elif len(grams):
                yield number, first

    def links(self, threshold: float, order: Sequence[int] | Numbers, many: int | None = None) -> Iterator[Link]:
        """A spanning forest of the graph of pairs with Jaccard `threshold` or more, the strongest links first.

        Every link is such a pair, and those from any higher threshold on connect just the pairs that are as alike as
        that. Of `many` sets or more, 99.8 % of the pairs at `bands.FLOOR` are found by signatures, and more of those
        that are more alike.

        Args:
            threshold: above 0, at most 1; compared with the Jaccard as a number of 64 bits.
            order: numbers of the sets to join, in an order that does not depend on how they
                arrived. It decides which of equal links are shown, not which clusters there are. Empty sets
                are like nothing.
            many: MANY where None.
        """
        import numpy as np

        some: Numbers = np.array(order, np.int64)
        some = some[np.diff(np.array(self.ends, np.int64))[some] > 0]
        if len(some) < (MANY if many is None else many) or threshold < FLOOR:
            forest = _Forest(len(some))
            self._join(some, np.arange(len(some)), threshold, forest)
        else:
            forest = self._signed(threshold, some)
        left, right, alike = forest.links()
        for one, other, jaccard in zip(some[left].tolist(), some[right].tolist(), alike.tolist(), strict=True):
            yield Link(one, other, jaccard)

    def _signed(self, threshold: float, order: Numbers) -> _Forest:
        """The forest of many sets: few pairs of a set are verified by themselves, many by a join."""
        import numpy as np

        forest, found = _Forest(len(order)), candidates(self, order, threshold)
        many = np.bincount(found.pairs.ravel(), minlength=len(order)) > DENSE
        many[found.common] = True
        pairs = found.pairs[~(many[found.pairs[:, 0]] & many[found.pairs[:, 1]])]
        for left, group in groupby(pairs.tolist(), key=lambda pair: pair[0]):
            grams, others = self[order[left]], [right for _, right in group]
            alike = np.array([_alike(grams, self[order[right]]) for right in others])
            forest.add(left, np.array(others)[alike >= threshold], alike[alike >= threshold])
        self._join(order, np.flatnonzero(many), threshold, forest)
        return forest

    def _join(self, order: Numbers, places: Numbers, threshold: float, forest: _Forest) -> None:
        for place, others, alike in Join(self, order[places], threshold).pairs():
            forest.add(int(places[place]), places[others], alike)

    def nearest(self, others: Sequence[int], sets: Iterable[int], threshold: float) -> Iterator[Link]:
        """Of each of `sets`, the one of `others` that is most like it, where they are alike; the first of equal ones.

        Args:
            others: numbers of the sets to look among.
            sets: numbers of the sets to look for, which are `left` of the links.
            threshold: the least Jaccard.
        """
        best: dict[int, Link] = {}
        wanted = list(sets)
        for part in self._parts(others):
            index = _Index(self, part)
            for number in wanted:
                found = index.look(self[number])
                if found is not None and found[1] >= threshold and (
                        number not in best or found[1] > best[number].jaccard):
                    best[number] = Link(number, found[0], found[1])
        return (best[number] for number in wanted if number in best)

    def _parts(self, numbers: Sequence[int]) -> Iterator[list[int]]:
        part, size = list[int](), 0
        for number in numbers:
            part.append(number)
            size += self.size(number)
            if size >= _INDEXED:
                yield part
                part, size = [], 0
        if size:
            yield part


def _alike(left: Grams, right: Grams) -> float:
    """The Jaccard of two sorted sets that are not empty, in a third of the time of `shingles.jaccard`."""
    small, large = (left, right) if len(left) <= len(right) else (right, left)
    shared = int((large.take(large.searchsorted(small), mode="clip") == small).sum())
    return shared / (len(left) + len(right) - shared)


class _Index:
    """Tokens of some sets and who holds them, to find the one that is most like another."""

    def __init__(self, sets: Sets, numbers: list[int]) -> None:
        import numpy as np

        self.numbers = numbers
        self.sizes = np.array([sets.size(number) for number in numbers], np.int64)
        grams = np.concatenate([sets[number] for number in numbers])
        order = np.argsort(grams, kind="stable")
        self.tokens, self.owners = grams[order], np.repeat(np.arange(len(numbers)), self.sizes)[order]

    def look(self, grams: Grams) -> tuple[int, float] | None:
        """The set that is most like this one, and their Jaccard; None where none shares a token with it."""
        import numpy as np

        start = self.tokens.searchsorted(grams)
        held = self.tokens.take(start, mode="clip") == grams
        if not held.any():
            return None
        start, end = start[held], self.tokens.searchsorted(grams[held], "right")
        counts = end - start
        before = np.repeat(np.cumsum(counts) - counts - start, counts)
        shared = np.bincount(self.owners[np.arange(counts.sum()) - before], minlength=len(self.numbers))
        alike = shared / (self.sizes + len(grams) - shared)
        best = int(alike.argmax())
        return self.numbers[best], float(alike[best])


class _Forest:
    """The strongest of some pairs that connect what all of them connect; sets are counted by their place."""

    def __init__(self, count: int) -> None:
        import numpy as np

        self._count = count
        self._parts: list[tuple[Numbers, Numbers, Floats]] = [
            (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64))]
        self._waiting = 0

    def add(self, place: int, others: Numbers, alike: Floats) -> None:
        """Pairs of a set with others."""
        import numpy as np

        if not len(others):
            return
        self._parts.append((np.minimum(others, place), np.maximum(others, place), alike))
        self._waiting += len(others)
        if self._waiting > _WAITING:
            self._parts = [self.links()]
            self._waiting = 0

    def links(self) -> tuple[Numbers, Numbers, Floats]:
        """Left and right places of the links and their Jaccard, the strongest first, of equal ones by place."""
        import numpy as np

        left, right, alike = (np.concatenate(parts) for parts in zip(*self._parts, strict=True))
        by = np.lexsort((right, left, -alike))
        left, right, alike = left[by], right[by], alike[by]
        roots, kept = np.arange(self._count, dtype=np.int64), list[int]()
        for start in range(0, len(by), _CHUNK):
            here = np.arange(start, min(start + _CHUNK, len(by)))
            for each in here[_roots(roots, left[here]) != _roots(roots, right[here])].tolist():
                one, other = _root(roots, int(left[each])), _root(roots, int(right[each]))
                if one != other:
                    roots[max(one, other)] = min(one, other)
                    kept.append(each)
        return left[kept], right[kept], alike[kept]


def _root(roots: Numbers, place: int) -> int:
    """The cluster of a set, with path halving."""
    while (above := int(roots[place])) != place:
        roots[place] = roots[above]
        place = above
    return place


def _roots(roots: Numbers, places: Numbers) -> Numbers:
    """The clusters of some sets."""
    import numpy as np

    found = roots[places]
    while not np.array_equal(above := roots[found], found):
        found = above
    roots[places] = found
    return found
