"""Rows after the first pass of a curation, in temporary files: what was found on them, and their notes."""

from __future__ import annotations

import marshal
import os
import tempfile
from collections.abc import Iterator, Sequence, Set
from struct import Struct
from typing import IO, Any, NamedTuple

from pipeline.rows import REVIEW
from pipeline.store.pairs import RowsDigest
from pipeline.store.verdicts import findings_bytes
from pipeline.types import Outcome

from .columns import Columns
from .measure import UNNOTED, Asked, Judged
from .outcome import against, reviewed

_SIZE = Struct("<Q")
_TOGETHER = 100
"""Values that are written at once: marshal reads bytes several times as fast as files."""


class Row(NamedTuple):
    """A row after the first pass, in types that `marshal` writes.

    Attributes:
        findings: of the row rules, as verdicts.jsonl has them.
        spoke: rule, outcome and reason of those that drop, flag or are an error.
        decided: what a person decided: keep or drop.
        before: the state after the last curation, and what dropped it; None where it was not judged.
        edited: whether its text is another than was judged then.
        draw: what it was made for.
        reviewed: whether a person decided on it since then, or took that back.
        columns: of its source, by which rows are counted.
    """

    sample: str
    digest: str
    findings: bytes
    spoke: list[tuple[str, Outcome, str]]
    decided: str | None
    aside: str | None
    cell: dict[str, Any]
    text: str
    before: tuple[str, str] | None
    draw: str | None
    edited: bool
    reviewed: bool
    columns: dict[str, str | None]

    @property
    def stands(self) -> bool:
        """Whether rules and the person let it stand."""
        if self.decided is not None:
            return self.decided == "keep"
        return all(outcome != "drop" for _, outcome, _ in self.spoke)

    @property
    def refused(self) -> bool:
        """Whether nothing but a person is against it."""
        return self.decided is not None and all(rule == REVIEW for rule, outcome, _ in self.spoke if outcome == "drop")


def judged_row(
    asked: Asked, judged: Judged, review: dict[str, Any] | None, aside: str | None, earlier: tuple[str, str] | None,
    columns: Columns,
) -> Row:
    """A row with what rules and a person say of it. `earlier`: what was decided on another text of it."""
    sample, verdict = asked
    before = next((found.value for found in verdict.findings if found.rule == REVIEW), None) if verdict else None
    findings, spoke = judged.findings, [(found.rule, found.outcome, found.reason) for found in judged.spoke]
    if review is not None:
        decided = reviewed(review, sample)
        findings = b",".join(part for part in (findings, findings_bytes([decided])) if part)
        spoke += [(decided.rule, decided.outcome, decided.reason)] if decided.outcome == "drop" else []
    draw, cell = sample.provenance.get("draw"), {axis: str(value) for axis, value in sample.cell.items()}
    return Row(
        sample.id, verdict.digest if verdict else sample.digest, findings, spoke,
        str(review["action"]) if review else None, aside, cell, sample.answer[:200],
        (verdict.state, against(verdict.findings)) if verdict else earlier, draw if isinstance(draw, str) else None,
        verdict is None and earlier is not None, verdict is not None and before != (review or {}).get("action"),
        columns,
    )


class Unnoted(Exception):
    """A rule made no note of a row, for it raised, or `marshal` does not write what it noted."""


class Passed:
    """The rows, in order of arrival.

    Args:
        rules: names of those that noted the rows.
    """

    def __init__(self, rules: Sequence[str]) -> None:
        self._rules = list(rules)
        self._rows, self._notes = _Values(), _Values()

    def __enter__(self) -> Passed:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._notes.close()

    def add(self, row: Row, notes: bytes) -> None:
        """Takes a row, and what rules noted of it, as `measure.notes_of` has it."""
        self._rows.add(tuple(row))
        self._notes.add((row.sample, row.digest, notes))

    def rows(self) -> Iterator[Row]:
        """All of them."""
        return (Row(*each) for each in self._rows)

    def digest(self, standing: Set[str]) -> RowsDigest:
        """Of some rows, by their ids."""
        found = RowsDigest()
        for name, digest, _ in self._notes:
            if name in standing:
                found.add(name, digest)
        return found

    def notes(self, rule: str, standing: Set[str]) -> Iterator[tuple[str, Any]]:
        """What a rule noted of some rows, without those that it leaves alone.

        Raises:
            Unnoted: it should have noted a row, and did not.
        """
        at = self._rules.index(rule)
        for name, _, notes in self._notes:
            if name in standing:
                note = marshal.loads(notes)[at]
                if note is UNNOTED:
                    raise Unnoted(rule)
                if note is not None:
                    yield name, note


class _Values:
    """Values in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="synth-curate-")  # noqa: SIM115 - closed by `close`
        self._waiting: list[Any] = []

    def add(self, value: Any) -> None:
        self._waiting.append(value)
        if len(self._waiting) >= _TOGETHER:
            self._write()

    def _write(self) -> None:
        data = marshal.dumps(self._waiting)
        self._file.write(_SIZE.pack(len(data)))
        self._file.write(data)
        self._waiting = []

    def __iter__(self) -> Iterator[Any]:
        self._file.seek(0, os.SEEK_END)
        self._write()
        end, at = self._file.tell(), 0
        while at < end:
            self._file.seek(at)
            (size,) = _SIZE.unpack(self._file.read(_SIZE.size))
            data = self._file.read(size)
            at += _SIZE.size + size
            yield from marshal.loads(data)

    def close(self) -> None:
        self._file.close()
