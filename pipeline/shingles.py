"""Sets of hashed runs of words, for many texts at once.

A batch of texts is one array of characters: words are found where the class of a character changes, and hashed by
differences of a running polynomial, so that no word becomes an object. They are the words of `views.words`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

from .digest import normal_text
from .views import TABLED, character_class, words

if TYPE_CHECKING:
    import numpy as np

    Grams = np.ndarray[tuple[int], np.dtype[np.uint64]]
    Classes = np.ndarray[tuple[int], np.dtype[np.uint8]]
    Places = np.ndarray[tuple[int], np.dtype[np.intp]]

CHARS = 5
"""Length of the character runs of short texts: one changed letter leaves a Jaccard of 0.8 only in
texts of 49 letters or more, so that `2+2` and `2+3` stay apart."""
TOGETHER = 32
"""Texts of a batch: of 8 to 256, the fastest on texts of 1.5 kB (their arrays stay in a core's cache)."""
_CHAR_SALT = 0xC2B2AE3D27D4EB4F
_BASE = 0x9E3779B97F4A7C15
"""Of the polynomial; odd, so that it has an inverse modulo 2**64."""
_STEP = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Constants of splitmix64 (Steele, Lea, Flood 2014)."""


class Text(NamedTuple):
    """What is shingled. Texts with different `apart` share no shingle."""

    text: str
    apart: str = ""


class Shingler:
    """Turns texts into sets of hashed shingles.

    Equal shingles have equal hashes on every machine. Different ones collide with a chance of about 2**-64
    for a pair, which is the only way in which a Jaccard here differs from that of the texts.

    Args:
        size: words in a shingle. Texts of fewer words become runs of `CHARS` characters, which are
            never equal to a run of words.
    """

    def __init__(self, size: int = 5) -> None:
        self.size = size

    def grams(self, text: str, apart: str = "") -> Grams:
        """The sorted set of a text's shingles; empty for a text without characters.

        Args:
            text: as it stands; case, punctuation and white space do not count.
            apart: texts with different `apart` share no shingle.
        """
        return next(self.many([Text(text, apart)]))

    def many(self, texts: Iterable[Text]) -> Iterator[Grams]:
        """The sets of many texts, in their order; read and made a batch at a time."""
        left = iter(texts)
        while batch := list(islice(left, TOGETHER)):
            yield from self._batch(batch)

    def runs(self, texts: Sequence[str]) -> list[Grams]:
        """Of each text the hashes of its runs of words in order, one for each word that begins one; none where it is
        shorter. They are those of `grams`."""
        runs, ends = self._hashed(texts)
        return [runs[start : max(start, end - self.size + 1)] for start, end in pairwise(ends)]

    def _hashed(self, texts: Sequence[str]) -> tuple[Grams, list[int]]:
        """The hashes of all runs of words of joined texts, and where each text's begin, with the end of the last."""
        import numpy as np

        ids, ends = _word_ids([unicodedata.normalize("NFC", text).casefold() for text in texts])
        steps = np.array([_odd(place) for place in range(self.size)], np.uint64)
        runs = np.zeros(max(0, len(ids) - self.size + 1), np.uint64)
        for place, step in enumerate(steps):
            runs += ids[place : place + len(runs)] * step
        return _mixed(runs), ends

    def _batch(self, batch: Sequence[Text]) -> Iterator[Grams]:
        import numpy as np

        runs, ends = self._hashed([each.text for each in batch])
        for each, (start, end) in zip(batch, pairwise(ends), strict=True):
            found = runs[start : end - self.size + 1] if end - start >= self.size else self._of_characters(each.text)
            if each.apart:
                found = _mixed(found ^ np.uint64(_hash(each.apart)))
            yield _distinct(found)

    @staticmethod
    def _of_characters(text: str) -> Grams:
        """Runs of characters of a text that is too short for a run of words."""
        import numpy as np

        flat = " ".join(words(text)) or normal_text(text)
        codes = np.frombuffer(flat.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
        size = min(CHARS, len(flat))
        hashes = np.full(len(flat) - size + 1 if flat else 0, _CHAR_SALT ^ size, np.uint64)
        for start in range(size):
            hashes = _mixed(hashes ^ codes[start : start + len(hashes)])
        return hashes


def _word_ids(texts: Sequence[str]) -> tuple[Grams, list[int]]:
    """A hash of every word of folded texts, and where each text's words begin, with the end of the last."""
    import numpy as np

    joined = "\n".join(texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
    classes = _classes(codes)
    inside, alone = classes > 0, classes == 2
    before = np.concatenate(([True], ~inside[:-1] | alone[:-1]))  # nothing that a word could go on from
    behind = np.concatenate((~inside[1:] | alone[1:], [True]))
    starts = np.flatnonzero(inside & (before | alone))
    stops = np.flatnonzero(inside & (behind | alone))
    powers, inverses = _powers(len(codes))
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(codes * powers[: len(codes)], dtype=np.uint64)))
    ids = _mixed((sums[stops + 1] - sums[starts]) * inverses[starts])
    places = np.cumsum([0, *(len(text) + 1 for text in texts)])
    return ids, np.searchsorted(starts, places).tolist()


def _classes(codes: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> Classes:
    """The class of each character: 0 between words, 1 within words, 2 a word by itself."""
    import numpy as np

    found = _table()[np.minimum(codes, TABLED)]
    beyond = np.flatnonzero(codes >= TABLED)
    if len(beyond):
        kinds, where = np.unique(codes[beyond], return_inverse=True)
        found[beyond] = np.array([_class(chr(kind)) for kind in kinds.tolist()], np.uint8)[where]
    return found


@cache
def _table() -> Classes:
    import numpy as np

    return np.array([*(character_class(chr(code)) for code in range(TABLED)), 0], np.uint8)


_class = lru_cache(maxsize=1 << 16)(character_class)


@lru_cache(maxsize=8)
def _powers_of(count: int) -> tuple[Grams, Grams]:
    import numpy as np

    base, inverse = _BASE, pow(_BASE, -1, 1 << 64)
    return (np.cumprod(np.full(count, base, np.uint64), dtype=np.uint64),
            np.cumprod(np.full(count, inverse, np.uint64), dtype=np.uint64))


def _powers(count: int) -> tuple[Grams, Grams]:
    """Powers of the polynomial's base and of its inverse, at least so many."""
    return _powers_of(1 << max(14, count.bit_length()))


def _odd(place: int) -> int:
    return (_hash(f"shingle {place}") << 1 | 1) & (1 << 64) - 1


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _mixed(values: Grams) -> Grams:
    """The finaliser of splitmix64: a bijection that spreads every bit."""
    import numpy as np

    add, first, second = (np.uint64(step) for step in _STEP)
    values = values + add
    values ^= values >> np.uint64(30)
    values *= first
    values ^= values >> np.uint64(27)
    values *= second
    return values ^ (values >> np.uint64(31))


def _distinct(values: Grams) -> Grams:
    """The sorted set of values, in less time than numpy's `unique` takes."""
    import numpy as np

    found = np.sort(values)
    keep = np.empty(len(found), bool)
    keep[:1] = True
    np.not_equal(found[1:], found[:-1], out=keep[1:])
    return found[keep]


def jaccard(left: Grams, right: Grams) -> float:
    """Shared shingles over all shingles; 0 where one set is empty."""
    import numpy as np

    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / (len(left) + len(right) - shared) if shared else 0.0
