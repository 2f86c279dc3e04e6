"""What is kept far less often than it was wanted: values of axes, and cells without any row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import ceil, sqrt
from typing import Any, NamedTuple

from pipeline.marks import Marks
from pipeline.store import Dataset
from pipeline.store.plan import WANTED

from .tally import VALUES

HALF = 0.5
"""A value is starved where at most so much of what was wanted is kept as of the other values, ..."""
FEWEST, DEVIATIONS = 10, 3.0
"""... of so many wanted rows, and so many standard errors off. Chosen by us, as the report does."""
REPEATED = 3
"""A cell is starved where so many rows of it were wanted and none is kept; of fewer, that is chance."""
CELLS = 1_000_000
"""Plans of more cells are not counted by cell."""


class Value(NamedTuple):
    """A value of an axis: rows that the plan wants of it, rows that are kept, and would be at an even loss."""

    axis: str
    value: str
    wanted: int
    kept: int
    share: int


class Starved(NamedTuple):
    """What a set lacks.

    Attributes:
        wanted: rows that the plan wants.
        kept: of these, rows that are kept.
        values: those of which too little is kept, the worst first.
        cells: cells of which several rows were wanted and none is kept.
        keep: rows kept in all, once each of these has its share and no other has lost a row.
    """

    wanted: int
    kept: int
    values: list[Value]
    cells: list[dict[str, Any]]
    keep: int

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {**self._asdict(), "values": [value._asdict() for value in self.values]}


class KeptDraws:
    """The draws that a kept row was made for."""

    def __init__(self) -> None:
        self._kept = Marks()

    def add(self, draw: str) -> None:
        """One kept row; rewrites carry the draw of the row that they were made from."""
        self._kept.add(draw)

    def starved(self, dataset: Dataset) -> Starved | None:
        """What the plan wants and the kept rows lack; None where nothing does, or where there is no plan of axes."""
        if not len(self._kept):
            return None
        wanted, kept = dict[str, Counter[str]](), dict[str, Counter[str]]()
        cells, wide = dict[tuple[tuple[str, Any], ...], list[int]](), set[str]()
        total = there = 0
        for draw, state in dataset.plan.draws():
            if state != WANTED or draw.source is not None or not draw.cell:
                continue
            has = draw.key in self._kept
            total, there = total + 1, there + has
            for axis, value in draw.cell.items():
                if axis in wide:
                    continue
                wanted.setdefault(axis, Counter())[str(value)] += 1
                kept.setdefault(axis, Counter())[str(value)] += has
                if len(wanted[axis]) > VALUES:
                    wide.add(axis)
                    del wanted[axis], kept[axis]
            if len(cells) < CELLS:
                counts = cells.setdefault(tuple(draw.cell.items()), [0, 0])
                counts[0] += 1
                counts[1] += has
        values = [value for axis in wanted for value in _lacking(axis, wanted[axis], kept[axis])]
        empty = [dict(cell) for cell, (want, has) in cells.items() if want >= REPEATED and not has]
        if not there or not (values or empty):
            return None
        parts = [(sum(each.wanted for each in values if each.axis == axis),
                  sum(each.kept for each in values if each.axis == axis)) for axis in wanted]
        parts.append((sum(want for want, has in cells.values() if want >= REPEATED and not has), 0))
        keep = max(_even(total, there, *part) for part in parts)
        return Starved(total, there, sorted(values, key=lambda each: (each.kept / each.wanted, each)), empty, keep)


def _even(total: int, there: int, wanted: int, kept: int) -> int:
    """Rows in all, of which the lacking part has its share when all others stay as they are."""
    return ceil((there - kept) * total / (total - wanted))


def _lacking(axis: str, wanted: Mapping[str, int], kept: Mapping[str, int]) -> list[Value]:
    """Values of which at most half as much is kept as of the others, and not by chance."""
    found, all_wanted, all_kept = list[Value](), sum(wanted.values()), sum(kept.values())
    overall = all_kept / all_wanted
    for value, of in wanted.items():
        others = all_wanted - of
        if of < FEWEST or not others or not 0 < overall < 1:
            continue
        share, of_others = kept[value] / of, (all_kept - kept[value]) / others
        if share <= HALF * of_others and (overall - share) / sqrt(overall * (1 - overall) / of) >= DEVIATIONS:
            found.append(Value(axis, value, of, kept[value], round(all_kept * of / all_wanted)))
    return found
