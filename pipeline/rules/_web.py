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
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import ClassVar, Literal, NamedTuple, TypeVar

import orjson
from pydantic import Field

from ..types import Sample
from ..views import answered
from . import Decision, Measure, Measured, Options, RowRule


class WebBounds(Options):
    """What becomes of a row that is beyond a bound."""

    act: Literal["drop", "flag"] = Field("drop", description="what becomes of a row that is beyond a bound")


_JSON = json.JSONEncoder(separators=(",", ":"))
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
        return Measured(_JSON.encode(found if len(found) > 1 else found[0]))

    def decide(self, measured: Measured) -> Decision:
        """Every bound that the text is beyond; of several, the one that is beyond most."""
        found = orjson.loads(str(measured.value))
        told = max(map(self._beyond, found if isinstance(found, list) else [found]), key=len)
        return Decision(self.bounds.act, "; ".join(told)) if told else Decision("keep")

    def _beyond(self, values: Mapping[str, float]) -> list[str]:
        found = []
        for limit, bound, below in self._bounded:
            value = values.get(limit.measure)
            if value is not None and (value < bound if below else value > bound):
                found.append(f"{limit.name}: {_number(value)} {limit.told} {limit.beyond} {_number(bound)}")
        return found

    @cached_property
    def _bounded(self) -> list[tuple[Limit, float, bool]]:
        """The limits that are on, each with its bound, and whether it is the least."""
        bounds = [(limit, getattr(self.bounds, limit.bound)) for limit in self.limits]
        return [(limit, bound, limit.beyond == "<") for limit, bound in bounds if bound is not None]


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


class Runs(NamedTuple):
    """How often runs of words come again.

    Attributes:
        top: size -> characters of the most frequent run, over all its places, spaces counted; of several, the first.
        doubled: size -> characters of the runs that stood before, each word counted once.
    """

    top: dict[int, int]
    doubled: dict[int, int]


def runs(words: tuple[str, ...], top: Collection[int], doubled: Collection[int]) -> Runs:
    """The runs of words of some sizes, of two words and more. A run that stands twice begins with one that does: only
    these are looked at for the next size."""
    found = Runs({}, {})
    places: Sequence[int] = range(len(words) - 1)
    for size in range(2, max(*top, *doubled) + 1):
        grams = list(pairwise(words)) if size == 2 else [words[at:at + size] for at in places]
        counts = Counter(grams)
        again = [at for at, gram in zip(places, grams, strict=True) if counts[gram] > 1] if counts else []
        if size in top:
            most = max(counts.values()) if again else 1
            gram = next(gram for gram in grams if counts[gram] == most) if again else words[:size]
            found.top[size] = (sum(map(len, gram)) + size - 1) * most if len(words) >= size else 0
        if size in doubled:
            found.doubled[size] = _doubled(words, size) if again else 0
        places = [at for at in again if at + size < len(words)]
    return found


def _doubled(words: tuple[str, ...], size: int) -> int:
    grams = [words[at:at + size] for at in range(len(words) - size + 1)]
    seen: set[tuple[str, ...]] = set()
    chars = at = 0
    while at < len(grams):
        if grams[at] in seen:
            chars, at = chars + sum(map(len, grams[at])), at + size
        else:
            seen.add(grams[at])
            at += 1
    return chars
