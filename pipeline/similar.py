"""Texts that share most of their shingles: every pair is verified, whoever found it.

Many sets are paired by signatures (`bands.py`). Few sets, and those that share much with many, are paired by a join
with prefix filtering that misses nothing (Chaudhuri, Ganti, Kaushik 2006; Xiao et al., PPJoin, 2008): where tokens have
one global order, two sets with Jaccard t or more share a token among the first |x| - ceil(t |x|) + 1 of each. No pair
below the threshold is reported, and the result depends on the sets and not on their order. Rare tokens come first, so
that text which all rows have in common costs nothing.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import IO, TYPE_CHECKING, NamedTuple

from .bands import FLOOR, candidates, held_by

if TYPE_CHECKING:

    from .bands import Numbers
    from .shingles import Grams

MANY = 5000
"""Sets from which on pairs are found by signatures: the time of the join grows with the text that sets share."""
_TOGETHER = 1 << 14
"""So many candidates are sorted out at once."""


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
        self.ends = array("Q", [0])

    def __enter__(self) -> Sets:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self.ends) - 1

    def add(self, grams: Grams) -> int:
        """Stores a sorted set; returns its number."""
        self._file.write(grams.tobytes())
        self.ends.append(self.ends[-1] + len(grams))
        return len(self) - 1

    @property
    def tokens(self) -> int:
        """How many shingles all sets have together."""
        return self.ends[-1]

    def size(self, number: int) -> int:
        """How many shingles a set has."""
        return self.ends[number + 1] - self.ends[number]

    def __getitem__(self, number: int) -> Grams:
        import numpy as np

        start, end = self.ends[number], self.ends[number + 1]
        self._file.seek(start * 8)
        return np.frombuffer(self._file.read((end - start) * 8), np.uint64)

    def links(self, threshold: float, order: Sequence[int]) -> Iterator[Link]:
        """A spanning forest of the graph of pairs with Jaccard `threshold` or more.

        Every link is such a pair. Of fewer than MANY sets, or below `bands.FLOOR`, every such pair is connected by the
        links; of more sets 99.8 % of the pairs at `bands.FLOOR` are found, and more of those that are more alike.
        Pairs within a cluster that is known already are not looked at again.

        Args:
            threshold: above 0, at most 1; compared as the decimal number that is written.
            order: numbers of the sets to join, in an order that does not depend on how they
                arrived. It decides which links are shown, not which clusters there are. Empty sets
                are like nothing.
        """
        import numpy as np

        exact, order = Fraction(repr(threshold)), [each for each in order if self.size(each)]
        roots = np.arange(len(self), dtype=np.int64)
        if len(order) < MANY or threshold < FLOOR:
            yield from _Join(self, exact, order, roots).run()
            return
        found = candidates(self, order, threshold)
        for left, right in zip(*found.pairs.T.tolist(), strict=True):
            if (link := self.link(order[left], order[right], exact, roots)) is not None:
                yield link
        yield from _Join(self, exact, [order[place] for place in found.common.tolist()], roots).run()

    def link(self, left: int, right: int, threshold: Fraction, roots: Numbers) -> Link | None:
        """Two sets joined, where they are of different clusters and alike."""
        above, below = _root(roots, left), _root(roots, right)
        small, large = sorted((self.size(left), self.size(right)))
        if above == below or small * threshold.denominator < large * threshold.numerator:
            return None
        import numpy as np

        shared = len(np.intersect1d(self[left], self[right], assume_unique=True))
        union = small + large - shared
        if shared * threshold.denominator < union * threshold.numerator:
            return None
        roots[below] = above
        return Link(left, right, shared / union)


def _root(roots: Numbers, number: int) -> int:
    """The cluster of a set, with path halving; -1 of -1, which is no cluster."""
    while number >= 0 and (above := int(roots[number])) != number:
        roots[number] = roots[above]
        number = above
    return number


class _Posting:
    """The sets that hold a token. `root` is their cluster while they are all in one, else -1."""

    __slots__ = ("members", "root")

    def __init__(self, first: int) -> None:
        self.members = array("q", [first])
        self.root = first


class _Join:
    """One join: sets by size, an index of rare tokens, and what is connected so far."""

    def __init__(self, sets: Sets, threshold: Fraction, order: Sequence[int], roots: Numbers) -> None:
        import numpy as np

        self.sets, self.threshold, self.roots = sets, threshold, roots
        self.sizes = np.diff(np.array(sets.ends, np.int64))
        self.place = np.zeros(len(sets), np.int64)
        self.place[np.array(order, np.int64)] = np.arange(len(order))
        self.order = sorted(order, key=self.sizes.__getitem__)
        self.seen = np.full(len(sets), -1, np.int64)
        self.index: dict[int, _Posting] = {}
        self.counts, self.mask = held_by(sets, order, np.uint8)

    def run(self) -> Iterator[Link]:
        """Looks every set up among the ones that are not larger."""
        for number in self.order:
            grams = self.sets[number]
            probe, stored = self._prefixes(grams)
            found = [posting for token in probe if (posting := self.index.get(token)) is not None]
            if sum(len(posting.members) for posting in found) <= _TOGETHER:
                yield from self._look(number, grams, found)
            else:  # one by one: most are of the cluster that the first one leads to
                for posting in found:
                    if _root(self.roots, posting.root) != _root(self.roots, number):
                        yield from self._look(number, grams, [posting])
            for token in stored:
                self._store(token, number)

    def _prefixes(self, grams: Grams) -> tuple[list[int], list[int]]:
        """Tokens to look up, and tokens to be found by; those that no other set holds are left out.

        A set that is looked up is never the smaller one: it shares t |x| with any partner, and a
        stored one shares 2 t / (1 + t) |y|.
        """
        import numpy as np

        counts, size, t = self.counts[grams & self.mask], len(grams), self.threshold
        first = np.lexsort((grams, counts))[: size - ceil(t * size) + 1]
        shared = counts[first] > 1
        stored = size - ceil(2 * t / (1 + t) * size) + 1
        tokens = grams[first]
        return tokens[shared].tolist(), tokens[:stored][shared[:stored]].tolist()

    def _store(self, token: int, number: int) -> None:
        posting = self.index.get(token)
        if posting is None:
            self.index[token] = _Posting(number)
            return
        posting.members.append(number)
        if posting.root >= 0 and _root(self.roots, posting.root) != _root(self.roots, number):
            posting.root = -1

    def _look(self, number: int, grams: Grams, postings: list[_Posting]) -> Iterator[Link]:
        """Links of a set to sets of other clusters that hold a token, the most similar sizes first."""
        import numpy as np

        if not postings:
            return
        size, t = len(grams), self.threshold
        found = np.frombuffer(b"".join([posting.members.tobytes() for posting in postings]), np.int64)
        found = found[(self.seen[found] != number) & (self.sizes[found] * t.denominator >= t.numerator * size)]
        self.seen[found] = number
        found = np.unique(found)
        found = found[np.lexsort((self.place[found], -self.sizes[found]))]
        while len(found):
            found = found[self._roots(found) != _root(self.roots, number)]
            if not len(found):
                return
            other, found = int(found[0]), found[1:]
            if (link := self.sets.link(other, number, t, self.roots)) is not None:
                yield link

    def _roots(self, numbers: Numbers) -> Numbers:
        import numpy as np

        roots = self.roots[numbers]
        while not np.array_equal(above := self.roots[roots], roots):
            roots = above
        return roots
