"""Texts that share most of their shingles: every pair is verified, whoever found it.

What is found is a spanning forest of the graph of pairs, the strongest pairs first (Kruskal 1956): cutting its links
below a threshold leaves exactly the clusters at that threshold, so that one search answers them all, and what is a
cluster at one is part of a cluster at a lower one (single linkage; Gower, Ross 1969). The weakest link within a cluster
is the one that holds it together. The result depends on the sets and not on the order in which they came.

Many sets are paired by signatures (`bands.py`). Few sets, and those that are paired with many, are joined by counting
for each set what it shares with those before it: token by token where few sets hold a token, by bits where many do,
and those only for sets that the others may make alike. That misses nothing.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import IO, TYPE_CHECKING, NamedTuple

from .bands import FLOOR, Part, candidates, held_by
from .shingles import Batch

if TYPE_CHECKING:
    import numpy as np

    from .bands import Numbers
    from .shingles import Grams

    Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
    Bits = np.ndarray[tuple[int, int], np.dtype[np.uint16]]
    Places = np.ndarray[tuple[int], np.dtype[np.int32]]
    Columns = np.ndarray[tuple[int], np.dtype[np.int16]]
    Which = np.ndarray[tuple[int], np.dtype[np.bool_]]
    Ones = np.ndarray[tuple[int], np.dtype[np.uint8]]

MANY = 5000
"""Sets from which on pairs are found by signatures: the time of the join grows with the text that sets share."""
DENSE = 32
"""Sets that signatures pair with more others than this are joined instead, for less than a pair costs by itself."""
HELD_BY, HELD_BY_SHARE, HELD_BY_MOST, COLUMNS = 256, 1 / 8, 1024, 4096
"""A token is counted by bits where more sets hold it than these: 256, or an eighth of all up to 1,024; at most so many
tokens. At an eighth, a count token by token takes about as long as one by bits."""
_ROUNDING = 1e-9
"""More than what a product of a threshold and a size is wrong by."""
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

    The sets lie in a temporary file. Memory holds some 100 bytes per set, and the shingles that
    several sets have in the part that has to be indexed.
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
        """Sets that are equal to an earlier one, ascending, each with the first of those; empty ones are like nothing."""
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
            _Join(self, some, np.arange(len(some)), threshold).run(forest)
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
            forest.add(left, np.array(others), alike, alike >= threshold)
        _Join(self, order, np.flatnonzero(many), threshold).run(forest)
        return forest

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

    def add(self, place: int, others: Numbers, alike: Floats, which: Which) -> None:
        """Pairs of a set with others, where `which` says so."""
        import numpy as np

        others, alike = others[which], alike[which]
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


class _Join:
    """All pairs of some sets that are alike.

    Args:
        sets: the sets.
        order: numbers of sets by place.
        places: of the sets to be compared, ascending.
        threshold: the least Jaccard.
    """

    def __init__(self, sets: Sets, order: Numbers, places: Numbers, threshold: float) -> None:
        import numpy as np

        self.places, self.threshold = places, threshold
        numbers = order[places].tolist()
        self.sizes = np.array([sets.size(number) for number in numbers], np.int64)
        owners, held = _shared(sets, numbers)
        most = max(HELD_BY, min(int(HELD_BY_SHARE * len(places)), HELD_BY_MOST))
        common = np.argsort(-held, kind="stable")[:COLUMNS]
        common = common[held[common] > most]
        column = np.full(len(held), -1, np.int16)
        column[common] = np.arange(len(common))
        columns = np.repeat(column, held)
        self._set_bits(owners[columns >= 0], columns[columns >= 0], len(common))
        self.members, held = _rare_first(owners[columns < 0], held[column < 0])
        self.mine = np.argsort(self.members, kind="stable").astype(np.int32)
        self.first = np.repeat((np.cumsum(held) - held).astype(np.int32), held)[self.mine]
        self.starts = self.members[self.mine].searchsorted(np.arange(len(places) + 1))
        shared = np.diff(self.starts) + self.common
        self.telling = shared - np.ceil(threshold * self.sizes - _ROUNDING).astype(np.int64) + 1
        self.wanted = np.zeros(len(places), bool)

    def _set_bits(self, owners: Places, columns: Columns, count: int) -> None:
        """The tokens that many sets hold, as bits of each set; and which sets hold so many that these may suffice."""
        import numpy as np

        words = -(-count // 16)
        bits = np.zeros(len(self.places) * words, np.uint16)
        at = owners.astype(np.int64) * words + (columns >> 4)
        np.add.at(bits, at, np.uint16(1) << (columns & 15).astype(np.uint16))
        self.bits: Bits = bits.reshape(len(self.places), words)
        self.common = np.bincount(owners, minlength=len(self.places))
        self.mostly = self.common >= self.threshold * self.sizes
        self.mostly &= self.common > 0

    def run(self, forest: _Forest) -> None:
        """Puts all pairs that are alike into a forest."""
        import numpy as np

        for this in range(len(self.places)):
            others, shared = self._counted(this)
            if not len(others):
                continue
            sizes, size = self.sizes[others], self.sizes[this]
            most = shared + np.minimum(self.common[others], self.common[this])
            alike = most / (sizes + size - most)
            may = alike >= self.threshold
            if self.common[this] and may.any():
                others, shared, sizes = others[may], shared[may], sizes[may]
                shared = shared + _ones().take(self.bits[others] & self.bits[this]).sum(axis=1, dtype=np.int64)
                alike = shared / (sizes + size - shared)
                may = alike >= self.threshold
            forest.add(int(self.places[this]), self.places[others], alike, may)

    def _counted(self, this: int) -> tuple[Numbers, Numbers]:
        """Sets before this one that may be like it, and how many tokens both hold of those that few hold.

        A set that is like this one holds one of its `telling` rarest tokens, or too few of them are left to share (prefix
        filter; Chaudhuri, Ganti, Kaushik 2006).
        """
        import numpy as np

        mine = slice(self.starts[this], self.starts[this + 1])
        first = self.first[mine]
        counts = self.mine[mine] - first
        telling = max(0, int(self.telling[this]))
        if telling <= len(counts):
            others = np.unique(self._hits(first[:telling], counts[:telling]))
            if not len(others):
                return others, others
            self.wanted[others] = True
            hits = self._hits(first, counts)
            hits = hits[self.wanted[hits]]
            self.wanted[others] = False
            return others, np.bincount(others.searchsorted(hits), minlength=len(others))
        hits = self._hits(first, counts)
        if not self.mostly[this] and len(hits) < this:
            return np.unique(hits, return_counts=True)
        shared = np.bincount(hits, minlength=this)
        others = np.flatnonzero((shared > 0) | self.mostly[:this]) if self.mostly[this] else np.flatnonzero(shared)
        return others, shared[others]

    def _hits(self, first: Places, counts: Places) -> Places:
        """Who holds some tokens, by where each token's sets begin and how many of them come before this one."""
        import numpy as np

        before = np.repeat(np.cumsum(counts) - counts - first, counts)
        return self.members[np.arange(len(before)) - before]


def _rare_first(owners: Places, held: Places) -> tuple[Places, Places]:
    """Who holds each token and how many, the rarest tokens first."""
    import numpy as np

    by = np.argsort(held, kind="stable")
    starts, held = (np.cumsum(held) - held)[by], held[by]
    return owners[np.repeat(starts - np.cumsum(held) + held, held) + np.arange(len(owners))], held


def _shared(sets: Sets, numbers: Sequence[int]) -> tuple[Places, Places]:
    """Who holds the tokens that several of some sets hold, token after token, and how many hold each.

    Sets are told by their place. Memory: 40 bytes for every such token of a set while it works, then 4.
    """
    import numpy as np

    counts, mask = held_by(sets, numbers, np.uint8)
    tokens, lengths = array("Q"), list[int]()
    for number in numbers:
        grams = sets[number]
        grams = grams[counts[grams & mask] > 1]
        tokens.frombytes(grams.tobytes())
        lengths.append(len(grams))
    del counts
    every = np.frombuffer(tokens, np.uint64)
    by = np.argsort(every, kind="stable")
    owners = np.repeat(np.arange(len(numbers), dtype=np.int32), lengths)[by]
    every = every[by]
    del tokens, by
    starts = np.flatnonzero(np.concatenate(([True], every[1:] != every[:-1]))) if len(every) else np.zeros(0, np.int64)
    held = np.diff(np.append(starts, len(every))).astype(np.int32)
    several = held > 1  # counters are shared
    return owners[np.repeat(several, held)], held[several]


@cache
def _ones() -> Ones:
    """How many bits of 16 are set."""
    import numpy as np

    found: Ones = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16).sum(1, np.uint8)
    return found
