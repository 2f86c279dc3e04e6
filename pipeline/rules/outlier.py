"""Finds answers that are far longer or shorter than the others, or hold far more symbols.

Far is a modified z-score above 3.5: 0.6745 times the distance from the median, in medians of such distances (Iglewicz
and Hoaglin, How to Detect and Handle Outliers, 1993). Counts are compared by their logarithm, since lengths spread by
factors: three times as long is as far as a third. Rows are compared within their group: of one kind of answer (prose,
label, code, ...), or of one value of an axis. Groups of under 20 rows are left alone, and so are those of which over
half have one value or a tenth are far, and shares of short texts. Memory: a number for each row and measure, its id.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from statistics import median
from typing import Any, Literal, NamedTuple

from pydantic import Field

from ..kinds import kind_of
from ..options import listed
from ..types import Sample
from ..views import answered
from ..words import number, plural, shown
from . import CompareRule, Match, OptionFault, Options, Rule

LEAST = 20
"""Rows of a group that is judged. Chosen by us: of fewer the median of distances is a matter of chance."""
MANY = 0.1
"""Share of a group above which rows that are far are no strays but another sort of rows. Chosen by us: of
the groups in data at most 9 % are far, prose of seed-tasks by its symbols."""
SHARED_CHARS = 60
"""Characters, spaces aside, from which on a share is compared: in `July 20, 1969.` two of twelve are symbols."""
NORMAL = 0.6745
"""The median of distances of a normal distribution, in its standard deviations."""
Count = Literal["words", "chars", "lines", "symbols", "digits"]


def _share(fits: Callable[[str], bool]) -> Callable[[str], float]:
    def share(text: str) -> float:
        solid = [letter for letter in text if not letter.isspace()]
        return sum(map(fits, solid)) / len(solid) if len(solid) >= SHARED_CHARS else math.nan
    return share


_COUNTS: dict[str, Callable[[str], float]] = {
    "words": lambda text: len(text.split()), "chars": len, "lines": lambda text: text.strip().count("\n") + 1,
}
_SHARES: dict[str, Callable[[str], float]] = {
    "symbols": _share(lambda letter: not letter.isalnum()), "digits": _share(str.isdigit),
}


class Measure(Options):
    """What is compared, and among which rows."""

    of: list[Count] = Field(["words", "symbols"], description="words, chars, lines; the share of symbols or digits")
    by: str = Field("kind", description="kind: of answer; none: all rows; or an axis")


class Bounds(Options):
    """How far is too far."""

    z: float = Field(3.5, gt=0, description="the modified z-score above which a row is far from the others")
    side: Literal["both", "above", "below"] = Field("both", description="whether what is far more, or far less, counts")
    act: Literal["flag", "drop"] = Field("flag", description="what becomes of such a row")


class _Far(NamedTuple):
    """A row that is far from its group."""

    z: float
    told: str


class Outlier(CompareRule[Measure, Bounds]):
    """Compares numbers of rows with their group's median."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Reads `- outlier: [words, symbols]` and `of: words`; `by: none`, and nothing, mean all rows."""
        if "value" in options:
            options["of"] = options.pop("value")
        if options.get("by", "") is None:
            options["by"] = "none"
        return listed(options, "of")

    def check(self) -> None:
        """Something to compare."""
        if not self.how.of or len({*self.how.of}) < len(self.how.of):
            raise OptionFault("of: each measure once, and one at least", "- outlier: {of: [words, symbols]}")

    def compare(self, standing: Iterable[Sample], held: Container[str]) -> Iterator[Match]:
        """Every row that is far from its group in one of the measures; the value is its largest z-score."""
        names = list[str]()
        groups: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        values = {measure: array("d") for measure in self.how.of}
        for sample in standing:
            texts = answered(sample)
            if texts is None or not (text := "\n".join(texts)).strip():
                continue
            groups[self._group(sample, text)].append(len(names))
            names.append(sample.id)
            for measure, found in values.items():
                found.append(_COUNTS[measure](text) if measure in _COUNTS else _SHARES[measure](text))
        far = defaultdict[int, list[_Far]](list)
        for group, rows in groups.items():
            for measure, found in values.items():
                for row, each in self._far(measure, group, rows, found):
                    far[row].append(each)
        for row in sorted(far):
            if names[row] not in held:
                worst = max(far[row], key=lambda each: abs(each.z))
                yield Match(names[row], round(worst.z, 2), self.bounds.act, "; ".join(each.told for each in far[row]))

    def _group(self, sample: Sample, text: str) -> str:
        if self.how.by == "kind":
            return kind_of(text)
        return "" if self.how.by == "none" else str(sample.cell.get(self.how.by, ""))

    def _far(
        self, measure: str, group: str, rows: Iterable[int], values: array[float],
    ) -> Iterator[tuple[int, _Far]]:
        """The rows of a group that are far from its median, each with what is to be said of it."""
        order = [row for row in rows if not math.isnan(values[row])]
        scaled = [math.log1p(values[row]) if measure in _COUNTS else values[row] for row in order]
        if len(order) < LEAST:
            return
        middle = median(scaled)
        distances = [abs(value - middle) for value in scaled]
        spread = median(distances) / NORMAL
        if not spread:
            return
        usual, of = median(values[row] for row in order), f" of {shown(group)}" if group else ""
        scores = [(value - middle) / spread for value in scaled]
        if sum(abs(z) > self.bounds.z for z in scores) > MANY * len(order):
            return
        for row, z in zip(order, scores, strict=True):
            if abs(z) > self.bounds.z and self.bounds.side != ("below" if z > 0 else "above"):
                there = _told(measure, values[row], usual)
                yield row, _Far(z, f"{there} of {plural(len(order), 'row')}{of} (z {z:.1f})")


def _told(measure: str, value: float, usual: float) -> str:
    """`1,204 words, where 402 are the median`."""
    if measure in _SHARES:
        return f"{value:.0%} {measure}, where {usual:.0%} is the median"
    return f"{plural(int(value), measure.removesuffix('s'))}, where {number(round(usual, 1))} is the median"


plugin: type[Rule[Measure, Bounds]] = Outlier
