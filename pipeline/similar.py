"""Texts that share most of their shingles: an exact join, every pair verified.

A set-similarity join with prefix filtering (Chaudhuri, Ganti, Kaushik 2006; Xiao et al., PPJoin, 2008):
where tokens have one global order, two sets with Jaccard t or more share a token among the first
|x| - ceil(t |x|) + 1 of each. So no pair at or above the threshold is missed, none below it is reported,
and the result depends on the sets and not on their order. Rare tokens come first, so that text which
all rows have in common costs nothing.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from hashlib import blake2b
from math import ceil
from typing import IO, TYPE_CHECKING, NamedTuple

from .digest import normal_text
from .views import words

if TYPE_CHECKING:
    import numpy as np

    Grams = np.ndarray[tuple[int], np.dtype[np.uint64]]
    Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]

CHARS = 5
"""Length of the character runs of short texts: one changed letter leaves a Jaccard of 0.8 only in
texts of 49 letters or more, so that `2+2` and `2+3` stay apart."""
_WORD_SALT, _CHAR_SALT = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
_VOCABULARY = 1_000_000
"""Word hashes that are remembered at most; the rest is computed again."""
_BUCKETS = 2**27
"""Counters of shingles at most, a byte each."""
_TOGETHER = 1 << 14
"""So many candidates are sorted out at once."""


class Link(NamedTuple):
    """Two sets and their Jaccard similarity. `left` and `right` are numbers of sets."""

    left: int
    right: int
    jaccard: float


class Shingler:
    """Turns texts into sets of hashed shingles.

    Equal shingles have equal hashes on every machine. Different ones collide with a chance of 2**-64
    for a pair, which is the only way in which a Jaccard here differs from that of the texts.

    Args:
        size: words in a shingle. Texts of fewer words become runs of `CHARS` characters, which are
            never equal to a run of words.
    """

    def __init__(self, size: int = 5) -> None:
        self.size = size
        self._words = _Vocabulary()

    def grams(self, text: str, apart: str = "") -> Grams:
        """The sorted set of a text's shingles; empty for a text without characters.

        Args:
            text: as it stands; case, punctuation and white space do not count.
            apart: texts with different `apart` share no shingle.
        """
        import numpy as np

        found = words(text)
        if len(found) >= self.size:
            ids = np.fromiter(map(self._words.__getitem__, found), np.uint64, len(found))
            hashes = self._runs(ids, self.size, _WORD_SALT)
        else:
            flat = " ".join(found) or normal_text(text)
            codes = np.frombuffer(flat.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
            hashes = self._runs(codes, min(CHARS, len(flat)), _CHAR_SALT) if flat else np.zeros(0, np.uint64)
        if apart:
            hashes = _mixed(hashes ^ np.uint64(_hash(apart)))
        return np.unique(hashes)

    @staticmethod
    def _runs(ids: Grams, size: int, salt: int) -> Grams:
        """A hash of every run of `size` ids, order within the run included."""
        import numpy as np

        count = len(ids) - size + 1
        hashes = np.full(count, salt ^ size, np.uint64)
        for start in range(size):
            hashes = _mixed(hashes ^ ids[start : start + count])
        return hashes


class _Vocabulary(dict[str, int]):
    """Word -> its hash; forgets all once it is full."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _VOCABULARY:
            self.clear()
        self[word] = found = _hash(word)
        return found


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _mixed(values: Grams) -> Grams:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection that spreads every bit."""
    import numpy as np

    values = (values + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def jaccard(left: Grams, right: Grams) -> float:
    """Shared shingles over all shingles; 0 where one set is empty."""
    import numpy as np

    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / (len(left) + len(right) - shared) if shared else 0.0


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

    def size(self, number: int) -> int:
        """How many shingles a set has."""
        return self.ends[number + 1] - self.ends[number]

    def __getitem__(self, number: int) -> Grams:
        import numpy as np

        start, end = self.ends[number], self.ends[number + 1]
        self._file.seek(start * 8)
        return np.frombuffer(self._file.read((end - start) * 8), np.uint64)

    def links(self, threshold: float, order: Sequence[int]) -> Iterator[Link]:
        """A spanning forest of the graph of all pairs with Jaccard `threshold` or more.

        Every such pair is connected by the links, and every link is such a pair: the clusters are
        exact. Pairs within a cluster that is known already are not looked at again.

        Args:
            threshold: above 0, at most 1; compared as the decimal number that is written.
            order: numbers of the sets to join, in an order that does not depend on how they
                arrived. It decides which links are shown, not which clusters there are. Empty sets
                are like nothing.
        """
        yield from _Join(self, Fraction(repr(threshold)), [each for each in order if self.size(each)]).run()


class _Posting:
    """The sets that hold a token. `root` is their cluster while they are all in one, else -1."""

    __slots__ = ("members", "root")

    def __init__(self, first: int) -> None:
        self.members = array("q", [first])
        self.root = first


class _Join:
    """One join: sets by size, an index of rare tokens, and what is connected so far."""

    def __init__(self, sets: Sets, threshold: Fraction, order: Sequence[int]) -> None:
        import numpy as np

        self.sets, self.threshold = sets, threshold
        self.sizes = np.diff(np.array(sets.ends, np.int64))
        self.place = np.zeros(len(sets), np.int64)
        self.place[np.array(order, np.int64)] = np.arange(len(order))
        self.order = sorted(order, key=self.sizes.__getitem__)
        self.roots = np.arange(len(sets), dtype=np.int64)
        self.seen = np.full(len(sets), -1, np.int64)
        self.index: dict[int, _Posting] = {}
        size = 1 << 16
        while size < min(2 * sets.ends[-1], _BUCKETS):
            size *= 2
        self.mask = np.uint64(size - 1)
        self.counts = np.zeros(size, np.uint8)

    def run(self) -> Iterator[Link]:
        """Counts tokens, then looks every set up among the ones that are not larger."""
        import numpy as np

        for number in self.order:  # an upper bound on how many sets hold a token: buckets are shared
            buckets = self.sets[number] & self.mask
            self.counts[buckets] = np.minimum(self.counts[buckets], 254) + 1
        for number in self.order:
            grams = self.sets[number]
            probe, stored = self._prefixes(grams)
            found = [posting for token in probe if (posting := self.index.get(token)) is not None]
            if sum(len(posting.members) for posting in found) <= _TOGETHER:
                yield from self._look(number, grams, found)
            else:  # one by one: most are of the cluster that the first one leads to
                for posting in found:
                    if self._root(posting.root) != self._root(number):
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
        if posting.root >= 0 and self._root(posting.root) != self._root(number):
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
            found = found[self._roots(found) != self._root(number)]
            if not len(found):
                return
            other, found = int(found[0]), found[1:]
            shared = len(np.intersect1d(grams, self.sets[other], assume_unique=True))
            union = size + int(self.sizes[other]) - shared
            if shared * t.denominator >= union * t.numerator:
                self.roots[self._root(number)] = self._root(other)
                yield Link(other, number, shared / union)

    def _root(self, number: int) -> int:
        """The cluster of a set; -1 of -1, which is no cluster."""
        while number >= 0 and (above := int(self.roots[number])) != number:
            self.roots[number] = self.roots[above]
            number = above
        return number

    def _roots(self, numbers: Numbers) -> Numbers:
        import numpy as np

        roots = self.roots[numbers]
        while not np.array_equal(above := self.roots[roots], roots):
            roots = above
        return roots
