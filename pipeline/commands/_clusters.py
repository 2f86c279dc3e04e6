"""Rows that are alike: the clusters of a dataset, a line each, and the rows of one in the order of what they share."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline import rows as rows_
from pipeline.commands import _console as console
from pipeline.errors import DataError, RecipeError
from pipeline.rows import Row
from pipeline.types import Finding
from pipeline.views import shown as says

if TYPE_CHECKING:
    from pipeline.store import Dataset

ALL, LIMIT, BEGINS = "all", 20, 100
"""What `--cluster` takes for the list of them; clusters in it; characters of the answer of each row that is kept."""


@dataclass(slots=True)
class Found:
    """A cluster, as its rows tell it.

    Attributes:
        rule: what found its rows alike.
        rows: how many.
        weakest: the link that holds it together; None where no row measures one.
        kept: id of the row that stands for it; empty where none does.
        answer: how that row's answer begins.
    """

    rule: str
    rows: int = 0
    weakest: float | None = None
    kept: str = ""
    answer: str = ""


def show(dataset: Dataset, limit: int | None, json_: bool) -> None:
    """Prints the clusters, the largest first.

    Args:
        dataset: whose.
        limit: how many at most; 0 for all, None for 20 on a screen and all as JSON.
        json_: as one JSON document.

    Raises:
        DataError: no row was found to be like another.
    """
    found = sorted(_clusters(dataset).items(), key=lambda each: (-each[1].rows, each[0]))
    if not found and not json_:
        raise DataError(f"{dataset.name}: no row was found to be like another",
                        f"synth curate {dataset.name} --rule near_duplicate")
    count = limit or None if limit is not None else None if json_ else LIMIT
    if json_:
        console.as_json([{"cluster": name, "rule": one.rule, "rows": one.rows, "weakest": one.weakest,
                          "kept": one.kept or None, "answer": one.answer} for name, one in found[:count]])
        return
    columns = ("cluster", "rows", "weakest", "kept", "answer")
    for line in console.table([(name, one.rows, one.weakest, one.kept[:8], one.answer) for name, one in found[:count]],
                              columns, right=("rows", "weakest"), wide="answer"):
        console.out(line)
    console.say()
    total = sum(one.rows for _, one in found)
    hidden = "" if count is None or len(found) <= count else f", the largest {count:,}; --limit 0 shows all"
    console.fact("rows", f"{total:,} in {console.plural(len(found), 'cluster')}{hidden}")
    console.next_command(f"synth inspect {dataset.name} --cluster {found[0][0]}", "its rows, and how alike they are")


def _clusters(dataset: Dataset) -> dict[str, Found]:
    """Id -> cluster; memory holds one short text for each."""
    found: dict[str, Found] = {}
    for row in rows_.read(dataset):
        for finding in row.found:
            if not finding.cluster:
                continue
            one = found.setdefault(finding.cluster, Found(finding.rule))
            one.rows += 1
            if rows_.is_number(finding.value):
                one.weakest = min(finding.value, math.inf if one.weakest is None else one.weakest)
            if row.state == "kept" and (not one.kept or finding.value is None):
                one.kept = row.sample.id
                one.answer = console.one_line(says(row.sample.last("assistant") or {}), BEGINS)
    return found


def linked(rows: Iterable[Row], wanted: tuple[str, ...], limit: int | None) -> list[Row]:
    """Rows of clusters by what they share: the one that stands for the others first, then the most alike.

    Args:
        rows: rows of these clusters.
        wanted: beginnings of ids of clusters.
        limit: how many at most; None for all.
    """

    def key(row: Row) -> tuple[str, float]:
        finding = _finding(row, wanted)
        return finding.cluster, -finding.value if rows_.is_number(finding.value) else -math.inf

    return sorted(rows, key=key) if limit is None else heapq.nsmallest(limit, rows, key=key)


def measured(rows: Iterable[Row], wanted: tuple[str, ...]) -> list[str]:
    """The columns of what made rows alike: `measure.near_duplicate`."""
    return list(dict.fromkeys(f"measure.{rows_.spelled(_finding(row, wanted).rule)}" for row in rows))


def tell_measure(rows: Iterable[Row], wanted: tuple[str, ...]) -> None:
    """Says below a table what the numbers in `measured` compare: not two rows beside each other."""
    found = [(row, _finding(row, wanted)) for row in rows]
    rules = dict.fromkeys(finding.rule for _, finding in found if rows_.is_number(finding.value))
    clusters = {finding.cluster for _, finding in found}
    for rule in rules:
        kept = [row.sample.id[:8] for row, finding in found if finding.rule == rule and finding.value is None]
        row = kept[0] if len(clusters) == 1 and kept else "the row of its cluster that is kept"
        console.say(f"{rows_.spelled(rule)}: how alike to {row}, by the weakest link on the way there", "dim")


def _finding(row: Row, wanted: tuple[str, ...]) -> Finding:
    return next(found for found in row.found if found.cluster and found.cluster.startswith(wanted))


def alone(given: dict[str, Any], name: str) -> None:
    """Refuses what makes no sense beside `--cluster all`.

    Raises:
        RecipeError: a filter or an order of rows was given.
    """
    if others := [f"--{option}" for option, value in given.items() if value]:
        raise RecipeError(f"--cluster {ALL} lists clusters, and {others[0]} is about rows",
                          f"synth inspect {name} --cluster {ALL}")


def unknown(wanted: tuple[str, ...], name: str) -> RecipeError:
    """That no row is in such a cluster."""
    return RecipeError(f"no cluster's id begins with '{wanted[0]}'",
                       f"synth inspect {name} --cluster {ALL}   lists them")
