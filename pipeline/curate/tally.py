"""Counts of a curation: by rule, by rule alone, by pair of rules, by axis or column; and some rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

from pipeline.independence import Uneven, uneven
from pipeline.types import Finding, Verdict
from pipeline.words import ranked

VALUES = 200
"""An axis with more distinct values is not counted by value: no value has enough rows to say anything."""
COLUMNS, SEVERAL = 100, 5
"""So many columns of source rows are counted at most, and told where a value has so many rows on average: no ids."""
WEAK = 0.1
"""Cramer's V below which an uneven fall is not told: small by Cohen (Statistical Power Analysis, 1988). Among many rows
any difference is surely one, and few matter."""
ALL = "all rules together"
EXAMPLES = 3


class Share(NamedTuple):
    """How many rows of a value of an axis or a column there were, how many are dropped, and by which rules."""

    axis: str
    value: str
    rows: int
    dropped: int
    by_rule: dict[str, int]


class Shown(NamedTuple):
    """A row to look at, dropped or flagged, and what a rule has against it."""

    sample: str
    rule: str
    reason: str
    text: str


class Changed(NamedTuple):
    """Rows whose state is another than after the last curation; rows that are new are not among them.

    Attributes:
        back: rows that were dropped and are kept.
        gone: rows that were kept and are dropped.
    """

    back: int = 0
    gone: int = 0


class Change(NamedTuple):
    """A row whose state changed.

    Attributes:
        why: what drops it now, or what dropped it and does so no longer.
        by_review: whether a review that was made or taken back since then is what changed it.
    """

    sample: str
    state: str
    why: str
    text: str
    by_review: bool = False


class Tally:
    """The counts of a curation, row by row. Memory grows with rules and axis values, not with rows.

    Attributes:
        by_rule: rule -> rows that are dropped, and that it dropped; every rule that dropped one.
        only_by_rule: rule -> of these, rows that no other rule dropped.
        together: two rules -> rows that both dropped. A rule that compares rows never sees those that others dropped.
        rewritten: rows that were rewritten from another.
        flagged: kept rows that some rule flagged, or raised on.
        examples: a few dropped rows, of different rules as far as possible.
        flagged_examples: a few flagged rows, likewise.
    """

    def __init__(self) -> None:
        self.rows = self.kept = self.dropped = self.flagged = self.rewritten = 0
        self.by_rule: Counter[str] = Counter()
        self.only_by_rule: Counter[str] = Counter()
        self.together: Counter[tuple[str, str]] = Counter()
        self.flagged_by_rule: Counter[str] = Counter()
        self.errors_by_rule: Counter[str] = Counter()
        self._axes: dict[str, dict[str, Counter[str]] | None] = {}
        self._columns: set[str] = set()
        self._examples: dict[str, list[Shown]] = {}
        self._flagged_examples: dict[str, list[Shown]] = {}

    def add(
        self, verdict: Verdict, cell: Mapping[str, Any], text: str, columns: Mapping[str, str | None] = {},
    ) -> None:
        """Counts one row; of its findings only those count that drop, flag or are an error.

        Args:
            verdict: what was decided.
            cell: what it was made for.
            text: how its answer begins.
            columns: of its source, see `columns_of`.
        """
        gone = verdict.state == "dropped"
        self.rows += 1
        self.kept += not gone
        self.dropped += gone
        against = [found for found in verdict.findings if found.outcome == "drop"] if gone else []
        rules = list(dict.fromkeys(found.rule for found in against))
        if rules:
            self.by_rule.update(rules)
            if len(rules) == 1:
                self.only_by_rule[rules[0]] += 1
            else:
                self.together.update(combinations(sorted(rules), 2))
            _note(self._examples, against[0], verdict.sample, text)
        if flags := verdict.flags:
            self.flagged += 1
            self.flagged_by_rule.update(flags)
            _note(self._flagged_examples, next(each for each in verdict.findings if each.rule == flags[0]),
                  verdict.sample, text)
        if flags or gone:
            self.errors_by_rule.update(found.rule for found in verdict.findings if found.outcome == "error")
        for axis, value in cell.items():
            self._count(axis, str(value), rules, gone)
        for column, said in columns.items():
            if column in self._columns or len(self._columns) < COLUMNS:
                self._columns.add(column)
                self._count(column, said, rules, gone)

    def _count(self, axis: str, value: str | None, rules: list[str], gone: bool) -> None:
        values = self._axes.setdefault(axis, {})
        if values is None:
            return
        if value is None or (value not in values and len(values) >= VALUES):
            self._axes[axis] = None
            return
        counts = values.setdefault(value, Counter())
        counts[""] += 1
        if gone:
            counts[ALL] += 1
            counts.update(rules)

    @property
    def axes(self) -> list[Share]:
        """Rows and dropped rows of every value of an axis, or of a column that groups rows."""
        return [
            Share(axis, value, counts[""], counts[ALL],
                  ranked({rule: count for rule, count in counts.items() if rule not in ("", ALL)}))
            for axis, values in self._grouping().items() for value, counts in sorted(values.items())
        ]

    @property
    def axis_names(self) -> list[str]:
        """The axes that rows were made for."""
        return [axis for axis in self._axes if axis not in self._columns]

    def _grouping(self) -> dict[str, dict[str, Counter[str]]]:
        """Values of every axis, and of the columns of which a value has several rows."""
        return {axis: values for axis, values in self._axes.items() if values and (
            axis not in self._columns or sum(counts[""] for counts in values.values()) >= SEVERAL * len(values))}

    @cached_property
    def uneven(self) -> list[Uneven]:
        """Rules that take one value of an axis more than the others, not by chance and not by little, the strongest
        first; all rules together where that shows on an axis on which no single rule does."""
        axes = {axis: values for axis, values in self._grouping().items() if len(values) > 1}
        rows = {axis: {value: counts[""] for value, counts in sorted(values.items())} for axis, values in axes.items()}
        found, _ = uneven(rows, axes, [*sorted(self.by_rule), *([ALL] if len(self.by_rule) > 1 else [])])
        told = [one for one in found if one.test.v >= WEAK]
        single = {one.axis for one in told if one.rule != ALL}
        return [one for one in told if one.rule != ALL or one.axis not in single]

    @property
    def overlap(self) -> list[tuple[tuple[str, str], int]]:
        """Pairs of rules and how many rows both dropped, the most first."""
        return list(ranked(self.together).items())

    @property
    def examples(self) -> list[Shown]:
        """Dropped rows, one rule after the other."""
        return _in_turn(self._examples)

    @property
    def flagged_examples(self) -> list[Shown]:
        """Kept rows that rules flagged, one rule after the other."""
        return _in_turn(self._flagged_examples)


def _note(known: dict[str, list[Shown]], found: Finding, sample: str, text: str) -> None:
    """Keeps one of the first rows that a rule has something against."""
    examples = known.setdefault(found.rule, [])
    if len(examples) < EXAMPLES:
        examples.append(Shown(sample, found.rule, found.reason, text))


def _in_turn(known: dict[str, list[Shown]]) -> list[Shown]:
    turns = [queue[turn] for turn in range(EXAMPLES) for queue in known.values() if turn < len(queue)]
    return turns[:EXAMPLES]
