"""Row rules over rows, in their order: here, or in several processes once measuring is what takes the time.

Rules that compare rows by notes note them on the way, while a row's texts are at hand.
"""

from __future__ import annotations

import marshal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from pipeline.ahead import cores
from pipeline.rows import SPOKE_UP
from pipeline.rules import AnyRule, AskRule, NotedRule, RowRule, open_rules
from pipeline.sections import Item
from pipeline.store.verdicts import findings_bytes
from pipeline.types import CallRef, Finding, Sample, Verdict

from .pool import Pool

LOOK, WORTH_S = 1_000, 0.000_2
"""So many rows are measured here first; other processes are started where one took longer than that on average: below
it, sending rows to and fro costs more than it gains (chosen by us on 2026-11-28). Started after 250 rows, they take a
second of CPU from sets that are done before they have opened their rules."""
ROWS, BYTES = 250, 1_000_000
"""What is sent at once, at most."""
PROCESSES = 8
"""More than this and reading the rows is what takes the time."""

Answer = Callable[[], bytes | None]
Earlier = dict[str, Finding]
"""Findings of the last curation on the same text, by key."""


UNNOTED = ...
"""Stands for the note of a rule that made none."""


class Judged(NamedTuple):
    """What the row rules found on a row: as verdicts.jsonl has it, those that spoke up, and how many were known; and
    what comparing rules noted of it."""

    findings: bytes
    spoke: tuple[Finding, ...]
    reused: int
    notes: bytes


class Asked(NamedTuple):
    """A row to be measured."""

    sample: Sample
    verdict: Verdict | None


Known = tuple[Asked, Earlier, int]
"""A row, what is known of it, and how many of today's rules that spares."""


class Judge:
    """The findings of all rules on one row, as bytes, and those that drop, flag or are an error.

    What a rule says of most rows is one object, whose bytes are made once.
    """

    def __init__(self, rules: Sequence[RowRule[Any, Any]]) -> None:
        self._rules = [(rule, rule.key) for rule in rules]
        self._usual: dict[int, bytes] = {}  # by id: the rules hold these findings for as long as they live

    def __call__(self, sample: Sample, earlier: Earlier) -> tuple[bytes, tuple[Finding, ...]]:
        """See the class. `earlier`: what is known of the row."""
        parts, spoke, usual = list[bytes](), list[Finding](), self._usual
        for rule, key in self._rules:
            found = rule.finding(sample, earlier.get(key) if earlier else None)
            part = usual.get(id(found))
            if part is None:
                found, part = _written(found)
                if rule.says_often(found):
                    usual[id(found)] = part
                elif found.outcome in SPOKE_UP:
                    spoke.append(found)
            parts.append(part)
        return b",".join(parts), tuple(spoke)


def _written(found: Finding) -> tuple[Finding, bytes]:
    """The finding and its bytes; where it cannot be written, that it cannot: a rule may be anyone's."""
    try:
        return found, findings_bytes([found])
    except (TypeError, ValueError) as error:
        said = f"{type(error).__name__}: {error}"[:300]
        found = Finding(found.rule, None, "error", said, key=found.key)
        return found, findings_bytes([found])


def notes_of(rules: Sequence[NotedRule[Any, Any]], sample: Sample) -> bytes:
    """What each of some rules notes of a row, as `marshal` writes it. A rule may be anyone's: it may fail."""
    found = list[Any]()
    for rule in rules:
        try:
            found.append(rule.note(sample))
        except Exception:
            found.append(UNNOTED)
    try:
        return marshal.dumps(found)
    except ValueError:
        return marshal.dumps([UNNOTED] * len(found))


def noting(rules: Iterable[AnyRule]) -> list[NotedRule[Any, Any]]:
    """The rules that note rows."""
    return [rule for rule in rules if isinstance(rule, NotedRule)]


def free(rules: Iterable[AnyRule]) -> list[RowRule[Any, Any]]:
    """Row rules that ask nobody: they measure every row."""
    return [rule for rule in rules if isinstance(rule, RowRule) and not isinstance(rule, AskRule)]


class Measuring:
    """Measures rows in their order, whatever process does it; the results are the same.

    Args:
        rules: all of the curation.
        items: what they were opened from, for other processes to do the same.
        folder: see `open_rules`.
        processes: at most so many; one for each core where None. 0 and 1 start none.
        clock: seconds that pass.
        look: rows that are measured here first, to see whether other processes are worth it.
    """

    def __init__(
        self, rules: Sequence[AnyRule], items: Sequence[Item], folder: Path | None,
        processes: int | None = None, clock: Callable[[], float] = perf_counter, look: int = LOOK,
    ) -> None:
        measures, self._noting = free(rules), noting(rules)
        self._judge, self._items, self._folder, self._clock = Judge(measures), items, folder, clock
        self._keys = [rule.key for rule in measures]
        self._processes = min(PROCESSES, cores()) if processes is None else processes
        self._look, self._rows, self._seconds = look, 0, 0.0

    def run(self, rows: Iterable[tuple[Sample, Verdict | None]]) -> Iterator[tuple[Asked, Judged]]:
        """Each row with what the rules found on it, in the order in which they came."""
        left = iter(rows)
        while not self._worth():
            row = next(left, None)
            if row is None:
                return
            asked = Asked(*row)
            yield asked, self._here(asked, *self._known(asked))
        yield from self._spread(left)

    def _worth(self) -> bool:
        return self._processes > 1 and self._rows >= self._look and self._seconds > WORTH_S * self._rows

    def _here(self, row: Asked, earlier: Earlier, reused: int) -> Judged:
        started = self._clock()
        found, notes = self._judge(row.sample, earlier), notes_of(self._noting, row.sample)
        if reused < len(self._keys):
            self._rows, self._seconds = self._rows + 1, self._seconds + self._clock() - started
        return Judged(*found, reused, notes)

    def _known(self, row: Asked) -> tuple[Earlier, int]:
        """Findings that hold still, by key; and how many of today's rules have one."""
        if row.verdict is None:
            return {}, 0
        earlier = {found.key: found for found in row.verdict.findings
                   if found.outcome not in ("error", "unmeasured")}
        return earlier, sum(key in earlier for key in self._keys)

    # -- several processes -----------------------------------------------------------------------

    def _spread(self, rows: Iterator[tuple[Sample, Verdict | None]]) -> Iterator[tuple[Asked, Judged]]:
        """Lots go out while those before are awaited; a lot that does not come back is measured here."""
        pool = Pool(self._processes, measurer, (list(self._items), self._folder))
        waiting: deque[tuple[list[Known], Answer | None]] = deque()
        try:
            for lot in _lots(rows):
                known = [(row, *self._known(row)) for row in lot]
                waiting.append((known, self._send(pool, known)))
                if len(waiting) > 2 * self._processes:
                    yield from self._fetch(*waiting.popleft())
            while waiting:
                yield from self._fetch(*waiting.popleft())
        finally:
            pool.close()

    def _send(self, pool: Pool, lot: list[Known]) -> Answer | None:
        """None where all is known, or a row holds what is no JSON."""
        unknown = [_plain(row.sample, earlier) for row, earlier, reused in lot if reused < len(self._keys)]
        with suppress(ValueError):
            return pool.ask(marshal.dumps(unknown)) if unknown else None
        return None

    def _fetch(self, lot: list[Known], answer: Answer | None) -> Iterator[tuple[Asked, Judged]]:
        data = answer() if answer else None
        found = deque(marshal.loads(data)) if data is not None else None
        for row, earlier, reused in lot:
            if found is None or reused == len(self._keys):
                yield row, self._here(row, earlier, reused)
            else:
                line, spoke, notes = found.popleft()
                yield row, Judged(line, tuple(_finding(each) for each in spoke), reused, notes)


def _lots(rows: Iterator[tuple[Sample, Verdict | None]]) -> Iterator[list[Asked]]:
    lot, size = list[Asked](), 0
    for row in rows:
        lot.append(Asked(*row))
        size += len(row[0].answer)
        if len(lot) >= ROWS or size > BYTES:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot


def _plain(sample: Sample, earlier: Earlier) -> tuple[Any, ...]:
    """A row and what is known of it, in types that `marshal` writes."""
    row = (sample.id, sample.messages, sample.cell, sample.fields, sample.rejected, sample.label, sample.tools,
           [tuple(call) for call in sample.calls], sample.parent, sample.source, sample.provenance)
    return row, [_told(found) for found in earlier.values()]


def _sample(row: Sequence[Any]) -> Sample:
    name, messages, cell, fields, rejected, label, tools, calls, parent, source, provenance = row
    return Sample(name, messages, cell, fields, rejected, label, tools, tuple(CallRef(*call) for call in calls), parent,
                  source, provenance)


def _told(found: Finding) -> tuple[Any, ...]:
    return found.rule, found.value, found.outcome, found.reason, found.span, found.key, found.calls


def _finding(told: Sequence[Any]) -> Finding:
    rule, value, outcome, reason, span, key, calls = told
    return Finding(rule, value, outcome, reason, tuple(span) if span else None, key, tuple(calls))


def measurer(items: Sequence[Item], folder: Path | None) -> Callable[[bytes], bytes]:
    """What another process does with a lot; see `Pool`."""
    rules = open_rules(items, folder=folder)
    judge, notes = Judge(free(rules)), noting(rules)

    def measure(data: bytes) -> bytes:
        done = []
        for row, told in marshal.loads(data):
            sample = _sample(row)
            line, spoke = judge(sample, {found.key: found for found in map(_finding, told)})
            done.append((line, [_told(found) for found in spoke], notes_of(notes, sample)))
        return marshal.dumps(done)

    return measure
