"""What train and validation share after all: families that are near duplicates, and the most alike pairs of rows.

Rows are compared by what they teach: their answers, and where those are too short to be told apart (labels, numbers)
by their prompts, less the text that a tenth of the rows have (a template). Similarity is the Jaccard of 5-word
shingles, as the rule `near_duplicate` has it.
"""

from __future__ import annotations

from array import array
from bisect import insort
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.shingles import Shingler, Text, jaccard
from pipeline.similar import Sets
from pipeline.types import Sample
from pipeline.views import asked, has_words, said
from pipeline.words import shown

from ._spool import Spool

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
    Counts = np.ndarray[tuple[int], np.dtype[np.uint32]]

WORDS = 5
"""Words in a shingle; shorter answers are told apart by their prompts."""
TEMPLATE, TEMPLATE_ROWS = 0.1, 10
"""A shingle of prompts that more than this share of rows have, and more than so many, says nothing of who is alike."""
SHOWN, BEGINS = 3, 60
"""Pairs that are named, and characters of their texts."""
_BUCKETS = 1 << 22
_TOGETHER, _INDEXED = 64, 1 << 22
"""Rows of train that are looked up at once; shingles of validation in one index (some 100 MB)."""
_HELD_BY = 256
"""A shingle of more rows of validation finds nobody; pairs that others find are compared whole."""


class Pair(NamedTuple):
    """A row of validation and one of train that are alike, and how their texts begin."""

    jaccard: float
    validation: str
    train: str
    begins: tuple[str, str] = ("", "")

    def as_json(self) -> dict[str, Any]:
        """As a manifest has it."""
        return {"jaccard": round(self.jaccard, 4), "validation": self.validation, "train": self.train,
                "validation_begins": self.begins[0], "train_begins": self.begins[1]}


class Shingled:
    """The shingles of all chosen rows, on disk. Use as a context manager.

    Attributes:
        families: of each set, the number of the row's family.
        names: of each set, the row's id; sets are in order of ids.
    """

    def __init__(self, spool: Spool) -> None:
        self.families = array("q")
        self.names: list[str] = []
        self._short = bytearray()
        self._spool = spool
        self._sets = Sets()

    def __enter__(self) -> Shingled:
        for grams in Shingler(WORDS).many(self._texts()):
            self._sets.add(grams)
        if any(self._short):
            self._without_template()
        return self

    def __exit__(self, *_: object) -> None:
        self._sets.__exit__()

    def _texts(self) -> Iterator[Text]:
        for family, sample in self._spool.conversations():
            text, short = compared(sample)
            self.families.append(family)
            self.names.append(sample.id)
            self._short.append(short)
            yield Text(text)

    def _without_template(self) -> None:
        """Takes from prompts what very many of them have."""
        import numpy as np

        counts: Counts = np.zeros(_BUCKETS, np.uint32)
        prompts = [number for number, short in enumerate(self._short) if short]
        for number in prompts:
            counts[np.unique(self._sets[number] & np.uint64(_BUCKETS - 1))] += 1
        most = max(TEMPLATE_ROWS, int(TEMPLATE * len(prompts)))
        rest = Sets()
        for number, short in enumerate(self._short):
            grams = self._sets[number]
            rest.add(grams[counts[grams & np.uint64(_BUCKETS - 1)] <= most] if short else grams)
        self._sets.__exit__()
        self._sets = rest

    def clusters(self, threshold: float, families: int) -> Sequence[int]:
        """Of each family, the number of the first one that it is joined with by near duplicates."""
        roots = array("q", range(families))

        def root(number: int) -> int:
            while roots[number] != number:
                roots[number] = roots[roots[number]]
                number = roots[number]
            return number

        for link in self._sets.links(threshold, range(len(self._sets))):
            left, right = root(self.families[link.left]), root(self.families[link.right])
            roots[max(left, right)] = min(left, right)
        return array("q", map(root, range(families)))

    def most_alike(self, held: set[int]) -> list[Pair]:
        """The pairs of a row in validation and one in train that share most, the most alike first.

        Args:
            held: numbers of the families in validation.

        Returns:
            `SHOWN` pairs at most; none where no shingle stands on both sides.
        """
        ours = [number for number, family in enumerate(self.families) if family in held]
        train = [number for number, family in enumerate(self.families) if family not in held]
        found: list[tuple[float, int, int]] = []
        for part in self._parts(ours):
            index = _Index(self._sets, part)
            for start in range(0, len(train), _TOGETHER):
                index.look(train[start : start + _TOGETHER], found)
        return [Pair(-far, self.names[left], self.names[right], (self._begins(left), self._begins(right)))
                for far, left, right in found]

    def _parts(self, numbers: list[int]) -> Iterator[list[int]]:
        part, size = list[int](), 0
        for number in numbers:
            part.append(number)
            size += self._sets.size(number)
            if size >= _INDEXED:
                yield part
                part, size = [], 0
        if part:
            yield part

    def _begins(self, number: int) -> str:
        text = " ".join(compared(self._spool.conversation(self.names[number])).text.split())
        return shown(text if len(text) <= BEGINS else f"{text[: BEGINS - 1].rstrip()}…")


class Compared(NamedTuple):
    """The text by which a row is compared, and whether that is its prompt."""

    text: str
    prompt: bool


def compared(sample: Sample) -> Compared:
    """What of a row is compared: all that it answers, or what is asked where that is short."""
    text = said(sample)
    if text is not None and has_words(text, WORDS):
        return Compared(text, False)
    prompt = asked(sample)
    return Compared(prompt, True) if prompt.strip() else Compared(text or "", False)


class _Index:
    """Shingles of some sets, and which of them hold each."""

    def __init__(self, sets: Sets, numbers: list[int]) -> None:
        import numpy as np

        self.sets, self.numbers = sets, numbers
        self.sizes = np.array([sets.size(number) for number in numbers], np.int64)
        grams = np.concatenate([sets[number] for number in numbers])
        order = np.argsort(grams, kind="stable")
        self.owners = np.repeat(np.arange(len(numbers)), self.sizes)[order]
        self.tokens, self.starts, self.counts = np.unique(grams[order], return_index=True, return_counts=True)

    def look(self, others: list[int], found: list[tuple[float, int, int]]) -> None:
        """Puts the best pairs of these sets with those of the index into `found`: (-Jaccard, ours, other), sorted."""
        import numpy as np

        sizes = np.array([self.sets.size(number) for number in others], np.int64)
        if not len(self.tokens) or not sizes.sum():
            return
        grams = np.concatenate([self.sets[number] for number in others])
        at = np.minimum(np.searchsorted(self.tokens, grams), len(self.tokens) - 1)
        whose = np.repeat(np.arange(len(others)), sizes)
        there = self.tokens[at] == grams
        common = there & (self.counts[at] > _HELD_BY)
        left_out = np.bincount(whose[common], minlength=len(others))
        at, whose = at[there & ~common], whose[there & ~common]
        counts = self.counts[at]
        before = np.repeat(np.cumsum(counts) - counts - self.starts[at], counts)
        owners = self.owners[np.arange(counts.sum()) - before]
        pairs, shared = np.unique(np.repeat(whose, counts) * len(self.numbers) + owners, return_counts=True)
        other, ours = pairs // len(self.numbers), pairs % len(self.numbers)
        both = np.minimum(shared + left_out[other], np.minimum(self.sizes[ours], sizes[other]))
        bound = both / (self.sizes[ours] + sizes[other] - both)
        for place in np.argsort(-bound, kind="stable"):
            if len(found) == SHOWN and bound[place] < -found[-1][0]:
                return
            left, right = self.numbers[int(ours[place])], others[int(other[place])]
            insort(found, (-jaccard(self.sets[left], self.sets[right]), left, right))
            del found[SHOWN:]
