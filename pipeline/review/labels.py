"""Labels that were given elsewhere, in a table or JSON lines: `id` and `label`, and maybe `by` and `note`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import DataError
from pipeline.read import rows
from pipeline.store import Dataset
from pipeline.store.reviews import HAND, decision
from pipeline.types import Problem

ACTIONS = {"keep": "keep", "1": "keep", "good": "keep", "true": "keep", "yes": "keep",
           "drop": "drop", "0": "drop", "bad": "drop", "false": "drop", "no": "drop"}
"""What a label may be, in any case -> what it means."""


class Brought(NamedTuple):
    """What a file of labels brought.

    Attributes:
        keep: rows that are to be kept.
        drop: rows that are to be dropped.
        there: labels that stood there already, by the same person on the same text.
        lost: lines that say nothing about a row of this dataset; each was reported.
    """

    keep: int
    drop: int
    there: int
    lost: int


def bring(dataset: Dataset, path: Path, who: str, report: Callable[[Problem], None]) -> Brought:
    """Writes the labels of a file down; twice brings nothing twice.

    Args:
        dataset: whose rows they are about.
        path: what `read.rows` reads.
        who: the person, where a line has no `by`.
        report: receives a line that cannot be used, and why.

    Raises:
        DataError: no such file, or no line of it can be used.
    """
    digests = {sample.id: sample.digest for sample in dataset.samples()}
    labels, ids = dataset.labels(), sorted(digests)
    counts, first = {"keep": 0, "drop": 0, "there": 0, "lost": 0}, list[Problem]()

    def lose(problem: Problem) -> None:
        if problem.severity == "error":
            counts["lost"] += 1
            first.append(problem) if not first else None
        report(problem)

    def decisions() -> Iterator[dict[str, Any]]:
        for row in rows(path, lose):
            where = f"{path}:{row.number}"
            action, found = ACTIONS.get(_text(row.values.get("label"))), _named(ids, str(row.values.get("id") or ""))
            by, note = str(row.values.get("by") or who), str(row.values.get("note") or "")
            if len(found) != 1 or action is None or by == HAND:
                lose(_fault(where, row.values, found, by))
                continue
            (sample,) = found
            before = labels.get(sample, {}).get(by)
            if before and (before["action"], before.get("digest"), before.get("note", "")) == (
                    action, digests[sample], note):
                counts["there"] += 1
                continue
            counts[action] += 1
            yield decision(sample, action, digests[sample], by, note=note)

    dataset.put_reviews(decisions())
    found = Brought(**counts)
    if not (found.keep or found.drop or found.there):
        why = f": {first[0].where}: {first[0].message}" if first else ""
        raise DataError(f"{path}: no line can be used{why}", first[0].fix if first else "")
    return found


def _text(label: Any) -> str:
    return str(label).strip().casefold()


def _named(ids: list[str], prefix: str) -> list[str]:
    """The ids that begin so, two at most."""
    at = bisect_left(ids, prefix)
    return [each for each in ids[at : at + 2] if prefix and each.startswith(prefix)]


def _fault(where: str, values: dict[str, Any], found: list[str], by: str) -> Problem:
    """Why a line says nothing about a row."""
    missing = [key for key in ("id", "label") if values.get(key) in (None, "")]
    if missing:
        return Problem("error", "no-label", where, f"no {' and no '.join(missing)}",
                       "a line has the columns id and label (keep or drop, 1 or 0, good or bad), and maybe by and note")
    if not found:
        return Problem("error", "no-row", where, f"no row's id begins with '{values['id']}'", "leave the line out")
    if len(found) > 1:
        return Problem("error", "no-row", where, f"several ids begin with '{values['id']}'", "write more of it")
    if by == HAND:
        return Problem("error", "no-label", where, f"`by: {HAND}` means an edit of samples.jsonl", "name the person")
    return Problem("error", "no-label", where, f"'{values['label']}' is no label", "keep or drop, 1 or 0, good or bad")
