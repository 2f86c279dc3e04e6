"""What the rules for web crawls share: several measures of a text in one value, each with its published bound.

They are made for pages, not for answers: they drop good labels, JSON, code, lists and verse. `curate: [sft]` holds none
of them. A value is compact JSON, measure -> number, a list of such where a row has several answers, so that any bound
can be moved without measuring again; `decide` names every bound that the worst of them is beyond, in the order in which
the filters of datatrove look, by their names.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

from pydantic import Field

from ..types import Sample
from ..views import answered
from . import Decision, Measure, Measured, Options, RowRule


class WebBounds(Options):
    """What becomes of a row that is beyond a bound."""

    act: Literal["drop", "flag"] = Field("drop", description="what becomes of a row that is beyond a bound")


Web = TypeVar("Web", bound=WebBounds)


class Limit(NamedTuple):
    """A bound of a measure: as `words < min_doc_words`, whose published name is gopher_short_doc."""

    measure: str
    beyond: Literal["<", ">"]
    bound: str
    name: str
    told: str


class WebRule(RowRule[Measure, Web]):
    """Measures the answers that are trained on, decides by a table of limits; the answer beyond most of them speaks."""

    version: ClassVar[int] = 2
    limits: ClassVar[Sequence[Limit]] = ()

    @abstractmethod
    def measures(self, text: str) -> dict[str, float]:
        """The measures of a text, by name; what it has none of, as the mean length of no words, is left out."""

    def measure(self, sample: Sample) -> Measured | None:
        """All measures as JSON; None where the answer is a call of tools."""
        texts = answered(sample)
        if texts is None:
            return None
        found = [self.measures(text) for text in texts]
        return Measured(json.dumps(found if len(found) > 1 else found[0], separators=(",", ":")))

    def decide(self, measured: Measured) -> Decision:
        """Every bound that the text is beyond; of several, the one that is beyond most."""
        found = json.loads(str(measured.value))
        told = max(map(self._beyond, found if isinstance(found, list) else [found]), key=len)
        return Decision(self.bounds.act, "; ".join(told)) if told else Decision("keep")

    def _beyond(self, values: Mapping[str, float]) -> list[str]:
        found = []
        for limit in self.limits:
            value, bound = values.get(limit.measure), getattr(self.bounds, limit.bound)
            if value is not None and bound is not None and (value < bound if limit.beyond == "<" else value > bound):
                found.append(f"{limit.name}: {_number(value)} {limit.told} {limit.beyond} {_number(bound)}")
        return found


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def share(part: float, whole: float) -> float:
    """A share in five places behind the point, for values that are written to a file; 0 of nothing."""
    return round(part / whole, 5) if whole else 0.0


def doubled(parts: Iterable[str]) -> tuple[int, int]:
    """How many of some texts stood before among them, and their characters."""
    seen: set[str] = set()
    count = chars = 0
    for part in parts:
        if part in seen:
            count, chars = count + 1, chars + len(part)
        else:
            seen.add(part)
    return count, chars


def top_chars(words: Sequence[str], size: int) -> int:
    """Characters of the most frequent run of words, over all its places, spaces counted; of several, the first."""
    grams = pairwise(words) if size == 2 else zip(*(words[at:] for at in range(size)), strict=False)
    counts: Counter[Any] = Counter(grams)
    if not counts:
        return 0
    most = max(counts.values())
    gram = next(gram for gram, count in counts.items() if count == most)
    return (sum(map(len, gram)) + size - 1) * most


def doubled_runs(words: Sequence[str], sizes: Iterable[int]) -> dict[int, int]:
    """Size -> characters of the runs of words that stood before, each word counted once.

    Sizes grow: where no run of one size stands twice, none of the next does.
    """
    found: dict[int, int] = {}
    none = False
    for size in sizes:
        grams = [] if none else list(zip(*(words[at:] for at in range(size)), strict=False))
        none = len(set(grams)) == len(grams)
        found[size] = 0 if none else _doubled(grams, size)
    return found


def _doubled(grams: Sequence[tuple[str, ...]], size: int) -> int:
    seen: set[tuple[str, ...]] = set()
    chars = at = 0
    while at < len(grams):
        if grams[at] in seen:
            chars, at = chars + sum(map(len, grams[at])), at + size
        else:
            seen.add(grams[at])
            at += 1
    return chars
