"""Counts of a curation: by rule, by rule alone, by axis value, and a few dropped rows to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import sqrt
from typing import Any, NamedTuple

from pipeline.types import Verdict

VALUES = 200
"""An axis with more distinct values is not counted by value: no value has enough rows to say anything."""
FEWEST_ROWS, DEVIATIONS = 10, 3.0
"""A value's drop rate stands out with so many rows, and so many standard errors off the overall rate."""
EXAMPLES = 3


class Share(NamedTuple):
    """How many rows of an axis value there were, and how many are dropped."""

    axis: str
    value: str
    rows: int
    dropped: int


class Dropped(NamedTuple):
    """A dropped row to look at."""

    sample: str
    rule: str
    reason: str
    text: str


class Changed(NamedTuple):
    """Rows whose state is another than after the last curation; rows that are new or were edited are not among them.

    Attributes:
        back: rows that were dropped and are kept.
        gone: rows that were kept and are dropped.
    """

    back: int = 0
    gone: int = 0


class Change(NamedTuple):
    """A row whose state changed. `why`: what drops it now, or what dropped it and does so no longer."""

    sample: str
    state: str
    why: str
    text: str


def ranked(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts with the largest first, equal ones by name: the same in whatever order rows arrived."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


class Tally:
    """The counts of a curation, row by row. Memory grows with rules and axis values, not with rows.

    Attributes:
        by_rule: rule -> rows that are dropped, and that it dropped; every rule that dropped one.
        only_by_rule: rule -> of these, rows that no other rule dropped.
        rewritten: rows that were rewritten from another.
        flagged: kept rows that some rule flagged, or raised on.
        examples: a few dropped rows, of different rules as far as possible.
    """

    def __init__(self) -> None:
        self.rows = self.kept = self.dropped = self.flagged = self.rewritten = 0
        self.by_rule: Counter[str] = Counter()
        self.only_by_rule: Counter[str] = Counter()
        self.flagged_by_rule: Counter[str] = Counter()
        self.errors_by_rule: Counter[str] = Counter()
        self._axes: dict[str, dict[str, list[int]] | None] = {}
        self._examples: dict[str, list[Dropped]] = {}

    def add(self, verdict: Verdict, cell: dict[str, Any], text: str) -> None:
        """Counts one row."""
        gone = verdict.state == "dropped"
        self.rows += 1
        self.kept += not gone
        self.dropped += gone
        against = [found for found in verdict.findings if found.outcome == "drop"]
        if gone:
            self.by_rule.update(found.rule for found in against)
            self.only_by_rule.update(found.rule for found in against if len(against) == 1)
            examples = self._examples.setdefault(against[0].rule, []) if against else []
            if against and len(examples) < EXAMPLES:
                examples.append(Dropped(verdict.sample, against[0].rule, against[0].reason, text))
        else:
            flags = [found.rule for found in verdict.findings if found.outcome in ("flag", "error")]
            self.flagged += bool(flags)
            self.flagged_by_rule.update(flags)
        self.errors_by_rule.update(found.rule for found in verdict.findings if found.outcome == "error")
        for axis, value in cell.items():
            self._count(axis, str(value), gone)

    def _count(self, axis: str, value: str, gone: bool) -> None:
        values = self._axes.setdefault(axis, {})
        if values is None:
            return
        if value not in values and len(values) >= VALUES:
            self._axes[axis] = None
            return
        counts = values.setdefault(value, [0, 0])
        counts[0] += 1
        counts[1] += gone

    @property
    def axes(self) -> list[Share]:
        """Rows and dropped rows of every axis value."""
        return [
            Share(axis, value, rows, dropped)
            for axis, values in self._axes.items() if values for value, (rows, dropped) in sorted(values.items())
        ]

    @property
    def uneven(self) -> list[Share]:
        """Axis values that are dropped far more or less often than the rest, the farthest first."""
        overall = self.dropped / self.rows if self.rows else 0.0
        if overall in (0.0, 1.0):
            return []

        def deviation(share: Share) -> float:
            return abs(share.dropped / share.rows - overall) / sqrt(overall * (1 - overall) / share.rows)

        found = [share for share in self.axes if share.rows >= FEWEST_ROWS and deviation(share) >= DEVIATIONS]
        return sorted(found, key=lambda share: (-deviation(share), share.axis, share.value))

    @property
    def examples(self) -> list[Dropped]:
        """Dropped rows, one rule after the other."""
        queues = [list(found) for found in self._examples.values()]
        turns = [queue[turn] for turn in range(EXAMPLES) for queue in queues if turn < len(queue)]
        return turns[:EXAMPLES]
