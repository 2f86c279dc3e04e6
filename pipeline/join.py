"""All pairs of some sets that are alike, none missed: for each set, what it shares with those before it is counted.

That goes token by token where few sets hold a token, by bits where many do, and those only for sets that the others may
make alike. Sets that share none of the rarest tokens are not counted at all.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from .bands import Held, held_by

if TYPE_CHECKING:
    import numpy as np

    from .bands import Numbers
    from .shingles import Grams

    Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
    Bits = np.ndarray[tuple[int, int], np.dtype[np.uint16]]
    Places = np.ndarray[tuple[int], np.dtype[np.int32]]
    Ones = np.ndarray[tuple[int], np.dtype[np.uint8]]

HELD_BY, HELD_BY_SHARE, HELD_BY_MOST, COLUMNS = 256, 1 / 8, 1024, 4096
"""A token is counted by bits where more sets hold it than these: 256, or an eighth of all up to 1,024; at most so many
tokens. At an eighth, a count token by token takes about as long as one by bits."""
_PARTS = 16
"""Tokens are sorted in so many parts, which takes less memory."""
_ROUNDING = 1e-9
"""More than what a product of a threshold and a size is wrong by."""


class Join:
    """All pairs of some sets that are alike. Sets are told by their place in the order that is given.

    Args:
        sets: the sets.
        order: numbers of the sets to be compared, none of them empty.
        threshold: the least Jaccard.
    """

    def __init__(self, sets: Held, order: Numbers, threshold: float) -> None:
        import numpy as np

        self.threshold = threshold
        numbers = order.tolist()
        self.sizes = np.array([sets.size(number) for number in numbers], np.int64)
        owners, held = _shared(sets, numbers)
        most = max(HELD_BY, min(int(HELD_BY_SHARE * len(order)), HELD_BY_MOST))
        common = np.argsort(-held, kind="stable")[:COLUMNS]
        common = common[held[common] > most]
        self._set_bits(owners, held, common)
        rare = np.ones(len(held), bool)
        rare[common] = False
        self.members, held = _rare_first(owners[np.repeat(rare, held)], held[rare])
        self.mine = np.argsort(self.members, kind="stable").astype(np.int32)
        self.first = np.repeat((np.cumsum(held) - held).astype(np.int32), held)[self.mine]
        self.starts = self.members[self.mine].searchsorted(np.arange(len(order) + 1))
        shared = np.diff(self.starts) + self.common
        need = np.ceil(threshold * self.sizes - _ROUNDING).astype(np.int64)
        left_out = np.maximum(self.common, need // 2)
        self.telling, self.least = shared - left_out, need - left_out
        self.mostly = self.common >= need  # what many hold may suffice
        self.wanted = np.zeros(len(order), bool)

    def _set_bits(self, owners: Places, held: Places, tokens: Numbers) -> None:
        """The tokens that many sets hold, as bits of each set, and how many of them a set holds."""
        import numpy as np

        self.bits: Bits = np.zeros((len(self.sizes), -(-len(tokens) // 16)), np.uint16)
        self.common = np.zeros(len(self.sizes), np.int64)
        ends = np.cumsum(held, dtype=np.int64)
        for column, token in enumerate(tokens.tolist()):
            holders = owners[ends[token] - held[token] : ends[token]]
            self.bits[holders, column // 16] |= np.uint16(1 << column % 16)
            self.common[holders] += 1

    def pairs(self) -> Iterator[tuple[int, Numbers, Floats]]:
        """Each set with those before it that it is like, and their Jaccard."""
        import numpy as np

        for this in range(len(self.sizes)):
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
            yield this, others[may], alike[may]

    def _counted(self, this: int) -> tuple[Numbers, Numbers]:
        """Sets before this one that may be like it, and how many tokens both hold of those that few hold.

        A set that is like this one shares a number of its tokens. Where half as many are left out, those that most sets
        hold, it still shares half as many of the `telling` others, which hardly any set does (prefix filter; Chaudhuri,
        Ganti, Kaushik 2006).
        """
        import numpy as np

        mine = slice(self.starts[this], self.starts[this + 1])
        first = self.first[mine]
        counts = self.mine[mine] - first
        if self.mostly[this]:
            every = np.bincount(self._hits(first, counts), minlength=this)
            others = np.flatnonzero((every > 0) | self.mostly[:this])
            return others, every[others]
        telling = max(0, int(self.telling[this]))
        found, shared = np.unique(self._hits(first[:telling], counts[:telling]), return_counts=True)
        others = found[shared >= self.least[this]].astype(np.int64)
        if not len(others):
            return others, others
        self.wanted[others] = True
        hits = self._hits(first, counts)
        hits = hits[self.wanted[hits]]
        self.wanted[others] = False
        return others, np.bincount(others.searchsorted(hits), minlength=len(others))

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


def _shared(sets: Held, numbers: Sequence[int]) -> tuple[Places, Places]:
    """Who holds the tokens that several of some sets hold, token after token, and how many hold each.

    Sets are told by their place. Memory: 20 bytes for every such token of a set while it works, then 4.
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
    owners = np.repeat(np.arange(len(numbers), dtype=np.int32), lengths)
    parts = (every >> np.uint64(64 - _PARTS.bit_length() + 1)).astype(np.uint8)
    found = [_together(every[here], owners[here]) for here in (np.flatnonzero(parts == each) for each in range(_PARTS))]
    return np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])


def _together(tokens: Grams, owners: Places) -> tuple[Places, Places]:
    """Who holds each of some tokens that several sets hold, and how many hold it."""
    import numpy as np

    by = np.argsort(tokens, kind="stable")
    tokens, owners = tokens[by], owners[by]
    starts = np.flatnonzero(np.concatenate(([True], tokens[1:] != tokens[:-1]))) if len(tokens) else by
    held = np.diff(np.append(starts, len(tokens))).astype(np.int32)
    several = held > 1  # counters are shared
    return owners[np.repeat(several, held)], held[several]


@cache
def _ones() -> Ones:
    """How many bits of 16 are set."""
    import numpy as np

    found: Ones = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16).sum(1, np.uint8)
    return found
