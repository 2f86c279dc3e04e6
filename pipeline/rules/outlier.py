"""Finds answers that are far longer or shorter than the others, or hold far more symbols.

Far is a modified z-score above 3.5: 0.6745 times the distance from the median, in medians of such distances (Iglewicz
and Hoaglin, How to Detect and Handle Outliers, 1993). Counts are compared by their logarithm, since lengths spread by
factors: three times as long is as far as a third. Rows are compared within their group: of one kind of answer (prose,
label, code, ...), or of one value of an axis or a column. Groups of under 20 rows are left alone, and so are those of
which over half have one value or a tenth are far, which is said, and shares of short texts. Memory: a number for each
row and measure, its id.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sized
from statistics import median
from typing import Any, Literal, NamedTuple

from pydantic import Field

from ..errors import did_you_mean
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
NAMED = 200
"""Characters of a value by which rows are grouped."""
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
    by: str = Field("kind", description="kind: of answer; none: all rows; or an axis, or a column of imported rows")


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
        by_value, seen = self.how.by not in ("kind", "none"), set[str]()
        for sample in standing:
            texts = answered(sample)
            if texts is None or not (text := "\n".join(texts)).strip():
                continue
            groups[self._group(sample, text)].append(len(names))
            if by_value:
                seen.update(sample.cell, sample.fields)
            names.append(sample.id)
            for measure, found in values.items():
                found.append(_COUNTS[measure](text) if measure in _COUNTS else _SHARES[measure](text))
        far, remarks = defaultdict[int, list[_Far]](list), self._unseen(groups, seen)
        if by_value and self.how.by not in seen:
            groups.clear()
        for group, rows in groups.items():
            for measure, found in values.items():
                far_here, of = self._far(measure, group, rows, found)
                if len(far_here) > MANY * of:
                    remarks.append(_crowd(measure, group, len(far_here), of))
                    continue
                for row, each in far_here:
                    if self.bounds.side != ("below" if each.z > 0 else "above"):
                        far[row].append(each)
        self.remarks = tuple(remarks)
        for row in sorted(far):
            if names[row] not in held:
                worst = max(far[row], key=lambda each: abs(each.z))
                yield Match(names[row], round(worst.z, 2), self.bounds.act, "; ".join(each.told for each in far[row]))

    def _group(self, sample: Sample, text: str) -> str:
        if self.how.by == "kind":
            return kind_of(text)
        if self.how.by == "none":
            return ""
        return str(sample.cell.get(self.how.by, sample.fields.get(self.how.by, "")))[:NAMED]

    def _unseen(self, groups: Mapping[str, Sized], seen: Iterable[str]) -> list[str]:
        """Why no row was compared, where none was: no such axis, or no group is large enough."""
        by = self.how.by
        if groups and by not in ("kind", "none", *seen):
            hint = did_you_mean(by, sorted(seen))
            return [f"looked at no row: none has the axis or column '{shown(by)}'{'; ' if hint else ''}{hint}"]
        if groups and max(map(len, groups.values())) < LEAST:
            return [f"looked at no row: no group has {LEAST}, the largest {max(map(len, groups.values()))}"]
        return []

    def _far(
        self, measure: str, group: str, rows: Iterable[int], values: array[float],
    ) -> tuple[list[tuple[int, _Far]], int]:
        """The rows of a group that are far from its median, each with what is to be said of it; of how many rows."""
        order = [row for row in rows if not math.isnan(values[row])]
        scaled = [math.log1p(values[row]) if measure in _COUNTS else values[row] for row in order]
        if len(order) < LEAST:
            return [], len(order)
        middle = median(scaled)
        distances = [abs(value - middle) for value in scaled]
        spread = median(distances) / NORMAL
        if not spread:
            return [], len(order)
        usual, of = median(values[row] for row in order), f" of {shown(group)}" if group else ""
        scores = [(value - middle) / spread for value in scaled]
        beside = f" of {plural(len(order), 'row')}{of}"
        return [(row, _Far(z, f"{_told(measure, values[row], usual)}{beside} (z {z:.1f})"))
                for row, z in zip(order, scores, strict=True) if abs(z) > self.bounds.z], len(order)


def _crowd(measure: str, group: str, far: int, rows: int) -> str:
    """That a group is left alone, since what is far in it is no stray."""
    return (f"left {plural(rows, 'row')}{f' of {shown(group)}' if group else ''} alone: {number(far)} of them are far "
            f"by their {measure}, more than a tenth")


def _told(measure: str, value: float, usual: float) -> str:
    """`1,204 words, where 402 are the median`."""
    if measure in _SHARES:
        return f"{value:.0%} {measure}, where {usual:.0%} is the median"
    return f"{plural(int(value), measure.removesuffix('s'))}, where {number(round(usual, 1))} is the median"


plugin: type[Rule[Measure, Bounds]] = Outlier
