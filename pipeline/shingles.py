"""Sets of hashed runs of words, for many texts at once.

A batch of texts is one array of bytes in UTF-8: words are found where the class of a character changes, and hashed
eight bytes at a time, so that no word becomes an object. They are the words of `views.words`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from .ahead import in_order
from .digest import normal_text
from .views import TABLED, character_class, folded, words

if TYPE_CHECKING:
    import numpy as np

    Grams = np.ndarray[tuple[int], np.dtype[np.uint64]]
    Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
    Places = np.ndarray[tuple[int], np.dtype[np.intp]]
    Which = np.ndarray[tuple[int], np.dtype[np.bool_]]

CHARS = 5
"""Length of the character runs of short texts: one changed letter leaves a Jaccard of 0.8 only in
texts of 49 letters or more, so that `2+2` and `2+3` stay apart."""
TOGETHER, TOGETHER_CHARS = 512, 1 << 20
"""Texts of a batch, and characters from which on it is full: fewer, and threads wait for each other."""
_CHAR_SALT = 0xC2B2AE3D27D4EB4F
_PART = 0x9E3779B97F4A7C15
"""What a further eight bytes of a word are told apart by; odd."""
_STEP = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Constants of splitmix64 (Steele, Lea, Flood 2014)."""
_AT_ONCE = 8
"""Bytes of a word that are hashed at once."""


class Text(NamedTuple):
    """What is shingled. Texts with different `apart` share no shingle."""

    text: str
    apart: str = ""


class Batch(NamedTuple):
    """The sets of some texts.

    Attributes:
        grams: of all sets, one behind the other, each of them sorted.
        sizes: how many each has.
    """

    grams: Grams
    sizes: Places


class _Read(NamedTuple):
    """Some texts, and the UTF-8 of what holds their words."""

    texts: Sequence[Text]
    encoded: list[bytes]


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
        return self._batch(_read([Text(text, apart)])).grams

    def many(self, texts: Iterable[Text]) -> Iterator[Grams]:
        """The sets of many texts, in their order; read and made a batch at a time."""
        for batch in self.batches(texts):
            start = 0
            for size in batch.sizes.tolist():
                yield batch.grams[start : start + size]
                start += size

    def batches(self, texts: Iterable[Text]) -> Iterator[Batch]:
        """As `many`, a batch at a time; threads make some while the next texts are read."""
        return in_order(self._batch, _batches(texts))

    def runs(self, texts: Sequence[str]) -> list[Grams]:
        """Of each text the hashes of its runs of words in order, one for each word that begins one; none where it is
        shorter. They are those of `grams`."""
        runs, ends = self._hashed(_read([Text(text) for text in texts]))
        found = _mix(runs)
        return [found[start : max(start, end - self.size + 1)] for start, end in pairwise(ends.tolist())]

    def _hashed(self, read: _Read) -> tuple[Grams, Places]:
        """All runs of words of some texts, not yet mixed; where each text's words begin, and the end of the last."""
        import numpy as np

        ids, ends = _word_ids(read.encoded)
        runs = np.zeros(max(0, len(ids) - self.size + 1), np.uint64)
        for place in range(self.size):
            runs += ids[place : place + len(runs)] * np.uint64(_odd(place))
        return runs, ends

    def _batch(self, read: _Read) -> Batch:
        import numpy as np

        runs, ends = self._hashed(read)
        every = [_mix(runs)]
        starts, counts = ends[:-1].tolist(), (np.diff(ends) - self.size + 1).tolist()
        end = len(runs)
        for at, each in enumerate(read.texts):
            if counts[at] > 0 and not each.apart:
                continue
            found = runs[starts[at] : starts[at] + counts[at]] if counts[at] > 0 else self._of_characters(each.text)
            if each.apart:
                found = _mix(found ^ np.uint64(_hash(each.apart)))
            every.append(found)
            starts[at], counts[at] = end, len(found)
            end += len(found)
        return _sorted(np.concatenate(every), np.array(starts), np.array(counts))

    @staticmethod
    def _of_characters(text: str) -> Grams:
        """Runs of characters of a text that is too short for a run of words."""
        import numpy as np

        flat = " ".join(words(text)) or normal_text(text)
        codes = np.frombuffer(flat.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
        size = min(CHARS, len(flat))
        hashes = np.full(len(flat) - size + 1 if flat else 0, _CHAR_SALT ^ size, np.uint64)
        for start in range(size):
            hashes = _mix(hashes ^ codes[start : start + len(hashes)])
        return hashes


def _batches(texts: Iterable[Text]) -> Iterator[_Read]:
    batch, chars = list[Text](), 0
    for each in texts:
        batch.append(each)
        chars += len(each.text)
        if len(batch) == TOGETHER or chars >= TOGETHER_CHARS:
            yield _read(batch)
            batch, chars = [], 0
    if batch:
        yield _read(batch)


def _read(texts: Sequence[Text]) -> _Read:
    return _Read(texts, [folded(each.text).encode("utf-8", "surrogatepass") for each in texts])


def _word_ids(encoded: Sequence[bytes]) -> tuple[Grams, Places]:
    """A hash of every word of folded texts, and where each text's words begin, with the end of the last."""
    import numpy as np

    joined = b"\0".join((b"", *encoded, bytes(_AT_ONCE)))  # none begins a word, and 8 bytes can be read of the last
    starts, stops = _bounds(joined)
    ids = _mix(_eight(joined, starts, stops))
    long = np.flatnonzero(stops - starts > _AT_ONCE)
    if len(long):
        more = (stops[long] - starts[long] - 1) // _AT_ONCE
        first = np.cumsum(more) - more
        nth = np.arange(1, int(more.sum()) + 1) - np.repeat(first, more)
        parts = _eight(joined, np.repeat(starts[long], more) + nth * _AT_ONCE, np.repeat(stops[long], more))
        ids[long] ^= np.add.reduceat(_mix(parts + nth.astype(np.uint64) * np.uint64(_PART)), first)
        ids[long] = _mix(ids[long])
    places = np.cumsum([0, *(len(text) + 1 for text in encoded)])
    return ids, np.searchsorted(starts, places)


def _eight(joined: bytes, starts: Places, stops: Places) -> Grams:
    """The eight bytes from each start on, as a number; those from the stop on are 0."""
    import numpy as np

    every: Grams = np.ndarray((len(joined) - _AT_ONCE + 1,), "<u8", joined, 0, (1,))
    found: Grams = every[starts].astype(np.uint64, copy=False)
    found &= _masks()[np.minimum(stops - starts, _AT_ONCE)]
    return found


@cache
def _masks() -> Grams:
    import numpy as np

    return np.array([(1 << 8 * count) - 1 for count in range(_AT_ONCE + 1)], np.uint64)


def _bounds(joined: bytes) -> tuple[Places, Places]:
    """Where words begin and where they have ended; the first and the last byte are in none."""
    import numpy as np

    kinds = np.frombuffer(joined.translate(_kinds()), np.uint8)
    if joined.isascii():
        edges = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
        return edges[::2], edges[1::2]
    inside = kinds.astype(bool)
    alone, behind = _mark(joined, inside)
    begins, ends = inside.copy(), ~inside
    begins[1:] &= ends[:-1]
    ends[1:] &= inside[:-1]
    begins[alone], begins[behind] = True, inside[behind]
    ends[behind], ends[alone] = True, inside[alone - 1]
    return np.flatnonzero(begins), np.flatnonzero(ends[1:]) + 1


def _mark(joined: bytes, inside: Which) -> tuple[Places, Places]:
    """Takes from `inside` the characters beyond ASCII that stand between words; says where those begin and end that
    are words by themselves."""
    import numpy as np

    data = np.frombuffer(joined, np.uint8)
    first = np.flatnonzero(data >= 0xC0)
    lead = data[first]
    length = 2 + (lead >= 0xE0).astype(np.intp) + (lead >= 0xF0)
    codes = (lead & (0xFF >> length + 1)).astype(np.uint32)
    for nth in (1, 2, 3):
        there = length > nth
        codes[there] = codes[there] << 6 | data[first[there] + nth] & 0x3F
    classes = _classes(codes)
    between, size = first[classes == 0], length[classes == 0]
    for nth in range(4):
        inside[between[size > nth] + nth] = False
    alone = first[classes == 2]
    return alone, alone + length[classes == 2]


def _classes(codes: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> Bytes:
    """The class of each character: 0 between words, 1 within words, 2 a word by itself."""
    import numpy as np

    found = _table()[np.minimum(codes, TABLED)]
    beyond = np.flatnonzero(codes >= TABLED)
    if len(beyond):
        kinds, where = np.unique(codes[beyond], return_inverse=True)
        found[beyond] = np.array([_class(chr(kind)) for kind in kinds.tolist()], np.uint8)[where]
    return found


@cache
def _table() -> Bytes:
    import numpy as np

    return np.array([*(character_class(chr(code)) for code in range(TABLED)), 0], np.uint8)


@cache
def _kinds() -> bytes:
    """1 for bytes of words, as if all characters beyond ASCII were in words; else 0."""
    return bytes(int(byte >= 0x80 or character_class(chr(byte)) == 1) for byte in range(256))


_class = lru_cache(maxsize=1 << 16)(character_class)


@cache
def _odd(place: int) -> int:
    return (_hash(f"shingle {place}") << 1 | 1) & (1 << 64) - 1


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _mix(values: Grams) -> Grams:
    """The finaliser of splitmix64, in place: a bijection that spreads every bit."""
    import numpy as np

    add, first, second = (np.uint64(step) for step in _STEP)
    values += add
    values ^= values >> np.uint64(30)
    values *= first
    values ^= values >> np.uint64(27)
    values *= second
    values ^= values >> np.uint64(31)
    return values


def _sorted(values: Grams, starts: Places, counts: Places) -> Batch:
    """Values of some sets, sorted, each value once in a set.

    Sets of similar sizes are sorted together, as rows that are filled up with the largest number.
    """
    import numpy as np

    ends = np.cumsum(counts)
    found = np.empty(int(counts.sum()), np.uint64)
    classes = np.frexp(counts - 0.5)[1]
    for each in np.unique(classes[counts > 0]).tolist():
        rows = np.flatnonzero(classes == each)
        width = np.arange(counts[rows].max())
        there = width < counts[rows, None]
        table = np.full(there.shape, np.iinfo(np.uint64).max, np.uint64)
        table[there] = values[(starts[rows, None] + width)[there]]
        table.sort(axis=1)
        found[((ends - counts)[rows, None] + width)[there]] = table[there]
    keep = np.empty(len(found), bool)
    np.not_equal(found[1:], found[:-1], out=keep[1:])
    keep[(ends - counts)[counts > 0]] = True
    kept = np.concatenate(([0], np.cumsum(keep)))
    return Batch(found[keep], kept[ends] - kept[ends - counts])


def jaccard(left: Grams, right: Grams) -> float:
    """Shared shingles over all shingles; 0 where one set is empty."""
    import numpy as np

    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / (len(left) + len(right) - shared) if shared else 0.0
