"""One pass over the rows: everything that the page counts, in memory that does not grow with them."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

from pipeline.digest import hash_unit
from pipeline.rows import REWRITTEN, Row, read
from pipeline.store import Dataset

VALUES = 200
"""An axis with more distinct values is not counted by value, as `curate` does: no value has enough rows to say much."""
PAIRS = 2_000
"""Two axes with more pairs of values than this are not crossed."""
KEPT, DROPPED = 4, 4
"""Rows of each kind that are shown."""
SEED = "report"
DIGITS = 4
"""Leading digits of a length that are kept, so that few numbers stand for many rows."""
LABEL = "label"
"""What stands for an axis where rows have labels and no cell."""


class Fate(NamedTuple):
    """How many first-hand rows there were, and how many of them are still represented."""

    rows: int = 0
    kept: int = 0

    def plus(self, kept: bool) -> Fate:
        """With one row more."""
        return Fate(self.rows + 1, self.kept + kept)


class Picked(NamedTuple):
    """A row that was picked, by the hash of its id: smallest first."""

    place: float
    id: str
    row: Row


@dataclass(slots=True)
class Gathered:
    """What one pass over a dataset's rows found.

    A row that was rewritten from another counts as a row; in `fates` and `pairs`, which are about the
    grid, it does not: there its parent counts as kept where the rewrite stands in its place.

    Attributes:
        rows: of the set today, rewrites included.
        rewrites: rows that were rewritten from another.
        new: rows without a verdict.
        kept: rows that curation keeps.
        dropped: rows that it drops.
        rehearsed: rows of the set that nobody real wrote.
        aside: why rows are no part of the set -> how many.
        broken: lines of samples.jsonl that are no rows.
        fates: axis -> text of a value -> rows before and after curation; no axis with more than VALUES values.
        lost: axis -> text of a value -> rule -> first-hand rows that it dropped.
        pairs: two axes -> two values -> rows before and after curation.
        by_rule: rule -> rows that it dropped.
        only_by_rule: rule -> of these, rows that no other rule dropped.
        together: two rules -> rows that both dropped.
        flagged_by_rule: rule -> kept rows that it flagged or raised on.
        lengths: rule -> (state, length) -> rows; under "" the bytes of the answer, where no rule measures length.
        extremes: rule -> the shortest and the longest length, exactly.
        usd: state -> what those rows cost; None once a price is unknown.
        models: who wrote -> rows.
        dates: the first and the last day on which rows were made, ISO 8601.
        shown: state -> rule ("" for kept rows) -> rows to show.
        answers: id -> the answer of a row that was asked for by its id.
    """

    rows: int = 0
    rewrites: int = 0
    new: int = 0
    kept: int = 0
    dropped: int = 0
    rehearsed: int = 0
    aside: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    fates: dict[str, dict[str, Fate]] = field(default_factory=dict)
    lost: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    pairs: dict[tuple[str, str], dict[tuple[str, str], Fate]] = field(default_factory=dict)
    by_rule: Counter[str] = field(default_factory=Counter)
    only_by_rule: Counter[str] = field(default_factory=Counter)
    together: Counter[tuple[str, str]] = field(default_factory=Counter)
    flagged_by_rule: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, Counter[tuple[str, int]]] = field(default_factory=dict)
    extremes: dict[str, tuple[int, int]] = field(default_factory=dict)
    usd: dict[str, float | None] = field(default_factory=dict)
    models: Counter[str] = field(default_factory=Counter)
    dates: tuple[str, str] | None = None
    shown: dict[str, dict[str, list[Picked]]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    _wide: set[str] = field(default_factory=set)
    _many: set[tuple[str, str]] = field(default_factory=set)

    @property
    def curated(self) -> bool:
        """Whether some row has a verdict."""
        return self.kept + self.dropped > 0

    @property
    def firsthand(self) -> int:
        """Rows that were not rewritten from another."""
        return self.rows - self.rewrites

    def add(self, row: Row, measured: frozenset[str]) -> None:
        """Counts a row; `measured` names the rules that measure lengths."""
        if row.aside is not None:
            self.aside[row.aside] += 1
            return
        sample, state = row.sample, row.state
        self.rows += 1
        self.rewrites += sample.parent is not None
        self.new += state == "new"
        self.kept += state == "kept"
        self.dropped += state == "dropped"
        self.rehearsed += sample.rehearsal
        self.models[str(sample.provenance.get("model") or "")] += 1
        self._spend(state, sample.provenance)
        self._date(sample.provenance.get("created"))
        self._judge(row)
        self._measure(row, measured)
        if sample.parent is None:
            self._place(row)
        if state in ("kept", "dropped"):
            self._pick(row)

    def _spend(self, state: str, provenance: dict[str, Any]) -> None:
        if "cost_usd" not in provenance:
            return
        so_far, cost = self.usd.get(state, 0.0), provenance["cost_usd"]
        self.usd[state] = so_far + cost if so_far is not None and isinstance(cost, int | float) else None

    def _date(self, made: Any) -> None:
        if isinstance(made, str) and made:
            first, last = self.dates or (made, made)
            self.dates = (min(first, made), max(last, made))

    def _judge(self, row: Row) -> None:
        rules = [found.rule for found in row.against]
        if row.state == "kept":
            self.flagged_by_rule.update(dict.fromkeys(rules, 1))
        elif row.state == "dropped":
            against = row.dropped_by
            self.by_rule.update(against)
            if len(against) == 1:
                self.only_by_rule.update(against)
            self.together.update(combinations(sorted(against), 2))

    def _measure(self, row: Row, measured: frozenset[str]) -> None:
        if not measured:
            self._count("", row.state, len(row.sample.answer.encode("utf-8", "surrogatepass")))
            return
        for found in row.verdict.findings if row.verdict else ():
            if found.rule in measured and isinstance(found.value, int | float):
                self._count(found.rule, row.state, int(found.value))

    def _count(self, rule: str, state: str, length: int) -> None:
        self.lengths.setdefault(rule, Counter())[state, _rounded(length)] += 1
        least, most = self.extremes.get(rule, (length, length))
        self.extremes[rule] = (min(least, length), max(most, length))

    def _place(self, row: Row) -> None:
        """Counts where in the grid a first-hand row stands."""
        sample, against = row.sample, row.dropped_by
        kept = row.state == "kept" or REWRITTEN in against
        cell = {axis: str(value) for axis, value in sample.cell.items()}
        if not cell and sample.label is not None:
            cell = {LABEL: sample.label}
        for axis, value in cell.items():
            if axis in self._wide:
                continue
            values = self.fates.setdefault(axis, {})
            if value not in values and len(values) >= VALUES:
                self._wide.add(axis)
                del self.fates[axis]
                self.lost.pop(axis, None)
                self.pairs = {pair: found for pair, found in self.pairs.items() if axis not in pair}
                continue
            values[value] = values.get(value, Fate()).plus(kept)
            if against and not kept:
                self.lost.setdefault(axis, {}).setdefault(value, Counter()).update(against)
        self._cross([(axis, value) for axis, value in cell.items() if axis not in self._wide], kept)

    def _cross(self, cell: list[tuple[str, str]], kept: bool) -> None:
        for place, (axis, value) in enumerate(cell):
            for other, of_other in cell[place + 1 :]:
                pair = (axis, other)
                if pair in self._many:
                    continue
                crossed = self.pairs.setdefault(pair, {})
                if (value, of_other) not in crossed and len(crossed) >= PAIRS:
                    self._many.add(pair)
                    del self.pairs[pair]
                    continue
                crossed[value, of_other] = crossed.get((value, of_other), Fate()).plus(kept)

    def _pick(self, row: Row) -> None:
        """Keeps the rows with the smallest hashes, a few of each kind: the same rows whatever their order."""
        against = row.dropped_by
        kind = against[0] if row.state == "dropped" and against else ""
        queue = self.shown.setdefault(row.state, {}).setdefault(kind, [])
        queue.append(Picked(hash_unit(SEED, row.sample.id), row.sample.id, row))
        if len(queue) > (most := KEPT if row.state == "kept" else DROPPED):
            queue[:] = heapq.nsmallest(most, queue, key=_place)


def gather(dataset: Dataset, measured: frozenset[str], wanted: frozenset[str] = frozenset()) -> Gathered:
    """Reads all rows of a dataset once.

    Args:
        dataset: whose rows.
        measured: names of the rules that measure lengths, as `length-2`.
        wanted: ids of rows whose answers are wanted.

    Raises:
        DataError: a file that cannot be read.
    """
    found, broken = Gathered(), list[str]()
    for row in read(dataset, lambda problem: broken.append(problem.code)):
        found.add(row, measured)
        if row.sample.id in wanted:
            found.answers[row.sample.id] = row.sample.answer
    found.broken = len(broken)
    return found


def chosen(found: Gathered, state: str, most: int) -> Iterator[Row]:
    """Rows to show: of every rule in turn, the rule that dropped most first."""
    kinds = found.shown.get(state, {})
    ranked = sorted(kinds, key=lambda rule: (-found.by_rule[rule], rule))
    turns = [(turn, place, picked.row) for place, rule in enumerate(ranked)
             for turn, picked in enumerate(sorted(kinds[rule], key=_place))]
    yield from (row for _, _, row in sorted(turns, key=lambda each: each[:2])[:most])


def _place(picked: Picked) -> tuple[float, str]:
    return picked.place, picked.id


def _rounded(length: int) -> int:
    """A length to DIGITS leading digits, downwards."""
    step = int(10 ** max(0, len(str(abs(length))) - DIGITS))
    return length // step * step
