"""Row rules over rows, in their order: here, or in several processes once measuring is what takes the time."""

from __future__ import annotations

import marshal
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.rules import RowRule, open_rules
from pipeline.sections import Item
from pipeline.store.verdicts import findings_bytes
from pipeline.types import CallRef, Finding, Sample, Verdict

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

LOOK, WORTH_S = 2_000, 0.000_2
"""So many rows are measured here first; other processes are started where one took longer than that on average: below
it, sending rows to and fro costs more than it gains (chosen by us on 2026-11-28)."""
ROWS, BYTES = 250, 1_000_000
"""What is sent at once, at most."""
PROCESSES = 8
"""More than this and reading the rows is what takes the time."""
SPOKE = ("drop", "flag", "error")

Earlier = dict[str, Finding]
"""Findings of the last curation on the same text, by key."""


class Judged(NamedTuple):
    """What the row rules found on a row: as verdicts.jsonl has it, those that spoke up, and how many were known."""

    findings: bytes
    spoke: tuple[Finding, ...]
    reused: int


class Asked(NamedTuple):
    """A row to be measured."""

    sample: Sample
    verdict: Verdict | None


def judge(rules: Sequence[RowRule[Any, Any]], sample: Sample, earlier: Earlier) -> tuple[bytes, tuple[Finding, ...]]:
    """The findings of all rules on one row, as bytes, and those that drop, flag or are an error."""
    findings = [rule.finding(sample, earlier.get(rule.key)) for rule in rules]
    try:
        line = findings_bytes(findings)
    except (TypeError, ValueError):  # a rule may be anyone's: what is no JSON is a record on this row
        findings = [_written(found) for found in findings]
        line = findings_bytes(findings)
    return line, tuple(found for found in findings if found.outcome in SPOKE)


def _written(found: Finding) -> Finding:
    """The finding, if it can be written; else that it cannot."""
    try:
        findings_bytes([found])
    except (TypeError, ValueError) as error:
        return Finding(found.rule, None, "error", f"{type(error).__name__}: {error}"[:300], key=found.key)
    return found


class Measuring:
    """Measures rows in their order, whatever process does it; the results are the same.

    Args:
        rules: the row rules.
        items: what they were opened from, all rules of the curation, for other processes to do the same.
        folder: see `open_rules`.
        processes: at most so many; one for each core where None. 0 and 1 start none.
        clock: seconds that pass.
    """

    def __init__(
        self, rules: Sequence[RowRule[Any, Any]], items: Sequence[Item], folder: Path | None,
        processes: int | None = None, clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._rules, self._items, self._folder, self._clock = rules, items, folder, clock
        self._keys = [rule.key for rule in rules]
        self._processes = min(PROCESSES, _cores()) if processes is None else processes
        self._rows, self._seconds = 0, 0.0

    def run(self, rows: Iterable[tuple[Sample, Verdict | None]]) -> Iterator[tuple[Asked, Judged]]:
        """Each row with what the rules found on it, in the order in which they came."""
        left = iter(rows)
        while not self._worth():
            row = next(left, None)
            if row is None:
                return
            yield Asked(*row), self._here(Asked(*row))
        yield from self._spread(left)

    def _worth(self) -> bool:
        return self._processes > 1 and self._rows >= LOOK and self._seconds > WORTH_S * self._rows

    def _here(self, row: Asked) -> Judged:
        earlier, reused = self._known(row)
        started = self._clock()
        found = judge(self._rules, row.sample, earlier)
        if reused < len(self._keys):
            self._rows, self._seconds = self._rows + 1, self._seconds + self._clock() - started
        return Judged(*found, reused)

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
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        # a process that is started anew, not forked: this one has threads (the lock's heart beat)
        with ProcessPoolExecutor(self._processes, get_context("spawn"), _begin, (self._items, self._folder)) as pool:
            try:
                waiting: deque[tuple[list[Asked], Future[bytes] | None]] = deque()
                for lot in _lots(rows):
                    waiting.append((lot, self._send(pool, lot)))
                    if len(waiting) > 2 * self._processes:
                        yield from self._fetch(*waiting.popleft())
                while waiting:
                    yield from self._fetch(*waiting.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _send(self, pool: ProcessPoolExecutor, lot: list[Asked]) -> Future[bytes] | None:
        """None where all is known, or no process is there to take it."""
        unknown = [_plain(row.sample, earlier) for row in lot
                   for earlier, reused in [self._known(row)] if reused < len(self._keys)]
        if not unknown:
            return None
        try:
            return pool.submit(_judge, marshal.dumps(unknown))
        except (RuntimeError, ValueError):  # a process died, or a value that is no JSON
            return None

    def _fetch(self, lot: list[Asked], future: Future[bytes] | None) -> Iterator[tuple[Asked, Judged]]:
        found: deque[tuple[bytes, list[tuple[Any, ...]]]] | None = None
        if future is not None:
            with suppress(Exception):  # whatever happened there: here it is a record on its row
                found = deque(marshal.loads(future.result()))
        for row in lot:
            _, reused = self._known(row)
            if found is None or reused == len(self._keys):
                yield row, self._here(row)
            else:
                line, spoke = found.popleft()
                yield row, Judged(line, tuple(_finding(each) for each in spoke), reused)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


def _told(found: Finding) -> tuple[Any, ...]:
    return found.rule, found.value, found.outcome, found.reason, found.span, found.key, found.calls


def _finding(told: Sequence[Any]) -> Finding:
    rule, value, outcome, reason, span, key, calls = told
    return Finding(rule, value, outcome, reason, tuple(span) if span else None, key, tuple(calls))


_HERE: list[RowRule[Any, Any]] = []
"""The rules of a process that was started to measure; nothing else is ever in it."""


def _begin(items: Sequence[Item], folder: Path | None) -> None:
    """Makes a new process ready. Ctrl-C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _HERE[:] = [rule for rule in open_rules(items, folder=folder) if isinstance(rule, RowRule)]


def _judge(data: bytes) -> bytes:
    """Measures a lot in another process."""
    done = []
    for (name, messages, cell, fields, rejected, label, tools, calls, parent, source, provenance), told in \
            marshal.loads(data):
        sample = Sample(name, messages, cell, fields, rejected, label, tools,
                        tuple(CallRef(*call) for call in calls), parent, source, provenance)
        line, spoke = judge(_HERE, sample, {found.key: found for found in map(_finding, told)})
        done.append((line, [_told(found) for found in spoke]))
    return marshal.dumps(done)
